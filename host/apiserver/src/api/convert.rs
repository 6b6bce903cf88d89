//! Versions of one object: the stored form and what a client of another version sees.
//!
//! Custom resources have conversion `None`: `apiVersion` differs, and what the schema of a
//! version does not know is dropped on the way to it. Events are one kind under two groups with
//! renamed fields; they are stored as core `v1`.

use std::borrow::Cow;

use serde_json::Value;

use crate::builtin::EVENT_FIELDS;
use crate::json;
use crate::kinds::{Origin, Resource, StoredAs, split_api_version};
use crate::schema;
use crate::store::Object;

fn is_new_event(resource: &Resource) -> bool {
    resource.group == "events.k8s.io"
}

fn api_version_of(object: &Value) -> &str {
    object.get("apiVersion").and_then(Value::as_str).unwrap_or_default()
}

fn set_api_version(object: &mut Value, api_version: String) {
    json::as_map(object).insert("apiVersion".to_owned(), api_version.into());
}

/// A stored object as the resource's version shows it; borrowed when it is the same.
///
/// A custom resource was stored by the definition of its day: what the definition of today does
/// not know is dropped, and its defaults are filled in.
pub(crate) fn from_stored<'a>(resource: &Resource, stored: &'a Object) -> Cow<'a, Value> {
    let api_version = resource.api_version();
    let is_same = api_version_of(&stored.value) == api_version;
    match &resource.origin {
        Origin::BuiltIn if is_same => Cow::Borrowed(&stored.value),
        Origin::BuiltIn => {
            let mut object = stored.value.clone();
            if is_new_event(resource) {
                rename(&mut object, EVENT_FIELDS);
            }
            set_api_version(&mut object, api_version);
            Cow::Owned(object)
        }
        Origin::Custom { stored: kept, edition, .. } => {
            if is_same && stored.fits(*edition, |value| todays(kept, value.clone()) == *value) {
                return Cow::Borrowed(&stored.value);
            }
            let mut object = todays(kept, stored.value.clone());
            if !is_same {
                set_api_version(&mut object, api_version);
                resource.prune(&mut object);
            }
            Cow::Owned(object)
        }
    }
}

/// A stored object as its own version is defined today. Defaults of the version that is read do
/// not count: the real server fills them in before it converts.
fn todays(kept: &StoredAs, mut object: Value) -> Value {
    let version = split_api_version(api_version_of(&object)).1;
    if let Some(of_version) = kept.schemas.get(version) {
        schema::prune(of_version, &mut object);
        schema::default(of_version, &mut object);
    }
    object
}

/// An object of the resource's version as it is stored.
pub(crate) fn to_stored(resource: &Resource, mut object: Value) -> Value {
    match &resource.origin {
        Origin::Custom { stored, .. } if stored.version != resource.version => {
            set_api_version(&mut object, crate::kinds::api_version(&resource.group, &stored.version));
            if let Some(of_version) = stored.schemas.get(&stored.version) {
                schema::prune(of_version, &mut object);
            }
        }
        Origin::BuiltIn if is_new_event(resource) => {
            rename(&mut object, EVENT_FIELDS.map(|(core, new)| (new, core)));
            set_api_version(&mut object, "v1".to_owned());
        }
        _ => {}
    }
    object
}

fn rename(object: &mut Value, fields: [(&str, &str); 7]) {
    let map = json::as_map(object);
    for (from, to) in fields {
        if let Some(value) = map.remove(from) {
            map.insert(to.to_owned(), value);
        }
    }
}

//! Versions of one object: the stored form and what a client of another version sees.
//!
//! Custom resources have conversion `None`: only `apiVersion` differs. Events are one kind
//! under two groups with renamed fields; they are stored as core `v1`.

use std::borrow::Cow;

use serde_json::Value;

use crate::json;
use crate::kinds::Resource;

/// Fields of a core event and what `events.k8s.io/v1` calls them.
const EVENT_FIELDS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

fn is_new_event(resource: &Resource) -> bool {
    resource.group == "events.k8s.io"
}

/// A stored object as the resource's version shows it; borrowed when it is the same.
pub(crate) fn from_stored<'a>(resource: &Resource, stored: &'a Value) -> Cow<'a, Value> {
    let api_version = resource.api_version();
    if stored.get("apiVersion").and_then(Value::as_str) == Some(&api_version) {
        return Cow::Borrowed(stored);
    }
    let mut object = stored.clone();
    if is_new_event(resource) {
        rename(&mut object, EVENT_FIELDS);
    }
    json::as_map(&mut object).insert("apiVersion".to_owned(), api_version.into());
    Cow::Owned(object)
}

/// An object of the resource's version as it is stored.
pub(crate) fn to_stored(resource: &Resource, mut object: Value) -> Value {
    if is_new_event(resource) {
        rename(&mut object, EVENT_FIELDS.map(|(core, new)| (new, core)));
        json::as_map(&mut object).insert("apiVersion".to_owned(), "v1".into());
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

//! What the server owns in `metadata`, on create and on update
//! (`k8s.io/apiserver/pkg/registry/rest/{create,update}.go`).

use serde_json::Value;

use super::{At, Part};
use crate::clock;
use crate::error::ApiError;
use crate::json;
use crate::kinds::{Generation, Resource};
use crate::schema::Cause;

/// Characters of generated suffixes: none that could spell something.
const SUFFIX_CHARACTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
const SUFFIX_LENGTH: usize = 5;
/// Longest generated name.
const MAX_NAME: usize = 63;

/// A name from `generateName`: the prefix, cut so that five random characters fit.
pub(super) fn generated_name(prefix: &str) -> String {
    let room = MAX_NAME - SUFFIX_LENGTH;
    let prefix: String = prefix.chars().take(room).collect();
    let random = uuid::Uuid::new_v4();
    let suffix = random
        .as_bytes()
        .iter()
        .take(SUFFIX_LENGTH)
        .filter_map(|byte| SUFFIX_CHARACTERS.get(usize::from(*byte) % SUFFIX_CHARACTERS.len()));
    prefix.chars().chain(suffix.map(|b| char::from(*b))).collect()
}

/// Takes the namespace of the request, refusing an object that names another.
pub(super) fn place(resource: &Resource, object: &mut Value, namespace: &str) -> Result<(), ApiError> {
    let named = json::namespace(object);
    if !resource.namespaced {
        json::set_meta(object, "namespace", None);
        return Ok(());
    }
    if !named.is_empty() && named != namespace {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(ApiError::bad_request(why));
    }
    json::set_meta(object, "namespace", Some(namespace.into()));
    Ok(())
}

/// Checks that the object is the one that the URL names: a body must name it, too (`checkName`
/// in `k8s.io/apiserver/pkg/endpoints/handlers/rest.go`).
pub(super) fn check_name(at: &At, object: &mut Value) -> Result<(), ApiError> {
    place(&at.resource, object, &at.namespace)?;
    let (named, expected) = (json::name(object), at.name.as_str());
    match named {
        "" => Err(ApiError::bad_request(format!(
            "the name of the object ({expected} based on URL) was undeterminable: name must be provided"
        ))),
        _ if named == expected => Ok(()),
        _ => Err(ApiError::bad_request(format!(
            "the name of the object ({named}) does not match the name on the URL ({expected})"
        ))),
    }
}

/// Fills in what a new object gets from the server.
pub(super) fn begin(resource: &Resource, object: &mut Value) {
    let metadata = json::meta_mut(object);
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"] {
        metadata.remove(field);
    }
    metadata.insert("uid".to_owned(), uuid::Uuid::new_v4().to_string().into());
    let now = clock::seconds(clock::now());
    metadata.insert("creationTimestamp".to_owned(), now.into());
    if resource.traits.generation != Generation::Absent {
        metadata.insert("generation".to_owned(), 1.into());
    }
}

/// Carries over what an update may not change; answers attempts to change it.
pub(super) fn carry_over(live: &Value, object: &mut Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for field in ["uid", "creationTimestamp"] {
        let old = json::meta(live, field).unwrap_or_default().to_owned();
        let new = json::meta(object, field).unwrap_or(&old);
        if new != old && !new.is_empty() {
            let path = format!("metadata.{field}");
            causes.push(Cause::invalid(&path, &Value::from(new), "field is immutable"));
        }
        json::set_meta(object, field, Some(old.into()));
    }
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion"] {
        let old = live.pointer(&format!("/metadata/{field}")).cloned();
        json::set_meta(object, field, old);
    }
    json::set_meta(object, "selfLink", None);
    causes
}

/// Sets the generation, which is the server's: what it was, or one more when what counts for
/// this kind has changed. Writes of a subresource do not raise it.
pub(super) fn count_generation(at: &At, live: &Value, object: &mut Value) {
    let generation = json::generation(live) + i64::from(raises(at, live, object));
    let generation = Some(generation).filter(|g| *g != 0);
    json::set_meta(object, "generation", generation.map(Value::from));
}

fn raises(at: &At, live: &Value, object: &Value) -> bool {
    if at.part != Part::Main {
        return false;
    }
    match at.resource.traits.generation {
        Generation::Absent | Generation::Constant => false,
        Generation::Content => spec_differs(&at.resource, live, object),
        Generation::ContentAnd(field) => {
            let path = format!("/metadata/{field}");
            live.pointer(&path) != object.pointer(&path) || spec_differs(&at.resource, live, object)
        }
    }
}

fn spec_differs(resource: &Resource, live: &Value, object: &Value) -> bool {
    let (Value::Object(old), Value::Object(new)) = (live, object) else { return false };
    let counted = |key: &String| match key.as_str() {
        "metadata" | "apiVersion" | "kind" => false,
        "status" => !resource.splits_status(),
        _ => true,
    };
    let keys = old.keys().chain(new.keys()).filter(|k| counted(k));
    keys.into_iter().any(|key| old.get(key) != new.get(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_generated_name_fits_and_differs() {
        let long = "x".repeat(80);
        let name = generated_name(&long);
        assert_eq!(name.len(), 63);
        assert_ne!(generated_name("a-"), generated_name("a-"));
        assert_eq!(generated_name("a-").len(), 7);
    }

    #[test]
    fn a_uid_cannot_be_changed() {
        let live = json!({"metadata": {"uid": "u", "creationTimestamp": "t"}});
        let mut same = json!({"metadata": {}});
        assert!(carry_over(&live, &mut same).is_empty());
        assert_eq!(json::uid(&same), "u");
        let mut other = json!({"metadata": {"uid": "v"}});
        assert_eq!(carry_over(&live, &mut other).len(), 1);
    }
}

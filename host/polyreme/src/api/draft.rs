//! What a guest hands over to be written: checked once, here, and typed from then on.
//!
//! Guests are untrusted. Names end up in URLs, so they are held to the characters that names of
//! Kubernetes objects have; everything else about an object is for the API server to judge.

use polyreme_runtime::wit::kubernetes::PatchType;
use polyreme_runtime::wit::types::{Error, ObjectRef};
use serde::Deserialize;
use serde_json::Value;

use super::bad_request;
use crate::object::{Kind, ObjectKey};
use crate::permissions::Part;

/// Longest name of any kind (a DNS subdomain).
const MAX_NAME_BYTES: usize = 253;

/// The parts of an object to be written that the host looks at.
#[derive(Debug)]
pub(super) struct Draft {
    pub kind: Kind,
    pub key: ObjectKey,
    /// Uids of the owners that are marked as controller.
    pub controllers: Vec<String>,
    /// Nothing but `metadata.finalizers` is said.
    pub finalizers_only: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    owner_references: Option<Vec<Owner>>,
}

#[derive(Deserialize)]
struct Owner {
    #[serde(default)]
    uid: String,
    controller: Option<bool>,
}

impl Draft {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let wire: Wire = serde_json::from_str(text).map_err(|error| {
            bad_request(format!("the object that the module wrote is not valid: {error}"))
        })?;
        if wire.api_version.is_empty() || wire.kind.is_empty() {
            return Err(bad_request(
                "the object that the module wrote has no apiVersion or no kind".to_owned(),
            ));
        }
        let name = wire.metadata.name.unwrap_or_default();
        let key = checked_key(&wire.kind, wire.metadata.namespace.as_deref(), &name)?;
        let owners = wire.metadata.owner_references.unwrap_or_default();
        Ok(Self {
            kind: checked_kind(&wire.api_version, &wire.kind)?,
            key,
            controllers: owners.into_iter().filter(|o| o.controller == Some(true)).map(|o| o.uid).collect(),
            finalizers_only: says_only_finalizers(text),
        })
    }
}

/// Types a reference that a guest sent.
pub(super) fn reference(object: &ObjectRef) -> Result<(Kind, ObjectKey), Error> {
    let key = checked_key(&object.kind, object.namespace.as_deref(), &object.name)?;
    Ok((checked_kind(&object.api_version, &object.kind)?, key))
}

/// The namespace of a list; an empty one is none.
pub(super) fn checked_namespace(kind: &Kind, namespace: Option<String>) -> Result<Option<String>, Error> {
    let namespace = namespace.filter(|namespace| !namespace.is_empty());
    namespace.map(|namespace| checked_part(&kind.kind, &namespace).map(|()| namespace)).transpose()
}

/// Types a kind that a guest sent.
pub(crate) fn checked_kind(api_version: &str, kind: &str) -> Result<Kind, Error> {
    let groups = api_version.split('/').count();
    let leads_elsewhere = |segment: &str| segment.is_empty() || segment.bytes().all(|c| c == b'.');
    let characters = |text: &str| text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-./".contains(&c));
    if kind.is_empty()
        || api_version.is_empty()
        || groups > 2
        || api_version.split('/').any(leads_elsewhere)
        || !characters(api_version)
        || !characters(kind)
    {
        return Err(bad_request(format!("apiVersion {api_version:?}, kind {kind:?} is not a kind")));
    }
    Ok(Kind::new(api_version, kind))
}

/// The part of an object that a write touches, by its subresource option and its content.
pub(super) fn part(subresource: Option<&str>, finalizers_only: bool) -> Result<Part<'_>, Error> {
    match subresource {
        None if finalizers_only => Ok(Part::Finalizers),
        None => Ok(Part::Body),
        Some(name) if !name.is_empty() && name.bytes().all(|c| c.is_ascii_lowercase()) => {
            Ok(Part::Subresource(name))
        }
        Some(name) => Err(bad_request(format!("{name:?} is not a subresource"))),
    }
}

/// Whether a patch can change nothing but `metadata.finalizers`.
pub(super) fn patches_only_finalizers(patch_type: PatchType, patch: &str) -> Result<bool, Error> {
    let value: Value = serde_json::from_str(patch)
        .map_err(|error| bad_request(format!("the patch that the module wrote is not JSON: {error}")))?;
    Ok(match (patch_type, &value) {
        (PatchType::JsonPatch, Value::Array(operations)) => operations.iter().all(touches_finalizers),
        (PatchType::JsonPatch, _) => {
            return Err(bad_request("a JSON patch must be a list of operations".to_owned()));
        }
        (_, Value::Object(_)) => says_only_finalizers(patch),
        _ => return Err(bad_request("a merge patch must be a JSON object".to_owned())),
    })
}

/// A `move` takes away what is at its `from`, so none but those that name one path can.
fn touches_finalizers(operation: &Value) -> bool {
    let text = |key: &str| operation.get(key).and_then(Value::as_str).unwrap_or_default();
    let path = text("path");
    let there = path == "/metadata/finalizers" || path.starts_with("/metadata/finalizers/");
    text("op") == "test" || (there && matches!(text("op"), "add" | "replace" | "remove"))
}

fn says_only_finalizers(text: &str) -> bool {
    let Ok(Value::Object(object)) = serde_json::from_str::<Value>(text) else { return false };
    let identity = ["name", "namespace", "uid", "resourceVersion"];
    object.iter().all(|(key, value)| match (key.as_str(), value) {
        ("apiVersion" | "kind", _) => true,
        ("metadata", Value::Object(metadata)) => {
            metadata.contains_key("finalizers")
                && metadata.keys().all(|key| key == "finalizers" || identity.contains(&key.as_str()))
        }
        _ => false,
    })
}

fn checked_key(kind: &str, namespace: Option<&str>, name: &str) -> Result<ObjectKey, Error> {
    let namespace = namespace.filter(|namespace| !namespace.is_empty());
    if name.is_empty() {
        return Err(bad_request(format!(
            "{kind} has no metadata.name: names must be set by the module, a generated one could not be retried safely"
        )));
    }
    namespace.into_iter().chain([name]).try_for_each(|part| checked_part(kind, part))?;
    Ok(ObjectKey::new(namespace, name))
}

/// A part of a path that leads nowhere else.
fn checked_part(kind: &str, part: &str) -> Result<(), Error> {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || b"-._:".contains(&c);
    if part.len() > MAX_NAME_BYTES || part == "." || part == ".." || !part.bytes().all(allowed) {
        return Err(bad_request(format!("{kind} {part:?}: that is no name or namespace of an object")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use polyreme_runtime::wit::types::Reason;

    #[test]
    fn what_the_host_needs_is_taken_from_the_object() {
        let draft = Draft::parse(
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"ns","resourceVersion":"",
                "ownerReferences":[{"uid":"1"},{"uid":"2","controller":true}]},"data":{}}"#,
        )
        .unwrap();
        assert_eq!((draft.kind, draft.key), (Kind::new("v1", "ConfigMap"), ObjectKey::new(Some("ns"), "a")));
        assert_eq!((draft.controllers, draft.finalizers_only), (vec!["2".into()], false));
    }

    #[test]
    fn malformed_objects_are_bad_requests() {
        let object =
            |metadata: &str| format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{metadata}}}"#);
        let names = [
            "{}",
            r#"{"name":""}"#,
            r#"{"name":"a/b"}"#,
            r#"{"name":".."}"#,
            r#"{"name":"a?x"}"#,
            r#"{"name":3}"#,
        ];
        let texts = names.map(object).into_iter().chain(
            [
                "",
                "{",
                "[]",
                r#"{"kind":"X","metadata":{"name":"a"}}"#,
                r#"{"apiVersion":"a/b/c","kind":"X","metadata":{"name":"a"}}"#,
            ]
            .map(String::from),
        );
        for text in texts {
            assert_eq!(Draft::parse(&text).unwrap_err().reason, Reason::BadRequest, "{text}");
        }
    }

    #[test]
    fn a_patch_of_finalizers_is_told_from_any_other() {
        let only = |patch_type, patch: &str| patches_only_finalizers(patch_type, patch).unwrap();
        assert!(only(PatchType::Merge, r#"{"metadata":{"finalizers":["a"],"resourceVersion":"3"}}"#));
        assert!(!only(PatchType::Merge, r#"{"metadata":{"finalizers":["a"],"labels":{}}}"#));
        assert!(!only(PatchType::Merge, r#"{"metadata":{"finalizers":["a"]},"spec":{}}"#));
        assert!(!only(PatchType::Merge, r#"{"metadata":{}}"#));
        assert!(only(
            PatchType::JsonPatch,
            r#"[{"op":"test","path":"/metadata/uid","value":"x"},{"op":"add","path":"/metadata/finalizers/-","value":"a"}]"#
        ));
        assert!(!only(PatchType::JsonPatch, r#"[{"op":"add","path":"/metadata/finalizersx","value":"a"}]"#));
        let moved = r#"[{"op":"move","from":"/spec","path":"/metadata/finalizers"},{"op":"replace","path":"/metadata/finalizers","value":[]}]"#;
        assert!(!only(PatchType::JsonPatch, moved));
        assert!(patches_only_finalizers(PatchType::JsonPatch, "{}").is_err());
        assert!(patches_only_finalizers(PatchType::Merge, "[]").is_err());
        assert!(patches_only_finalizers(PatchType::Merge, "nonsense").is_err());
    }

    #[test]
    fn what_becomes_part_of_a_path_leads_nowhere_else() {
        let kind = Kind::new("v1", "ConfigMap");
        let checked = |namespace: &str| checked_namespace(&kind, Some(namespace.to_owned()));
        assert_eq!(checked("ns").unwrap().as_deref(), Some("ns"));
        assert_eq!(checked("").unwrap(), None);
        for namespace in ["kube-system/secrets?x=", "..", "a/b", "a%2fb", "a?b", "a#b"] {
            assert_eq!(checked(namespace).unwrap_err().reason, Reason::BadRequest, "{namespace}");
        }
        for api_version in ["..", "../v1", "apps/..", "/v1", "apps/"] {
            assert!(checked_kind(api_version, "Deployment").is_err(), "{api_version}");
        }
        assert!(checked_kind("webhosting.polyreme.dev/v1alpha1", "Website").is_ok());
    }

    #[test]
    fn subresources_are_words() {
        assert_eq!(part(None, false).unwrap(), Part::Body);
        assert_eq!(part(None, true).unwrap(), Part::Finalizers);
        assert_eq!(part(Some("status"), true).unwrap(), Part::Subresource("status"));
        assert!(part(Some("a/b"), false).is_err() && part(Some(""), false).is_err());
    }
}

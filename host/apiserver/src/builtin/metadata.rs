//! Rules about `metadata` that hold for every kind.
//!
//! Follows `k8s.io/apimachinery/pkg/api/validation/objectmeta.go`. Names are checked apart
//! ([`check_name`]) because each kind has its own syntax.

use serde_json::{Map, Value};

use super::names;
use crate::schema::{Cause, child};

/// All annotations together may not be larger than this, in bytes.
const TOTAL_ANNOTATION_SIZE: usize = 256 * 1024;

/// Adds what is wrong with labels, annotations, owner references and finalizers of the
/// metadata at `path`.
pub fn check_metadata(metadata: &Value, path: &str, causes: &mut Vec<Cause>) {
    if let Some(generation) = metadata.get("generation").filter(|g| g.as_i64() < Some(0)) {
        let detail = "must be greater than or equal to 0";
        causes.push(Cause::invalid(&child(path, "generation"), generation, detail));
    }
    labels(metadata.get("labels"), &child(path, "labels"), causes);
    annotations(metadata.get("annotations"), &child(path, "annotations"), causes);
    owners(metadata.get("ownerReferences"), &child(path, "ownerReferences"), causes);
    finalizers(metadata.get("finalizers"), &child(path, "finalizers"), causes);
}

/// Adds what changed in `metadata` that may not change.
pub fn check_metadata_update(new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    if old.get("deletionTimestamp").is_some_and(|t| !t.is_null()) {
        no_new_finalizers(new, old, causes);
    }
    let generation = |metadata: &Value| metadata.get("generation").and_then(Value::as_i64);
    if let (Some(new), Some(old)) = (generation(new), generation(old))
        && new < old
    {
        let shown = Value::from(new);
        causes.push(Cause::invalid("metadata.generation", &shown, "must not be decremented"));
    }
}

fn no_new_finalizers(new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let before: Vec<&str> = strings(old.get("finalizers")).collect();
    let mut added: Vec<&str> =
        strings(new.get("finalizers")).filter(|finalizer| !before.contains(finalizer)).collect();
    if added.is_empty() {
        return;
    }
    added.sort_unstable();
    let shown: Vec<String> = added.iter().map(|name| format!("{name:?}")).collect();
    let detail = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        shown.join(", ")
    );
    causes.push(Cause::forbidden("metadata.finalizers", &detail));
}

/// Adds what is wrong with the name of an object of this kind.
pub fn check_name(group: &str, kind: &str, name: &str, causes: &mut Vec<Cause>) {
    let problems = match (group, kind) {
        ("" | "events.k8s.io", "Event") => names::dns_subdomain(name),
        ("", "Namespace") | ("", "Service") => names::dns_label(name),
        ("rbac.authorization.k8s.io", _) => names::path_segment(name),
        _ => names::dns_subdomain(name),
    };
    for problem in problems {
        causes.push(Cause::invalid("metadata.name", &Value::from(name), &problem));
    }
}

pub(super) fn labels(labels: Option<&Value>, path: &str, causes: &mut Vec<Cause>) {
    for (key, value) in entries(labels) {
        for problem in names::label_key(key) {
            causes.push(Cause::invalid(path, &Value::from(key.as_str()), &problem));
        }
        for problem in names::label_value(value.as_str().unwrap_or_default()) {
            causes.push(Cause::invalid(path, value, &problem));
        }
    }
}

fn annotations(annotations: Option<&Value>, path: &str, causes: &mut Vec<Cause>) {
    let mut size = 0;
    for (key, value) in entries(annotations) {
        size += key.len() + value.as_str().map_or(0, str::len);
        for problem in names::label_key(&key.to_lowercase()) {
            causes.push(Cause::invalid(path, &Value::from(key.as_str()), &problem));
        }
    }
    if size > TOTAL_ANNOTATION_SIZE {
        causes.push(Cause::too_long(path, TOTAL_ANNOTATION_SIZE as u64));
    }
}

fn owners(owners: Option<&Value>, path: &str, causes: &mut Vec<Cause>) {
    let mut controller: Option<String> = None;
    let all = owners.and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
    for owner in all {
        complete_owner(owner, path, causes);
        if owner.get("controller") != Some(&Value::Bool(true)) {
            continue;
        }
        let name = format!("{}/{}", text(owner, "kind"), text(owner, "name"));
        if let Some(first) = &controller {
            let detail = format!(
                "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {name}"
            );
            causes.push(Cause::invalid(path, &Value::from(all), &detail));
        } else {
            controller = Some(name);
        }
    }
}

fn complete_owner(owner: &Value, path: &str, causes: &mut Vec<Cause>) {
    for (field, detail) in [
        ("apiVersion", "version must not be empty"),
        ("kind", "must not be empty"),
        ("name", "must not be empty"),
        ("uid", "must not be empty"),
    ] {
        if text(owner, field).is_empty() {
            causes.push(Cause::invalid(&child(path, field), &Value::from(""), detail));
        }
    }
    if text(owner, "kind") == "Event" && matches!(text(owner, "apiVersion"), "v1" | "events.k8s.io/v1") {
        let detail = format!("{}, Kind=Event is disallowed from being an owner", text(owner, "apiVersion"));
        causes.push(Cause::invalid(path, owner, &detail));
    }
}

fn finalizers(finalizers: Option<&Value>, path: &str, causes: &mut Vec<Cause>) {
    let all: Vec<&str> = strings(finalizers).collect();
    for name in &all {
        for problem in names::label_key(name) {
            causes.push(Cause::invalid(path, &Value::from(*name), &problem));
        }
    }
    if all.contains(&"orphan") && all.contains(&"foregroundDeletion") {
        let detail = "finalizer orphan and foregroundDeletion cannot be both set";
        causes.push(Cause::invalid(path, finalizers.unwrap_or(&Value::Null), detail));
    }
}

/// Finalizers of the server itself, which have no domain.
const STANDARD_FINALIZERS: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];

fn is_qualified(finalizer: &str) -> bool {
    finalizer.contains('/') || STANDARD_FINALIZERS.contains(&finalizer)
}

/// Adds the finalizers of a built-in kind that have no domain. Custom resources may have such
/// ([`finalizer_warnings`]), and a few kinds that are not looked at.
pub fn check_finalizer_domains(group: &str, kind: &str, metadata: &Value, causes: &mut Vec<Cause>) {
    let is_free = matches!(
        (group, kind),
        ("apiextensions.k8s.io" | "admissionregistration.k8s.io" | "coordination.k8s.io", _) | (_, "Event")
    );
    for (at, name) in strings(metadata.get("finalizers")).enumerate() {
        if !is_free && !is_qualified(name) {
            let path = format!("metadata.finalizers[{at}]");
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            causes.push(Cause::invalid(&path, &Value::from(name), detail));
        }
    }
}

/// What is said of finalizers without a domain that a write of a custom resource adds.
#[must_use]
pub fn finalizer_warnings(metadata: &Value, old: Option<&Value>) -> Vec<String> {
    let before: Vec<&str> = old.into_iter().flat_map(|old| strings(old.get("finalizers"))).collect();
    let mut added: Vec<&str> = strings(metadata.get("finalizers"))
        .filter(|name| !before.contains(name) && !is_qualified(name))
        .collect();
    added.sort_unstable();
    let warning = |name: &&str| {
        let path = if name.contains('.') { " including a path (/)" } else { "" };
        format!(
            "metadata.finalizers: {name:?}: prefer a domain-qualified finalizer name{path} to avoid \
             accidental conflicts with other finalizer writers"
        )
    };
    added.iter().map(warning).collect()
}

fn entries(map: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    map.and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

fn strings(list: Option<&Value>) -> impl Iterator<Item = &str> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str)
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(metadata: Value) -> Vec<String> {
        let mut causes = Vec::new();
        check_metadata(&metadata, "metadata", &mut causes);
        causes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ordinary_metadata_passes() {
        assert!(
            found(json!({
                "labels": {"app": "web", "example.com/tier": ""},
                "annotations": {"Example.com/Note": "any text at all"},
                "finalizers": ["example.com/cleanup"],
                "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "u"}],
            }))
            .is_empty()
        );
    }

    #[test]
    fn each_violation_names_its_field() {
        let cases = [
            (json!({"labels": {"a b": "x"}}), "metadata.labels: Invalid value: \"a b\": name part"),
            (json!({"labels": {"a": "x y"}}), "metadata.labels: Invalid value: \"x y\": a valid label"),
            (json!({"annotations": {"/a": ""}}), "metadata.annotations: Invalid value: \"/a\": prefix part"),
            (json!({"finalizers": ["a b"]}), "metadata.finalizers: Invalid value: \"a b\""),
            (
                json!({"ownerReferences": [{"apiVersion": "v1", "kind": "A", "name": "a"}]}),
                "metadata.ownerReferences.uid: Invalid value: \"\": must not be empty",
            ),
            (json!({"generation": -1}), "metadata.generation: Invalid value: -1"),
        ];
        for (metadata, expected) in cases {
            let found = found(metadata);
            assert!(found.iter().any(|f| f.starts_with(expected)), "{found:?}");
        }
    }

    #[test]
    fn two_controllers_are_refused() {
        let owner = |name: &str| json!({"apiVersion": "v1", "kind": "A", "name": name, "uid": name, "controller": true});
        let found = found(json!({"ownerReferences": [owner("x"), owner("y")]}));
        assert!(found[0].contains("Only one reference can have Controller set to true"));
    }

    #[test]
    fn a_finalizer_has_a_domain_or_is_the_servers_own() {
        let metadata = json!({"finalizers": ["kubernetes", "example.com/a", "b", "c.d"]});
        let mut causes = Vec::new();
        check_finalizer_domains("apps", "Deployment", &metadata, &mut causes);
        let fields: Vec<&str> = causes.iter().map(|cause| cause.field.as_str()).collect();
        assert_eq!(fields, ["metadata.finalizers[2]", "metadata.finalizers[3]"]);
        let warnings = finalizer_warnings(&metadata, Some(&json!({"finalizers": ["b"]})));
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("\"c.d\": prefer a domain-qualified finalizer name including a path"));
    }

    #[test]
    fn a_dying_object_takes_no_new_finalizer() {
        let old = json!({"deletionTimestamp": "2024-01-01T00:00:00Z", "finalizers": ["a"]});
        let mut causes = Vec::new();
        check_metadata_update(&json!({"finalizers": ["a", "b"]}), &old, &mut causes);
        assert!(causes[0].message.contains("[]string{\"b\"}"));
    }
}

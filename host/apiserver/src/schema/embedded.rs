//! Objects inside objects (`x-kubernetes-embedded-resource`): they need an `apiVersion`, a
//! `kind` and metadata that would be valid outside, too.

use serde_json::{Map, Value};

use super::{Additional, Cause, Schema, cause};

/// Adds what is wrong with embedded resources anywhere below `value`. The root object is
/// checked elsewhere.
pub(super) fn check(schema: &Schema, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    match value {
        Value::Object(map) => {
            if schema.embedded && !path.is_empty() {
                resource(map, path, causes);
            }
            for (name, member) in map {
                if let Some(inner) = schema.properties.get(name) {
                    check(inner, member, &cause::child(path, name), causes);
                } else if let Additional::Of(inner) = &schema.additional {
                    check(inner, member, &cause::key(path, name), causes);
                }
            }
        }
        Value::Array(entries) => {
            let Some(items) = &schema.items else { return };
            for (at, entry) in entries.iter().enumerate() {
                check(items, entry, &cause::index(path, at), causes);
            }
        }
        _ => {}
    }
}

fn resource(map: &Map<String, Value>, path: &str, causes: &mut Vec<Cause>) {
    for name in ["apiVersion", "kind"] {
        let place = cause::child(path, name);
        match map.get(name) {
            None => causes.push(Cause::required(&place, "")),
            Some(Value::String(text)) if text.is_empty() => {
                causes.push(Cause::invalid(&place, &Value::from(""), "must not be empty"));
            }
            Some(Value::String(_)) => {}
            Some(other) => causes.push(Cause::invalid(&place, other, "must be a string")),
        }
    }
    if let Some(metadata) = map.get("metadata") {
        let place = cause::child(path, "metadata");
        crate::builtin::check_metadata(metadata, &place, causes);
    }
}

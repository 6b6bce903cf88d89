//! Dropping what the schema does not know, and saying what was dropped.
//!
//! Follows `apiextensions-apiserver/pkg/apiserver/schema/pruning`: fields under
//! `x-kubernetes-preserve-unknown-fields` stay, but members that are declared there again are
//! pruned by their own schema. The paths serve `fieldValidation=Warn|Strict`. On the way,
//! whole numbers written with a fraction (`2.0`) become integers, as they do in Go.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Schema, cause, is_type_meta};

/// Removes unknown fields from `value` and returns their paths, sorted.
///
/// # Example
/// ```
/// use polyreme_apiserver::schema::{Schema, prune};
/// use serde_json::json;
/// let schema = Schema::from_crd(&json!({
///     "type": "object",
///     "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string"}}}},
/// })).expect("the schema is structural");
/// let mut object = json!({"spec": {"a": "x", "b": 1}});
/// assert_eq!(prune(&schema, &mut object), ["spec.b"]);
/// assert_eq!(object, json!({"spec": {"a": "x"}}));
/// ```
pub fn prune(schema: &Schema, value: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    walk(schema, value, "", &mut unknown);
    make_whole(value);
    unknown.sort();
    unknown
}

fn walk(schema: &Schema, value: &mut Value, path: &str, unknown: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            drop_unknown(schema, map, path, unknown);
            for (name, member) in map.iter_mut() {
                descend(schema, name, member, path, unknown);
            }
        }
        Value::Array(entries) => {
            let items = schema.items.clone().unwrap_or_else(|| open(schema));
            for (at, entry) in entries.iter_mut().enumerate() {
                walk(&items, entry, &cause::index(path, at), unknown);
            }
        }
        _ => {}
    }
}

/// Beyond this, not every whole number is a float.
const EXACT: f64 = 9_007_199_254_740_992.0;

fn make_whole(value: &mut Value) {
    match value {
        Value::Object(map) => map.values_mut().for_each(make_whole),
        Value::Array(entries) => entries.iter_mut().for_each(make_whole),
        Value::Number(number) if number.is_f64() => {
            let whole = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < EXACT);
            if let Some(whole) = whole {
                *value = Value::from(whole as i64);
            }
        }
        _ => {}
    }
}

fn drop_unknown(schema: &Schema, map: &mut Map<String, Value>, path: &str, unknown: &mut Vec<String>) {
    if schema.int_or_string && schema.kind.is_none() && schema.properties.is_empty() {
        return;
    }
    map.retain(|name, _| {
        let kept = schema.knows(name) || (path.is_empty() && is_type_meta(name));
        if !kept {
            unknown.push(cause::child(path, name));
        }
        kept
    });
}

fn descend(schema: &Schema, name: &str, member: &mut Value, path: &str, unknown: &mut Vec<String>) {
    let path = cause::child(path, name);
    if schema.embedded && name == "metadata" && !schema.properties.contains_key(name) {
        return walk(&crate::builtin::object_meta(), member, &path, unknown);
    }
    if let Some(inner) = schema.member(name) {
        walk(inner, member, &path, unknown);
    }
}

/// The schema of entries of a list that declares none.
fn open(schema: &Schema) -> Arc<Schema> {
    Arc::new(Schema { preserve_unknown: schema.preserve_unknown, ..Schema::default() })
}

//! Small readers and writers for objects kept as JSON values.
//!
//! Objects come from outside, so every reader copes with absent and misshapen fields by
//! answering `None` or empty; what must be an error is an error in `api::decode` first.

use serde_json::{Map, Value};

/// A string field of `metadata`.
pub(crate) fn meta<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    object.get("metadata")?.get(field)?.as_str()
}

/// `metadata.name`, empty when absent.
pub(crate) fn name(object: &Value) -> &str {
    meta(object, "name").unwrap_or_default()
}

/// `metadata.namespace`, empty when absent.
pub(crate) fn namespace(object: &Value) -> &str {
    meta(object, "namespace").unwrap_or_default()
}

/// `metadata.uid`, empty when absent.
pub(crate) fn uid(object: &Value) -> &str {
    meta(object, "uid").unwrap_or_default()
}

/// Whether `metadata.deletionTimestamp` is set.
pub(crate) fn is_deleting(object: &Value) -> bool {
    meta(object, "deletionTimestamp").is_some()
}

/// `metadata.generation`, 0 when absent.
pub(crate) fn generation(object: &Value) -> i64 {
    let generation = object.pointer("/metadata/generation");
    generation.and_then(Value::as_i64).unwrap_or_default()
}

/// `metadata.deletionGracePeriodSeconds`, 0 when absent.
pub(crate) fn grace(object: &Value) -> i64 {
    let grace = object.pointer("/metadata/deletionGracePeriodSeconds");
    grace.and_then(Value::as_i64).unwrap_or_default()
}

/// The strings of `metadata.finalizers`.
pub(crate) fn finalizers(object: &Value) -> Vec<&str> {
    strings(object.pointer("/metadata/finalizers"))
}

/// The strings of a JSON array, nothing for anything else.
pub(crate) fn strings(list: Option<&Value>) -> Vec<&str> {
    list.and_then(Value::as_array)
        .map(|items| items.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default()
}

/// The items of a JSON array, nothing for anything else.
pub(crate) fn items(list: Option<&Value>) -> &[Value] {
    list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The object as a map, made one (empty) if it is anything else.
pub(crate) fn as_map(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        _ => unreachable!("made an object above"),
    }
}

/// A field that is a map, created when absent.
pub(crate) fn map_at<'a>(object: &'a mut Value, field: &str) -> &'a mut Map<String, Value> {
    as_map(as_map(object).entry(field).or_insert_with(|| Value::Object(Map::new())))
}

/// `metadata` for writing.
pub(crate) fn meta_mut(object: &mut Value) -> &mut Map<String, Value> {
    map_at(object, "metadata")
}

/// Sets or, with `None`, removes a field of `metadata`.
pub(crate) fn set_meta(object: &mut Value, field: &str, value: Option<Value>) {
    set(meta_mut(object), field, value);
}

/// Sets or, with `None`, removes a key.
pub(crate) fn set(map: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    match value {
        Some(value) => map.insert(key.to_owned(), value),
        None => map.remove(key),
    };
}

/// Replaces the finalizers, removing the field when none are left.
pub(crate) fn set_finalizers(object: &mut Value, finalizers: &[&str]) {
    let value = (!finalizers.is_empty()).then(|| Value::from(finalizers.to_vec()));
    set_meta(object, "finalizers", value);
}

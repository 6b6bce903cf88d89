//! From the JSON of a schema to [`Schema`].
//!
//! Reads only; what makes a schema unfit is found by `structural`. Two things are reported
//! here because they need the work anyway: patterns and validation rules that do not compile.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::cause::{Cause, child, index, key};
use super::{Additional, Checks, Kind, ListType, Schema, Sizes, cel, numbers};

/// Parses one node and everything below it.
pub(super) fn node(source: &Value, path: &str, causes: &mut Vec<Cause>) -> Schema {
    let Some(map) = source.as_object() else {
        return Schema::anything();
    };
    let int_or_string = flag(map, "x-kubernetes-int-or-string");
    Schema {
        kind: kind(map),
        definition: None,
        description: text(map, "description").map(Into::into),
        nullable: flag(map, "nullable"),
        properties: properties(map, path, causes),
        additional: additional(map, path, causes),
        items: map.get("items").map(|items| Arc::new(node(items, &child(path, "items"), causes))),
        required: texts(map, "required"),
        default: map.get("default").cloned(),
        preserve_unknown: flag(map, "x-kubernetes-preserve-unknown-fields"),
        embedded: flag(map, "x-kubernetes-embedded-resource"),
        int_or_string,
        list: list_type(map),
        atomic: text(map, "x-kubernetes-map-type") == Some("atomic"),
        always: false,
        merge: super::MergeStrategy::default(),
        checks: checks(map, path, causes),
        rules: cel::Rules::parse(source, path, causes).map(Arc::new),
    }
}

fn properties(
    map: &Map<String, Value>,
    path: &str,
    causes: &mut Vec<Cause>,
) -> BTreeMap<String, Arc<Schema>> {
    let under = child(path, "properties");
    members(map, "properties")
        .map(|(name, value)| {
            let schema = node(value, &key(&under, name), causes);
            (name.clone(), Arc::new(schema))
        })
        .collect()
}

fn additional(map: &Map<String, Value>, path: &str, causes: &mut Vec<Cause>) -> Additional {
    match map.get("additionalProperties") {
        None | Some(Value::Null) => Additional::Undefined,
        Some(Value::Bool(true)) => Additional::Any,
        Some(Value::Bool(false)) => Additional::Forbidden,
        Some(schema) => {
            let path = child(path, "additionalProperties");
            Additional::Of(Arc::new(node(schema, &path, causes)))
        }
    }
}

fn checks(map: &Map<String, Value>, path: &str, causes: &mut Vec<Cause>) -> Checks {
    Checks {
        format: text(map, "format").map(str::to_owned),
        allowed: list(map, "enum").cloned().collect(),
        pattern: text(map, "pattern").map(pattern),
        number: numbers::Limits::parse(map),
        size: sizes(map),
        unique_items: flag(map, "uniqueItems"),
        all_of: branches(map, "allOf", path, causes),
        any_of: branches(map, "anyOf", path, causes),
        one_of: branches(map, "oneOf", path, causes),
        not: map.get("not").map(|inner| Box::new(node(inner, &child(path, "not"), causes))),
    }
}

fn branches(map: &Map<String, Value>, name: &str, path: &str, causes: &mut Vec<Cause>) -> Vec<Schema> {
    let under = child(path, name);
    list(map, name).enumerate().map(|(at, branch)| node(branch, &index(&under, at), causes)).collect()
}

fn pattern(source: &str) -> (String, Result<regex::Regex, String>) {
    let compiled = regex::Regex::new(source).map_err(|error| error.to_string());
    (source.to_owned(), compiled)
}

fn sizes(map: &Map<String, Value>) -> Sizes {
    let read = |name: &str| map.get(name).and_then(Value::as_u64);
    Sizes {
        min_length: read("minLength"),
        max_length: read("maxLength"),
        min_items: read("minItems"),
        max_items: read("maxItems"),
        min_properties: read("minProperties"),
        max_properties: read("maxProperties"),
    }
}

fn kind(map: &Map<String, Value>) -> Option<Kind> {
    match text(map, "type")? {
        "object" => Some(Kind::Object),
        "array" => Some(Kind::Array),
        "string" => Some(Kind::String),
        "integer" => Some(Kind::Integer),
        "number" => Some(Kind::Number),
        "boolean" => Some(Kind::Boolean),
        _ => None,
    }
}

fn list_type(map: &Map<String, Value>) -> ListType {
    match text(map, "x-kubernetes-list-type") {
        Some("set") => ListType::Set,
        Some("map") => ListType::Map(texts(map, "x-kubernetes-list-map-keys")),
        _ => ListType::Atomic,
    }
}

pub(super) fn flag(map: &Map<String, Value>, name: &str) -> bool {
    map.get(name).and_then(Value::as_bool).unwrap_or(false)
}

pub(super) fn text<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    map.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

pub(super) fn texts(map: &Map<String, Value>, name: &str) -> Vec<String> {
    list(map, name).filter_map(Value::as_str).map(str::to_owned).collect()
}

pub(super) fn list<'a>(map: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    map.get(name).and_then(Value::as_array).into_iter().flatten()
}

pub(super) fn members<'a>(
    map: &'a Map<String, Value>,
    name: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
    map.get(name).and_then(Value::as_object).into_iter().flatten()
}

//! Whether an applied object can be applied: an apply configuration is read by its schema
//! alone, so a field the schema does not know, a value of another type, or a list entry
//! without identity is an error of its own kind, whatever `fieldValidation` says.

use std::collections::BTreeSet;

use serde_json::Value;

use super::typed::identity;
use super::{ApplyError, Request};
use crate::schema::{Additional, Kind, ListType, Schema};

pub(super) fn check(schema: &Schema, applied: &Value, request: &Request<'_>) -> Result<(), ApplyError> {
    let text = |name: &str| applied.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("apiVersion") != request.api_version {
        return Err(ApplyError::BadRequest(format!(
            "Incorrect version specified in apply patch. Specified patch version: {}, expected: {}",
            text("apiVersion"),
            request.api_version
        )));
    }
    let managed = applied.pointer("/metadata/managedFields");
    if managed.is_some_and(|managed| !managed.is_null()) {
        return Err(ApplyError::BadRequest("metadata.managedFields must be nil".to_owned()));
    }
    let mut problems = Vec::new();
    walk(schema, applied, "", &mut problems);
    if problems.is_empty() {
        return Ok(());
    }
    Err(ApplyError::Typed { object: named(applied), problem: summary(&problems) })
}

/// `namespace/name; apps/v1, Kind=Deployment`.
fn named(object: &Value) -> String {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    format!("{namespace}/{name}; {}, Kind={}", text("/apiVersion"), text("/kind"))
}

fn summary(problems: &[String]) -> String {
    match problems {
        [only] => only.clone(),
        many => format!("errors:\n  {}", many.join("\n  ")),
    }
}

fn walk(schema: &Schema, value: &Value, path: &str, problems: &mut Vec<String>) {
    if let Some(problem) = wrong_type(schema, value) {
        problems.push(format!("{path}: {problem}"));
        return;
    }
    match value {
        Value::Object(map) => {
            for (name, member) in map {
                let path = format!("{path}.{name}");
                match schema.member(name) {
                    Some(inner) => walk(inner, member, &path, problems),
                    None if schema.knows(name) || !is_closed(schema) => {}
                    None => problems.push(format!("{path}: field not declared in schema")),
                }
            }
        }
        Value::Array(entries) => walk_list(schema, entries, path, problems),
        _ => {}
    }
}

/// Whether the schema says which members there are.
fn is_closed(schema: &Schema) -> bool {
    schema.kind == Some(Kind::Object) && !matches!(schema.additional, Additional::Any)
}

fn walk_list(schema: &Schema, entries: &[Value], path: &str, problems: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (at, entry) in entries.iter().enumerate() {
        let element = identity(schema, entry);
        if let Some(problem) = missing_keys(schema, entry) {
            problems.push(format!("{path}: element {at}: {problem}"));
            continue;
        }
        let place = if schema.list == ListType::Atomic {
            format!("{path}[{at}]")
        } else {
            format!("{path}{element}")
        };
        if schema.list != ListType::Atomic && !seen.insert(element.clone()) {
            problems.push(format!("{path}: duplicate entries for key {element}"));
        }
        if let Some(items) = &schema.items {
            walk(items, entry, &place, problems);
        }
    }
}

fn missing_keys(schema: &Schema, entry: &Value) -> Option<String> {
    let (ListType::Map(keys), Some(items)) = (&schema.list, &schema.items) else {
        return None;
    };
    if !entry.is_object() {
        return Some("associative list with keys may not have non-map elements".to_owned());
    }
    if !crate::schema::item_key(items, keys, entry).is_empty() {
        return None;
    }
    let names: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
    Some(format!(
        "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
        names.join(" ")
    ))
}

fn wrong_type(schema: &Schema, value: &Value) -> Option<String> {
    let is_quantity = schema.definition.as_deref().is_some_and(|name| name.ends_with(".resource.Quantity"));
    if value.is_null() || schema.int_or_string || is_quantity {
        return None;
    }
    let (fits, wanted) = match schema.kind? {
        Kind::Object => (value.is_object(), "map"),
        Kind::Array => (value.is_array(), "list"),
        Kind::String => (value.is_string(), "string"),
        Kind::Boolean => (value.is_boolean(), "boolean"),
        Kind::Integer | Kind::Number => (value.is_number(), "numeric (int or float)"),
    };
    (!fits).then(|| format!("expected {wanted}, got {}", got(wanted, value)))
}

/// The value as Go's `%#v`, `%T` or `%v` prints it, whichever the real server uses.
fn got(wanted: &str, value: &Value) -> String {
    match wanted {
        "string" => format!("&value.valueUnstructured{{Value:{value}}}"),
        "numeric (int or float)" => match value {
            Value::String(_) => "string".to_owned(),
            Value::Bool(_) => "bool".to_owned(),
            Value::Array(_) => "[]interface {}".to_owned(),
            _ => "map[string]interface {}".to_owned(),
        },
        _ => format!("&{{{value}}}"),
    }
}

//! What decoding into a Go struct does to an object of a built-in kind.
//!
//! Custom resources are checked against their schema; built-in kinds are decoded into structs
//! first. That refuses other JSON types with a 400 (`json: cannot unmarshal …`), forgets
//! `null`s, and when written back leaves out what is empty and optional. Unknown fields are
//! dropped by `prune` as for every kind.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use super::{Additional, Kind, Schema};

/// Why an object cannot be decoded; the real server answers 400 with this text after
/// `Deployment in version "v1" cannot be handled as a Deployment: `.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DecodeError {
    /// The decoder's words.
    pub message: String,
}

/// Refuses values whose JSON type does not fit the field.
///
/// # Errors
/// The first misfit found, with its path and both types.
pub fn check_types(schema: &Schema, value: &Value) -> Result<(), DecodeError> {
    walk(schema, value, "", "")
}

fn walk(schema: &Schema, value: &Value, owner: &str, path: &str) -> Result<(), DecodeError> {
    match value {
        Value::Null => Ok(()),
        _ if !fits(schema, value) => Err(misfit(schema, value, owner, path)),
        Value::Object(map) => map.iter().try_for_each(|(name, member)| {
            let Some(inner) = schema.member(name) else {
                return Ok(());
            };
            let owner = schema.definition.as_deref().unwrap_or(owner);
            // Go names the map, not its entry.
            let below = if schema.is_map() { path.to_owned() } else { super::child(path, name) };
            walk(inner, member, owner, &below)
        }),
        Value::Array(entries) => {
            let items = schema.items.as_deref();
            entries.iter().try_for_each(|entry| match items {
                Some(items) => walk(items, entry, owner, path),
                None => Ok(()),
            })
        }
        Value::String(text) => check_text(schema, text),
        _ => Ok(()),
    }
}

fn fits(schema: &Schema, value: &Value) -> bool {
    if schema.int_or_string {
        return value.is_string() || value.is_i64() || value.is_u64();
    }
    match schema.kind {
        None => true,
        Some(Kind::Object) => value.is_object(),
        Some(Kind::Array) => value.is_array(),
        Some(Kind::String) => value.is_string() || (is_quantity(schema) && value.is_number()),
        Some(Kind::Boolean) => value.is_boolean(),
        Some(Kind::Number) => value.is_number(),
        Some(Kind::Integer) => is_integer(schema, value),
    }
}

fn is_integer(schema: &Schema, value: &Value) -> bool {
    match value.as_i64() {
        Some(number) if schema.checks.format.as_deref() == Some("int32") => i32::try_from(number).is_ok(),
        Some(_) => true,
        None => false,
    }
}

fn is_definition(schema: &Schema, name: &str) -> bool {
    schema.definition.as_deref().is_some_and(|known| known.ends_with(name))
}

fn is_quantity(schema: &Schema) -> bool {
    is_definition(schema, ".resource.Quantity")
}

fn misfit(schema: &Schema, value: &Value, owner: &str, path: &str) -> DecodeError {
    let found = match value {
        Value::Number(number) if schema.kind == Some(Kind::Integer) => format!("number {number}"),
        Value::Number(_) => "number".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Array(_) => "array".to_owned(),
        _ => "object".to_owned(),
    };
    let owner = owner.rsplit('.').next().unwrap_or(owner);
    let message = format!(
        "json: cannot unmarshal {found} into Go struct field {owner}.{path} of type {}",
        go_type(schema)
    );
    DecodeError { message }
}

/// The Go type as the decoder names it.
fn go_type(schema: &Schema) -> String {
    if let Some(definition) = schema.definition.as_deref() {
        let mut parts = definition.rsplit('.');
        let name = parts.next().unwrap_or(definition);
        return format!("{}.{name}", parts.next().unwrap_or("v1"));
    }
    match (schema.kind, &schema.additional, &schema.items) {
        (Some(Kind::Array), _, Some(items)) => format!("[]{}", go_type(items)),
        (Some(Kind::Object), Additional::Of(values), _) => {
            format!("map[string]{}", go_type(values))
        }
        (Some(Kind::Integer), ..) => schema.checks.format.clone().unwrap_or_else(|| "int64".to_owned()),
        (Some(Kind::Boolean), ..) => "bool".to_owned(),
        (Some(Kind::Number), ..) => "float64".to_owned(),
        _ => "string".to_owned(),
    }
}

static MICRO_TIME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}(Z|[+-]\d{2}:\d{2})$")
        .expect("the pattern is a literal that compiles")
});

static QUANTITY: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$")
        .expect("the pattern is a literal that compiles")
});

/// Texts that Go decodes further: times, quantities, base64.
fn check_text(schema: &Schema, text: &str) -> Result<(), DecodeError> {
    let refuse = |message: String| Err(DecodeError { message });
    let is_time = chrono::DateTime::parse_from_rfc3339(text).is_ok();
    if is_definition(schema, ".v1.MicroTime") && !(is_time && MICRO_TIME.is_match(text)) {
        return refuse(cannot_parse_time(text, "2006-01-02T15:04:05.000000Z07:00"));
    }
    if is_definition(schema, ".v1.Time") && !is_time {
        return refuse(cannot_parse_time(text, "2006-01-02T15:04:05Z07:00"));
    }
    if is_quantity(schema) && !QUANTITY.is_match(text) {
        return refuse(format!("quantities must match the regular expression '{}'", QUANTITY.as_str()));
    }
    let bytes = schema.checks.format.as_deref() == Some("byte");
    if bytes && super::format::accepts("byte", text) == Some(false) {
        return refuse("illegal base64 data at input byte 0".to_owned());
    }
    Ok(())
}

/// Go names the first part of the layout that the text does not have.
fn cannot_parse_time(text: &str, layout: &str) -> String {
    let whole_seconds = 19;
    let (rest, missing) = match (text.get(whole_seconds..), layout.get(whole_seconds..26)) {
        (Some(rest), Some(fraction)) if layout.contains(".000000") => (rest, fraction),
        _ => (text, "2006"),
    };
    format!("parsing time {text:?} as {layout:?}: cannot parse {rest:?} as {missing:?}")
}

/// Leaves out what a Go struct would not write: `null`s, and empty lists, maps and map
/// entries of optional fields. Empty structs stay, as pointers to them do. Quantities that
/// were sent as numbers become texts.
pub fn drop_empty(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(map) => {
            let is_map = schema.is_map();
            for (name, member) in map.iter_mut() {
                if let Some(inner) = schema.member(name) {
                    drop_empty(inner, member);
                }
            }
            map.retain(|name, member| {
                let declared = schema.properties.get(name);
                let required = schema.required.contains(name);
                is_map || !is_omitted(declared.map(|d| &**d), member) || (required && !member.is_null())
            });
        }
        Value::Array(entries) => {
            let Some(items) = &schema.items else { return };
            entries.iter_mut().for_each(|entry| drop_empty(items, entry));
        }
        Value::Number(number) if is_quantity(schema) => *value = Value::String(number.to_string()),
        _ => {}
    }
}

/// Adds the members that are Go structs by value, empty, wherever they are absent: a
/// Deployment always has a `status`, a container always has `resources`.
pub fn fill_structs(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, member) in schema.properties.iter().filter(|(_, member)| member.always) {
                let slot = map.entry(name.clone()).or_insert(Value::Null);
                if slot.is_null() {
                    *slot = Value::Object(Map::new());
                }
                fill_structs(member, slot);
            }
            for (name, member) in map.iter_mut() {
                if let Some(inner) = schema.member(name).filter(|inner| !inner.always) {
                    fill_structs(inner, member);
                }
            }
        }
        Value::Array(entries) => {
            let Some(items) = &schema.items else { return };
            entries.iter_mut().for_each(|entry| fill_structs(items, entry));
        }
        _ => {}
    }
}

/// Adds required lists and maps of built-in kinds, as `null`, wherever they are absent: Go
/// writes them even when they are empty. For comparisons, never to be stored.
pub fn fill_required(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(map) => {
            let is_container = |member: &Schema| matches!(member.kind, Some(Kind::Array | Kind::Object));
            if schema.definition.is_some() {
                for name in &schema.required {
                    if schema.properties.get(name).is_some_and(|member| is_container(member)) {
                        map.entry(name.clone()).or_insert(Value::Null);
                    }
                }
            }
            for (name, member) in map.iter_mut() {
                if let Some(inner) = schema.member(name) {
                    fill_required(inner, member);
                }
            }
        }
        Value::Array(entries) => {
            let Some(items) = &schema.items else { return };
            entries.iter_mut().for_each(|entry| fill_required(items, entry));
        }
        _ => {}
    }
}

fn is_omitted(declared: Option<&Schema>, value: &Value) -> bool {
    let Some(schema) = declared else { return false };
    match value {
        Value::Null => true,
        Value::Array(entries) => entries.is_empty(),
        Value::Object(map) => map.is_empty() && matches!(schema.additional, Additional::Of(_)),
        _ => false,
    }
}

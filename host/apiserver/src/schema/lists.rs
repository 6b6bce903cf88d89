//! Lists whose entries have an identity: sets and maps.
//!
//! Duplicates are refused as `apiextensions-apiserver/pkg/apiserver/schema/listtype` does,
//! and an entry of an old list is matched with one of a new list by the same identity, which
//! is what transition rules and ratcheting need.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{Additional, Cause, ListType, Schema, cause};

/// The identity of one entry of a `map` list: its key fields, with the defaults the schema
/// has for them. An entry without its keys has an empty identity.
#[must_use]
pub fn item_key(items: &Schema, keys: &[String], entry: &Value) -> Map<String, Value> {
    let default = |key: &String| items.properties.get(key).and_then(|p| p.default.clone());
    keys.iter()
        .filter_map(|key| {
            let value = entry.get(key).cloned().or_else(|| default(key))?;
            Some((key.clone(), value))
        })
        .collect()
}

/// The old entry that has become `entry`, if the list type lets them be matched.
#[must_use]
pub fn correlate<'a>(schema: &Schema, old: &'a [Value], entry: &Value) -> Option<&'a Value> {
    let ListType::Map(keys) = &schema.list else {
        return None;
    };
    let items = schema.items.as_deref()?;
    let wanted = item_key(items, keys, entry);
    old.iter().find(|candidate| item_key(items, keys, candidate) == wanted)
}

/// Adds a cause for every second entry with the same identity, anywhere below `value`.
pub(super) fn duplicates(schema: &Schema, value: &Value, path: &str, causes: &mut Vec<Cause>) {
    match value {
        Value::Array(entries) => in_list(schema, entries, path, causes),
        Value::Object(map) => in_object(schema, map, path, causes),
        _ => {}
    }
}

fn in_object(schema: &Schema, map: &Map<String, Value>, path: &str, causes: &mut Vec<Cause>) {
    for (name, value) in map {
        if let Some(member) = schema.properties.get(name) {
            duplicates(member, value, &cause::child(path, name), causes);
        } else if let Additional::Of(member) = &schema.additional {
            duplicates(member, value, &cause::key(path, name), causes);
        }
    }
}

fn in_list(schema: &Schema, entries: &[Value], path: &str, causes: &mut Vec<Cause>) {
    match &schema.list {
        ListType::Atomic => {}
        ListType::Set => repeated(entries.iter().cloned(), path, causes),
        ListType::Map(keys) => in_map_list(keys, entries, path, causes),
    }
    let Some(items) = &schema.items else { return };
    for (at, entry) in entries.iter().enumerate() {
        duplicates(items, entry, &cause::index(path, at), causes);
    }
}

fn in_map_list(keys: &[String], entries: &[Value], path: &str, causes: &mut Vec<Cause>) {
    if let Some(at) = entries.iter().position(|e| !e.is_object() && !e.is_null()) {
        let detail = "must be an object for an array of list-type map";
        let shown = entries.get(at).unwrap_or(&Value::Null);
        causes.push(Cause::invalid(&cause::index(path, at), shown, detail));
        return;
    }
    let plain = Schema::default();
    let identities = entries.iter().map(|entry| Value::Object(item_key(&plain, keys, entry)));
    repeated(identities, path, causes);
}

/// Reports the second appearance of a value, not the third.
fn repeated(values: impl Iterator<Item = Value>, path: &str, causes: &mut Vec<Cause>) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (at, value) in values.enumerate() {
        let times = seen.entry(value.to_string()).or_default();
        *times += 1;
        if *times == 2 {
            causes.push(Cause::duplicate(&cause::index(path, at), &value));
        }
    }
}

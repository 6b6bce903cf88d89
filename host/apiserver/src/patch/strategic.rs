//! Strategic merge patch.
//!
//! Follows `k8s.io/apimachinery/pkg/util/strategicpatch`. Directives: `$patch: replace` and
//! `$patch: delete` on objects and list entries, `$setElementOrder/<list>`,
//! `$deleteFromPrimitiveList/<list>`, `$retainKeys`. Lists without a merge strategy in the
//! schema are replaced.

use serde_json::{Map, Value};

use super::PatchError;
use super::order::{Identity, arrange};
use crate::schema::{MergeStrategy, Schema};

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder/";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";

type Object = Map<String, Value>;

fn malformed<T>(what: impl Into<String>) -> Result<T, PatchError> {
    Err(PatchError::Malformed(what.into()))
}

pub(super) fn apply(target: &Value, patch: &Value, schema: &Schema) -> Result<Value, PatchError> {
    let Value::Object(patch) = patch else {
        return malformed("a strategic merge patch must be an object");
    };
    let original = target.as_object().cloned().unwrap_or_default();
    merge_object(original, patch.clone(), schema).map(Value::Object)
}

fn merge_object(mut original: Object, mut patch: Object, schema: &Schema) -> Result<Object, PatchError> {
    match patch.remove(DIRECTIVE) {
        None => {}
        Some(directive) if directive == "replace" => return Ok(patch),
        Some(directive) if directive == "delete" => return Ok(Object::new()),
        Some(directive) if directive == "merge" => {}
        Some(other) => return malformed(format!("unknown patch type: {other} in map: {patch:?}")),
    }
    retain_keys(&mut original, &mut patch)?;
    ordered_lists(&mut original, &mut patch, schema)?;
    for (name, value) in patch {
        match name.strip_prefix(DELETE_FROM) {
            Some(list) => delete_from(&mut original, list, &value),
            None => merge_member(&mut original, name, value, schema)?,
        }
    }
    Ok(original)
}

/// `$retainKeys`: whatever the object has beside these keys goes.
fn retain_keys(original: &mut Object, patch: &mut Object) -> Result<(), PatchError> {
    let Some(directive) = patch.remove(RETAIN_KEYS) else {
        return Ok(());
    };
    let Value::Array(keys) = directive else {
        return malformed("invalid patch format of retainKeys: not a list");
    };
    let retained = |name: &String| keys.iter().any(|key| key == name.as_str());
    let stray =
        patch.iter().find(|(name, value)| !value.is_null() && !name.starts_with('$') && !retained(name));
    if let Some((name, _)) = stray {
        return malformed(format!("invalid patch format of retainKeys: {name} is not among them"));
    }
    original.retain(|name, _| retained(name));
    Ok(())
}

fn delete_from(original: &mut Object, list: &str, unwanted: &Value) {
    let unwanted = unwanted.as_array().map_or(&[] as &[Value], Vec::as_slice);
    if let Some(Value::Array(entries)) = original.get_mut(list) {
        entries.retain(|entry| !unwanted.contains(entry));
    }
}

/// Every list that comes with an order is merged here and taken out of the patch.
fn ordered_lists(original: &mut Object, patch: &mut Object, schema: &Schema) -> Result<(), PatchError> {
    let directives: Vec<String> = patch.keys().filter(|k| k.starts_with(ORDER)).cloned().collect();
    for directive in directives {
        let order = match patch.remove(&directive) {
            Some(Value::Array(order)) => order,
            _ => return malformed(format!("{directive} must be a list")),
        };
        let name = directive.strip_prefix(ORDER).unwrap_or_default();
        if let Some(deletion) = patch.remove(&format!("{DELETE_FROM}{name}")) {
            delete_from(original, name, &deletion);
        }
        ordered_list(original, patch.remove(name), &order, name, schema)?;
    }
    Ok(())
}

fn ordered_list(
    original: &mut Object,
    patch: Option<Value>,
    order: &[Value],
    name: &str,
    schema: &Schema,
) -> Result<(), PatchError> {
    let (field, strategy) = field(schema, name);
    let server = original.get(name).and_then(Value::as_array).cloned();
    let patch = match patch {
        None => None,
        Some(Value::Array(entries)) => Some(entries),
        Some(_) => return malformed(format!("{name} must be a list")),
    };
    let merged = match (server.clone(), patch) {
        (None, None) => return Ok(()),
        (Some(server), None) => server,
        (None, Some(patch)) => without_directives(patch),
        (Some(server), Some(patch)) => merge_list(server, patch, &field, &strategy)?,
    };
    let identity = Identity(strategy.key.as_deref());
    let arranged = arrange(merged, order, &server.unwrap_or_default(), identity);
    original.insert(name.to_owned(), Value::Array(arranged));
    Ok(())
}

/// Schema and merge strategy of a member.
fn field(schema: &Schema, name: &str) -> (Schema, MergeStrategy) {
    match schema.member(name) {
        Some(member) => (member.clone(), member.merge.clone()),
        None => (Schema::anything(), MergeStrategy::default()),
    }
}

fn merge_member(
    original: &mut Object,
    name: String,
    value: Value,
    schema: &Schema,
) -> Result<(), PatchError> {
    let (field, strategy) = field(schema, &name);
    let merged = match (original.remove(&name), value) {
        (_, Value::Null) => None,
        (Some(Value::Object(_)), Value::Object(patch)) if strategy.replace => Some(Value::Object(patch)),
        (Some(Value::Object(original)), Value::Object(patch)) => {
            Some(Value::Object(merge_object(original, patch, &field)?))
        }
        (Some(Value::Array(original)), Value::Array(patch)) if strategy.merge => {
            Some(Value::Array(merge_list(original, patch, &field, &strategy)?))
        }
        (_, value) => plain(value),
    };
    original.extend(merged.map(|merged| (name, merged)));
    Ok(())
}

fn merge_list(
    original: Vec<Value>,
    patch: Vec<Value>,
    field: &Schema,
    strategy: &MergeStrategy,
) -> Result<Vec<Value>, PatchError> {
    if !strategy.merge {
        return Ok(without_directives(patch));
    }
    let Some(key) = strategy.key.as_deref() else {
        return Ok(merge_scalars(original, patch));
    };
    let items = field.items.clone().unwrap_or_default();
    let (original, patch) = entry_directives(original, patch, key)?;
    let server = original.clone();
    let mut merged = original;
    for entry in &patch {
        merge_entry(&mut merged, entry, key, &items)?;
    }
    Ok(arrange(merged, &patch, &server, Identity(Some(key))))
}

fn merge_scalars(original: Vec<Value>, patch: Vec<Value>) -> Vec<Value> {
    let mut merged = original.clone();
    for entry in &patch {
        if !merged.contains(entry) {
            merged.push(entry.clone());
        }
    }
    arrange(merged, &patch, &original, Identity(None))
}

fn merge_entry(merged: &mut Vec<Value>, entry: &Value, key: &str, items: &Schema) -> Result<(), PatchError> {
    let (Value::Object(patch), Some(_)) = (entry, entry.get(key)) else {
        return malformed(format!("map: {entry} does not contain declared merge key: {key}"));
    };
    let found = merged.iter_mut().find(|known| known.get(key) == entry.get(key));
    match found {
        Some(known) => {
            let original = known.as_object().cloned().unwrap_or_default();
            *known = Value::Object(merge_object(original, patch.clone(), items)?);
        }
        None => merged.extend(plain(entry.clone())),
    }
    Ok(())
}

/// Takes `$patch` entries out of the patch and carries them out: `delete` removes matching
/// entries, `replace` makes the other entries the whole list.
fn entry_directives(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
    let mut rest = Vec::with_capacity(patch.len());
    let mut replace = false;
    for entry in patch {
        match entry.get(DIRECTIVE) {
            None => rest.push(entry),
            Some(directive) if directive == "replace" => replace = true,
            Some(directive) if directive == "delete" => {
                let Some(unwanted) = entry.get(key) else {
                    return malformed(format!("map: {entry} does not contain declared merge key: {key}"));
                };
                original.retain(|known| known.get(key) != Some(unwanted));
            }
            Some(other) => return malformed(format!("unknown patch type: {other} in map: {entry}")),
        }
    }
    Ok(if replace { (rest, Vec::new()) } else { (original, rest) })
}

/// A value of the patch that has nothing to merge with: directives and `null`s have no
/// meaning in it and go. None when the value is itself a deletion.
fn plain(value: Value) -> Option<Value> {
    match value {
        Value::Object(map) => {
            if map.get(DIRECTIVE).is_some_and(|directive| directive == "delete") {
                return None;
            }
            let members = map.into_iter().filter(|(name, value)| !name.starts_with('$') && !value.is_null());
            let members = members.filter_map(|(name, value)| Some((name, plain(value)?)));
            Some(Value::Object(members.collect()))
        }
        Value::Array(entries) => Some(Value::Array(without_directives(entries))),
        other => Some(other),
    }
}

fn without_directives(entries: Vec<Value>) -> Vec<Value> {
    let is_marker = |entry: &Value| entry.get(DIRECTIVE).is_some_and(|d| d == "replace");
    entries.into_iter().filter(|entry| !is_marker(entry)).filter_map(plain).collect()
}

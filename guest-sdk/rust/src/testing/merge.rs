//! Merge patches and server-side apply on JSON trees.

use serde_json::{Map, Value};

/// What names an item of a list, tried in this order. Kubernetes' schemas say which it is;
/// in the kinds controllers write, these are they.
const ITEM_KEYS: [&str; 5] = ["uid", "type", "name", "containerPort", "port"];

/// Applies a merge patch (RFC 7396).
pub(super) fn patch(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    for (key, value) in fields {
        let object = as_object(target);
        if value.is_null() {
            object.remove(key);
        } else {
            self::patch(object.entry(key).or_insert(Value::Null), value);
        }
    }
}

/// Lays `applied` over `target`, and takes away what `before`, the last apply of the same
/// manager, had and this one has not.
pub(super) fn apply(target: &mut Value, before: &Value, applied: &Value) {
    match (&mut *target, applied) {
        (Value::Object(target), Value::Object(applied)) => {
            apply_object(target, before, applied);
        }
        (Value::Array(target), Value::Array(applied)) => apply_list(target, before, applied),
        _ => *target = applied.clone(),
    }
}

fn apply_object(target: &mut Map<String, Value>, before: &Value, applied: &Map<String, Value>) {
    let gone = before.as_object().into_iter().flatten();
    for (key, old) in gone.filter(|(key, _)| !applied.contains_key(*key)) {
        if target.get_mut(key).is_some_and(|held| withdraw(held, old)) {
            target.remove(key);
        }
    }
    for (key, value) in applied {
        match target.get_mut(key) {
            Some(held) => apply(held, &before[key], value),
            None => {
                target.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Takes back what a manager had in a field that it does not name any more; true when
/// nobody has anything left there.
fn withdraw(held: &mut Value, before: &Value) -> bool {
    match held {
        Value::Object(held) if before.is_object() => {
            apply_object(held, before, &Map::new());
            held.is_empty()
        }
        Value::Array(held) if before.is_array() => {
            apply_list(held, before, &[]);
            held.is_empty()
        }
        _ => true,
    }
}

fn apply_list(target: &mut Vec<Value>, before: &Value, applied: &[Value]) {
    let Some(key) = item_key(target, applied) else {
        *target = applied.to_vec();
        return;
    };
    let same = |one: &Value, other: &Value| one[key] == other[key];
    let before = before.as_array().map(Vec::as_slice).unwrap_or_default();
    target.retain(|held| {
        let ours = before.iter().any(|old| same(old, held));
        !ours || applied.iter().any(|new| same(new, held))
    });
    for item in applied {
        let old = before.iter().find(|old| same(old, item));
        match target.iter_mut().find(|held| same(held, item)) {
            Some(held) => apply(held, old.unwrap_or(&Value::Null), item),
            None => target.push(item.clone()),
        }
    }
}

/// The key that every item of both lists has.
fn item_key(one: &[Value], other: &[Value]) -> Option<&'static str> {
    let all_have = |key: &&str| one.iter().chain(other).all(|item| item.get(*key).is_some());
    ITEM_KEYS.into_iter().find(all_have)
}

/// The fields of a value, which becomes an object when it is none.
fn as_object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("it was made an object above")
}

//! JSON merge patches (RFC 7396): how a status is written without what did not change.

use serde_json::{Map, Value};

/// The merge patch (RFC 7396) that turns `from` into `to`; `None` when they are equal.
pub(crate) fn difference(from: &Value, to: &Value) -> Option<Value> {
    match (from, to) {
        (from, to) if from == to => None,
        (Value::Object(from), Value::Object(to)) => {
            let removed = from.keys().filter(|key| !to.contains_key(*key));
            let removed = removed.map(|key| (key.clone(), Value::Null));
            let changed = to.iter().filter_map(|(key, value)| {
                let before = from.get(key).unwrap_or(&Value::Null);
                Some((key.clone(), difference(before, value)?))
            });
            Some(Value::Object(removed.chain(changed).collect::<Map<_, _>>()))
        }
        (_, to) => Some(to.clone()),
    }
}

/// A value without the fields that `text`, which it was decoded from, does not have: the
/// defaults of its type. What encodes to null may stay, for null is absent.
pub(crate) fn present(value: Value, text: &Value) -> Value {
    let there = |name: &str| text.get(name).filter(|read| !read.is_null());
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter_map(|(name, field)| match there(&name) {
                Some(read) => Some((name, present(field, read))),
                None => field.is_null().then_some((name, field)),
            });
            Value::Object(fields.collect())
        }
        Value::Array(items) => {
            let read = |index| text.get(index).unwrap_or(&Value::Null);
            let items = items.into_iter().enumerate();
            Value::Array(items.map(|(index, item)| present(item, read(index))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn equal_values_need_no_patch() {
        assert_eq!(difference(&json!({"a": [1]}), &json!({"a": [1]})), None);
    }

    #[test]
    fn a_patch_names_what_is_new_other_or_gone_and_nothing_else() {
        let from = json!({"same": 1, "other": {"same": 1, "deep": 1}, "gone": 1});
        let to = json!({"same": 1, "other": {"same": 1, "deep": 2}, "new": [1]});
        let patch = json!({"other": {"deep": 2}, "gone": null, "new": [1]});
        assert_eq!(difference(&from, &to), Some(patch));
    }

    #[test]
    fn nothing_becomes_a_whole_object() {
        assert_eq!(difference(&Value::Null, &json!({"a": 1})), Some(json!({"a": 1})));
    }

    #[test]
    fn what_the_text_does_not_have_is_absent_and_null_is_as_well() {
        let known = json!({"a": false, "b": 0, "c": null, "d": {"e": ""}, "f": [{"g": 0, "h": 1}], "i": {}});
        let text = json!({"a": false, "d": {}, "f": [{"h": 1, "other": 1}], "i": null});
        let there = json!({"a": false, "c": null, "d": {}, "f": [{"h": 1}]});
        assert_eq!(present(known, &text), there);
    }
}

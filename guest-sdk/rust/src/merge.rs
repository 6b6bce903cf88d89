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
}

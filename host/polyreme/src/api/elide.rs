//! Applies that would change nothing and are therefore not sent.
//!
//! A server-side apply is repeated by every reconcile. When the guest applies what it applied before,
//! byte for byte, and every field that it applies still has the value it had right after that, the
//! server would change nothing: no request is needed. Fields that the guest does not mention (a status,
//! an annotation that another controller adds) do not matter; a list that it mentions counts whole.
//!
//! The memory holds digests only, is lost on restart (then each object costs one request) and is
//! bounded; an entry that was dropped costs one request as well.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use parking_lot::Mutex;
use serde_json::Value;

use crate::object::{Kind, Object, ObjectKey};

/// Applies remembered per controller: by estimate 200 bytes each, so at most some 40 MiB.
const MAX_REMEMBERED: usize = 200_000;

/// What identifies an apply, apart from what is applied.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ApplyId {
    /// Kind of the object.
    pub kind: Kind,
    /// The object.
    pub key: ObjectKey,
    /// `status` or another subresource; absent for the object itself.
    pub subresource: Option<String>,
    /// In whose name.
    pub field_manager: String,
    /// Whether fields are taken over from others.
    pub force: bool,
}

/// What was applied, and what the object was like afterwards.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    applied: u64,
    incarnation: u64,
    /// The part of the object that this apply can set, whole: cheap to compare.
    content: u64,
    /// Of that part, the fields that were applied: decides when something else changed.
    fields: u64,
}

/// The applies of one controller.
#[derive(Default)]
pub struct Applied {
    outcomes: Mutex<HashMap<ApplyId, Outcome>>,
}

impl Applied {
    /// Whether applying `text` to `current` would change nothing.
    pub fn is_unchanged(&self, id: &ApplyId, text: &str, current: &Object) -> bool {
        let Some(known) = self.outcomes.lock().get(id).copied() else { return false };
        if known.applied != digest(text) || known.incarnation != digest(&current.uid) {
            return false;
        }
        known.content == content(id, current) || known.fields == fields(text, current)
    }

    /// Remembers that applying `text` gave `result`.
    pub fn remember(&self, id: ApplyId, text: &str, result: &Object) {
        let outcome = Outcome {
            applied: digest(text),
            incarnation: digest(&result.uid),
            content: content(&id, result),
            fields: fields(text, result),
        };
        let mut outcomes = self.outcomes.lock();
        if outcomes.len() >= MAX_REMEMBERED && !outcomes.contains_key(&id) {
            outcomes.clear();
        }
        outcomes.insert(id, outcome);
    }

    /// Forgets objects that are another host's now.
    pub fn forget(&self, objects: &HashSet<(Kind, ObjectKey)>) {
        if !objects.is_empty() {
            self.outcomes.lock().retain(|id, _| !objects.contains(&(id.kind.clone(), id.key.clone())));
        }
    }
}

fn content(id: &ApplyId, object: &Object) -> u64 {
    match id.subresource.as_deref() {
        None => object.desired_digest,
        Some("status") => object.status_digest,
        Some(_) => digest(&object.json),
    }
}

/// Digest of the values that the object has at the fields of an applied configuration.
fn fields(applied: &str, object: &Object) -> u64 {
    let mut hasher = DefaultHasher::new();
    if let (Ok(applied), Ok(object)) = (serde_json::from_str(applied), serde_json::from_str(&object.json)) {
        hash_fields(&applied, Some(&object), &mut hasher);
    }
    hasher.finish()
}

fn hash_fields(applied: &Value, current: Option<&Value>, hasher: &mut DefaultHasher) {
    match (applied, current) {
        (Value::Object(applied), Some(Value::Object(current))) => {
            for (key, value) in applied {
                key.hash(hasher);
                hash_fields(value, current.get(key), hasher);
            }
        }
        (_, Some(current)) => current.to_string().hash(hasher),
        (_, None) => 0u8.hash(hasher),
    }
}

fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(uid: &str, spec: &str, status: &str) -> Object {
        let text = format!(
            r#"{{"metadata":{{"name":"a","uid":"{uid}","labels":{{"app":"x"}}}},"spec":{spec},"status":"{status}"}}"#
        );
        Object::parse(&text, &Kind::new("v1", "X")).unwrap()
    }

    fn id(subresource: Option<&str>) -> ApplyId {
        ApplyId {
            kind: Kind::new("v1", "X"),
            key: ObjectKey::new(None, "a"),
            subresource: subresource.map(Into::into),
            field_manager: "m".into(),
            force: true,
        }
    }

    const APPLIED: &str =
        r#"{"metadata":{"name":"a","labels":{"app":"x"}},"spec":{"size":1,"list":[{"n":1}]}}"#;

    #[test]
    fn the_same_apply_to_an_unchanged_object_is_not_sent() {
        let applied = Applied::default();
        let after = object("u", r#"{"size":1,"list":[{"n":1}]}"#, "t");
        assert!(!applied.is_unchanged(&id(None), APPLIED, &after));
        applied.remember(id(None), APPLIED, &after);
        assert!(applied.is_unchanged(&id(None), APPLIED, &after));
        let status = object("u", r#"{"size":1,"list":[{"n":1}]}"#, "other");
        assert!(applied.is_unchanged(&id(None), APPLIED, &status), "somebody's status");
        let defaulted = object("u", r#"{"size":1,"list":[{"n":1}],"added":true}"#, "t");
        assert!(applied.is_unchanged(&id(None), APPLIED, &defaulted), "somebody's own field");
    }

    #[test]
    fn anything_that_could_matter_sends_it_again() {
        let applied = Applied::default();
        let after = object("u", r#"{"size":1,"list":[{"n":1}]}"#, "t");
        applied.remember(id(None), APPLIED, &after);
        let sent = |text: &str, current: &Object| !applied.is_unchanged(&id(None), text, current);
        assert!(sent(&APPLIED.replace("\"size\":1", "\"size\":2"), &after), "other content");
        assert!(sent(APPLIED, &object("u", r#"{"size":9,"list":[{"n":1}]}"#, "t")), "a field edited by hand");
        assert!(sent(APPLIED, &object("u", r#"{"list":[{"n":1}]}"#, "t")), "a field removed by hand");
        assert!(
            sent(APPLIED, &object("u", r#"{"size":1,"list":[{"n":1},{"n":2}]}"#, "t")),
            "a list edited by hand"
        );
        assert!(
            sent(APPLIED, &object("recreated", r#"{"size":1,"list":[{"n":1}]}"#, "t")),
            "another incarnation"
        );
        assert!(!applied.is_unchanged(&ApplyId { force: false, ..id(None) }, APPLIED, &after));
        assert!(!sent(APPLIED, &after));
        let evicted = [(id(None).kind, id(None).key)].into_iter().collect();
        applied.forget(&evicted);
        assert!(sent(APPLIED, &after), "it was another host's meanwhile");
        assert!(!applied.is_unchanged(&id(Some("status")), APPLIED, &after));
    }

    #[test]
    fn an_apply_of_the_status_looks_at_the_status() {
        let applied = Applied::default();
        let text = r#"{"metadata":{"name":"a"},"status":"t"}"#;
        applied.remember(id(Some("status")), text, &object("u", "1", "t"));
        assert!(applied.is_unchanged(&id(Some("status")), text, &object("u", "2", "t")));
        assert!(!applied.is_unchanged(&id(Some("status")), text, &object("u", "1", "edited")));
    }
}

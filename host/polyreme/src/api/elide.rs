//! Applies that would change nothing and are therefore not sent.
//!
//! A server-side apply is repeated by every reconcile. When the guest applies what it applied before,
//! byte for byte, and the object has not changed since in what an apply can set (status updates of
//! others do not count for an apply of the object), the server would change nothing: no request is
//! needed. The memory holds digests only, is lost on restart (then each object costs one request) and
//! is bounded; an entry that was dropped costs one request as well.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use parking_lot::Mutex;

use crate::object::{Kind, Object, ObjectKey};

/// Applies remembered per controller: about 100 bytes each, so at most some 20 MiB.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outcome {
    applied: u64,
    incarnation: u64,
    content: u64,
}

/// The applies of one controller.
#[derive(Default)]
pub struct Applied {
    outcomes: Mutex<HashMap<ApplyId, Outcome>>,
}

impl Applied {
    /// Whether applying `text` to `current` would change nothing.
    pub fn is_unchanged(&self, id: &ApplyId, text: &str, current: &Object) -> bool {
        self.outcomes.lock().get(id) == Some(&outcome(id, text, current))
    }

    /// Remembers that applying `text` gave `result`.
    pub fn remember(&self, id: ApplyId, text: &str, result: &Object) {
        let outcome = outcome(&id, text, result);
        let mut outcomes = self.outcomes.lock();
        if outcomes.len() >= MAX_REMEMBERED && !outcomes.contains_key(&id) {
            outcomes.clear();
        }
        outcomes.insert(id, outcome);
    }
}

fn outcome(id: &ApplyId, text: &str, object: &Object) -> Outcome {
    let content = match id.subresource.as_deref() {
        None => object.desired_digest,
        Some("status") => object.status_digest,
        Some(_) => digest(&object.json),
    };
    Outcome { applied: digest(text), incarnation: digest(&object.uid), content }
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
        let text = format!(r#"{{"metadata":{{"name":"a","uid":"{uid}"}},"spec":"{spec}","status":"{status}"}}"#);
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

    #[test]
    fn the_same_apply_to_an_unchanged_object_is_not_sent() {
        let applied = Applied::default();
        assert!(!applied.is_unchanged(&id(None), "x", &object("u", "s", "t")));
        applied.remember(id(None), "x", &object("u", "s", "t"));
        assert!(applied.is_unchanged(&id(None), "x", &object("u", "s", "t")));
        assert!(applied.is_unchanged(&id(None), "x", &object("u", "s", "other status")));
    }

    #[test]
    fn anything_that_could_matter_sends_it_again() {
        let applied = Applied::default();
        applied.remember(id(None), "x", &object("u", "s", "t"));
        assert!(!applied.is_unchanged(&id(None), "y", &object("u", "s", "t")), "other content");
        assert!(!applied.is_unchanged(&id(None), "x", &object("u", "edited", "t")), "edited by hand");
        assert!(!applied.is_unchanged(&id(None), "x", &object("recreated", "s", "t")), "another incarnation");
        assert!(!applied.is_unchanged(&ApplyId { force: false, ..id(None) }, "x", &object("u", "s", "t")));
        assert!(!applied.is_unchanged(&id(Some("status")), "x", &object("u", "s", "t")));
    }

    #[test]
    fn an_apply_of_the_status_looks_at_the_status() {
        let applied = Applied::default();
        applied.remember(id(Some("status")), "x", &object("u", "s", "t"));
        assert!(applied.is_unchanged(&id(Some("status")), "x", &object("u", "other spec", "t")));
        assert!(!applied.is_unchanged(&id(Some("status")), "x", &object("u", "s", "edited")));
    }
}

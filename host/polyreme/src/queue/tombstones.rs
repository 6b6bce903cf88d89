//! Last states of objects that the API server removed although a finalizer held them.
//!
//! kube-apiserver looks for finalizers when a DELETE comes in, and removes the object a moment later; one that is
//! added in between is accepted, and lost with the object (kubernetes/kubernetes#77988). Whoever added it took it
//! for granted that the object would wait for its clean-up, and may have made something outside by now.
//!
//! So the last state that the watch showed is kept, as an object that is being deleted, and reconciled until that
//! succeeds, before whatever has the name next. A tombstone lives in this host's memory only.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::object::{Object, ObjectKey};

/// Bytes kept of one controller. Objects that go this way are few; one whose clean-up never succeeds stays, and so
/// does for a moment what a watch with a selector no longer selects.
const MAX_BYTES: usize = 64 << 20;

/// Those of one controller, of each name in the order in which they were removed.
#[derive(Default)]
pub struct Tombstones {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    by_key: HashMap<ObjectKey, Vec<Arc<Object>>>,
    bytes: usize,
}

impl Tombstones {
    /// Keeps the last state of an object; false when there is no room for it.
    pub(super) fn add(&self, last: Arc<Object>) -> bool {
        let mut inner = self.inner.lock();
        let bytes = inner.bytes + last.weight_bytes();
        if bytes > MAX_BYTES {
            return false;
        }
        let of_name = inner.by_key.entry(last.key.clone()).or_default();
        if of_name.iter().all(|known| known.uid != last.uid) {
            of_name.push(last);
            inner.bytes = bytes;
        }
        true
    }

    /// The first with this name.
    pub fn first(&self, key: &ObjectKey) -> Option<Arc<Object>> {
        self.inner.lock().by_key.get(key)?.first().cloned()
    }

    /// It has been seen to.
    pub fn remove(&self, settled: &Object) {
        let mut inner = self.inner.lock();
        let Some(mut of_name) = inner.by_key.remove(&settled.key) else { return };
        let before = weight(&of_name);
        of_name.retain(|known| known.uid != settled.uid);
        inner.bytes -= before - weight(&of_name);
        if !of_name.is_empty() {
            inner.by_key.insert(settled.key.clone(), of_name);
        }
    }

    /// Keeps only some.
    pub fn retain(&self, stays: impl Fn(&Object) -> bool) {
        let mut inner = self.inner.lock();
        inner.by_key.retain(|_, of_name| {
            of_name.retain(|known| stays(known));
            !of_name.is_empty()
        });
        inner.bytes = inner.by_key.values().map(|of_name| weight(of_name)).sum();
    }
}

fn weight(of_name: &[Arc<Object>]) -> usize {
    of_name.iter().map(|known| known.weight_bytes()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Kind;

    fn object(name: &str, uid: &str, text: &str) -> Arc<Object> {
        let text = format!(r#"{{"metadata":{{"name":"{name}","uid":"{uid}"}},"data":"{text}"}}"#);
        Arc::new(Object::parse(&text, &Kind::new("v1", "X")).unwrap())
    }

    #[test]
    fn namesakes_are_kept_in_order_and_each_once() {
        let tombstones = Tombstones::default();
        for uid in ["u1", "u2", "u1"] {
            assert!(tombstones.add(object("a", uid, "")));
        }
        let key = ObjectKey::new(None, "a");
        let mut seen = Vec::new();
        while let Some(first) = tombstones.first(&key) {
            seen.push(first.uid.clone());
            tombstones.remove(&first);
        }
        assert_eq!(seen, ["u1".into(), "u2".into()]);
        let inner = tombstones.inner.lock();
        assert!(inner.by_key.is_empty() && inner.bytes == 0);
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let (tombstones, large) = (Tombstones::default(), "x".repeat(MAX_BYTES / 2));
        assert!(tombstones.add(object("a", "u1", &large)));
        assert!(!tombstones.add(object("b", "u2", &large)));
        tombstones.retain(|known| *known.uid != *"u1");
        assert!(tombstones.add(object("b", "u2", &large)), "there is room again");
        assert!(tombstones.first(&ObjectKey::new(None, "a")).is_none());
    }
}

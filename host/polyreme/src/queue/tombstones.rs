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

/// Those of one controller, of each name in the order in which they were removed.
#[derive(Default)]
pub struct Tombstones {
    by_key: Mutex<HashMap<ObjectKey, Vec<Arc<Object>>>>,
}

impl Tombstones {
    /// Keeps the last state of an object.
    pub(super) fn add(&self, last: Arc<Object>) {
        let mut by_key = self.by_key.lock();
        let of_name = by_key.entry(last.key.clone()).or_default();
        if of_name.iter().all(|known| known.uid != last.uid) {
            of_name.push(last);
        }
    }

    /// The first with this name.
    pub fn first(&self, key: &ObjectKey) -> Option<Arc<Object>> {
        self.by_key.lock().get(key)?.first().cloned()
    }

    /// It has been seen to.
    pub fn remove(&self, settled: &Object) {
        self.retain(|known| known.key != settled.key || known.uid != settled.uid);
    }

    /// Keeps only some.
    pub fn retain(&self, stays: impl Fn(&Object) -> bool) {
        self.by_key.lock().retain(|_, of_name| {
            of_name.retain(|known| stays(known));
            !of_name.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Kind;

    #[test]
    fn namesakes_are_kept_in_order_and_each_once() {
        let object = |uid: &str| {
            let text = format!(r#"{{"metadata":{{"name":"a","uid":"{uid}"}}}}"#);
            Arc::new(Object::parse(&text, &Kind::new("v1", "X")).unwrap())
        };
        let tombstones = Tombstones::default();
        for uid in ["u1", "u2", "u1"] {
            tombstones.add(object(uid));
        }
        let key = ObjectKey::new(None, "a");
        let mut seen = Vec::new();
        while let Some(first) = tombstones.first(&key) {
            seen.push(first.uid.clone());
            tombstones.remove(&first);
        }
        assert_eq!(seen, ["u1".into(), "u2".into()]);
        assert!(tombstones.by_key.lock().is_empty());
    }
}

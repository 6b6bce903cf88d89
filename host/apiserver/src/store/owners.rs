//! Who owns whom, by uid, kept up to date with every commit, and the garbage collector's
//! work queue.
//!
//! The queue is a set of keys, so it never holds more entries than there are objects.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::object::{Key, Object};
use crate::json;

#[derive(Debug, Default)]
pub(crate) struct Owners {
    by_uid: HashMap<String, Key>,
    dependents: HashMap<String, BTreeSet<Key>>,
    suspects: BTreeSet<Key>,
}

/// The uids in `metadata.ownerReferences`.
fn owner_uids(object: &Value) -> Vec<&str> {
    json::items(object.pointer("/metadata/ownerReferences"))
        .iter()
        .filter_map(|reference| reference.get("uid")?.as_str())
        .collect()
}

impl Owners {
    /// Records a commit; `None` on a side means that the object is absent there.
    pub(crate) fn record(&mut self, key: &Key, old: Option<&Object>, new: Option<&Object>) {
        if let Some(old) = old {
            self.unlink(key, old);
        }
        match new {
            Some(new) => self.link(key, new),
            None => self.gone(old),
        }
    }

    fn unlink(&mut self, key: &Key, old: &Object) {
        for uid in owner_uids(&old.value) {
            if let Some(set) = self.dependents.get_mut(uid) {
                set.remove(key);
                if set.is_empty() {
                    self.dependents.remove(uid);
                }
            }
            self.suspects.extend(self.by_uid.get(uid).cloned());
        }
    }

    fn link(&mut self, key: &Key, new: &Object) {
        self.by_uid.insert(json::uid(&new.value).to_owned(), key.clone());
        let owners = owner_uids(&new.value);
        if !owners.is_empty() || json::is_deleting(&new.value) {
            self.suspects.insert(key.clone());
        }
        for uid in owners {
            self.dependents.entry(uid.to_owned()).or_default().insert(key.clone());
        }
    }

    fn gone(&mut self, old: Option<&Object>) {
        let Some(old) = old else { return };
        let uid = json::uid(&old.value);
        self.by_uid.remove(uid);
        if let Some(dependents) = self.dependents.get(uid) {
            self.suspects.extend(dependents.iter().cloned());
        }
    }

    /// Every object that names this uid as an owner.
    pub(crate) fn dependents(&self, uid: &str) -> Vec<Key> {
        let set = self.dependents.get(uid);
        set.map(|s| s.iter().cloned().collect()).unwrap_or_default()
    }

    /// Takes everything that the garbage collector should look at.
    pub(crate) fn take_suspects(&mut self) -> BTreeSet<Key> {
        std::mem::take(&mut self.suspects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(uid: &str, owners: &[&str]) -> Object {
        let owners: Vec<Value> = owners.iter().map(|o| json!({"uid": o})).collect();
        Object::new(json!({"metadata": {"uid": uid, "ownerReferences": owners}}), 1)
    }

    fn key(path: &str) -> Key {
        Key { storage: "/configmaps".into(), path: path.to_owned() }
    }

    #[test]
    fn dependents_of_a_deleted_owner_are_suspects() {
        let mut owners = Owners::default();
        let owner = object("o", &[]);
        owners.record(&key("n/owner"), None, Some(&owner));
        owners.record(&key("n/child"), None, Some(&object("c", &["o"])));
        assert_eq!(owners.dependents("o"), [key("n/child")]);
        owners.take_suspects();
        owners.record(&key("n/owner"), Some(&owner), None);
        assert_eq!(owners.take_suspects(), BTreeSet::from([key("n/child")]));
    }

    #[test]
    fn an_owner_is_a_suspect_when_a_dependent_goes() {
        let mut owners = Owners::default();
        owners.record(&key("n/owner"), None, Some(&object("o", &[])));
        let child = object("c", &["o"]);
        owners.record(&key("n/child"), None, Some(&child));
        owners.take_suspects();
        owners.record(&key("n/child"), Some(&child), None);
        assert_eq!(owners.take_suspects(), BTreeSet::from([key("n/owner")]));
        assert!(owners.dependents("o").is_empty());
    }
}

//! An object as stored, and the key it is stored under.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde_json::Value;

/// Which collection of objects: `apps/deployments`, `/pods`. Versions share one.
pub(crate) type StorageId = Arc<str>;

/// Where one object lives. `path` is `namespace/name`, or `name` for cluster-scoped kinds:
/// the order of etcd's keys, which is the order of lists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) storage: StorageId,
    pub(crate) path: String,
}

impl Key {
    /// An empty namespace makes the key of a cluster-scoped object.
    pub(crate) fn new(storage: &StorageId, namespace: &str, name: &str) -> Self {
        let path = match namespace {
            "" => name.to_owned(),
            namespace => format!("{namespace}/{name}"),
        };
        Key { storage: storage.clone(), path }
    }

    pub(crate) fn namespace(&self) -> &str {
        self.path.split_once('/').map_or("", |(namespace, _)| namespace)
    }

    pub(crate) fn name(&self) -> &str {
        self.path.split_once('/').map_or(self.path.as_str(), |(_, name)| name)
    }
}

/// One version of one object; never changed once stored.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) value: Value,
    /// The revision that `metadata.resourceVersion` of `value` says.
    pub(crate) revision: u64,
    json: OnceLock<Bytes>,
    /// The edition of a definition that `value` is known to fit; 0 for none.
    fits: AtomicU64,
}

impl Object {
    pub(crate) fn new(value: Value, revision: u64) -> Self {
        Object { value, revision, json: OnceLock::new(), fits: AtomicU64::new(0) }
    }

    /// Whether `value` is as an edition of its definition wants it, looked at once.
    pub(crate) fn fits(&self, edition: u64, look: impl FnOnce(&Value) -> bool) -> bool {
        if self.fits.load(Ordering::Relaxed) == edition {
            return true;
        }
        let fits = look(&self.value);
        if fits {
            self.fits.store(edition, Ordering::Relaxed);
        }
        fits
    }

    /// The JSON text, made once and shared by every watcher and reader.
    pub(crate) fn json(&self) -> Bytes {
        let make = || serde_json::to_vec(&self.value).map(Bytes::from).unwrap_or_default();
        self.json.get_or_init(make).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_knows_its_namespace_and_name() {
        let storage: StorageId = "/pods".into();
        let key = Key::new(&storage, "team-a", "web");
        assert_eq!((key.namespace(), key.name()), ("team-a", "web"));
        let key = Key::new(&storage, "", "node-1");
        assert_eq!((key.namespace(), key.name()), ("", "node-1"));
    }
}

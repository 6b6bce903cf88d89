//! The store's promises: compare-and-swap, one revision counter, a past that can be read,
//! and a data file that survives the process.

use super::*;
use serde_json::json;

fn key(path: &str) -> Key {
    Key { storage: "/configmaps".into(), path: path.to_owned() }
}

fn named(name: &str) -> Value {
    json!({"metadata": {"name": name, "uid": name}})
}

fn put(store: &Store, path: &str, expected: Option<u64>) -> Result<Arc<Object>, Lost> {
    store.put(&key(path), expected, named(path), |_| Ok(()))
}

#[test]
fn a_write_from_an_old_version_is_lost() {
    let store = Store::in_memory();
    let first = put(&store, "n/a", None).unwrap();
    assert!(matches!(put(&store, "n/a", None), Err(Lost::Changed)));
    let second = put(&store, "n/a", Some(first.revision)).unwrap();
    assert!(second.revision > first.revision);
    assert!(matches!(put(&store, "n/a", Some(first.revision)), Err(Lost::Changed)));
    assert!(matches!(store.delete(&key("n/a"), first.revision), Err(Lost::Changed)));
    assert!(store.delete(&key("n/a"), second.revision).is_ok());
}

#[test]
fn the_stored_object_says_its_revision() {
    let store = Store::in_memory();
    let object = put(&store, "n/a", None).unwrap();
    let version = json::meta(&object.value, "resourceVersion").unwrap();
    assert_eq!(version, object.revision.to_string());
}

#[test]
fn a_namespace_is_read_without_its_neighbours() {
    let store = Store::in_memory();
    for path in ["team/a", "team-b/a", "team/b", "teams/a"] {
        put(&store, path, None).unwrap();
    }
    let paths = |ns| -> Vec<String> {
        let snapshot = store.snapshot(&key("").storage, ns);
        snapshot.objects.into_iter().map(|(path, _)| path).collect()
    };
    assert_eq!(paths(Some("team")), ["team/a", "team/b"]);
    assert_eq!(paths(None), ["team-b/a", "team/a", "team/b", "teams/a"]);
}

#[test]
fn a_past_revision_can_be_read() {
    let store = Store::in_memory();
    put(&store, "n/a", None).unwrap();
    let then = store.revision();
    put(&store, "n/b", None).unwrap();
    let past = store.snapshot_at(&key("").storage, None, then).unwrap();
    assert_eq!(past.objects.len(), 1);
    assert_eq!(past.revision, then);
}

#[test]
fn a_batch_is_complete_up_to_the_revision_it_names() {
    let store = Store::in_memory();
    let start = store.revision();
    for path in ["n/a", "n/b", "n/c"] {
        put(&store, path, None).unwrap();
    }
    let batch = store.changes(&key("").storage, start, 2).unwrap();
    assert_eq!((batch.events.len(), batch.revision), (2, start + 2));
    let rest = store.changes(&key("").storage, batch.revision, 2).unwrap();
    assert_eq!((rest.events.len(), rest.revision), (1, store.revision()));
}

#[test]
fn a_restart_keeps_objects_and_goes_on_counting() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    let (store, identity) = Store::open(&path).unwrap();
    assert!(identity.is_null());
    store.compact(json!({"token": "t"})).unwrap();
    put(&store, "n/a", None).unwrap();
    let b = put(&store, "n/b", None).unwrap();
    store.delete(&key("n/b"), b.revision).unwrap();
    let revision = store.revision();
    drop(store);

    let (store, identity) = Store::open(&path).unwrap();
    assert_eq!(identity, json!({"token": "t"}));
    assert_eq!(store.revision(), revision);
    assert!(store.get(&key("n/a")).is_some());
    assert!(store.get(&key("n/b")).is_none());
    let before = store.changes(&key("").storage, revision - 1, 1).err().unwrap();
    assert_eq!(before.oldest, revision);
    assert!(store.changes(&key("").storage, revision, 1).is_ok());
}

#[test]
fn compaction_keeps_the_newest_revision() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    let (store, _) = Store::open(&path).unwrap();
    let a = put(&store, "n/a", None).unwrap();
    store.delete(&key("n/a"), a.revision).unwrap();
    store.compact(Value::Null).unwrap();
    let revision = store.revision();
    drop(store);
    assert_eq!(Store::open(&path).unwrap().0.revision(), revision);
}

//! The objects, one revision counter for all of them, and what changed lately.
//!
//! One lock guards everything. A write compares the revision of the object it was computed
//! from, so callers compute outside the lock and try again when they lose. Readers get
//! shared, immutable objects. Watchers do not queue here: each reads the history of its kind
//! at its own pace and is told when it has fallen out of the window, so a slow one costs
//! nothing.

mod history;
mod log;
mod object;
mod owners;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use parking_lot::RwLock;
use serde_json::Value;
use tokio::sync::watch;

use history::History;
pub(crate) use history::{Event, HISTORY_EVENTS, TooOld};
pub use log::LogError;
use log::{Log, Record};
pub(crate) use object::{Key, Object, StorageId};
use owners::Owners;

use crate::error::ApiError;
use crate::json;

type Objects = BTreeMap<String, Arc<Object>>;

/// Everything that is stored.
#[derive(Debug)]
pub(crate) struct Store {
    state: RwLock<State>,
    revision: watch::Sender<u64>,
}

#[derive(Debug)]
struct Collection {
    objects: Objects,
    history: History,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    revision: u64,
    /// Histories begin here: nothing before it is remembered.
    opened_at: u64,
    collections: HashMap<StorageId, Collection>,
    owners: Owners,
    log: Option<Log>,
}

/// The state as a write's last check sees it, under the lock.
pub(crate) struct View<'a>(&'a State);

impl View<'_> {
    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Object>> {
        self.0.get(key)
    }
}

/// Why nothing was written.
#[derive(Debug)]
pub(crate) enum Lost {
    /// The object is not at the revision that the write was computed from.
    Changed,
    /// The last check, or the data file, refused.
    Refused(ApiError),
}

/// Some objects of one kind, at one moment.
pub(crate) struct Snapshot {
    pub(crate) revision: u64,
    pub(crate) objects: Vec<(String, Arc<Object>)>,
}

/// Changes that a watcher has not seen, and the revision up to which these are all of them.
pub(crate) struct Batch {
    pub(crate) events: Vec<Arc<Event>>,
    pub(crate) revision: u64,
}

impl Store {
    /// An empty store that lives in memory only.
    pub(crate) fn in_memory() -> Self {
        Self::with(State { revision: 1, ..State::default() })
    }

    fn with(state: State) -> Self {
        let revision = watch::Sender::new(state.revision);
        Store { state: RwLock::new(state), revision }
    }

    /// Opens a data file; also gives the identity that was saved in it (`Null` if new).
    pub(crate) fn open(path: &Path) -> Result<(Self, Value), LogError> {
        let opened = Log::open(path)?;
        let mut state = State { revision: 1, ..State::default() };
        for record in opened.records {
            state.replay(record);
        }
        state.opened_at = state.revision;
        state.adopt_all();
        state.log = Some(opened.log);
        Ok((Self::with(state), opened.identity))
    }

    /// Saves the identity and drops history from the data file.
    pub(crate) fn compact(&self, identity: Value) -> Result<(), LogError> {
        let mut state = self.state.write();
        if let Some(log) = &mut state.log {
            log.set_identity(identity);
        }
        state.compact()
    }

    pub(crate) fn revision(&self) -> u64 {
        self.state.read().revision
    }

    /// Changes with every commit of any kind.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Changes with every commit of one kind.
    pub(crate) fn subscribe_to(&self, storage: &StorageId) -> watch::Receiver<u64> {
        self.state.write().collection(storage).changed.subscribe()
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Object>> {
        self.state.read().get(key).cloned()
    }

    /// The objects of a kind, in one namespace or in all.
    pub(crate) fn snapshot(&self, storage: &StorageId, namespace: Option<&str>) -> Snapshot {
        let state = self.state.read();
        let objects = state.collections.get(storage);
        let objects = objects.map(|c| within(&c.objects, namespace)).unwrap_or_default();
        Snapshot { revision: state.revision, objects }
    }

    /// The objects as they were at an earlier revision.
    pub(crate) fn snapshot_at(
        &self,
        storage: &StorageId,
        namespace: Option<&str>,
        revision: u64,
    ) -> Result<Snapshot, TooOld> {
        let state = self.state.read();
        let Some(collection) = state.collections.get(storage) else {
            return Ok(Snapshot { revision, objects: Vec::new() });
        };
        let mut objects = collection.objects.clone();
        collection.history.rewind(&mut objects, revision)?;
        Ok(Snapshot { revision, objects: within(&objects, namespace) })
    }

    /// At most `max` changes of a kind after `revision`.
    pub(crate) fn changes(&self, storage: &StorageId, revision: u64, max: usize) -> Result<Batch, TooOld> {
        let state = self.state.read();
        let Some(collection) = state.collections.get(storage) else {
            return Ok(Batch { events: Vec::new(), revision: state.revision });
        };
        let events = collection.history.after(revision, max)?;
        let complete = events.len() < max;
        let last = events.last().map_or(revision, |e| e.revision);
        let revision = if complete { state.revision } else { last };
        Ok(Batch { events, revision })
    }

    /// Writes one object: creates it when `expected` is `None`, replaces the version
    /// `expected` otherwise. `admit` is the last check, made under the lock.
    pub(crate) fn put(
        &self,
        key: &Key,
        expected: Option<u64>,
        value: Value,
        admit: impl FnOnce(View<'_>) -> Result<(), ApiError>,
    ) -> Result<Arc<Object>, Lost> {
        let mut state = self.state.write();
        if state.get(key).map(|o| o.revision) != expected {
            return Err(Lost::Changed);
        }
        admit(View(&state)).map_err(Lost::Refused)?;
        self.finish(state.commit(key, value, false))
    }

    /// Removes the version `expected` of an object; answers its last state.
    pub(crate) fn delete(&self, key: &Key, expected: u64) -> Result<Arc<Object>, Lost> {
        let mut state = self.state.write();
        let Some(old) = state.get(key).filter(|o| o.revision == expected) else {
            return Err(Lost::Changed);
        };
        let value = old.value.clone();
        self.finish(state.commit(key, value, true))
    }

    fn finish(&self, committed: Result<Arc<Object>, ApiError>) -> Result<Arc<Object>, Lost> {
        let object = committed.map_err(Lost::Refused)?;
        self.revision.send_replace(object.revision);
        Ok(object)
    }

    /// Keys of the objects that name this uid as an owner.
    pub(crate) fn dependents(&self, uid: &str) -> Vec<Key> {
        self.state.read().owners.dependents(uid)
    }

    /// Takes the garbage collector's work.
    pub(crate) fn take_suspects(&self) -> BTreeSet<Key> {
        self.state.write().owners.take_suspects()
    }

    /// Every kind that has, or had, objects.
    pub(crate) fn storages(&self) -> Vec<StorageId> {
        self.state.read().collections.keys().cloned().collect()
    }
}

fn within(objects: &Objects, namespace: Option<&str>) -> Vec<(String, Arc<Object>)> {
    let pair = |(path, object): (&String, &Arc<Object>)| (path.clone(), object.clone());
    match namespace {
        None => objects.iter().map(pair).collect(),
        // '0' is the character after '/'.
        Some(ns) => objects.range(format!("{ns}/")..format!("{ns}0")).map(pair).collect(),
    }
}

impl State {
    fn get(&self, key: &Key) -> Option<&Arc<Object>> {
        self.collections.get(&key.storage)?.objects.get(&key.path)
    }

    fn collection(&mut self, storage: &StorageId) -> &mut Collection {
        let opened_at = self.opened_at;
        self.collections.entry(storage.clone()).or_insert_with(|| Collection {
            objects: Objects::new(),
            history: History::starting_at(opened_at, HISTORY_EVENTS),
            changed: watch::Sender::new(0),
        })
    }

    fn commit(&mut self, key: &Key, mut value: Value, deleted: bool) -> Result<Arc<Object>, ApiError> {
        let revision = self.revision + 1;
        json::set_meta(&mut value, "resourceVersion", Some(revision.to_string().into()));
        self.persist(key, revision, (!deleted).then_some(&value))?;
        self.revision = revision;
        let object = Arc::new(Object::new(value, revision));
        self.remember(key, object.clone(), deleted);
        Ok(object)
    }

    fn remember(&mut self, key: &Key, object: Arc<Object>, deleted: bool) {
        let revision = object.revision;
        let collection = self.collection(&key.storage);
        let previous = match deleted {
            true => collection.objects.remove(&key.path),
            false => collection.objects.insert(key.path.clone(), object.clone()),
        };
        let path = key.path.clone();
        let event = Event { revision, path, object: object.clone(), previous: previous.clone(), deleted };
        collection.history.push(Arc::new(event));
        collection.changed.send_replace(revision);
        self.owners.record(key, previous.as_deref(), (!deleted).then_some(&*object));
    }

    fn persist(&mut self, key: &Key, revision: u64, object: Option<&Value>) -> Result<(), ApiError> {
        let Some(log) = &mut self.log else { return Ok(()) };
        let record = Record {
            revision,
            storage: key.storage.to_string(),
            path: key.path.clone(),
            object: object.cloned(),
        };
        let refused =
            |e: &dyn std::error::Error| ApiError::internal(format!("failed to write data file: {e}"));
        log.append(&record).map_err(|e| refused(&e))?;
        if log.wants_compaction() {
            self.compact().map_err(|e| refused(&e))?;
        }
        Ok(())
    }

    fn compact(&mut self) -> Result<(), LogError> {
        let Some(mut log) = self.log.take() else { return Ok(()) };
        let done = log.rewrite(self.records());
        self.log = Some(log);
        done
    }

    /// Everything, as records; the last one carries the newest revision even when the
    /// newest change was a deletion.
    fn records(&self) -> impl Iterator<Item = Record> {
        let objects = self.collections.iter().flat_map(|(storage, collection)| {
            collection.objects.iter().map(|(path, object)| Record {
                revision: object.revision,
                storage: storage.to_string(),
                path: path.clone(),
                object: Some(object.value.clone()),
            })
        });
        let mark =
            Record { revision: self.revision, storage: String::new(), path: String::new(), object: None };
        objects.chain(std::iter::once(mark))
    }

    fn replay(&mut self, record: Record) {
        self.revision = self.revision.max(record.revision);
        if record.storage.is_empty() {
            return;
        }
        let storage: StorageId = record.storage.as_str().into();
        let objects = &mut self.collection(&storage).objects;
        match record.object {
            Some(value) => objects.insert(record.path, Arc::new(Object::new(value, record.revision))),
            None => objects.remove(&record.path),
        };
    }

    /// After a replay: histories begin now, and every object is known to `owners`.
    fn adopt_all(&mut self) {
        for (storage, collection) in &mut self.collections {
            collection.history = History::starting_at(self.opened_at, HISTORY_EVENTS);
            for (path, object) in &collection.objects {
                let key = Key { storage: storage.clone(), path: path.clone() };
                self.owners.record(&key, None, Some(object));
            }
        }
    }
}

#[cfg(test)]
mod tests;

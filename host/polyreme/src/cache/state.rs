//! The objects of one watched kind and their indexes: a pure value.
//!
//! Only objects that this host's controllers want are kept. Of the others their keys' digests remain, so
//! that "there is no such object" can be told from "it is somebody else's" without a request.
//!
//! Two streams write here, the watch and the responses to this host's own requests, in any order. The
//! rule that keeps reads from going back: an object is replaced only by a newer resourceVersion, and
//! what was deleted does not return under the same uid. A response that comes late, when the watch has
//! shown everything up to its version, brings nothing back that the watch has shown to be gone. A relist
//! replaces everything except what was written through since it began; the watch confirms that, or shows
//! something later first, and then it was gone already.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use crate::field_path::FieldPath;
use crate::object::{Identity, Object, ObjectKey, ResourceVersion};

/// Objects that this host deleted and the watch was not seen to report gone. Without one of them a late event may
/// show it until the next one does not.
const MAX_DELETED: usize = 16_384;

/// What a call changed. `old` and `new` are never both absent.
#[derive(Clone, Debug)]
pub struct Change {
    /// Which object.
    pub key: ObjectKey,
    /// Before; absent when it was not known.
    pub old: Option<Arc<Object>>,
    /// After; absent when it is gone.
    pub new: Option<Arc<Object>>,
}

/// Where an object comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A list, between [`State::begin_relist`] and [`State::end_relist`].
    List,
    /// A watch event.
    Watch,
    /// The response to a write of this host, or to a read past the cache.
    Write,
}

struct Slot {
    object: Arc<Object>,
    /// Written through since the current relist began.
    fresh: bool,
}

/// Whether an object in a list is as it is known when uid and version are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// It is.
    Unique,
    /// A restored backup may have counted them again.
    Reused,
}

struct Relist {
    versions: Versions,
    kept: HashSet<ObjectKey>,
    dropped: HashSet<u64>,
}

type FieldIndex = HashMap<Box<str>, BTreeSet<ObjectKey>>;

/// See the module's story.
#[derive(Default)]
pub struct State {
    objects: HashMap<ObjectKey, Slot>,
    by_owner: HashMap<Box<str>, BTreeSet<ObjectKey>>,
    by_field: HashMap<FieldPath, FieldIndex>,
    /// What the relist under way has shown so far.
    relist: Option<Relist>,
    /// Digests of the keys of objects that were seen and are not kept. A collision costs a request.
    dropped: HashSet<u64>,
    /// The objects were complete at this version: what the watch shows later of an unknown object up to
    /// then is gone already.
    floor: Option<ResourceVersion>,
    /// Version of the last watch event; absent since the last list.
    shown: Option<ResourceVersion>,
    /// Versions written through while nobody knew whether the watch was still to show them.
    unconfirmed: HashMap<ObjectKey, ResourceVersion>,
    /// Its keys are random, so that nobody can choose names that collide.
    digest: RandomState,
    /// Uids that this host deleted and the watch has not yet reported gone.
    deleted: HashMap<ObjectKey, Box<str>>,
    weight_bytes: usize,
}

impl State {
    /// Starts a relist: what is not listed until [`end_relist`](Self::end_relist) is gone.
    pub fn begin_relist(&mut self, versions: Versions) {
        self.relist = Some(Relist { versions, kept: HashSet::new(), dropped: HashSet::new() });
        self.deleted.clear();
        self.unconfirmed.clear();
        (self.floor, self.shown) = (None, None);
        self.objects.values_mut().for_each(|slot| slot.fresh = false);
    }

    /// Ends a relist and returns the objects that vanished meanwhile.
    pub fn end_relist(&mut self) -> Vec<Change> {
        let Some(relist) = self.relist.take() else { return Vec::new() };
        let gone = |(key, slot): (&ObjectKey, &Slot)| {
            (!slot.fresh && !relist.kept.contains(key)).then(|| key.clone())
        };
        let vanished: Vec<_> = self.objects.iter().filter_map(gone).collect();
        self.dropped = relist.dropped;
        self.unconfirmed.retain(|key, _| !relist.kept.contains(key));
        vanished.iter().filter_map(|key| self.remove(key)).collect()
    }

    /// Whether a relist is under way.
    pub fn is_relisting(&self) -> bool {
        self.relist.is_some()
    }

    /// Notes a watch event, before it is taken in, and removes what the watch should have shown before it.
    pub fn show(&mut self, seen: &Identity<'_>) -> Vec<Change> {
        self.shown = Some(seen.resource_version.clone());
        // Nearly always there is nothing unconfirmed.
        if self.unconfirmed.is_empty() {
            return Vec::new();
        }
        self.unconfirmed.remove(seen.key);
        let passed = |_: &ObjectKey, version: &mut ResourceVersion| version.at_most(seen.resource_version);
        let passed: Vec<_> = self.unconfirmed.extract_if(passed).collect();
        let gone = passed.into_iter().filter(|(key, version)| {
            self.objects.get(key).is_some_and(|slot| slot.object.resource_version == *version)
        });
        let gone: Vec<_> = gone.map(|(key, _)| key).collect();
        gone.iter().filter_map(|key| self.remove(key)).collect()
    }

    /// What is known of an object that was seen, when that is newer than what was seen.
    pub fn newer(&self, seen: &Identity<'_>, source: Source) -> Option<&Arc<Object>> {
        let known = self.objects.get(seen.key).filter(|known| is_stale(seen, known, source))?;
        Some(&known.object)
    }

    /// Whether this host deleted what was seen.
    pub fn is_deleted(&self, seen: &Identity<'_>) -> bool {
        self.deleted.get(seen.key).is_some_and(|uid| **uid == *seen.uid)
    }

    /// Takes an object in, unless the cache knows a newer state of it.
    pub fn apply(&mut self, object: Object, source: Source) -> Option<Change> {
        if self.is_deleted(&object.identity()) {
            return None;
        }
        if source == Source::Write && self.is_late(&object.identity()) {
            return None;
        }
        self.deleted.remove(&object.key);
        self.undrop(&object.key);
        if let (Source::List, Some(relist)) = (source, &mut self.relist) {
            relist.kept.insert(object.key.clone());
        }
        if self.newer(&object.identity(), source).is_some() || self.is_over(&object.identity(), source) {
            return None;
        }
        if source == Source::Write {
            self.expect(&object);
        }
        Some(self.insert(Arc::new(object), source == Source::Write))
    }

    /// Notes an object in a list that is kept already as it is; false when it is not.
    pub fn confirm(&mut self, seen: &Identity<'_>) -> bool {
        let (Some(relist), Some(known)) = (&mut self.relist, self.objects.get(seen.key)) else {
            return false;
        };
        let object = &known.object;
        let same = *object.uid == *seen.uid && object.resource_version == *seen.resource_version;
        let confirmed = same && relist.versions == Versions::Unique;
        if confirmed {
            relist.kept.insert(seen.key.clone());
        }
        confirmed
    }

    /// Whether the objects are at least as new as a list of some version, as far as they are wanted.
    pub fn is_as_new_as<'a>(
        &self,
        items: impl Iterator<Item = Identity<'a>>,
        version: &ResourceVersion,
        wanted: impl Fn(&Identity<'_>) -> bool,
    ) -> bool {
        let mut listed = HashSet::with_capacity(self.objects.len());
        for item in items {
            let Some(Slot { object, .. }) = self.objects.get(item.key) else {
                if wanted(&item) && !self.is_deleted(&item) {
                    return false;
                }
                continue;
            };
            if !item.resource_version.at_most(&object.resource_version) {
                return false;
            }
            listed.insert(item.key.clone());
        }
        let later = |object: &Object| !object.resource_version.at_most(version);
        self.objects.values().all(|slot| listed.contains(&slot.object.key) || later(&slot.object))
    }

    /// The objects are complete as of this version.
    pub fn raise_floor(&mut self, version: ResourceVersion) {
        self.floor = Some(version);
    }

    /// Whether the watch shows late an object that was deleted meanwhile.
    fn is_over(&self, seen: &Identity<'_>, source: Source) -> bool {
        let below = |floor: &ResourceVersion| seen.resource_version.at_most(floor);
        source == Source::Watch
            && !self.objects.contains_key(seen.key)
            && self.floor.as_ref().is_some_and(below)
    }

    /// Whether a response comes after the watch has shown that its object is gone.
    fn is_late(&self, seen: &Identity<'_>) -> bool {
        !self.objects.contains_key(seen.key)
            && !self.may_be_dropped(seen.key)
            && self.shown.as_ref().is_some_and(|shown| seen.resource_version.at_most(shown))
    }

    /// Since a list nothing says how far the watch is: what was written may be gone already.
    fn expect(&mut self, written: &Object) {
        if self.shown.is_none() && (self.is_relisting() || !self.objects.contains_key(&written.key)) {
            self.unconfirmed.insert(written.key.clone(), written.resource_version.clone());
        }
    }

    /// Notes an object that is not kept, and removes what is known of it unless that is newer.
    pub fn dismiss(&mut self, seen: &Identity<'_>, source: Source) -> Option<Change> {
        if self.is_deleted(seen) || self.newer(seen, source).is_some() {
            return None;
        }
        self.evict(seen.key)
    }

    /// Removes an object that still exists but is not to be kept.
    pub fn evict(&mut self, key: &ObjectKey) -> Option<Change> {
        let digest = self.digest.hash_one(key);
        self.dropped.insert(digest);
        if let Some(relist) = &mut self.relist {
            relist.dropped.insert(digest);
        }
        self.remove(key)
    }

    /// Whether some object was seen that is not kept: lists would not be complete.
    pub fn is_partial(&self) -> bool {
        !self.dropped.is_empty() || self.relist.as_ref().is_some_and(|relist| !relist.dropped.is_empty())
    }

    /// Whether an object of this key may have been seen and not kept.
    pub fn may_be_dropped(&self, key: &ObjectKey) -> bool {
        !self.dropped.is_empty() && self.dropped.contains(&self.digest.hash_one(key))
    }

    /// Removes an object that the watch reports deleted, unless a later incarnation is known.
    pub fn observe_deleted(&mut self, last: &Identity<'_>) -> Option<Change> {
        self.deleted.remove(last.key);
        self.undrop(last.key);
        let known = &self.objects.get(last.key)?.object;
        let later = *known.uid != *last.uid && !known.resource_version.at_most(last.resource_version);
        if later { None } else { self.remove(last.key) }
    }

    /// Removes an object that this host deleted; it will not return under this uid.
    pub fn forget_deleted(&mut self, key: &ObjectKey, uid: &str) -> Option<Change> {
        if self.objects.get(key).is_some_and(|slot| *slot.object.uid != *uid) {
            return None;
        }
        // Of most the watch tells soon; of what it told before, and of what it never shows, it does not.
        if self.deleted.len() >= MAX_DELETED {
            self.deleted.clear();
        }
        self.deleted.insert(key.clone(), uid.into());
        self.remove(key)
    }

    /// Removes an object that a write took out of what is selected, unless what is known is newer than the
    /// write.
    pub fn deselect(&mut self, written: &Object) -> Option<Change> {
        let known = &self.objects.get(&written.key)?.object;
        let is_older = known.uid == written.uid && !written.resource_version.at_most(&known.resource_version);
        if is_older { self.remove(&written.key) } else { None }
    }

    /// Keeps an index over a field from now on. Idempotent.
    pub fn add_index(&mut self, path: &FieldPath) {
        if self.by_field.contains_key(path) {
            return;
        }
        let mut index = FieldIndex::new();
        for (key, slot) in &self.objects {
            for value in path.values(&slot.object.json) {
                index.entry(value).or_default().insert(key.clone());
            }
        }
        self.by_field.insert(path.clone(), index);
    }

    /// One object.
    pub fn get(&self, key: &ObjectKey) -> Option<&Arc<Object>> {
        self.objects.get(key).map(|slot| &slot.object)
    }

    /// All objects, in no order.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.values().map(|slot| &slot.object)
    }

    /// Keys of the objects whose controller has this uid.
    pub fn owned_by(&self, uid: &str) -> impl Iterator<Item = &ObjectKey> {
        self.by_owner.get(uid).into_iter().flatten()
    }

    /// Keys of the objects with this value at an indexed path; `None` when the path has no index.
    pub fn with_field(&self, path: &FieldPath, value: &str) -> Option<impl Iterator<Item = &ObjectKey>> {
        self.by_field.get(path).map(|index| index.get(value).into_iter().flatten())
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Bytes kept for the objects themselves and for those that are not kept, without other indexes.
    pub fn weight_bytes(&self) -> usize {
        self.weight_bytes + self.dropped.capacity() * size_of::<u64>()
    }

    fn undrop(&mut self, key: &ObjectKey) {
        // Nearly always there is nothing to remove, and nothing is to be hashed then.
        if self.is_partial() {
            let digest = self.digest.hash_one(key);
            self.dropped.remove(&digest);
            self.relist.as_mut().map(|relist| relist.dropped.remove(&digest));
        }
    }

    fn insert(&mut self, object: Arc<Object>, fresh: bool) -> Change {
        let key = object.key.clone();
        let slot = Slot { object: Arc::clone(&object), fresh };
        let old = self.objects.insert(key.clone(), slot).map(|slot| slot.object);
        if let Some(old) = &old {
            self.weight_bytes -= old.weight_bytes();
            self.index(old, false);
        }
        self.weight_bytes += object.weight_bytes();
        self.index(&object, true);
        Change { key, old, new: Some(object) }
    }

    fn remove(&mut self, key: &ObjectKey) -> Option<Change> {
        let old = self.objects.remove(key)?.object;
        self.weight_bytes -= old.weight_bytes();
        self.index(&old, false);
        Some(Change { key: key.clone(), old: Some(old), new: None })
    }

    fn index(&mut self, object: &Object, present: bool) {
        if let Some(owner) = &object.controller {
            update(&mut self.by_owner, &owner.uid, &object.key, present);
        }
        for (path, index) in &mut self.by_field {
            for value in path.values(&object.json) {
                update(index, &value, &object.key, present);
            }
        }
    }
}

/// A list is trusted over what an earlier watch said (a restored etcd counts from an older revision),
/// but not over what was written since the list began.
fn is_stale(seen: &Identity<'_>, known: &Slot, source: Source) -> bool {
    (source != Source::List || known.fresh) && seen.resource_version.at_most(&known.object.resource_version)
}

fn update(index: &mut FieldIndex, value: &str, key: &ObjectKey, present: bool) {
    if present {
        index.entry(value.into()).or_default().insert(key.clone());
    } else if let Some(keys) = index.get_mut(value) {
        keys.remove(key);
        if keys.is_empty() {
            index.remove(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Kind;

    fn object(name: &str, uid: &str, version: u32, rest: &str) -> Object {
        let text = format!(
            r#"{{"metadata":{{"name":"{name}","namespace":"ns","uid":"{uid}","resourceVersion":"{version}"{rest}}},"spec":{{"theme":"t{version}"}}}}"#
        );
        Object::parse(&text, &Kind::new("v1", "X")).unwrap()
    }

    fn version(state: &State, name: &str) -> Option<String> {
        state.get(&ObjectKey::new(Some("ns"), name)).map(|o| o.resource_version.0.to_string())
    }

    #[test]
    fn an_old_watch_event_does_not_undo_a_write() {
        let mut state = State::default();
        state.apply(object("a", "u", 5, ""), Source::Watch);
        assert!(state.apply(object("a", "u", 9, ""), Source::Write).is_some());
        assert!(state.apply(object("a", "u", 7, ""), Source::Watch).is_none());
        assert!(state.apply(object("a", "u", 9, ""), Source::Watch).is_none());
        assert_eq!(version(&state, "a").unwrap(), "9");
    }

    #[test]
    fn a_relist_drops_what_vanished_and_keeps_what_was_written_meanwhile() {
        let mut state = State::default();
        for name in ["stays", "vanishes"] {
            state.apply(object(name, name, 1, ""), Source::Watch);
        }
        state.begin_relist(Versions::Reused);
        state.apply(object("stays", "stays", 1, ""), Source::List);
        state.apply(object("written", "w", 9, ""), Source::Write);
        let gone: Vec<_> = state.end_relist().into_iter().map(|c| c.key.name.to_string()).collect();
        assert_eq!(gone, ["vanishes"]);
        assert!(version(&state, "written").is_some() && version(&state, "stays").is_some());
    }

    #[test]
    fn a_relist_after_a_restored_backup_is_believed() {
        let mut state = State::default();
        state.apply(object("a", "u", 100, ""), Source::Watch);
        state.begin_relist(Versions::Reused);
        assert!(state.apply(object("a", "u", 40, ""), Source::List).is_some());
        assert_eq!(version(&state, "a").unwrap(), "40");
    }

    #[test]
    fn a_list_older_than_a_write_does_not_undo_it() {
        let mut state = State::default();
        state.begin_relist(Versions::Reused);
        state.apply(object("a", "u", 9, ""), Source::Write);
        assert!(state.apply(object("a", "u", 4, ""), Source::List).is_none());
        assert!(state.end_relist().is_empty());
        assert_eq!(version(&state, "a").unwrap(), "9");
    }

    #[test]
    fn a_late_response_does_not_bring_back_what_the_watch_showed_to_be_gone() {
        let mut state = State::default();
        let watched = |state: &mut State, object: Object| {
            state.show(&object.identity());
            state.apply(object, Source::Watch);
        };
        watched(&mut state, object("a", "u", 5, ""));
        watched(&mut state, object("a", "u", 6, ""));
        let last = object("a", "u", 7, "");
        state.show(&last.identity());
        assert!(state.observe_deleted(&last.identity()).is_some());
        assert!(state.apply(object("a", "u", 6, ""), Source::Write).is_none());
        assert_eq!(version(&state, "a"), None);
        assert!(state.apply(object("a", "u2", 8, ""), Source::Write).is_some(), "not shown yet");
        state.evict(&ObjectKey::new(Some("ns"), "a"));
        assert!(state.apply(object("a", "u2", 7, ""), Source::Write).is_some(), "it was only dropped");
    }

    #[test]
    fn what_was_written_during_a_list_goes_when_the_watch_passes_it_by() {
        let mut state = State::default();
        state.begin_relist(Versions::Reused);
        for (name, at) in [("gone", 9), ("confirmed", 10), ("listed", 8), ("later", 30)] {
            state.apply(object(name, name, at, ""), Source::Write);
        }
        state.apply(object("listed", "listed", 8, ""), Source::List);
        assert!(state.end_relist().is_empty());
        state.apply(object("late", "late", 7, ""), Source::Write);
        let confirmation = object("confirmed", "confirmed", 10, "");
        let gone: BTreeSet<_> =
            state.show(&confirmation.identity()).into_iter().map(|c| c.key.name).collect();
        assert_eq!(gone, ["gone".into(), "late".into()].into());
        assert!(state.show(&object("other", "o", 20, "").identity()).is_empty());
        for name in ["confirmed", "listed", "later"] {
            assert!(version(&state, name).is_some(), "{name}");
        }
    }

    #[test]
    fn what_the_watch_never_tells_of_is_not_remembered_for_good() {
        let mut state = State::default();
        for at in 0..=MAX_DELETED {
            state.forget_deleted(&ObjectKey::new(None, &format!("a-{at}")), "u");
        }
        assert_eq!(state.deleted.len(), 1);
    }

    #[test]
    fn what_this_host_deleted_does_not_return_but_a_namesake_may() {
        let mut state = State::default();
        let key = ObjectKey::new(Some("ns"), "a");
        state.apply(object("a", "u1", 5, ""), Source::Watch);
        assert!(state.forget_deleted(&key, "u1").is_some());
        assert!(state.apply(object("a", "u1", 6, ""), Source::Watch).is_none());
        assert!(state.apply(object("a", "u2", 7, ""), Source::Watch).is_some());
        assert!(
            state.observe_deleted(&object("a", "u1", 6, "").identity()).is_none(),
            "an older incarnation"
        );
        assert_eq!(version(&state, "a").unwrap(), "7");
        assert!(state.observe_deleted(&object("a", "u2", 8, "").identity()).is_some());
        assert!(state.is_empty());
    }

    #[test]
    fn a_list_confirms_what_is_known_unless_versions_may_come_twice() {
        let mut state = State::default();
        state.apply(object("a", "u", 5, ""), Source::Watch);
        let (same, newer) = (object("a", "u", 5, ""), object("a", "u", 6, ""));
        state.begin_relist(Versions::Reused);
        assert!(!state.confirm(&same.identity()));
        state.begin_relist(Versions::Unique);
        assert!(state.confirm(&same.identity()) && !state.confirm(&newer.identity()));
        assert!(state.end_relist().is_empty(), "it was listed");
    }

    #[test]
    fn objects_are_compared_with_a_list_of_their_versions() {
        let mut state = State::default();
        state.apply(object("a", "u", 5, ""), Source::Watch);
        let as_new = |state: &State, listed: &[Object], version: &str| {
            let items = listed.iter().map(Object::identity);
            state.is_as_new_as(items, &ResourceVersion(version.into()), |item| *item.uid != *"theirs")
        };
        assert!(as_new(&state, &[object("a", "u", 5, "")], "9"));
        assert!(as_new(&state, &[object("a", "u", 4, "")], "4"), "newer than the list");
        assert!(as_new(&state, &[object("a", "u", 5, ""), object("b", "theirs", 8, "")], "9"));
        assert!(!as_new(&state, &[object("a", "u", 6, "")], "9"), "changed");
        assert!(!as_new(&state, &[object("a", "u", 5, ""), object("b", "ours", 8, "")], "9"), "new");
        assert!(!as_new(&state, &[], "9"), "deleted");
        assert!(as_new(&state, &[], "4"), "made since");
        state.forget_deleted(&ObjectKey::new(Some("ns"), "a"), "u");
        assert!(as_new(&state, &[object("a", "u", 5, "")], "5"), "deleted by this host");
    }

    #[test]
    fn what_the_watch_shows_late_of_something_deleted_is_ignored() {
        let mut state = State::default();
        state.apply(object("known", "k", 4, ""), Source::Watch);
        state.raise_floor(ResourceVersion("9".into()));
        assert!(state.apply(object("gone", "g", 8, ""), Source::Watch).is_none());
        assert!(state.apply(object("known", "k", 9, ""), Source::Watch).is_some());
        assert!(state.apply(object("new", "n", 10, ""), Source::Watch).is_some());
        assert!(state.apply(object("read", "r", 8, ""), Source::Write).is_some());
        state.begin_relist(Versions::Reused);
        assert!(state.apply(object("restored", "x", 3, ""), Source::Watch).is_some());
    }

    #[test]
    fn indexes_follow_the_objects() {
        let mut state = State::default();
        let theme = FieldPath::parse("spec.theme").unwrap();
        let owner =
            r#","ownerReferences":[{"apiVersion":"v1","kind":"P","name":"p","uid":"pu","controller":true}]"#;
        state.apply(object("a", "u", 1, owner), Source::Watch);
        state.add_index(&theme);
        let with = |state: &State, value: &str| state.with_field(&theme, value).unwrap().count();
        assert_eq!((with(&state, "t1"), state.owned_by("pu").count()), (1, 1));
        state.apply(object("a", "u", 2, ""), Source::Watch);
        assert_eq!((with(&state, "t1"), with(&state, "t2"), state.owned_by("pu").count()), (0, 1, 0));
        state.apply(object("a", "u", 3, owner), Source::Watch);
        state.observe_deleted(&object("a", "u", 4, "").identity());
        assert_eq!((with(&state, "t3"), state.owned_by("pu").count(), state.weight_bytes()), (0, 0, 0));
        assert!(state.with_field(&FieldPath::parse("spec.other").unwrap(), "x").is_none());
    }
}

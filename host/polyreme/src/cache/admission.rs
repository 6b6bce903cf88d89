//! Which objects a cache keeps: those that belong to a slot which this host holds or is about to hold.
//!
//! Each route says where an object belongs; one that wants it is enough. What nobody wants is not even
//! parsed ([`Cache::receive`]). What an object is decided by, its owner and the owner's owner, may be
//! shown later than the object itself, or change: then it is looked at again.
//!
//! Deciding and storing happen under the lock of the state, so that eviction after a slot was lost, or a
//! list after one was acquired, sees either the decision's effect or is seen by it. Locks are taken in the
//! order state, lineage; a state is never locked while another one is.

use std::sync::Arc;

use super::Cache;
use super::holes::Holes;
use super::lineage::Recorded;
use super::state::{Change, Source, State};
use crate::object::{Identity, Object, ObjectError, ObjectKey};
use crate::ownership::LaneSlots;
use crate::queue::schedule::Priority;
use crate::route::Route;

/// Objects looked at under one lock when slots are lost: some 100 µs, in which nobody reads.
const EVICTION_BATCH: usize = 128;

/// Whether an object is to be kept.
struct Admission {
    keep: bool,
    news: Vec<News>,
}

/// It became known where an object leads, or that changed: its children are to be looked at.
struct News {
    route: Arc<Route>,
    uid: Box<str>,
    /// What was dropped below it may be wanted now.
    lacks: bool,
}

impl Admission {
    fn of(routes: &[Arc<Route>], object: &Identity<'_>) -> Self {
        let mut admission = Self { keep: routes.is_empty(), news: Vec::new() };
        for route in routes {
            let (wanted, recorded) = route.record(object);
            admission.keep |= wanted;
            if recorded != Recorded::Same {
                let lacks = wanted && recorded == Recorded::Moved;
                admission.news.push(News { route: Arc::clone(route), uid: object.uid.into(), lacks });
            }
        }
        if !admission.keep {
            routes.iter().for_each(|route| route.dropped(object));
        }
        admission
    }
}

impl Cache {
    /// Adds a route, queues, at low priority, what it leads to from what is cached already, and lists
    /// everything anew if something was dropped that it may want.
    pub fn add_route(&self, route: Arc<Route>) {
        let (news, is_partial) = {
            let mut state = self.state.write();
            self.begin(&route, &state);
            let news = self.record_all(&route, &mut state);
            (news, state.is_partial())
        };
        settle(news);
        if is_partial {
            self.ask_for_list();
        }
        self.evict();
        for object in self.all() {
            let change = Change { key: object.key.clone(), old: None, new: Some(object) };
            route.dispatch(&change, Priority::LOW);
        }
    }

    /// Removes routes, and what was kept only for them.
    pub fn retain_routes(&self, stays: impl Fn(&Route) -> bool) {
        {
            // Deciding and storing happen under this lock, by the routes as they are.
            let _state = self.state.write();
            let mut routes = self.routes.write();
            if routes.iter().all(|route| stays(route)) {
                return;
            }
            *routes = routes.iter().filter(|route| stays(route)).cloned().collect();
        }
        self.evict();
    }

    /// The route hears of everything from now on.
    fn begin(&self, route: &Arc<Route>, state: &State) {
        if state.is_relisting() {
            route.begin_relist();
        }
        let may_lack = state.is_partial();
        let so_far = || Holes::none_so_far(self.is_listed(), state.is_relisting());
        route.begin(if may_lack { Holes::everywhere() } else { so_far() });
        let mut routes = self.routes.write();
        *routes = routes.iter().chain([route]).cloned().collect();
    }

    fn record_all(&self, route: &Arc<Route>, state: &mut State) -> Vec<News> {
        let only = [Arc::clone(route)];
        state.objects().flat_map(|object| Admission::of(&only, &object.identity()).news).collect()
    }

    /// Whether a controller has a route here.
    pub fn serves(&self, lane: &LaneSlots) -> bool {
        self.routes().iter().any(|route| route.is_of(lane))
    }

    /// Takes in what a list or a watch showed. All of it is read only if it is to be kept.
    ///
    /// # Errors
    /// When it is to be kept and is no object.
    pub fn receive(&self, seen: &Identity<'_>, text: &str, source: Source) -> Result<(), ObjectError> {
        let routes = self.routes();
        let may_keep = routes.is_empty() || routes.iter().any(|route| route.wants(seen));
        let done = if may_keep { self.confirm(seen, source) } else { self.dismiss(seen, source) };
        if !done {
            self.observe(Object::parse(text, &self.id.kind)?, source);
        }
        Ok(())
    }

    /// Whether a list showed what is kept already as it is.
    fn confirm(&self, seen: &Identity<'_>, source: Source) -> bool {
        if source != Source::List {
            return false;
        }
        let news = {
            let mut state = self.state.write();
            let Some(known) = state.get(seen.key).cloned() else { return false };
            if !state.confirm(seen) {
                return false;
            }
            // Where it leads is recorded anew by every list.
            Admission::of(&self.routes(), &known.identity()).news
        };
        settle(news);
        true
    }

    /// Takes in what a list, a watch or a write showed.
    pub fn observe(&self, object: Object, source: Source) {
        let (changes, news) = {
            let mut state = self.state.write();
            let mut changes = show(&mut state, &object.identity(), source);
            let admission = self.admit(&state, &object.identity(), source);
            let keep = admission.as_ref().map(|admission| admission.keep);
            changes.extend(match keep {
                Some(true) => state.apply(object, source),
                Some(false) => state.dismiss(&object.identity(), source),
                None => None,
            });
            (changes, admission.map(|admission| admission.news))
        };
        let priority = if source == Source::List { Priority::LOW } else { Priority::NORMAL };
        changes.iter().for_each(|change| self.dispatch(change, priority));
        settle(news.unwrap_or_default());
    }

    /// Drops what a list or a watch showed; whether it was right to.
    fn dismiss(&self, seen: &Identity<'_>, source: Source) -> bool {
        let (changes, news) = {
            let mut state = self.state.write();
            let admission = self.admit(&state, seen, source);
            if admission.as_ref().is_some_and(|admission| admission.keep) {
                return false;
            }
            let mut changes = show(&mut state, seen, source);
            changes.extend(admission.as_ref().and_then(|_| state.dismiss(seen, source)));
            (changes, admission.map(|admission| admission.news))
        };
        changes.iter().for_each(|change| self.dispatch(change, Priority::NORMAL));
        settle(news.unwrap_or_default());
        true
    }

    /// Decides by the newest that is known of an object; `None` when this host deleted it.
    fn admit(&self, state: &State, seen: &Identity<'_>, source: Source) -> Option<Admission> {
        if state.is_deleted(seen) {
            return None;
        }
        let known = state.newer(seen, source).map(|object| object.identity());
        Some(Admission::of(&self.routes(), &known.unwrap_or(*seen)))
    }

    /// The watch reports an object deleted.
    pub fn observe_deleted(&self, last: &Identity<'_>) {
        let changes = {
            let mut state = self.state.write();
            self.routes().iter().for_each(|route| route.forget(last.uid));
            let mut changes = state.show(last);
            changes.extend(state.observe_deleted(last));
            changes
        };
        changes.iter().for_each(|change| self.dispatch(change, Priority::NORMAL));
    }

    /// The watch reports an object gone that a finalizer held: whoever reconciles it is to hear of it.
    pub fn bury(&self, last: &Arc<Object>) {
        self.routes().iter().for_each(|route| route.bury(last));
    }

    /// This host deleted an object.
    pub fn forget_deleted(&self, key: &ObjectKey, uid: &str) {
        let change = self.state.write().forget_deleted(key, uid);
        change.iter().for_each(|change| self.dispatch(change, Priority::NORMAL));
    }

    /// A write took an object out of what this cache selects; the watch will say that it is gone.
    pub(super) fn deselect(&self, written: &Object) {
        let change = self.state.write().deselect(written);
        change.iter().for_each(|change| self.dispatch(change, Priority::NORMAL));
    }

    /// Removes what is no longer wanted, and returns the keys; tells no queue.
    pub fn evict(&self) -> Vec<ObjectKey> {
        let keys: Vec<_> = self.state.read().objects().map(|object| object.key.clone()).collect();
        let mut evicted = Vec::new();
        for batch in keys.chunks(EVICTION_BATCH) {
            let mut state = self.state.write();
            let routes = self.routes();
            evicted.extend(batch.iter().filter(|key| evict_one(&mut state, &routes, key)).cloned());
        }
        evicted
    }

    /// Looks again at the children of an object, now that it is known where it leads.
    fn reexamine(&self, parent: &News) -> Vec<News> {
        let children: Vec<_> = self.state.read().owned_by(&parent.uid).cloned().collect();
        children.iter().flat_map(|key| self.reexamine_one(key, &parent.route)).collect()
    }

    fn reexamine_one(&self, key: &ObjectKey, route: &Route) -> Vec<News> {
        let (object, admission) = {
            let mut state = self.state.write();
            let Some(object) = state.get(key).cloned() else { return Vec::new() };
            let admission = Admission::of(&self.routes(), &object.identity());
            if !admission.keep {
                state.evict(key);
            }
            (object, admission)
        };
        if admission.keep {
            let change = Change { key: key.clone(), old: None, new: Some(object) };
            let same = |other: &&Arc<Route>| other.is_of(route.lane());
            self.routes().iter().filter(same).for_each(|route| route.dispatch(&change, Priority::NORMAL));
        }
        admission.news
    }
}

/// What the watch is past when it shows something.
fn show(state: &mut State, seen: &Identity<'_>, source: Source) -> Vec<Change> {
    if source == Source::Watch { state.show(seen) } else { Vec::new() }
}

/// Whether it was no longer wanted.
fn evict_one(state: &mut State, routes: &[Arc<Route>], key: &ObjectKey) -> bool {
    let Some(object) = state.get(key).cloned() else { return false };
    if routes.is_empty() || routes.iter().any(|route| route.wants(&object.identity())) {
        return false;
    }
    routes.iter().for_each(|route| route.dropped(&object.identity()));
    state.evict(key).is_some()
}

/// Looks again at the objects below those of which it became known where they lead. What was dropped
/// below an object that led elsewhere before has to be listed.
fn settle(mut news: Vec<News>) {
    while let Some(parent) = news.pop() {
        for cache in parent.route.owned_caches() {
            if parent.lacks {
                cache.ask_for_list_if_partial();
            }
            news.extend(cache.reexamine(&parent));
        }
    }
}

//! The caches: one for each watched (kind, selector), shared by every module that asks.
//!
//! A [`Cache`] holds the objects ([`state`]), hears of changes from its watch and from this host's own
//! writes, decides which objects to keep ([`admission`]), and hands each change to its [`Route`]s, which
//! queue the primaries concerned. [`lists`] and [`catch_up`] bring it up to date when slots are acquired.
//! [`Caches`] is the register of all of them.

mod admission;
pub mod catch_up;
pub mod holes;
pub mod lineage;
pub mod lists;
mod metadata;
#[cfg(test)]
mod sharded;
pub mod state;
mod view;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use kube::api::ApiResource;
use parking_lot::RwLock;
use polyreme_ownership::SlotSet;
use polyreme_ownership::slots::Root;
use polyreme_selector::LabelSelector;
use tokio::sync::watch;

use crate::field_path::FieldPath;
use crate::object::{Kind, Object, ObjectKey, ResourceVersion};
use crate::ownership::LaneSlots;
use crate::queue::schedule::Priority;
use crate::route::Route;
pub use catch_up::{catch_up, prewarm};
use lineage::Lineage;
use lists::Lists;
use state::{Change, Source, State};
pub use view::{Answer, View};

/// What one watch covers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CacheId {
    /// The watched kind.
    pub kind: Kind,
    /// Label selector in its printed form; empty for all objects.
    pub selector: String,
}

/// How the API server serves a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Group, version, kind and plural.
    pub api: ApiResource,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

/// How a watch is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// No full list yet.
    Starting,
    /// Listed, and events flow.
    Synced,
    /// The last attempt failed; what is cached may be old. Advice included.
    Failing(String),
}

/// See the module's story.
pub struct Cache {
    /// What it covers.
    pub id: CacheId,
    /// How the server serves it.
    pub resource: Resource,
    selector: LabelSelector,
    state: RwLock<State>,
    /// Copied out before any other lock is taken.
    routes: RwLock<Arc<[Arc<Route>]>>,
    health: watch::Sender<Health>,
    lists: watch::Sender<Lists>,
    /// Version of the last watch event that was taken in; absent since the last list.
    progress: watch::Sender<Option<ResourceVersion>>,
}

impl Cache {
    fn new(id: CacheId, resource: Resource, selector: LabelSelector) -> Self {
        Self {
            id,
            resource,
            selector,
            state: RwLock::default(),
            routes: RwLock::new(Arc::default()),
            health: watch::Sender::new(Health::Starting),
            lists: watch::Sender::default(),
            progress: watch::Sender::default(),
        }
    }

    /// Keeps an index over a field from now on.
    pub fn add_index(&self, path: &FieldPath) {
        self.state.write().add_index(path);
    }

    /// One object.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<Object>> {
        self.state.read().get(key).cloned()
    }

    /// One object, none, or one that is not kept.
    fn look_up(&self, key: &ObjectKey) -> Answer {
        let state = self.state.read();
        match state.get(key) {
            Some(object) => Answer::Found(Arc::clone(object)),
            None if state.may_be_dropped(key) => Answer::Unknown,
            None => Answer::Absent,
        }
    }

    /// Reads several things at one moment.
    pub fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.state.read())
    }

    /// Whether every child of an object that a controller may reconcile is kept, if the watch shows it.
    fn owns_for(&self, lane: &LaneSlots) -> bool {
        self.routes().iter().any(|route| route.is_of(lane) && route.is_owned())
    }

    /// All objects that are kept, in no order.
    pub fn all(&self) -> Vec<Arc<Object>> {
        self.state.read().objects().cloned().collect()
    }

    /// Keys and versions of the controller's primaries in some slots, in no order; the cache is that of its
    /// primary kind.
    pub fn keys_of(&self, lane: &LaneSlots, slots: &SlotSet) -> Vec<(ObjectKey, ResourceVersion)> {
        let state = self.state.read();
        let wanted = state.objects().filter(|object| slots.contains(lane.slot(&self.root(object))));
        wanted.map(|object| (object.key.clone(), object.resource_version.clone())).collect()
    }

    /// An object of this cache as a root.
    fn root<'a>(&'a self, object: &'a Object) -> Root<'a> {
        Root {
            group: &self.resource.api.group,
            resource: &self.resource.api.plural,
            namespace: object.key.namespace.as_deref().unwrap_or_default(),
            name: &object.key.name,
            uid: &object.uid,
        }
    }

    /// Objects whose controller has this uid.
    pub fn owned_by(&self, uid: &str) -> Vec<Arc<Object>> {
        let state = self.state.read();
        state.owned_by(uid).filter_map(|key| state.get(key).cloned()).collect()
    }

    /// Objects with this value at an indexed path; `None` when the path has no index.
    pub fn with_field(&self, path: &FieldPath, value: &str) -> Option<Vec<Arc<Object>>> {
        let state = self.state.read();
        let keys = state.with_field(path, value)?;
        Some(keys.filter_map(|key| state.get(key).cloned()).collect())
    }

    /// Number of objects and bytes kept for them and for what is known of others.
    pub fn size(&self) -> (usize, usize) {
        let links: usize = self.routes().iter().map(|route| route.weight_bytes()).sum();
        let state = self.state.read();
        (state.len(), state.weight_bytes() + links)
    }

    /// How the watch is doing.
    pub fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    /// Follows the health.
    pub fn subscribe(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Records how the watch is doing.
    pub fn set_health(&self, health: Health) {
        self.health.send_if_modified(|known| {
            let changed = *known != health;
            *known = health;
            changed
        });
    }

    fn routes(&self) -> Arc<[Arc<Route>]> {
        Arc::clone(&self.routes.read())
    }

    fn dispatch(&self, change: &Change, priority: Priority) {
        for route in self.routes().iter() {
            route.dispatch(change, priority);
        }
    }

    fn observe_write(&self, object: Object) {
        if self.selector.matches(|key| object.label(key)) {
            self.observe(object, Source::Write);
        } else {
            self.deselect(&object);
        }
    }
}

/// Every cache of the host.
#[derive(Default)]
pub struct Caches {
    by_id: RwLock<HashMap<CacheId, Arc<Cache>>>,
}

impl Caches {
    /// The cache with this id, and whether this call made it (its watch is then to be started).
    pub fn get_or_create(
        &self,
        id: CacheId,
        resource: &Resource,
        selector: LabelSelector,
    ) -> (Arc<Cache>, bool) {
        let mut by_id = self.by_id.write();
        if let Some(cache) = by_id.get(&id) {
            return (Arc::clone(cache), false);
        }
        let cache = Arc::new(Cache::new(id.clone(), resource.clone(), selector));
        by_id.insert(id, Arc::clone(&cache));
        (cache, true)
    }

    /// The cache with this id.
    pub fn get(&self, id: &CacheId) -> Option<Arc<Cache>> {
        self.by_id.read().get(id).cloned()
    }

    /// A cache whose watch has ended.
    pub fn remove(&self, id: &CacheId) {
        self.by_id.write().remove(id);
    }

    /// Of a controller's routes only those of this lineage stay.
    pub fn keep_only(&self, lane: &LaneSlots, lineage: &Arc<Lineage>) {
        self.all()
            .iter()
            .for_each(|cache| cache.retain_routes(|route| !route.is_of(lane) || route.is_by(lineage)));
    }

    /// Nothing leads to a controller any more.
    pub fn forget(&self, lane: &LaneSlots) {
        self.all().iter().for_each(|cache| cache.retain_routes(|route| !route.is_of(lane)));
    }

    /// Removes what is no longer wanted after slots were lost; tells nobody's queue. Returns what it
    /// removed, so that what else is remembered of those objects can be forgotten.
    pub fn evict(&self, lane: &LaneSlots) -> HashSet<(Kind, ObjectKey)> {
        let concerned = self.all().into_iter().filter(|cache| cache.serves(lane));
        let evicted = concerned.flat_map(|cache| {
            cache.evict().into_iter().map(move |key| (cache.id.kind.clone(), key)).collect::<Vec<_>>()
        });
        evicted.collect()
    }

    /// All caches, for metrics.
    pub fn all(&self) -> Vec<Arc<Cache>> {
        self.by_id.read().values().cloned().collect()
    }

    /// An object from any cache of its kind, also while that is being filled: to follow owners.
    pub fn find(&self, kind: &Kind, key: &ObjectKey) -> Option<Arc<Object>> {
        self.of_kind(kind).iter().find_map(|cache| cache.get(key))
    }

    /// Takes the response to a write of this host into every cache that covers it.
    pub fn observe_write(&self, kind: &Kind, object: &Object) {
        self.of_kind(kind).iter().for_each(|cache| cache.observe_write(object.clone()));
    }

    /// Removes an object that this host deleted from every cache of its kind.
    pub fn forget_deleted(&self, kind: &Kind, key: &ObjectKey, uid: &str) {
        self.of_kind(kind).iter().for_each(|cache| cache.forget_deleted(key, uid));
    }

    fn of_kind(&self, kind: &Kind) -> Vec<Arc<Cache>> {
        let by_id = self.by_id.read();
        by_id.values().filter(|cache| cache.id.kind == *kind).cloned().collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use kube::core::GroupVersionKind;

    pub(crate) fn cache(caches: &Caches, selector: &str) -> Arc<Cache> {
        let api = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Pod"));
        let id = CacheId { kind: Kind::new("v1", "Pod"), selector: selector.to_owned() };
        let selector = LabelSelector::parse(selector).unwrap();
        caches.get_or_create(id, &Resource { api, namespaced: true }, selector).0
    }

    pub(crate) fn pod(labels: &str, version: u32) -> Object {
        let text = format!(
            r#"{{"metadata":{{"name":"p","namespace":"ns","uid":"u","resourceVersion":"{version}","labels":{labels}}}}}"#
        );
        Object::parse(&text, &Kind::new("v1", "Pod")).unwrap()
    }

    #[test]
    fn a_write_reaches_every_cache_that_selects_the_object() {
        let caches = Caches::default();
        let (all, web, db) = (cache(&caches, ""), cache(&caches, "app=web"), cache(&caches, "app=db"));
        caches.observe_write(&Kind::new("v1", "Pod"), &pod(r#"{"app":"web"}"#, 1));
        let sizes = [&all, &web, &db].map(|cache| cache.size().0);
        assert_eq!(sizes, [1, 1, 0]);
    }

    #[test]
    fn a_write_takes_an_object_out_of_the_caches_that_select_it_no_more() {
        let caches = Caches::default();
        let web = cache(&caches, "app=web");
        let kind = Kind::new("v1", "Pod");
        caches.observe_write(&kind, &pod(r#"{"app":"web"}"#, 7));
        caches.observe_write(&kind, &pod(r#"{"app":"db"}"#, 6));
        assert_eq!(web.all().len(), 1, "an answer that comes late");
        caches.observe_write(&kind, &pod(r#"{"app":"db"}"#, 8));
        assert!(web.all().is_empty());
    }

    #[test]
    fn one_watch_serves_all_who_ask_for_the_same() {
        let caches = Caches::default();
        assert!(Arc::ptr_eq(&cache(&caches, "app=web"), &cache(&caches, "app=web")));
        assert_eq!(caches.all().len(), 1);
    }
}

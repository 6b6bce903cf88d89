//! The caches: one for each watched (kind, selector), shared by every module that asks.
//!
//! A [`Cache`] holds the objects ([`state`]), hears of changes from its watch and from this host's own
//! writes, and hands each change to its [`Route`]s, which queue the primaries concerned. [`Caches`]
//! is the register of all of them.

pub mod state;
mod view;

use std::collections::HashMap;
use std::sync::Arc;

use kube::api::ApiResource;
use parking_lot::RwLock;
use polyreme_selector::LabelSelector;
use tokio::sync::watch;

use crate::field_path::FieldPath;
use crate::object::{Kind, Object, ObjectKey};
use crate::queue::schedule::Priority;
use crate::route::Route;
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
    routes: RwLock<Vec<Arc<Route>>>,
    health: watch::Sender<Health>,
    listed_once: watch::Sender<bool>,
}

impl Cache {
    fn new(id: CacheId, resource: Resource, selector: LabelSelector) -> Self {
        Self {
            id,
            resource,
            selector,
            state: RwLock::default(),
            routes: RwLock::default(),
            health: watch::Sender::new(Health::Starting),
            listed_once: watch::Sender::new(false),
        }
    }

    /// Whether it has had a full list.
    pub fn is_listed(&self) -> bool {
        *self.listed_once.borrow()
    }

    /// Adds a route and queues, at low priority, what it leads to from what is cached already.
    pub fn add_route(&self, route: Arc<Route>) {
        self.routes.write().push(Arc::clone(&route));
        for object in self.all() {
            let change = Change { key: object.key.clone(), old: None, new: Some(object) };
            route.dispatch(&change, Priority::LOW);
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

    /// All objects, in no order.
    pub fn all(&self) -> Vec<Arc<Object>> {
        self.state.read().objects().cloned().collect()
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

    /// Number of objects and bytes kept for them.
    pub fn size(&self) -> (usize, usize) {
        let state = self.state.read();
        (state.len(), state.weight_bytes())
    }

    /// How the watch is doing.
    pub fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    /// Follows the health.
    pub fn subscribe(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Waits for the first full list.
    pub async fn listed(&self) {
        let mut listed = self.listed_once.subscribe();
        // The sender lives in self, so waiting cannot fail.
        let _ = listed.wait_for(|listed| *listed).await;
    }

    /// Records how the watch is doing.
    pub fn set_health(&self, health: Health) {
        self.health.send_if_modified(|known| {
            let changed = *known != health;
            *known = health;
            changed
        });
    }

    /// A relist begins.
    pub fn begin_relist(&self) {
        self.state.write().begin_relist();
    }

    /// A relist is complete.
    pub fn end_relist(&self) {
        let vanished = self.state.write().end_relist();
        vanished.iter().for_each(|change| self.dispatch(change, Priority::NORMAL));
        self.listed_once.send_replace(true);
        self.set_health(Health::Synced);
    }

    /// Takes in what a list, a watch or a write showed.
    pub fn observe(&self, object: Object, source: Source) {
        let change = self.state.write().apply(object, source);
        let priority = if source == Source::List { Priority::LOW } else { Priority::NORMAL };
        change.iter().for_each(|change| self.dispatch(change, priority));
    }

    /// The watch reports an object deleted.
    pub fn observe_deleted(&self, last: &Object) {
        let change = self.state.write().observe_deleted(last);
        change.iter().for_each(|change| self.dispatch(change, Priority::NORMAL));
    }

    /// This host deleted an object.
    pub fn forget_deleted(&self, key: &ObjectKey, uid: &str) {
        let change = self.state.write().forget_deleted(key, uid);
        change.iter().for_each(|change| self.dispatch(change, Priority::NORMAL));
    }

    fn observe_write(&self, object: Object) {
        if self.selector.matches(|key| object.label(key)) {
            self.observe(object, Source::Write);
        }
    }

    fn dispatch(&self, change: &Change, priority: Priority) {
        for route in self.routes.read().iter() {
            route.dispatch(change, priority);
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
    fn one_watch_serves_all_who_ask_for_the_same() {
        let caches = Caches::default();
        assert!(Arc::ptr_eq(&cache(&caches, "app=web"), &cache(&caches, "app=web")));
        assert_eq!(caches.all().len(), 1);
    }
}

// TEMPORARY (lead): replaced by the cache branch.
impl Cache {
    /// tmp
    pub fn keys_of(
        &self,
        lane: &crate::ownership::LaneSlots,
        slots: &polyreme_ownership::SlotSet,
    ) -> Vec<ObjectKey> {
        let api = &self.resource.api;
        self.all()
            .into_iter()
            .filter(|o| {
                let namespace = o.key.namespace.as_deref().unwrap_or_default();
                let root = polyreme_ownership::slots::Root {
                    group: &api.group,
                    resource: &api.plural,
                    namespace,
                    name: &o.key.name,
                    uid: &o.uid,
                };
                slots.contains(lane.slot(&root))
            })
            .map(|o| o.key.clone())
            .collect()
    }
}
impl Caches {
    /// tmp
    pub fn evict(&self, _lane: &crate::ownership::LaneSlots) {}
}
/// tmp
pub async fn prewarm(
    _: &[Arc<Cache>],
    _: kube::Client,
    _: &crate::ownership::LaneSlots,
    _: &polyreme_ownership::SlotSet,
) {
}
/// tmp
pub async fn catch_up(
    _: &[Arc<Cache>],
    _: kube::Client,
    _: &crate::ownership::LaneSlots,
    _: &polyreme_ownership::SlotSet,
) {
}

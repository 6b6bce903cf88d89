//! From a change of some object to the primaries that must be reconciled because of it.
//!
//! A route belongs to one controller and one cache. It first asks whether the change matters (the
//! predicates of SEMANTICS.md), then which primaries it concerns: the object itself, its owner
//! followed upwards, the name in a label, or every primary whose indexed field names the object.
//! Both the state before and the state after count, so an object that changes hands wakes both.
//!
//! The same relation says which slot an object belongs to ([`Route::place`]), and so whether the cache
//! is to keep it: only primaries of slots that this host wants are queued, only what belongs to them is
//! kept.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use polyreme_ownership::{KeyBy, SlotId, SlotSet};

use crate::cache::holes::Holes;
use crate::cache::lineage::{Lineage, Recorded, Trace};
use crate::cache::state::Change;
use crate::cache::{Cache, CacheId, Caches};
use crate::field_path::FieldPath;
use crate::object::{Identity, Kind, Object, ObjectKey};
use crate::ownership::LaneSlots;
use crate::queue::Queue;
use crate::queue::schedule::Priority;

/// Levels of ownership followed upwards: Website → Deployment → ReplicaSet → Pod is three. A cycle of
/// owner references ends here as well.
const MAX_OWNER_DEPTH: usize = 8;

/// What the watched kind is to the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// The kind it reconciles.
    Primary,
    /// A kind whose controller owner leads to a primary.
    Owned,
    /// A kind with a label that holds the primary's name, in the same namespace.
    Label(String),
    /// A kind whose name stands in this field of the primaries.
    Field(FieldPath),
}

/// Where an object belongs, as far as one controller is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// To primaries of this slot.
    Slot(SlotId),
    /// To none of its primaries.
    Nowhere,
    /// To all of them, or that cannot be said yet.
    Anywhere,
}

/// See the module's story.
pub struct Route {
    queue: Arc<Queue>,
    role: Role,
    /// The cache.
    id: CacheId,
    /// The controller's primaries. Weak: the cache holds this route.
    primaries: Weak<Cache>,
    /// All caches, to follow owners.
    caches: Weak<Caches>,
    lineage: Arc<Lineage>,
    holes: Mutex<Holes>,
}

impl Route {
    /// A route from the cache `id` to the controller behind `lineage`.
    pub fn new(
        queue: Arc<Queue>,
        role: Role,
        id: CacheId,
        primaries: &Arc<Cache>,
        caches: &Arc<Caches>,
        lineage: Arc<Lineage>,
    ) -> Self {
        let (primaries, caches) = (Arc::downgrade(primaries), Arc::downgrade(caches));
        Self { queue, role, id, primaries, caches, lineage, holes: Mutex::new(Holes::everywhere()) }
    }

    /// The controller's slots.
    pub fn lane(&self) -> &LaneSlots {
        &self.lineage.lane
    }

    /// Whether it is a route of the controller with these slots.
    pub fn is_of(&self, lane: &LaneSlots) -> bool {
        std::ptr::eq(self.lane(), lane)
    }

    /// Whether it was made with this lineage.
    pub fn is_by(&self, lineage: &Arc<Lineage>) -> bool {
        Arc::ptr_eq(&self.lineage, lineage)
    }

    /// Whether the kind is one that the controller owns.
    pub fn is_owned(&self) -> bool {
        self.role == Role::Owned
    }

    /// Where an object belongs.
    pub fn place(&self, object: &Identity<'_>) -> Place {
        match &self.role {
            Role::Owned => self.place_of_trace(self.lineage.trace(object)),
            Role::Primary => self.place_of_primary(object.key, object.uid),
            Role::Label(label) => self.place_by_label(object, label),
            Role::Field(_) => Place::Anywhere,
        }
    }

    /// Whether an object is to be kept.
    pub fn wants(&self, object: &Identity<'_>) -> bool {
        self.lane().wants_all() || self.wants_place(self.place(object))
    }

    /// Whether an object is to be kept; remembers where it leads for what it owns.
    pub fn record(&self, object: &Identity<'_>) -> (bool, Recorded) {
        if !self.is_owned() {
            return (self.wants(object), Recorded::Same);
        }
        let trace = self.lineage.trace(object);
        let recorded = self.lineage.record(&self.id, object.uid, trace);
        (self.wants_place(self.place_of_trace(trace)), recorded)
    }

    fn wants_place(&self, place: Place) -> bool {
        match place {
            Place::Anywhere => true,
            Place::Slot(slot) => self.lane().wants(slot),
            Place::Nowhere => self.lane().wants_all(),
        }
    }

    /// An object was not kept.
    pub fn dropped(&self, object: &Identity<'_>) {
        if let Place::Slot(slot) = self.place(object) {
            self.holes.lock().dropped(slot);
        }
    }

    /// Whether something of a wanted slot among these is not kept.
    pub fn has_holes(&self, slots: &SlotSet) -> bool {
        let holes = self.holes.lock();
        slots.iter().any(|slot| holes.contains(slot) && self.lane().wants(slot))
    }

    /// It joins its cache.
    pub fn begin(&self, holes: Holes) {
        *self.holes.lock() = holes;
    }

    /// The cache is listed anew.
    pub fn begin_relist(&self) {
        self.holes.lock().begin_relist();
        if self.is_owned() {
            self.lineage.begin_relist(&self.id);
        }
    }

    /// The list is complete.
    pub fn end_relist(&self) {
        self.holes.lock().end_relist();
        if self.is_owned() {
            self.lineage.end_relist(&self.id);
        }
    }

    /// An object is gone.
    pub fn forget(&self, uid: &str) {
        if self.is_owned() {
            self.lineage.forget(&self.id, uid);
        }
    }

    /// Bytes kept to follow owners through this kind.
    pub fn weight_bytes(&self) -> usize {
        if self.is_owned() { self.lineage.weight_bytes(&self.id) } else { 0 }
    }

    /// The caches in which children of an object may be.
    pub fn owned_caches(&self) -> Vec<Arc<Cache>> {
        let Some(caches) = self.caches.upgrade() else { return Vec::new() };
        self.lineage.owned().iter().filter_map(|id| caches.get(id)).collect()
    }

    /// Queues the primaries that a change concerns.
    pub fn dispatch(&self, change: &Change, priority: Priority) {
        if !matters(&self.role, change.old.as_deref(), change.new.as_deref()) {
            return;
        }
        for key in self.targets(change) {
            self.queue.add(key, priority);
        }
    }

    /// Queues a primary that is gone although a finalizer held it.
    pub fn bury(&self, last: &Arc<Object>) {
        if self.role == Role::Primary && self.wants(&last.identity()) {
            self.queue.bury(Arc::clone(last));
        }
    }

    fn targets(&self, change: &Change) -> BTreeSet<ObjectKey> {
        let states = [change.old.as_deref(), change.new.as_deref()].into_iter().flatten();
        if self.role == Role::Primary {
            let wanted = states.filter(|object| self.wants(&object.identity()));
            return wanted.map(|object| object.key.clone()).collect();
        }
        let Some(primaries) = self.primaries.upgrade() else { return BTreeSet::new() };
        states.flat_map(|object| self.primaries_of(object, &primaries)).collect()
    }

    fn primaries_of(&self, object: &Object, primaries: &Cache) -> Vec<ObjectKey> {
        let users = match &self.role {
            Role::Primary => Vec::new(),
            Role::Owned => self.owner_of(object, primaries).into_iter().collect(),
            Role::Label(label) => {
                let named = object.label(label).map(|name| scoped_key(object, name, primaries));
                named.and_then(|key| primaries.get(&key)).into_iter().collect()
            }
            Role::Field(path) => {
                let mut users = primaries.with_field(path, &object.key.name).unwrap_or_default();
                users.retain(|user| same_namespace_or_cluster(object, user));
                users
            }
        };
        users.iter().filter(|user| self.is_wanted(user)).map(|user| user.key.clone()).collect()
    }

    /// Whether this host holds a primary, or will: others are about to be evicted.
    fn is_wanted(&self, primary: &Object) -> bool {
        self.lane().wants_all() || self.wants_place(self.place_of_primary(&primary.key, &primary.uid))
    }

    fn place_of_primary(&self, key: &ObjectKey, uid: &str) -> Place {
        self.slot(self.lineage.root(key.namespace.as_deref(), &key.name, uid))
    }

    fn slot(&self, hash: u64) -> Place {
        Place::Slot(self.lane().slot_of(hash))
    }

    fn place_of_trace(&self, trace: Trace) -> Place {
        match trace {
            Trace::Root(hash) => self.slot(hash),
            Trace::Foreign => Place::Nowhere,
            Trace::Unknown => Place::Anywhere,
        }
    }

    /// A label has the primary's name and not its uid.
    fn place_by_label(&self, object: &Identity<'_>, label: &str) -> Place {
        let (Some(labels), false) = (object.labels, self.lane().key == KeyBy::Uid) else {
            return Place::Anywhere;
        };
        let named = labels.iter().find(|(key, _)| **key == *label);
        named.map_or(Place::Nowhere, |(_, name)| {
            self.slot(self.lineage.root(object.key.namespace.as_deref(), name, ""))
        })
    }

    fn owner_of(&self, object: &Object, primaries: &Cache) -> Option<Arc<Object>> {
        let caches = self.caches.upgrade()?;
        let root = root_of(object, &primaries.id.kind, &caches)?;
        // A child that outlives its primary wakes nobody: the primary's own deletion did.
        primaries.get(&scoped_key(object, &root, primaries))
    }
}

/// The name of the owner of kind `primary`, following controller owner references upwards.
fn root_of(object: &Object, primary: &Kind, caches: &Caches) -> Option<Box<str>> {
    let mut owner = object.controller.clone()?;
    for _ in 0..MAX_OWNER_DEPTH {
        if primary.same_resource(&owner.api_version, &owner.kind) {
            return Some(owner.name);
        }
        let kind = Kind::new(&owner.api_version, &owner.kind);
        let in_namespace = ObjectKey::new(object.key.namespace.as_deref(), &owner.name);
        let cluster_wide = ObjectKey::new(None, &owner.name);
        let next = caches.find(&kind, &in_namespace).or_else(|| caches.find(&kind, &cluster_wide))?;
        owner = next.controller.clone().filter(|_| next.uid == owner.uid)?;
    }
    None
}

fn scoped_key(object: &Object, name: &str, primaries: &Cache) -> ObjectKey {
    let namespace = object.key.namespace.as_deref().filter(|_| primaries.resource.namespaced);
    ObjectKey::new(namespace, name)
}

fn same_namespace_or_cluster(named: &Object, user: &Object) -> bool {
    named.key.namespace.is_none() || user.key.namespace.is_none() || named.key.namespace == user.key.namespace
}

/// Primaries pass on a change of generation or metadata (status updates, mostly the controller's own,
/// do not count); kinds without generations and all other kinds pass on any change of content.
fn matters(role: &Role, old: Option<&Object>, new: Option<&Object>) -> bool {
    let (Some(old), Some(new)) = (old, new) else { return true };
    if *role == Role::Primary && new.generation != 0 && old.uid == new.uid {
        return old.generation != new.generation || old.metadata_digest != new.metadata_digest;
    }
    old.differs_from(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Resource;
    use crate::cache::state::Source;
    use crate::ownership::lane::tests::everything;
    use crate::queue::tests::drain;
    use kube::api::ApiResource;
    use polyreme_selector::LabelSelector;

    struct Fixture {
        caches: Arc<Caches>,
        websites: Arc<Cache>,
        queue: Arc<Queue>,
    }

    fn cache(caches: &Caches, api_version: &str, kind: &str, namespaced: bool) -> Arc<Cache> {
        let gvk = kube::core::GroupVersionKind::gvk("", api_version, kind);
        let resource = Resource { api: ApiResource::from_gvk(&gvk), namespaced };
        let id = CacheId { kind: Kind::new(api_version, kind), selector: String::new() };
        caches.get_or_create(id, &resource, LabelSelector::default()).0
    }

    fn fixture() -> Fixture {
        let caches = Arc::new(Caches::default());
        let websites = cache(&caches, "h/v1", "Website", true);
        websites.add_index(&FieldPath::parse("spec.theme").unwrap());
        let website = r#"{"metadata":{"name":"w","namespace":"ns","uid":"wu"},"spec":{"theme":"dark"}}"#;
        websites.observe(Object::parse(website, &websites.id.kind).unwrap(), Source::Watch);
        Fixture { caches, websites, queue: Arc::new(Queue::for_test()) }
    }

    fn hear(fixture: &Fixture, cache: &Cache, role: Role, json: &str) -> Vec<String> {
        let owned = vec![cache.id.clone()];
        let Cache { id, resource, .. } = &*fixture.websites;
        let lineage = Arc::new(Lineage::new(everything(), id.kind.clone(), resource.clone(), owned));
        let (queue, id) = (Arc::clone(&fixture.queue), cache.id.clone());
        let route = Route::new(queue, role, id, &fixture.websites, &fixture.caches, lineage);
        let object = Arc::new(Object::parse(json, &cache.id.kind).unwrap());
        let change = Change { key: object.key.clone(), old: None, new: Some(object) };
        route.dispatch(&change, Priority::NORMAL);
        drain(&fixture.queue)
    }

    fn child(kind: &str, owner_kind: &str, owner: &str, uid: &str) -> String {
        format!(
            r#"{{"metadata":{{"name":"{kind}-child","namespace":"ns","uid":"{kind}u","ownerReferences":[{{"apiVersion":"{}","kind":"{owner_kind}","name":"{owner}","uid":"{uid}","controller":true}}]}}}}"#,
            if owner_kind == "Website" { "h/v1" } else { "apps/v1" }
        )
    }

    #[test]
    fn a_child_leads_to_its_owner() {
        let f = fixture();
        let deployments = cache(&f.caches, "apps/v1", "Deployment", true);
        let json = child("Deployment", "Website", "w", "wu");
        assert_eq!(hear(&f, &deployments, Role::Owned, &json), ["ns/w"]);
        let orphan = child("Deployment", "Website", "gone", "x");
        assert!(hear(&f, &deployments, Role::Owned, &orphan).is_empty());
    }

    #[test]
    fn a_grandchild_leads_to_the_root() {
        let f = fixture();
        let deployments = cache(&f.caches, "apps/v1", "Deployment", true);
        let deployment =
            Object::parse(&child("Deployment", "Website", "w", "wu"), &deployments.id.kind).unwrap();
        deployments.observe(deployment, Source::Watch);
        let sets = cache(&f.caches, "apps/v1", "ReplicaSet", true);
        let json = child("ReplicaSet", "Deployment", "Deployment-child", "Deploymentu");
        assert_eq!(hear(&f, &sets, Role::Owned, &json), ["ns/w"]);
        let namesake = child("ReplicaSet", "Deployment", "Deployment-child", "another");
        assert!(hear(&f, &sets, Role::Owned, &namesake).is_empty(), "an owner is known by its uid");
    }

    #[test]
    fn a_field_index_leads_to_every_user() {
        let f = fixture();
        let themes = cache(&f.caches, "h/v1", "Theme", false);
        let role = || Role::Field(FieldPath::parse("spec.theme").unwrap());
        assert_eq!(hear(&f, &themes, role(), r#"{"metadata":{"name":"dark"}}"#), ["ns/w"]);
        assert!(hear(&f, &themes, role(), r#"{"metadata":{"name":"light"}}"#).is_empty());
        let elsewhere = r#"{"metadata":{"name":"dark","namespace":"other"}}"#;
        assert!(
            hear(&f, &themes, role(), elsewhere).is_empty(),
            "a namespaced object is named in its namespace"
        );
    }

    #[test]
    fn a_label_leads_to_the_named_primary() {
        let f = fixture();
        let pods = cache(&f.caches, "v1", "Pod", true);
        let pod = |site: &str| {
            format!(r#"{{"metadata":{{"name":"p","namespace":"ns","labels":{{"site":"{site}"}}}}}}"#)
        };
        assert_eq!(hear(&f, &pods, Role::Label("site".into()), &pod("w")), ["ns/w"]);
        assert!(hear(&f, &pods, Role::Label("site".into()), &pod("none")).is_empty());
    }

    #[test]
    fn a_primary_passes_on_generation_and_metadata_but_not_on_status() {
        let parse = |generation: u32, labels: &str, status: &str| {
            let text = format!(
                r#"{{"metadata":{{"name":"w","uid":"u","generation":{generation},"labels":{labels}}},"status":{status}}}"#
            );
            Object::parse(&text, &Kind::new("h/v1", "Website")).unwrap()
        };
        let base = parse(1, "{}", "{}");
        let passes = |new: &Object| matters(&Role::Primary, Some(&base), Some(new));
        assert!(!passes(&parse(1, "{}", r#"{"phase":"Ready"}"#)));
        assert!(passes(&parse(2, "{}", "{}")));
        assert!(passes(&parse(1, r#"{"a":"b"}"#, "{}")));
        assert!(matters(&Role::Owned, Some(&base), Some(&parse(1, "{}", r#"{"phase":"Ready"}"#))));
    }
}

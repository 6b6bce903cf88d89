//! From a change of some object to the primaries that must be reconciled because of it.
//!
//! A route belongs to one controller and one cache. It first asks whether the change matters (the
//! predicates of SEMANTICS.md), then which primaries it concerns: the object itself, its owner
//! followed upwards, the name in a label, or every primary whose indexed field names the object.
//! Both the state before and the state after count, so an object that changes hands wakes both.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use crate::cache::state::Change;
use crate::cache::{Cache, Caches};
use crate::field_path::FieldPath;
use crate::object::{Kind, Object, ObjectKey};
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

/// See the module's story.
pub struct Route {
    /// Where the keys go.
    pub queue: Arc<Queue>,
    /// What the kind is to the controller.
    pub role: Role,
    /// The controller's primaries. Weak: the cache holds this route.
    pub primaries: Weak<Cache>,
    /// All caches, to follow owners.
    pub caches: Weak<Caches>,
}

impl Route {
    /// Queues the primaries that a change concerns.
    pub fn dispatch(&self, change: &Change, priority: Priority) {
        if !matters(&self.role, change.old.as_deref(), change.new.as_deref()) {
            return;
        }
        for key in self.targets(change) {
            self.queue.add(key, priority);
        }
    }

    fn targets(&self, change: &Change) -> BTreeSet<ObjectKey> {
        if self.role == Role::Primary {
            return BTreeSet::from([change.key.clone()]);
        }
        let Some(primaries) = self.primaries.upgrade() else { return BTreeSet::new() };
        let states = [change.old.as_deref(), change.new.as_deref()];
        states.into_iter().flatten().flat_map(|object| self.primaries_of(object, &primaries)).collect()
    }

    fn primaries_of(&self, object: &Object, primaries: &Cache) -> Vec<ObjectKey> {
        match &self.role {
            Role::Primary => vec![object.key.clone()],
            Role::Owned => self.owner_of(object, primaries).into_iter().collect(),
            Role::Label(label) => {
                let named = object.label(label).map(|name| scoped_key(object, name, primaries));
                named.filter(|key| primaries.get(key).is_some()).into_iter().collect()
            }
            Role::Field(path) => {
                let users = primaries.with_field(path, &object.key.name).unwrap_or_default();
                let visible = |user: &&Arc<Object>| same_namespace_or_cluster(object, user);
                users.iter().filter(visible).map(|user| user.key.clone()).collect()
            }
        }
    }

    fn owner_of(&self, object: &Object, primaries: &Cache) -> Option<ObjectKey> {
        let caches = self.caches.upgrade()?;
        let root = root_of(object, &primaries.id.kind, &caches)?;
        let key = scoped_key(object, &root, primaries);
        // A child that outlives its primary wakes nobody: the primary's own deletion did.
        primaries.get(&key).is_some().then_some(key)
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
    use crate::cache::state::Source;
    use crate::cache::{CacheId, Resource};
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
        let route = Route {
            queue: Arc::clone(&fixture.queue),
            role,
            primaries: Arc::downgrade(&fixture.websites),
            caches: Arc::downgrade(&fixture.caches),
        };
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

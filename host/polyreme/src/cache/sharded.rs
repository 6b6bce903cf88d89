//! Tests: what a host that holds some of the slots keeps, drops, evicts and knows.

use std::sync::Arc;

use kube::api::ApiResource;
use polyreme_ownership::{KeyBy, SlotCount, SlotId, SlotSet, SlotState};
use polyreme_selector::LabelSelector;

use super::lineage::Lineage;
use super::state::Source;
use super::{Answer, Cache, CacheId, Caches, Resource, View};
use crate::field_path::FieldPath;
use crate::object::{Identity, Kind, Object, ObjectKey};
use crate::ownership::{LaneSlots, RingClock};
use crate::queue::Queue;
use crate::queue::tests::drain;
use crate::route::{Role, Route};

/// Kinds of the fixture: API version, kind, plural.
const WEBSITE: (&str, &str, &str) = ("h/v1", "Website", "websites");
const DEPLOYMENT: (&str, &str, &str) = ("apps/v1", "Deployment", "deployments");
const SET: (&str, &str, &str) = ("apps/v1", "ReplicaSet", "replicasets");
const POD: (&str, &str, &str) = ("v1", "Pod", "pods");
const THEME: (&str, &str, &str) = ("h/v1", "Theme", "themes");
const BACKUP: (&str, &str, &str) = ("h/v1", "Backup", "backups");

pub(super) type Kinds = (&'static str, &'static str, &'static str);

/// A host with one controller: Websites that own Deployments, ReplicaSets and Pods, name Themes, and
/// are named in a label of Backups.
pub(super) struct Host {
    pub(super) caches: Arc<Caches>,
    pub(super) lane: Arc<LaneSlots>,
    pub(super) queue: Arc<Queue>,
    lineage: Arc<Lineage>,
}

fn cache_id(kinds: Kinds) -> CacheId {
    CacheId { kind: Kind::new(kinds.0, kinds.1), selector: String::new() }
}

fn resource(kinds: Kinds, namespaced: bool) -> Resource {
    let (group, version) = kinds.0.split_once('/').unwrap_or(("", kinds.0));
    let gvk = kube::core::GroupVersionKind::gvk(group, version, kinds.1);
    Resource { api: ApiResource::from_gvk_with_plural(&gvk, kinds.2), namespaced }
}

impl Host {
    /// A host that holds no slot yet, with every cache listed while there was nothing.
    pub(super) fn new(key: KeyBy, namespaced: bool) -> Self {
        let host = Self::unlisted(key, namespaced);
        host.caches.all().iter().for_each(|cache| list(cache, &[]));
        drain(&host.queue);
        host
    }

    fn unlisted(key: KeyBy, namespaced: bool) -> Self {
        let caches = Arc::new(Caches::default());
        let lane =
            Arc::new(LaneSlots::new("w".into(), SlotCount::DEFAULT, key, RingClock::new(), Arc::default()));
        let owned = [DEPLOYMENT, SET, POD].map(cache_id).to_vec();
        let (kind, resource) = (cache_id(WEBSITE).kind, resource(WEBSITE, namespaced));
        let lineage = Arc::new(Lineage::new(Arc::clone(&lane), kind, resource.clone(), owned));
        let id = cache_id(WEBSITE);
        let (websites, _) = caches.get_or_create(id, &resource, LabelSelector::default());
        let theme = FieldPath::parse("spec.theme").unwrap();
        websites.add_index(&theme);
        let host = Self { caches, lane, queue: Arc::new(Queue::for_test()), lineage };
        host.add(WEBSITE, Role::Primary);
        [DEPLOYMENT, SET, POD].into_iter().for_each(|kinds| drop(host.add(kinds, Role::Owned)));
        host.add(THEME, Role::Field(theme));
        host.add(BACKUP, Role::Label("site".into()));
        host
    }

    fn add(&self, kinds: Kinds, role: Role) -> Arc<Cache> {
        let (cache, _) =
            self.caches.get_or_create(cache_id(kinds), &resource(kinds, true), LabelSelector::default());
        let (queue, lineage) = (Arc::clone(&self.queue), Arc::clone(&self.lineage));
        let websites = self.caches.get(&cache_id(WEBSITE)).unwrap();
        let route = Route::new(queue, role, cache_id(kinds), &websites, &self.caches, lineage);
        cache.add_route(Arc::new(route));
        cache
    }

    pub(super) fn cache(&self, kinds: Kinds) -> Arc<Cache> {
        self.caches.get(&cache_id(kinds)).unwrap()
    }

    /// The slot of a Website.
    pub(super) fn slot(&self, namespace: &str, name: &str, uid: &str) -> SlotSet {
        let hash = self.lineage.root(Some(namespace), name, uid);
        [self.lane.slot_of(hash)].into_iter().collect()
    }

    pub(super) fn own(&self, slots: &SlotSet) {
        self.lane.set(slots, SlotState::Owned { epoch: 1 });
    }

    fn lose(&self, slots: &SlotSet) {
        self.lane.set(slots, SlotState::NotMine);
    }

    /// As the watch would show it.
    fn see(&self, kinds: Kinds, text: &str) {
        let seen = parse(kinds, text);
        let without_labels = Identity { labels: None, ..seen.identity() };
        self.cache(kinds).receive(&without_labels, text, Source::Watch).unwrap();
    }

    fn has(&self, kinds: Kinds, name: &str) -> bool {
        self.cache(kinds).all().iter().any(|object| *object.key.name == *name)
    }

    fn queued(&self) -> Vec<String> {
        drain(&self.queue)
    }

    /// Whether a list was asked for.
    fn wants_list(&self, kinds: Kinds) -> bool {
        let cache = self.cache(kinds);
        let asked = std::pin::pin!(cache.list_asked_for());
        futures::FutureExt::now_or_never(asked).is_some()
    }
}

fn parse(kinds: Kinds, text: &str) -> Object {
    Object::parse(text, &Kind::new(kinds.0, kinds.1)).unwrap()
}

fn list(cache: &Cache, texts: &[String]) {
    cache.begin_relist();
    for text in texts {
        let object = Object::parse(text, &cache.id.kind).unwrap();
        cache.receive(&object.identity(), text, Source::List).unwrap();
    }
    cache.end_relist();
}

/// An object whose uid is its name, owned by `owner` (kind and name) if there is one.
pub(super) fn text(name: &str, version: u32, owner: Option<(Kinds, &str)>) -> String {
    let owner = owner.map_or_else(String::new, |(kinds, owner)| {
        format!(
            r#","ownerReferences":[{{"apiVersion":"{}","kind":"{}","name":"{owner}","uid":"{owner}","controller":true}}]"#,
            kinds.0, kinds.1
        )
    });
    format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"ns","uid":"{name}","resourceVersion":"{version}"{owner}}},"spec":{{"theme":"dark"}}}}"#
    )
}

fn website(name: &str, version: u32) -> String {
    text(name, version, None)
}

/// A host that owns the slot of Website `ours` and no other.
fn host_of_ours() -> Host {
    let host = Host::new(KeyBy::Name, true);
    host.own(&host.slot("ns", "ours", "ours"));
    host
}

#[test]
fn children_of_owned_primaries_are_kept_at_any_depth_and_no_others() {
    let host = host_of_ours();
    for site in ["ours", "theirs"] {
        host.see(WEBSITE, &website(site, 1));
        host.see(DEPLOYMENT, &text(&format!("{site}-d"), 1, Some((WEBSITE, site))));
        host.see(SET, &text(&format!("{site}-s"), 1, Some((DEPLOYMENT, &format!("{site}-d")))));
        host.see(POD, &text(&format!("{site}-p"), 1, Some((SET, &format!("{site}-s")))));
    }
    host.see(POD, &text("nobodys-p", 1, None));
    host.see(POD, &text("job-p", 1, Some((("batch/v1", "Job", ""), "job"))));
    for kinds in [WEBSITE, DEPLOYMENT, SET, POD] {
        assert_eq!(host.cache(kinds).size().0, 1, "{}", kinds.1);
    }
    assert_eq!(host.queued(), ["ns/ours"]);
}

#[test]
fn a_cluster_scoped_root_owns_namespaced_children() {
    let host = Host::new(KeyBy::Name, false);
    host.own(&host.slot("", "ours", ""));
    host.see(DEPLOYMENT, &text("d", 1, Some((WEBSITE, "ours"))));
    host.see(DEPLOYMENT, &text("e", 1, Some((WEBSITE, "theirs"))));
    assert!(host.has(DEPLOYMENT, "d") && !host.has(DEPLOYMENT, "e"));
}

#[test]
fn every_key_finds_the_slot_of_a_child() {
    for key in [KeyBy::Name, KeyBy::Namespace, KeyBy::Uid] {
        let host = Host::new(key, true);
        host.own(&host.slot("ns", "ours", "ours"));
        host.see(WEBSITE, &website("ours", 1));
        host.see(DEPLOYMENT, &text("d", 1, Some((WEBSITE, "ours"))));
        assert!(host.has(WEBSITE, "ours") && host.has(DEPLOYMENT, "d"), "{key:?}");
        host.see(DEPLOYMENT, &text("e", 1, Some((WEBSITE, "theirs"))));
        assert_eq!(host.has(DEPLOYMENT, "e"), key == KeyBy::Namespace, "{key:?}: the same namespace");
    }
}

#[test]
fn a_child_that_comes_before_its_owner_is_kept_until_that_is_known() {
    let host = host_of_ours();
    host.see(WEBSITE, &website("ours", 1));
    for site in ["ours", "theirs"] {
        host.see(POD, &text(&format!("{site}-p"), 1, Some((SET, &format!("{site}-s")))));
        host.see(SET, &text(&format!("{site}-s"), 1, Some((DEPLOYMENT, &format!("{site}-d")))));
    }
    assert_eq!(host.cache(POD).size().0, 2);
    assert_eq!(host.queued(), ["ns/ours"], "for itself");
    host.see(DEPLOYMENT, &text("theirs-d", 1, Some((WEBSITE, "theirs"))));
    assert!(!host.has(SET, "theirs-s") && !host.has(POD, "theirs-p"));
    host.see(DEPLOYMENT, &text("ours-d", 1, Some((WEBSITE, "ours"))));
    assert!(host.has(SET, "ours-s") && host.has(POD, "ours-p"));
    assert_eq!(host.queued(), ["ns/ours"]);
}

#[test]
fn a_pod_wakes_its_website_though_its_owners_came_later() {
    let host = host_of_ours();
    host.see(POD, &text("p", 1, Some((SET, "s"))));
    host.see(DEPLOYMENT, &text("d", 1, Some((WEBSITE, "ours"))));
    host.see(WEBSITE, &website("ours", 1));
    host.queued();
    host.see(SET, &text("s", 1, Some((DEPLOYMENT, "d"))));
    assert_eq!(host.queued(), ["ns/ours"]);
}

#[test]
fn a_child_that_changes_hands_is_dropped_and_wakes_its_old_owner() {
    let host = host_of_ours();
    host.see(WEBSITE, &website("ours", 1));
    host.see(DEPLOYMENT, &text("d", 1, Some((WEBSITE, "ours"))));
    host.queued();
    host.see(DEPLOYMENT, &text("d", 2, Some((WEBSITE, "theirs"))));
    assert!(!host.has(DEPLOYMENT, "d"));
    assert_eq!(host.queued(), ["ns/ours"]);
    host.see(DEPLOYMENT, &text("d", 3, Some((WEBSITE, "ours"))));
    assert!(host.has(DEPLOYMENT, "d"));
    assert_eq!(host.queued(), ["ns/ours"]);
}

#[test]
fn what_is_below_an_object_that_changes_hands_is_looked_at_again() {
    let host = host_of_ours();
    host.see(WEBSITE, &website("ours", 1));
    host.see(DEPLOYMENT, &text("d", 1, Some((WEBSITE, "ours"))));
    host.see(SET, &text("s", 1, Some((DEPLOYMENT, "d"))));
    host.see(POD, &text("p", 1, Some((SET, "s"))));
    host.see(DEPLOYMENT, &text("d", 2, Some((WEBSITE, "theirs"))));
    assert!(!host.has(SET, "s") && !host.has(POD, "p"));
    assert!(!host.wants_list(POD), "nothing was dropped that could be ours now");
    host.see(DEPLOYMENT, &text("d", 3, Some((WEBSITE, "ours"))));
    assert!(host.wants_list(POD) && host.wants_list(SET), "what was dropped has to be fetched");
    list(&host.cache(SET), &[text("s", 1, Some((DEPLOYMENT, "d")))]);
    list(&host.cache(POD), &[text("p", 1, Some((SET, "s")))]);
    assert!(host.has(SET, "s") && host.has(POD, "p"));
}

#[test]
fn shared_objects_are_kept_and_wake_only_primaries_that_are_held() {
    let host = host_of_ours();
    host.see(WEBSITE, &website("ours", 1));
    host.see(WEBSITE, &website("theirs", 1));
    host.queued();
    host.see(THEME, &text("dark", 1, None));
    assert!(host.has(THEME, "dark"));
    assert_eq!(host.queued(), ["ns/ours"]);
}

#[test]
fn a_label_says_whose_an_object_is() {
    let host = host_of_ours();
    host.see(WEBSITE, &website("ours", 1));
    host.queued();
    let backup = |name: &str, site: &str| {
        format!(
            r#"{{"metadata":{{"name":"{name}","namespace":"ns","uid":"{name}","resourceVersion":"1","labels":{{"site":"{site}"}}}}}}"#
        )
    };
    host.see(BACKUP, &backup("a", "ours"));
    host.see(BACKUP, &backup("b", "theirs"));
    host.see(BACKUP, &text("c", 1, None));
    assert!(host.has(BACKUP, "a") && !host.has(BACKUP, "b") && !host.has(BACKUP, "c"));
    assert_eq!(host.queued(), ["ns/ours"]);
}

#[test]
fn a_slot_that_was_lost_is_evicted_in_silence() {
    let host = host_of_ours();
    let slots = host.slot("ns", "ours", "ours");
    host.see(WEBSITE, &website("ours", 1));
    host.see(DEPLOYMENT, &text("d", 1, Some((WEBSITE, "ours"))));
    let keys: Vec<_> =
        host.cache(WEBSITE).keys_of(&host.lane, &slots).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [ObjectKey::new(Some("ns"), "ours")]);
    host.queued();
    host.lose(&slots);
    assert_eq!(host.caches.evict(&host.lane).len(), 2);
    assert!(!host.has(WEBSITE, "ours") && !host.has(DEPLOYMENT, "d"));
    assert!(host.queued().is_empty());
    host.own(&slots);
    let holes = |kinds| host.cache(kinds).has_holes(&host.lane, &slots);
    assert!(holes(WEBSITE) && holes(DEPLOYMENT), "they have to be fetched again");
    assert!(!holes(SET), "there was none");
    list(&host.cache(WEBSITE), &[website("ours", 1)]);
    assert!(!holes(WEBSITE) && host.has(WEBSITE, "ours"));
}

#[test]
fn a_slot_acquired_while_a_list_runs_is_complete_only_after_the_next() {
    let host = Host::new(KeyBy::Name, true);
    let (ours, cache) = (host.slot("ns", "ours", "ours"), host.cache(WEBSITE));
    let receive = |text: &str| {
        let object = parse(WEBSITE, text);
        cache.receive(&object.identity(), text, Source::List).unwrap();
    };
    cache.begin_relist();
    receive(&website("ours", 1));
    host.own(&ours);
    cache.end_relist();
    assert!(cache.has_holes(&host.lane, &ours), "it was dropped before");
    cache.begin_relist();
    receive(&website("ours", 1));
    assert!(cache.has_holes(&host.lane, &ours), "not before the end");
    cache.end_relist();
    assert!(!cache.has_holes(&host.lane, &ours) && host.has(WEBSITE, "ours"));
}

#[test]
fn a_host_that_wants_everything_from_the_start_has_no_holes() {
    let host = Host::unlisted(KeyBy::Name, true);
    let all: SlotSet = SlotCount::DEFAULT.all().collect();
    host.own(&all);
    let cache = host.cache(DEPLOYMENT);
    assert!(cache.has_holes(&host.lane, &all), "not listed yet");
    list(&cache, &[text("d", 1, Some((WEBSITE, "ours"))), text("nobodys", 1, None)]);
    assert!(!cache.has_holes(&host.lane, &all));
    assert_eq!(cache.size().0, 2, "what is nobody's is kept as well: reads are complete");
    assert!(cache.read(|state| !state.is_partial()));
}

#[test]
fn reads_know_what_exists_and_what_was_dropped() {
    let host = host_of_ours();
    host.see(WEBSITE, &website("ours", 1));
    for (name, site) in [("d", "ours"), ("e", "theirs")] {
        host.see(DEPLOYMENT, &text(name, 1, Some((WEBSITE, site))));
    }
    let own = vec![host.cache(DEPLOYMENT)];
    let view = View::new(own, Arc::clone(&host.caches), Arc::clone(&host.lane));
    let kind = cache_id(DEPLOYMENT).kind;
    let get = |name: &str| view.get(&kind, &ObjectKey::new(Some("ns"), name));
    assert!(matches!(get("d"), Answer::Found(_)));
    assert!(matches!(get("e"), Answer::Unknown), "somebody else's");
    assert!(matches!(get("f"), Answer::Absent), "nobody's");
    let cache = view.covering(&kind, &LabelSelector::default()).unwrap();
    assert_eq!(view.children(&cache, "ours").map(|children| children.len()), Some(1));
    let strangers = View::new(vec![], Arc::clone(&host.caches), Arc::new(LaneSlots::everything("x".into())));
    assert!(strangers.children(&cache, "ours").is_none(), "another controller's slots");
    let gone = parse(DEPLOYMENT, &text("e", 2, Some((WEBSITE, "theirs"))));
    host.cache(DEPLOYMENT).observe_deleted(&gone.identity());
    assert!(matches!(get("e"), Answer::Absent));
    assert!(strangers.children(&cache, "ours").is_some(), "nothing is dropped any more");
}

#[test]
fn a_response_to_a_write_of_somebody_elses_object_is_not_kept() {
    let host = host_of_ours();
    let deployment = |name: &str, site: &str| parse(DEPLOYMENT, &text(name, 1, Some((WEBSITE, site))));
    host.caches.observe_write(&cache_id(DEPLOYMENT).kind, &deployment("d", "ours"));
    host.caches.observe_write(&cache_id(DEPLOYMENT).kind, &deployment("e", "theirs"));
    assert!(host.has(DEPLOYMENT, "d") && !host.has(DEPLOYMENT, "e"));
}

#[test]
fn an_old_event_of_another_owner_does_not_undo_a_write() {
    let host = host_of_ours();
    host.see(WEBSITE, &website("ours", 1));
    let adopted = parse(DEPLOYMENT, &text("d", 9, Some((WEBSITE, "ours"))));
    host.caches.observe_write(&cache_id(DEPLOYMENT).kind, &adopted);
    host.see(DEPLOYMENT, &text("d", 5, Some((WEBSITE, "theirs"))));
    assert!(host.has(DEPLOYMENT, "d"));
    host.see(POD, &text("p", 9, Some((DEPLOYMENT, "d"))));
    assert!(host.has(POD, "p"), "it still leads to ours");
}

#[test]
fn a_controller_that_comes_later_has_what_was_dropped_listed_for_it() {
    let host = host_of_ours();
    host.see(BACKUP, &text("kept-by-nobody", 1, None));
    assert!(!host.wants_list(BACKUP));
    host.add(BACKUP, Role::Field(FieldPath::parse("spec.backup").unwrap()));
    assert!(host.wants_list(BACKUP));
    list(&host.cache(BACKUP), &[text("kept-by-nobody", 1, None)]);
    assert!(host.has(BACKUP, "kept-by-nobody") && !host.wants_list(BACKUP));
}

#[test]
fn a_relist_forgets_what_vanished_unseen() {
    let host = host_of_ours();
    for name in ["e", "f"] {
        host.see(SET, &text(name, 1, Some((DEPLOYMENT, "unseen"))));
        host.see(DEPLOYMENT, &text(name, 1, Some((WEBSITE, "theirs"))));
    }
    list(&host.cache(DEPLOYMENT), &[text("e", 1, Some((WEBSITE, "theirs")))]);
    let view = View::new(vec![], Arc::clone(&host.caches), Arc::clone(&host.lane));
    let get = |name: &str| view.get(&cache_id(DEPLOYMENT).kind, &ObjectKey::new(Some("ns"), name));
    assert!(matches!(get("e"), Answer::Unknown) && matches!(get("f"), Answer::Absent));
    let trace = |owner: &str| {
        let child = parse(SET, &text("c", 1, Some((DEPLOYMENT, owner))));
        host.cache(SET).routes().iter().map(|route| route.place(&child.identity())).collect::<Vec<_>>()
    };
    assert_ne!(trace("e"), trace("f"), "the owner that vanished is unknown again");
    list(&host.cache(SET), &[]);
    assert_eq!(host.cache(SET).size().0, 0);
}

#[test]
fn memory_is_proportional_to_the_slots_held() {
    let weigh = |held: u16| {
        let host = Host::unlisted(KeyBy::Name, true);
        host.own(&(0..held).map(SlotId).collect());
        let padding = "x".repeat(2_000);
        let padded = |text: String| text.replace("dark", &padding);
        let (mut websites, mut deployments) = (Vec::new(), Vec::new());
        for site in (0..3_000).map(|n| format!("site-{n}")) {
            deployments.push(padded(text(&format!("{site}-d"), 1, Some((WEBSITE, &site)))));
            websites.push(padded(website(&site, 1)));
        }
        list(&host.cache(WEBSITE), &websites);
        list(&host.cache(DEPLOYMENT), &deployments);
        let sizes = [WEBSITE, DEPLOYMENT].map(|kinds| host.cache(kinds).size());
        (sizes[0].0 + sizes[1].0, sizes[0].1 + sizes[1].1)
    };
    let (all, third) = (weigh(1_024), weigh(341));
    let percent = |part: usize, whole: usize| part * 100 / whole;
    assert_eq!(all.0, 6_000);
    assert!((30..=37).contains(&percent(third.0, all.0)), "{third:?} of {all:?}");
    assert!((30..=39).contains(&percent(third.1, all.1)), "{third:?} of {all:?}");
}

//! Tests: what a host has in its caches when it has caught up, against the local API server.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ApiResource, DeleteParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use polyreme_apiserver::{Server, ServerConfig};
use polyreme_ownership::{KeyBy, SlotCount, SlotSet, SlotState};
use polyreme_selector::LabelSelector;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::lineage::Lineage;
use super::{Cache, CacheId, Caches, Resource, catch_up, prewarm};
use crate::metrics::Metrics;
use crate::object::{Kind, ObjectKey};
use crate::ownership::{LaneSlots, RingClock};
use crate::queue::Queue;
use crate::route::{Role, Route};
use crate::watch;

/// A host that reconciles ConfigMaps which own ConfigMaps, and somebody else who writes.
struct Fixture {
    client: Client,
    caches: Arc<Caches>,
    cache: Arc<Cache>,
    lane: Arc<LaneSlots>,
    watch: JoinSet<()>,
    _server: Server,
}

impl Fixture {
    async fn start() -> Self {
        // Whoever is first in the process may choose.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = Server::start(ServerConfig::default()).await.unwrap();
        let kubeconfig = Kubeconfig::from_yaml(&server.kubeconfig()).unwrap();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
        let client = Client::try_from(config).unwrap();
        let id = CacheId { kind: Kind::new("v1", "ConfigMap"), selector: String::new() };
        let resource = Resource { api: ApiResource::erase::<ConfigMap>(&()), namespaced: true };
        let caches = Arc::new(Caches::default());
        let (cache, _) = caches.get_or_create(id.clone(), &resource, LabelSelector::default());
        let (slots, clock) = (SlotCount::DEFAULT, RingClock::new());
        let lane = Arc::new(LaneSlots::new("c".into(), slots, KeyBy::Name, clock, Arc::default()));
        let lineage = Lineage::new(Arc::clone(&lane), id.kind.clone(), resource, vec![]);
        let queue = Arc::new(Queue::for_test());
        let route = Route::new(queue, Role::Primary, id, &cache, &caches, Arc::new(lineage));
        cache.add_route(Arc::new(route));
        Self { client, caches, cache, lane, watch: JoinSet::new(), _server: server }
    }

    async fn watched() -> Self {
        let mut fixture = Self::start().await;
        fixture.watch();
        fixture.cache.listed().await;
        fixture
    }

    fn watch(&mut self) {
        let metrics = Metrics::new().watch("v1", "ConfigMap");
        self.watch.spawn(watch::run(Arc::clone(&self.cache), self.client.clone(), metrics));
    }

    fn set_all(&self, state: SlotState) -> SlotSet {
        let all: SlotSet = SlotCount::DEFAULT.all().collect();
        self.lane.set(&all, state);
        all
    }

    async fn write(&self, name: &str, value: u32) {
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"n": value.to_string()}
        });
        let writer = PatchParams::apply("somebody").force();
        self.api().patch(name, &writer, &Patch::Apply(object)).await.unwrap();
    }

    async fn delete(&self, name: &str) {
        self.api().delete(name, &DeleteParams::default()).await.unwrap();
    }

    fn api(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), "default")
    }

    fn value(&self, name: &str) -> Option<u32> {
        let object = self.cache.get(&ObjectKey::new(Some("default"), name))?;
        let object: ConfigMap = serde_json::from_str(&object.json).unwrap();
        object.data.unwrap()["n"].parse().ok()
    }

    async fn catch_up(&self, slots: &SlotSet) {
        catch_up(&[Arc::clone(&self.cache)], &self.client, &self.lane, slots, Instant::now()).await;
    }
}

async fn refuse(
    _: http::Request<kube::client::Body>,
) -> Result<http::Response<kube::client::Body>, std::io::Error> {
    Err(std::io::Error::other("no request is expected"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_before_is_in_the_cache_after_the_barrier() {
    let fixture = Fixture::watched().await;
    fixture.write("a", 0).await;
    fixture.write("deleted", 0).await;
    let all = fixture.set_all(SlotState::Barrier { epoch: 1 });
    for n in 1..20 {
        fixture.write("a", n).await;
        fixture.catch_up(&all).await;
        assert_eq!(fixture.value("a"), Some(n));
    }
    fixture.delete("deleted").await;
    fixture.catch_up(&all).await;
    assert_eq!(fixture.value("deleted"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_somebody_elses_is_fetched_when_it_is_acquired() {
    let fixture = Fixture::watched().await;
    fixture.write("a", 1).await;
    fixture.cache.listed_anew().await;
    assert_eq!(fixture.value("a"), None);
    let all = fixture.set_all(SlotState::Waiting);
    prewarm(&[Arc::clone(&fixture.cache)], &fixture.lane, &all).await;
    assert_eq!(fixture.value("a"), Some(1));
    fixture.set_all(SlotState::NotMine);
    fixture.caches.evict(&fixture.lane);
    fixture.write("a", 2).await;
    fixture.write("b", 2).await;
    fixture.set_all(SlotState::Barrier { epoch: 2 });
    fixture.catch_up(&all).await;
    assert_eq!((fixture.value("a"), fixture.value("b")), (Some(2), Some(2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_list_of_a_host_that_owns_everything_is_its_barrier() {
    let mut fixture = Fixture::start().await;
    fixture.write("a", 1).await;
    let (all, since) = (fixture.set_all(SlotState::Barrier { epoch: 1 }), Instant::now());
    fixture.watch();
    fixture.cache.listed().await;
    let unreachable = Client::new(tower::service_fn(refuse), "default");
    catch_up(&[Arc::clone(&fixture.cache)], &unreachable, &fixture.lane, &all, since).await;
    assert_eq!(fixture.value("a"), Some(1));
    assert!(!fixture.cache.is_listed_since(Instant::now()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_in_which_nothing_changes_is_not_listed_again() {
    let fixture = Fixture::watched().await;
    let all = fixture.set_all(SlotState::Barrier { epoch: 1 });
    fixture.write("a", 1).await;
    fixture.catch_up(&all).await;
    let listed = Instant::now();
    fixture.catch_up(&all).await;
    assert_eq!(fixture.value("a"), Some(1));
    assert!(!fixture.cache.is_listed_since(listed));
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_that_are_lost_meanwhile_are_not_waited_for() {
    let fixture = Fixture::watched().await;
    fixture.write("a", 1).await;
    fixture.cache.listed_anew().await;
    let all = fixture.set_all(SlotState::NotMine);
    prewarm(&[Arc::clone(&fixture.cache)], &fixture.lane, &all).await;
    fixture.catch_up(&all).await;
    assert_eq!(fixture.value("a"), None);
}

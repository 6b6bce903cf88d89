//! Bringing caches up to date for slots that this host acquires.
//!
//! [`prewarm`] fetches what was dropped while the slots were somebody else's, and may run while they still
//! are. [`catch_up`] is the barrier: what a previous owner wrote before it gave the slots up is in the
//! caches when it returns. Both rest on two facts: a slot without a hole ([`super::holes`]) holds whatever
//! list and watch have shown, and a watch shows changes in order. So if slots have no holes, all that is
//! to be proven is that the watch has shown everything up to the version that a read made now returns: a
//! later event proves it. Where nothing changes there is none, and a list of metadata shows that the cache
//! has every object as it is.
//!
//! API failures are retried until they succeed or the future is dropped.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use kube::Client;
use polyreme_ownership::SlotSet;
use tokio::time::Instant;
use tracing::debug;

use super::Cache;
use super::metadata::{self, Metadata, MetadataList};
use crate::explain;
use crate::object::Identity;
use crate::ownership::LaneSlots;

/// How long the watch may take to show something as new as a read. Watches are a few milliseconds behind;
/// one that shows nothing for so long has nothing to show, and a list of metadata finds out.
const WATCH_PATIENCE: Duration = Duration::from_millis(30);
/// How long the watch may take to show what a list of metadata has and the cache has not; after that
/// everything is listed anew.
const AGREEMENT_PATIENCE: Duration = Duration::from_secs(1);
/// The cache is compared with the list again when the watch shows something, at least and at most so often.
const AGREEMENT_INTERVAL: Duration = Duration::from_millis(50);
const AGREEMENT_PAUSE: Duration = Duration::from_millis(5);
/// First and longest wait after a failed request: the slots are nobody's meanwhile.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// A read that takes longer is given up and made again.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Fetches what the caches lack of some slots of a controller. To be called once the slots are wanted.
/// Slots that stop being wanted meanwhile do not count.
pub async fn prewarm(caches: &[Arc<Cache>], lane: &LaneSlots, slots: &SlotSet) {
    join_all(caches.iter().map(|cache| cache.fill(lane, slots))).await;
}

/// Waits until, for some slots of a controller, the caches are at least as new as a consistent read made
/// at `since`, which is now or before: no object is older, and none is there that was deleted before. To
/// be called once the slots are wanted; includes [`prewarm`].
pub async fn catch_up(
    caches: &[Arc<Cache>],
    client: &Client,
    lane: &LaneSlots,
    slots: &SlotSet,
    since: Instant,
) {
    join_all(caches.iter().map(|cache| cache.catch_up(client, lane, slots, since))).await;
}

impl Cache {
    /// Whether something of these slots, as far as they are wanted, was dropped.
    pub(super) fn has_holes(&self, lane: &LaneSlots, slots: &SlotSet) -> bool {
        self.routes().iter().any(|route| route.is_of(lane) && route.has_holes(slots))
    }

    async fn fill(&self, lane: &LaneSlots, slots: &SlotSet) {
        self.list_ended().await;
        while self.has_holes(lane, slots) {
            self.listed_anew().await;
        }
    }

    async fn catch_up(&self, client: &Client, lane: &LaneSlots, slots: &SlotSet, since: Instant) {
        self.fill(lane, slots).await;
        if self.is_listed_since(since) {
            return;
        }
        let version = self.ask("version", || metadata::version(client, &self.resource)).await;
        if self.reaches(&version, WATCH_PATIENCE).await {
            return;
        }
        let begun = self.lists_begun();
        let list = self.ask("metadata", || metadata::list(client, &self.id, &self.resource)).await;
        if !self.comes_to_agree(&list, begun).await {
            self.listed_anew().await;
        }
    }

    /// Waits until the cache is nowhere behind a list of metadata; false when it takes too long.
    async fn comes_to_agree(&self, list: &MetadataList, begun: u64) -> bool {
        let mut progress = self.progress.subscribe();
        let agreed = async {
            while !self.agrees(list, begun) {
                // Whatever was shown, it is looked at again; the sender lives in self.
                let _ = tokio::time::timeout(AGREEMENT_INTERVAL, progress.changed()).await;
                tokio::time::sleep(AGREEMENT_PAUSE).await;
            }
        };
        tokio::time::timeout(AGREEMENT_PATIENCE, agreed).await.is_ok()
    }

    /// Whether the cache is nowhere behind a list that was read when `begun` lists had begun. From then on
    /// it ignores what the watch shows late.
    fn agrees(&self, list: &MetadataList, begun: u64) -> bool {
        let routes = self.routes();
        let mut state = self.state.write();
        let wanted = |item: &Identity<'_>| routes.is_empty() || routes.iter().any(|route| route.wants(item));
        let items = list.items.iter().map(Metadata::identity);
        let agrees = self.lists_begun() == begun && state.is_as_new_as(items, &list.version, wanted);
        if agrees {
            state.raise_floor(list.version.clone());
        }
        agrees
    }

    /// Asks until the API server answers.
    async fn ask<T, F>(&self, what: &str, mut request: impl FnMut() -> F) -> T
    where
        F: Future<Output = kube::Result<T>>,
    {
        let (mut wait, longest) = RETRY;
        loop {
            match tokio::time::timeout(READ_TIMEOUT, request()).await {
                Ok(Ok(answer)) => return answer,
                Ok(Err(failure)) => {
                    let why = explain::request_error(&failure);
                    debug!(kind = %self.id.kind, "failed to read the {what}: {why}");
                }
                Err(_) => debug!(kind = %self.id.kind, "failed to read the {what} in {READ_TIMEOUT:?}"),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(longest);
        }
    }
}

#[cfg(test)]
mod tests {
    //! Against the local API server.

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Config;
    use kube::api::{Api, ApiResource, DeleteParams, Patch, PatchParams};
    use kube::config::{KubeConfigOptions, Kubeconfig};
    use polyreme_apiserver::{Server, ServerConfig};
    use polyreme_ownership::{KeyBy, SlotCount, SlotState};
    use polyreme_selector::LabelSelector;
    use serde_json::json;
    use tokio::task::JoinSet;

    use super::*;
    use crate::cache::lineage::Lineage;
    use crate::cache::{CacheId, Caches, Resource};
    use crate::metrics::Metrics;
    use crate::object::{Kind, ObjectKey};
    use crate::ownership::RingClock;
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
}

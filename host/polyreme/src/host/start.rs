//! One controller from a loaded module to its workers.
//!
//! This stage needs the cluster and has patience: kinds may be installed later, rights may be granted
//! later, so it waits, retries and says why in `/readyz`.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use polyreme_runtime::Module;
use polyreme_runtime::wit::reconciler::Manifest;
use polyreme_runtime::wit::types::Error as ApiError;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::load::Loaded;
use super::plan::{Plan, Watch};
use super::share::Share;
use super::{Host, resync};
use crate::api::ControllerApi;
use crate::api::elide::Applied;
use crate::cache::lineage::Lineage;
use crate::cache::{Cache, Health, Resource, View};
use crate::config::ControllerConfig;
use crate::guest_http::GuestHttp;
use crate::guest_http::policy::HttpPolicy;
use crate::metrics::ModuleMetrics;
use crate::ownership::{LaneSlots, ShardLabels};
use crate::permissions::Policy;
use crate::queue::Queue;
use crate::reconcile::Controller;
use crate::route::{Role, Route};

/// First and longest wait before the API server is asked again for a kind that it does not know.
const KIND_RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));
/// After this long without a full list the log says so again; waiting goes on. Where controller-runtime
/// would exit (2 min), a host that runs other controllers cannot.
const CACHE_SYNC_TIMEOUT: Duration = Duration::from_secs(120);

/// A controller whose caches are filled.
pub(super) struct Connected {
    controller: Arc<Controller>,
    config: ControllerConfig,
    share: Share,
}

/// What a controller is made of, from the module and from the cluster.
struct Parts {
    module: Module,
    manifest: Manifest,
    lane: Arc<LaneSlots>,
    labels: Option<ShardLabels>,
    primaries: Arc<Cache>,
    caches: Vec<Arc<Cache>>,
    queue: Arc<Queue>,
}

/// Starts the watches and waits until every cache has had a full list.
pub(super) async fn connect(host: &Arc<Host>, loaded: Loaded) -> Connected {
    let Loaded { config, module, manifest, mut plan } = loaded;
    let share = host.rings().share(&host.config, &config);
    let labels = share.labels();
    if let Some(labels) = &labels {
        plan.select(&labels.selector());
    }
    let lane = share.lane(&host.config, &config.name);
    // What is cached depends on the slots that this host is given.
    share.joined().await;
    let queue = Arc::new(Queue::new(host.metrics.queue(&config.name)));
    host.queues.lock().push(Arc::clone(&queue));
    let primaries = open(host, &config, &plan.primary).await;
    plan.indexes.iter().for_each(|path| primaries.add_index(path));
    let mut caches = Vec::new();
    let lineage = Arc::new(lineage(&lane, &plan, &primaries));
    for watch in plan.watches() {
        let cache = open(host, &config, watch).await;
        let (queue, role, id) = (Arc::clone(&queue), watch.role.clone(), watch.cache.clone());
        let lineage = Arc::clone(&lineage);
        cache.add_route(Arc::new(Route::new(queue, role, id, &primaries, &host.caches, lineage)));
        caches.push(cache);
    }
    wait_for_lists(host, &config, &caches).await;
    let parts = Parts { module, manifest, lane, labels, primaries, caches, queue };
    let controller = Arc::new(controller(host, &config, parts));
    Connected { controller, config, share }
}

/// How the controller's objects are followed to their primaries.
fn lineage(lane: &Arc<LaneSlots>, plan: &Plan, primaries: &Cache) -> Lineage {
    let owned = plan.others.iter().filter(|watch| watch.role == Role::Owned);
    let owned = owned.map(|watch| watch.cache.clone()).collect();
    let Cache { id, resource, .. } = primaries;
    Lineage::new(Arc::clone(lane), id.kind.clone(), resource.clone(), owned)
}

/// The cache of a watch, as soon as the API server knows the kind.
async fn open(host: &Host, config: &ControllerConfig, watch: &Watch) -> Arc<Cache> {
    let resource = resolve(host, config, watch).await;
    host.cache(watch.cache.clone(), &resource, watch.selector.clone())
}

async fn resolve(host: &Host, config: &ControllerConfig, watch: &Watch) -> Resource {
    let (mut wait, longest) = KIND_RETRY;
    let mut said = None;
    loop {
        let failure: ApiError = match host.resources.resolve(&host.client, &watch.cache.kind).await {
            Ok(resource) => return resource,
            Err(failure) => failure,
        };
        if said.as_ref() != Some(&failure.message) {
            warn!(controller = config.name, "waiting: {}", failure.message);
            host.readiness.set(&config.name, Err(failure.message.clone()));
            said = Some(failure.message);
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(longest);
    }
}

async fn wait_for_lists(host: &Host, config: &ControllerConfig, caches: &[Arc<Cache>]) {
    for cache in caches {
        host.readiness.set(&config.name, Err(format!("waiting for the list of {}", cache.id.kind)));
        let mut health = cache.subscribe();
        loop {
            tokio::select! {
                () = cache.listed() => break,
                _ = health.changed() => (),
                () = tokio::time::sleep(CACHE_SYNC_TIMEOUT) => {
                    warn!(controller = config.name, kind = %cache.id.kind, "still waiting for the list");
                }
            }
            if let Health::Failing(advice) = cache.health() {
                host.readiness.set(&config.name, Err(advice));
            }
        }
    }
}

fn controller(host: &Host, config: &ControllerConfig, parts: Parts) -> Controller {
    let Parts { module, manifest, lane, labels, primaries, caches, queue } = parts;
    let module_metrics = host.metrics.module(&config.name);
    host.metrics.instances(&config.name, module.instances());
    let in_flight = usize::try_from(config.limits.api_calls_in_flight).unwrap_or(usize::MAX);
    let api = ControllerApi {
        client: host.client.clone(),
        resources: Arc::clone(&host.resources),
        caches: Arc::clone(&host.caches),
        view: View::new(caches.clone(), Arc::clone(&host.caches), Arc::clone(&lane)),
        policy: Policy::new(&config.name, Arc::clone(&host.config.path), &manifest, config.grants.clone()),
        field_manager: manifest.name,
        applied: Applied::default(),
        in_flight: Semaphore::new(in_flight.min(Semaphore::MAX_PERMITS)),
        http: Arc::new(guest_http(host, config, &module_metrics)),
        metrics: module_metrics.clone(),
        safeguards: host.safeguards,
    };
    Controller {
        name: config.name.clone(),
        module,
        primaries,
        caches,
        queue,
        api: Arc::new(api),
        lane,
        labels,
        settings: config.settings_json(),
        events: Arc::new(host.events.controller(&config.name, host.uid_lookup(), module_metrics.clone())),
        guest_metrics: Arc::new(host.metrics.guest(&config.name)),
        clock: host.clock.clone(),
        random: host.random.clone(),
        metrics: host.metrics.controller(&config.name, config.workers),
        module_metrics,
        last_uids: Mutex::default(),
    }
}

/// Outside servers as the configuration grants them.
fn guest_http(host: &Host, config: &ControllerConfig, metrics: &ModuleMetrics) -> GuestHttp {
    let (path, cluster) = (Arc::clone(&host.config.path), host.config.cluster_networks.clone());
    let policy = HttpPolicy::new(&config.name, path, config.http.clone(), cluster);
    GuestHttp::new(policy, &config.limits, metrics.clone())
}

impl Connected {
    /// Works until the queue is closed and every worker is done.
    pub(super) async fn work(self, host: &Host) {
        let Self { controller, config, share } = self;
        info!(
            controller = config.name,
            workers = config.workers,
            queued = controller.queue.depth(),
            "controller started"
        );
        share.bind(&controller);
        let mut workers = JoinSet::new();
        for _ in 0..config.workers {
            workers.spawn(Arc::clone(&controller).work());
        }
        let (primaries, queue) = (Arc::clone(&controller.primaries), Arc::clone(&controller.queue));
        let mut helpers = JoinSet::new();
        helpers.spawn(resync::run(primaries, queue, config.resync, host.random.clone()));
        helpers.spawn(follow_health(host.readiness.clone(), config.name, controller.caches.clone()));
        while workers.join_next().await.is_some() {}
    }
}

/// A controller is ready while all of its watches are.
async fn follow_health(readiness: crate::admin::Readiness, name: String, caches: Vec<Arc<Cache>>) {
    let mut healths: Vec<_> = caches.iter().map(|cache| cache.subscribe()).collect();
    loop {
        let failing = healths.iter_mut().find_map(|health| match &*health.borrow_and_update() {
            Health::Failing(advice) => Some(advice.clone()),
            Health::Starting | Health::Synced => None,
        });
        readiness.set(&name, failing.map_or(Ok(()), Err));
        let changes = healths.iter_mut().map(|health| Box::pin(health.changed()));
        let _ = futures::future::select_all(changes).await;
    }
}

//! One controller from a loaded module to its workers.
//!
//! This stage needs the cluster and has patience: kinds may be installed later, rights may be granted
//! later, so it waits, retries and says why in `/readyz`.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use polyreme_runtime::wit::types::Error as ApiError;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{info, warn};

use super::crew::Crew;
use super::load::Loaded;
use super::plan::{Plan, Watch};
use super::tend::Seat;
use super::watches::Watched;
use super::{Host, resync};
use crate::api::{ControllerApi, Requests};
use crate::cache::lineage::Lineage;
use crate::cache::{self, Cache, Health, Resource, View};
use crate::config::ControllerConfig;
use crate::guest_http::GuestHttp;
use crate::guest_http::policy::HttpPolicy;
use crate::metrics::ModuleMetrics;
use crate::ownership::{LaneSlots, ShardLabels};
use crate::permissions::Policy;
use crate::queue::schedule::Priority;
use crate::reconcile::{Controller, Program};
use crate::route::{Role, Route};

/// First and longest wait before the API server is asked again for a kind that it does not know.
const KIND_RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));
/// After this long without a full list the log says so again; waiting goes on. Where controller-runtime
/// would exit (2 min), a host that runs other controllers cannot.
const CACHE_SYNC_TIMEOUT: Duration = Duration::from_secs(120);

/// A controller whose caches are filled.
pub(super) struct Connected {
    /// What it was connected for.
    pub(super) loaded: Arc<Loaded>,
    /// What tells its routes from those of another round.
    pub(super) lineage: Arc<Lineage>,
    controller: Arc<Controller>,
    module_metrics: ModuleMetrics,
    /// Given back when this is dropped.
    _watches: Vec<Watched>,
}

/// Starts the watches and waits until every cache has had a full list.
pub(super) async fn connect(host: &Arc<Host>, seat: &Seat, loaded: &Arc<Loaded>) -> Connected {
    let config = &loaded.config;
    let labels = seat.share.labels();
    let mut plan = loaded.plan.clone();
    if let Some(labels) = &labels {
        plan.select(&labels.selector());
    }
    // What is cached depends on the slots that this host is given.
    seat.share.joined().await;
    let since = Instant::now();
    let primary = open(host, config, &plan.primary).await;
    let primaries = Arc::clone(&primary.cache);
    plan.indexes.iter().for_each(|path| primaries.add_index(path));
    let lineage = Arc::new(lineage(&seat.lane, &plan, &primaries));
    let (mut caches, mut watches) = (Vec::new(), vec![primary]);
    for watch in plan.watches() {
        let watched = open(host, config, watch).await;
        let (queue, role, id) = (Arc::clone(&seat.queue), watch.role.clone(), watch.cache.clone());
        let route = Route::new(queue, role, id, &primaries, &host.caches, Arc::clone(&lineage));
        watched.cache.add_route(Arc::new(route));
        caches.push(Arc::clone(&watched.cache));
        watches.push(watched);
    }
    wait_for_lists(host, config, &caches).await;
    let module_metrics = host.metrics.module(&config.name);
    let controller = Arc::new(controller(host, seat, loaded, labels, primaries, caches, &module_metrics));
    seat.share.bind(&controller);
    // Of slots that this host has had for a while nobody else asks whether all of it is here.
    cache::catch_up(&controller.caches, &host.client, &seat.lane, &seat.lane.wanted(), since).await;
    host.readiness.set(&config.name, Ok(()));
    Connected { loaded: Arc::clone(loaded), lineage, controller, module_metrics, _watches: watches }
}

/// How the controller's objects are followed to their primaries.
fn lineage(lane: &Arc<LaneSlots>, plan: &Plan, primaries: &Cache) -> Lineage {
    let owned = plan.others.iter().filter(|watch| watch.role == Role::Owned);
    let owned = owned.map(|watch| watch.cache.clone()).collect();
    let Cache { id, resource, .. } = primaries;
    Lineage::new(Arc::clone(lane), id.kind.clone(), resource.clone(), owned)
}

/// The cache of a watch, as soon as the API server knows the kind.
async fn open(host: &Arc<Host>, config: &ControllerConfig, watch: &Watch) -> Watched {
    let resource = resolve(host, config, watch).await;
    host.watches.watch(host, watch.cache.clone(), &resource, watch.selector.clone())
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

/// What a controller runs.
fn program(
    host: &Host,
    seat: &Seat,
    loaded: &Loaded,
    caches: &[Arc<Cache>],
    metrics: &ModuleMetrics,
) -> Program {
    let Loaded { config, module, manifest, .. } = loaded;
    host.metrics.instances(&config.name, module.instances());
    host.metrics.reloads().runs(&config.name, &manifest.name, &manifest.version, module.digest());
    let api = ControllerApi {
        client: loaded.client.clone().unwrap_or_else(|| host.client.clone()),
        resources: Arc::clone(&host.resources),
        caches: Arc::clone(&host.caches),
        view: View::new(caches.to_vec(), Arc::clone(&host.caches), Arc::clone(&seat.lane)),
        policy: Policy::new(&config.name, Arc::clone(&host.config.path), manifest, config.grants.clone()),
        field_manager: config.name.clone(),
        applied: Arc::clone(&seat.applied),
        requests: Requests::new(&config.limits, metrics.clone()),
        http: Arc::new(guest_http(host, config, metrics)),
        metrics: metrics.clone(),
        safeguards: host.safeguards,
    };
    Program { module: module.clone(), api: Arc::new(api), settings: config.settings_json() }
}

fn controller(
    host: &Host,
    seat: &Seat,
    loaded: &Loaded,
    labels: Option<ShardLabels>,
    primaries: Arc<Cache>,
    caches: Vec<Arc<Cache>>,
    module_metrics: &ModuleMetrics,
) -> Controller {
    let program = program(host, seat, loaded, &caches, module_metrics);
    let Seat { name, lane, queue, .. } = seat;
    Controller {
        name: name.clone(),
        program: RwLock::new(Arc::new(program)),
        primaries,
        caches,
        queue: Arc::clone(queue),
        lane: Arc::clone(lane),
        labels,
        events: Arc::new(host.events.controller(name, host.uid_lookup(), module_metrics.clone())),
        guest_metrics: Arc::new(host.metrics.guest(name)),
        clock: host.clock.clone(),
        random: host.random.clone(),
        metrics: host.metrics.controller(name, loaded.config.workers),
        module_metrics: module_metrics.clone(),
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
    /// Runs something else that watches the same. What it would see otherwise than before it sees again:
    /// every object, if its code, its settings or its grants changed.
    pub(super) fn replace(&self, host: &Host, seat: &Seat, before: &Loaded, loaded: &Loaded) {
        let program = program(host, seat, loaded, &self.controller.caches, &self.module_metrics);
        *self.controller.program.write() = Arc::new(program);
        let sees_anew = before.module.digest() != loaded.module.digest()
            || before.config.settings != loaded.config.settings
            || before.config.grants != loaded.config.grants
            || before.config.http != loaded.config.http;
        if sees_anew {
            let primaries = &self.controller.primaries;
            for (key, _) in primaries.keys_of(&seat.lane, &seat.lane.wanted()) {
                seat.queue.add(key, Priority::LOW);
            }
        }
        // The number of workers is shown by a gauge that it sets.
        drop(host.metrics.controller(&seat.name, loaded.config.workers));
        info!(
            controller = seat.name,
            version = loaded.manifest.version,
            digest = loaded.module.digest(),
            workers = loaded.config.workers,
            "controller updated"
        );
    }

    pub(super) fn crew(&self, workers: u32) -> Crew {
        Crew::new(Arc::clone(&self.controller), workers)
    }

    /// Resyncs until what comes back is dropped.
    pub(super) fn resync(&self, host: &Host, config: &ControllerConfig) -> JoinSet<()> {
        let (primaries, queue) = (Arc::clone(&self.controller.primaries), Arc::clone(&self.controller.queue));
        let mut task = JoinSet::new();
        task.spawn(resync::run(primaries, queue, config.resync, host.random.clone()));
        task
    }

    /// Shows how the watches are doing until what comes back is dropped.
    pub(super) fn follow_health(&self, host: &Host) -> JoinSet<()> {
        let (name, caches) = (self.controller.name.clone(), self.controller.caches.clone());
        let mut task = JoinSet::new();
        task.spawn(follow_health(host.readiness.clone(), name, caches));
        task
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

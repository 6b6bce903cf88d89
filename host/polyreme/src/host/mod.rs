//! The host: one process that runs all controllers of its configuration until it is told to stop.
//!
//! `run` connects, starts the admin endpoints and the engine, and starts each controller on its own
//! ([`start`]): a module that cannot be loaded, or whose kinds do not exist yet, says so and leaves the
//! others alone. On shutdown the queues close, reconciles under way get the grace period, and what is
//! left is interrupted.

mod load;
mod plan;
mod resync;
mod retry;
mod share;
mod start;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use kube::Client;
use kube::client::{Body, ClientBuilder, DynBody};
use parking_lot::{Mutex, RwLock};
use polyreme_runtime::wit::reconciler::Manifest;
use polyreme_runtime::{Engine, EngineConfig};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::BoxError;
use tower::buffer::BufferLayer;
use tower::util::BoxService;
use tracing::{info, warn};

use share::{Rings, Surroundings};

pub use load::{Loaded, StartError, load};
pub use plan::{ManifestError, Plan, Watch};

use crate::admin::{self, Readiness};
use crate::api::resources::Resources;
use crate::cache::{Cache, CacheId, Caches, Resource};
use crate::clock::HostClock;
use crate::config::{ControllerConfig, HostConfig};
use crate::events::{EventSink, UidLookup};
use crate::explain;
use crate::metrics::Metrics;
use crate::object::{Kind, ObjectKey};
use crate::ownership::Safeguards;
use crate::queue::Queue;
use crate::random::HostRandom;
use crate::watch;
use polyreme_selector::LabelSelector;

/// Instances alive at once beyond the workers: `describe` calls at start.
const SPARE_INSTANCES: u32 = 16;
/// How old the cache size metrics may be: less than a usual scrape interval.
const CACHE_METRICS_EVERY: Duration = Duration::from_secs(5);

/// What all controllers share.
pub struct Host {
    config: HostConfig,
    client: Client,
    engine: Engine,
    caches: Arc<Caches>,
    resources: Arc<Resources>,
    metrics: Metrics,
    readiness: Readiness,
    clock: Arc<HostClock>,
    random: Arc<HostRandom>,
    events: EventSink,
    /// Watches, and everything else that lives as long as the host.
    background: Mutex<JoinSet<()>>,
    /// The namespace of the connection, where the Leases are unless the configuration says otherwise.
    namespace: String,
    safeguards: Safeguards,
    /// The rings of this host; none before the modules are loaded.
    rings: RwLock<Arc<Rings>>,
    /// Queues of all controllers, to be closed on shutdown.
    queues: Mutex<Vec<Arc<Queue>>>,
}

/// Runs the host until `shutdown` is cancelled.
///
/// # Errors
/// When the cluster cannot be reached, the admin address is taken, the engine cannot start, or no
/// controller at all could be loaded.
pub async fn run(
    config: HostConfig,
    cluster: kube::Config,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let metrics = Metrics::new();
    let namespace = cluster.default_namespace.clone();
    let client = connect(cluster, &metrics).await?;
    let readiness = Readiness::default();
    let admin =
        admin::serve(config.admin.address, metrics.clone(), readiness.clone(), shutdown.clone()).await?;
    let engine = Engine::new(engine_config(&config)).context("failed to start the WebAssembly engine")?;
    let environment = Environment { client, metrics, namespace, engine, safeguards: Safeguards::all() };
    let host = Arc::new(Host::new(config, environment, readiness));
    host.background.lock().spawn(admin);
    Host::serve(&host, shutdown).await
}

/// What a host finds around itself.
pub struct Environment {
    /// The connection to the API server: see [`client`].
    pub client: Client,
    /// Where it counts.
    pub metrics: Metrics,
    /// Where the Leases are unless the configuration says otherwise.
    pub namespace: String,
    /// What compiles and runs modules.
    pub engine: Engine,
    /// All of them, except in tests that show what one is there for.
    pub safeguards: Safeguards,
}

/// The same as [`run`], in an environment that the caller made, and without admin endpoints: nothing here
/// opens a socket or starts a thread that lasts, so that a simulation can run many hosts in one thread.
///
/// # Errors
/// When no controller at all could be loaded.
pub async fn run_in(
    config: HostConfig,
    environment: Environment,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let host = Arc::new(Host::new(config, environment, Readiness::default()));
    Host::serve(&host, shutdown).await
}

/// What carries requests to the API server and their answers back.
pub type Transport = BoxService<http::Request<Body>, http::Response<Box<DynBody>>, BoxError>;

/// A client with everything that hosts put around requests; `authority` names the server in metrics.
pub fn client(transport: ClientBuilder<Transport>, authority: String, metrics: &Metrics) -> Client {
    let builder = transport.with_layer(&BufferLayer::new(retry::WAITING)).with_layer(&retry::reads());
    builder.with_layer(&metrics.client_layer(authority)).build()
}

async fn connect(mut cluster: kube::Config, metrics: &Metrics) -> anyhow::Result<Client> {
    let url = cluster.cluster_url.to_string();
    let host = cluster.cluster_url.authority().map_or_else(|| url.clone(), ToString::to_string);
    cluster.default_retry = false;
    let builder =
        ClientBuilder::try_from(cluster).map_err(|failure| explain::client_error(&failure, &url))?;
    let client = self::client(builder, host, metrics);
    let version =
        client.apiserver_version().await.map_err(|failure| explain::client_error(&failure, &url))?;
    info!(url, version = version.git_version, "connected to the API server");
    Ok(client)
}

/// The engine that the modules of a configuration need: a place for each worker. A warm instance needs none
/// of its own: one is made only when none is idle, so no controller ever has more than its workers.
#[must_use]
pub fn engine_config(config: &HostConfig) -> EngineConfig {
    let workers = config.controllers.iter().fold(0_u32, |sum, one| sum.saturating_add(one.workers));
    EngineConfig {
        cache_dir: config.cache_dir.clone(),
        max_instances: workers.saturating_add(SPARE_INSTANCES),
        ..EngineConfig::default()
    }
}

impl Host {
    fn new(config: HostConfig, environment: Environment, readiness: Readiness) -> Self {
        let Environment { client, metrics, namespace, engine, safeguards } = environment;
        let (events, publish_events) = EventSink::new(client.clone());
        let mut background = JoinSet::new();
        background.spawn(publish_events);
        Self {
            events,
            background: Mutex::new(background),
            engine,
            config,
            client,
            caches: Arc::default(),
            resources: Arc::default(),
            metrics,
            readiness,
            clock: Arc::new(HostClock::new()),
            random: Arc::new(HostRandom),
            namespace,
            safeguards,
            rings: RwLock::default(),
            queues: Mutex::default(),
        }
    }

    async fn serve(host: &Arc<Self>, shutdown: CancellationToken) -> anyhow::Result<()> {
        host.publish_cache_sizes();
        let mut workers = Self::start_controllers(host, &shutdown).await?;
        shutdown.cancelled().await;
        host.stop(&mut workers).await;
        Ok(())
    }

    /// Loads all modules, then lets each controller come up in a task of its own.
    async fn start_controllers(
        host: &Arc<Self>,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<JoinSet<()>> {
        let mut workers = JoinSet::new();
        let loads = host.config.controllers.iter().map(|config| Self::load_or_report(host, config));
        let loaded: Vec<_> = futures::future::join_all(loads).await.into_iter().flatten().collect();
        let (total, usable) = (host.config.controllers.len(), loaded.len());
        if usable == 0 && total > 0 {
            bail!(
                "none of the {total} controllers could be loaded; the messages above name each cause and remedy"
            );
        }
        host.join_rings(&loaded);
        for loaded in loaded {
            workers.spawn(Self::bring_up(Arc::clone(host), loaded, shutdown.clone()));
        }
        info!(usable, total, "controllers loaded");
        Ok(workers)
    }

    fn join_rings(&self, loaded: &[Loaded]) {
        let around = Surroundings {
            config: &self.config,
            namespace: self.config.ownership.namespace.as_deref().unwrap_or(&self.namespace),
            client: &self.client,
            caches: &self.caches,
            readiness: &self.readiness,
            metrics: &self.metrics,
            safeguards: self.safeguards,
        };
        let controllers = loaded.iter().map(|loaded| &loaded.config);
        let rings = Rings::join(&around, controllers, &mut self.background.lock());
        *self.rings.write() = Arc::new(rings);
    }

    fn rings(&self) -> Arc<Rings> {
        Arc::clone(&self.rings.read())
    }

    async fn load_or_report(host: &Arc<Self>, config: &ControllerConfig) -> Option<Loaded> {
        host.readiness.set(&config.name, Err("starting".to_owned()));
        match load(&host.engine, config).await {
            Ok(loaded) => {
                let Manifest { name, version, .. } = &loaded.manifest;
                info!(
                    controller = config.name,
                    module = name,
                    version,
                    digest = loaded.module.digest(),
                    "module loaded"
                );
                Some(loaded)
            }
            Err(failure) => {
                let why = explain::chain(&failure);
                tracing::error!(controller = config.name, place = %config.place, "{why}");
                host.readiness.set(&config.name, Err(why));
                None
            }
        }
    }

    /// Until shutdown a controller may wait for its kinds and caches; once it works, it ends with its queue.
    async fn bring_up(host: Arc<Self>, loaded: Loaded, shutdown: CancellationToken) {
        let connected = tokio::select! {
            connected = start::connect(&host, loaded) => connected,
            () = shutdown.cancelled() => return,
        };
        connected.work(&host).await;
    }

    async fn stop(&self, workers: &mut JoinSet<()>) {
        let grace = self.config.shutdown_grace_period;
        info!(?grace, "shutting down: giving slots away, waiting for reconciles under way");
        let rings = self.rings();
        let all_ended = async {
            rings.leave().await;
            self.queues.lock().iter().for_each(|queue| queue.close());
            while workers.join_next().await.is_some() {}
        };
        if tokio::time::timeout(grace, all_ended).await.is_err() {
            warn!("shutdownGracePeriod is over: interrupting {} controllers", workers.len());
            workers.shutdown().await;
        }
        info!("stopped");
    }

    /// Uids of objects that events are about, as far as they are cached.
    fn uid_lookup(&self) -> UidLookup {
        let caches = Arc::clone(&self.caches);
        Arc::new(move |object| {
            let kind = Kind::new(&object.api_version, &object.kind);
            let key = ObjectKey::new(object.namespace.as_deref(), &object.name);
            caches.find(&kind, &key).map(|found| found.uid.to_string())
        })
    }

    fn publish_cache_sizes(&self) {
        let (caches, metrics) = (Arc::clone(&self.caches), self.metrics.clone());
        self.background.lock().spawn(async move {
            let mut tick = tokio::time::interval(CACHE_METRICS_EVERY);
            loop {
                tick.tick().await;
                for cache in caches.all() {
                    let (objects, bytes) = cache.size();
                    metrics.cache(&cache.id.kind.api_version, &cache.id.kind.kind).set(objects, bytes);
                }
            }
        });
    }

    /// The cache of a watch, started if it is the first to ask.
    fn cache(&self, id: CacheId, resource: &Resource, selector: LabelSelector) -> Arc<Cache> {
        let (cache, is_new) = self.caches.get_or_create(id, resource, selector);
        if is_new {
            let metrics = self.metrics.watch(&cache.id.kind.api_version, &cache.id.kind.kind);
            let watch = watch::run(Arc::clone(&cache), self.client.clone(), metrics);
            self.background.lock().spawn(watch);
        }
        cache
    }
}

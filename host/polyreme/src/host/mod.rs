//! The host: one process that runs all controllers of its configuration until it is told to stop.
//!
//! `run` connects, starts the admin endpoints and the engine, and starts each controller on its own
//! ([`tend`]): a module that cannot be loaded, or whose kinds do not exist yet, says so and leaves the
//! others alone. It follows the configuration file and the modules it names ([`follow`]); what changes is
//! changed in the running host ([`fleet`]). On shutdown the queues close, reconciles under way get the
//! grace period, and what is left is interrupted.

mod crew;
mod fleet;
mod follow;
mod identities;
mod load;
mod news;
mod plan;
mod resync;
mod retry;
mod share;
mod start;
mod tend;
mod watches;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kube::Client;
use kube::client::{Body, ClientBuilder, DynBody};
use parking_lot::Mutex;
use polyreme_runtime::{Engine, EngineConfig};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::BoxError;
use tower::buffer::BufferLayer;
use tower::util::BoxService;
use tracing::{info, warn};

use fleet::Fleet;
use identities::Identities;
use news::News;
use share::{Rings, Surroundings};
use watches::Watches;

pub use follow::ConfigFile;
pub use load::{Loaded, StartError, load};
pub use plan::{ManifestError, Plan, Watch};

use crate::admin::{self, Readiness};
use crate::api::resources::Resources;
use crate::cache::Caches;
use crate::clock::HostClock;
use crate::config::{ControllerConfig, HostConfig};
use crate::events::{EventSink, UidLookup};
use crate::explain;
use crate::metrics::Metrics;
use crate::object::{Kind, ObjectKey};
use crate::ownership::Safeguards;
use crate::queue::Queue;
use crate::random::HostRandom;

/// Instances alive at once beyond the workers: `describe` calls at start.
const SPARE_INSTANCES: u32 = 16;
/// Instances alive at once at least, so that controllers can be added while the host runs. A place that was
/// never used costs address space only.
const MIN_INSTANCES: u32 = 512;
/// How long a connection with a request under way may say nothing: longer than a watch lives (290 s), which
/// may have nothing to say.
const SILENCE: Duration = Duration::from_secs(300);
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
    /// Everything that lives as long as the host.
    background: Mutex<JoinSet<()>>,
    /// The namespace of the connection, where the Leases are unless the configuration says otherwise.
    namespace: String,
    safeguards: Safeguards,
    identities: Identities,
    rings: Rings,
    watches: Watches,
    /// Queues of all controllers, to be closed on shutdown.
    queues: Mutex<BTreeMap<String, Arc<Queue>>>,
    news: News,
}

/// Runs the host until `shutdown` is cancelled, and changes it as `file` changes.
///
/// # Errors
/// When the cluster cannot be reached, the admin address is taken, the engine cannot start, or no
/// controller at all could be loaded.
pub async fn run(
    file: ConfigFile,
    config: HostConfig,
    cluster: kube::Config,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let metrics = Metrics::new();
    let namespace = cluster.default_namespace.clone();
    let client = connect(cluster.clone(), &metrics).await?;
    let identities = Identities::new(Some(cluster), &metrics);
    let readiness = Readiness::default();
    let admin =
        admin::serve(config.admin.address, metrics.clone(), readiness.clone(), shutdown.clone()).await?;
    let engine = Engine::new(engine_config(&config)).context("failed to start the WebAssembly engine")?;
    let environment = Environment { client, metrics, namespace, engine, safeguards: Safeguards::all() };
    let host = Arc::new(Host::new(config, environment, identities, readiness));
    host.background.lock().spawn(admin);
    Host::serve(&host, Some(file), shutdown).await
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

/// The same as [`run`], in an environment that the caller made, without admin endpoints, and with one
/// configuration for life: nothing here opens a socket or starts a thread that lasts, so that a simulation
/// can run many hosts in one thread.
///
/// # Errors
/// When no controller at all could be loaded.
pub async fn run_in(
    config: HostConfig,
    environment: Environment,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let identities = Identities::new(None, &environment.metrics);
    let host = Arc::new(Host::new(config, environment, identities, Readiness::default()));
    Host::serve(&host, None, shutdown).await
}

/// What carries requests to the API server and their answers back.
pub type Transport = BoxService<http::Request<Body>, http::Response<Box<DynBody>>, BoxError>;

/// A client with everything that hosts put around requests; `authority` names the server in metrics.
pub fn client(transport: ClientBuilder<Transport>, authority: String, metrics: &Metrics) -> Client {
    let builder = transport.with_layer(&BufferLayer::new(retry::WAITING)).with_layer(&retry::reads());
    builder.with_layer(&metrics.client_layer(authority)).build()
}

/// What every connection of a host is like, whoever it acts as. Reads are tried again by [`retry`], and a
/// connection from which nothing comes any more is given up: a machine that died without a word would hold up
/// its lists for good.
fn tame(cluster: &mut kube::Config) {
    cluster.default_retry = false;
    cluster.read_timeout = Some(SILENCE);
    cluster.reset_reader_on_write = true;
}

async fn connect(mut cluster: kube::Config, metrics: &Metrics) -> anyhow::Result<Client> {
    let url = cluster.cluster_url.to_string();
    let host = cluster.cluster_url.authority().map_or_else(|| url.clone(), ToString::to_string);
    tame(&mut cluster);
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
        max_instances: workers.saturating_add(SPARE_INSTANCES).max(MIN_INSTANCES),
        ..EngineConfig::default()
    }
}

impl Host {
    fn new(
        config: HostConfig,
        environment: Environment,
        identities: Identities,
        readiness: Readiness,
    ) -> Self {
        let Environment { client, metrics, namespace, engine, safeguards } = environment;
        let (events, publish_events) = EventSink::new(client.clone());
        let news = News::new(&config, &namespace, &events, &metrics, &readiness);
        let mut background = JoinSet::new();
        background.spawn(publish_events);
        Self {
            news,
            identities,
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
            rings: Rings::default(),
            watches: Watches::default(),
            queues: Mutex::default(),
        }
    }

    async fn serve(
        host: &Arc<Self>,
        file: Option<ConfigFile>,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        host.publish_cache_sizes();
        let mut fleet = Fleet::new(Arc::clone(host), shutdown.clone());
        let work = async {
            fleet.start().await?;
            match file {
                Some(file) => file.follow(&mut fleet).await,
                None => fleet.settle().await,
            }
        };
        shutdown.run_until_cancelled(work).await.transpose()?;
        host.stop(fleet.into_tasks()).await;
        Ok(())
    }

    /// Joins the rings of controllers that are about to be started.
    fn join_rings<'c>(&self, controllers: impl Iterator<Item = &'c ControllerConfig>) {
        let around = Surroundings {
            config: &self.config,
            namespace: self.config.ownership.namespace.as_deref().unwrap_or(&self.namespace),
            client: &self.client,
            caches: &self.caches,
            readiness: &self.readiness,
            metrics: &self.metrics,
            safeguards: self.safeguards,
        };
        self.rings.join(&around, controllers, &mut self.background.lock());
    }

    /// A controller is gone.
    fn forget(&self, controller: &str) {
        self.queues.lock().remove(controller);
        self.readiness.remove(controller);
        self.metrics.forget_controller(controller);
    }

    async fn stop(&self, mut controllers: JoinSet<()>) {
        let grace = self.config.shutdown_grace_period;
        info!(?grace, "shutting down: giving slots away, waiting for reconciles under way");
        let all_ended = async {
            self.rings.leave().await;
            self.queues.lock().values().for_each(|queue| queue.close());
            while controllers.join_next().await.is_some() {}
        };
        if tokio::time::timeout(grace, all_ended).await.is_err() {
            warn!("shutdownGracePeriod is over: interrupting {} controllers", controllers.len());
            controllers.shutdown().await;
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
                // Several of a kind, each with a selector, are one to whoever looks at the memory.
                let mut sizes: BTreeMap<Kind, (usize, usize)> = BTreeMap::new();
                for cache in caches.all() {
                    let (objects, bytes) = cache.size();
                    let sum = sizes.entry(cache.id.kind.clone()).or_default();
                    *sum = (sum.0 + objects, sum.1 + bytes);
                }
                for (kind, (objects, bytes)) in sizes {
                    metrics.cache(&kind.api_version, &kind.kind).set(objects, bytes);
                }
            }
        });
    }
}

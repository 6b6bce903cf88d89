//! The controllers of a host, brought in line with the configuration as it changes.
//!
//! What can be loaded takes the place of what runs; what cannot leaves that running and is said in every
//! place where people look ([`super::news`]). It is tried again when the configuration or the module's
//! file changes, and now and then, since a registry may come back.
//!
//! Modules are loaded beside everything else: a registry that does not answer holds up its own module only.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::bail;
use futures::future::join_all;
use polyreme_ownership::{Lane, ModuleInfo};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::Host;
use super::load::{Loaded, StartError, load};
use super::tend::{Seat, tend};
use crate::config::{ControllerConfig, HostConfig, ModuleSource, restart_needed};
use crate::explain;
use crate::queue::Queue;

/// First and longest wait before what could not be loaded is tried again although nothing changed.
const RETRY: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// How long the controllers that are loaded wait for the rest when a host starts, so that usually all of them
/// join their ring at once.
const START_PATIENCE: Duration = Duration::from_secs(2);

/// Characters of a digest that people compare.
const SHORT_DIGEST: usize = 12;

/// Modules whose code is given back at one look, each of which takes the kernel some 200 µs.
const RELEASES_AT_ONCE: usize = 10;

/// See the module's story.
pub(super) struct Fleet {
    host: Arc<Host>,
    shutdown: CancellationToken,
    /// What the newest usable configuration says.
    wanted: Vec<ControllerConfig>,
    running: BTreeMap<String, Running>,
    /// Whether anything ever did.
    has_run: bool,
    refused: BTreeMap<String, Refused>,
    /// What is being loaded. What comes of anything else is of no use any more.
    loading: BTreeMap<String, Due>,
    loads: JoinSet<(Due, Result<Loaded, StartError>)>,
    tasks: JoinSet<()>,
}

/// A controller that is in the hands of a task.
struct Running {
    loaded: Arc<Loaded>,
    stamp: Option<Stamp>,
    wanted: watch::Sender<Arc<Loaded>>,
    stop: CancellationToken,
    ended: CancellationToken,
}

/// What could not be loaded.
struct Refused {
    due: Due,
    why: String,
    wait: Duration,
    retry_at: Instant,
}

/// Tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    modified: Option<SystemTime>,
}

/// A controller to be loaded, with the state of its module's file before.
#[derive(Clone)]
struct Due {
    config: ControllerConfig,
    stamp: Option<Stamp>,
}

impl Due {
    fn is(&self, other: &Self) -> bool {
        self.stamp == other.stamp && self.config.says_the_same_as(&other.config)
    }
}

impl Stamp {
    /// Nothing for a module that is no file, or is not there.
    fn of(source: &ModuleSource) -> Option<Self> {
        let ModuleSource::File(path) = source else { return None };
        let seen = std::fs::metadata(path).ok()?;
        Some(Self { inode: seen.ino(), bytes: seen.len(), modified: seen.modified().ok() })
    }
}

impl Fleet {
    pub(super) fn new(host: Arc<Host>, shutdown: CancellationToken) -> Self {
        let wanted = host.config.controllers.clone();
        Self {
            host,
            shutdown,
            wanted,
            running: BTreeMap::new(),
            has_run: false,
            refused: BTreeMap::new(),
            loading: BTreeMap::new(),
            loads: JoinSet::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Begins to load all modules, and lets each controller come up in a task of its own. Returns once all had a
    /// moment.
    ///
    /// # Errors
    /// When none can be loaded.
    pub(super) async fn start(&mut self) -> anyhow::Result<()> {
        self.begin_loads();
        self.take_up_until(Instant::now() + START_PATIENCE).await;
        self.ensure_of_use()?;
        let (total, usable, loading) = (self.wanted.len(), self.running.len(), self.loading.len());
        if usable == 0 && loading > 0 {
            let controllers: Vec<&str> = self.loading.keys().map(String::as_str).collect();
            info!(controllers = controllers.join(","), "loading modules, nothing runs before one is there");
        } else {
            info!(usable, loading, total, "controllers loaded");
        }
        Ok(())
    }

    /// Takes up what is still being loaded, and never ends well: for a host with one configuration for life.
    ///
    /// # Errors
    /// When none can be loaded.
    pub(super) async fn settle(&mut self) -> anyhow::Result<()> {
        while !self.loads.is_empty() {
            self.take_up_until(Instant::now() + START_PATIENCE).await;
            self.ensure_of_use()?;
        }
        std::future::pending().await
    }

    /// A host that has run something goes on whatever becomes of that; one that never did and cannot is told
    /// by its end.
    ///
    /// # Errors
    /// When all modules were refused since the host started.
    pub(super) fn ensure_of_use(&self) -> anyhow::Result<()> {
        let total = self.wanted.len();
        let all_refused = self.wanted.iter().all(|config| self.refused.contains_key(&config.name));
        if !self.has_run && total > 0 && all_refused && self.loading.is_empty() {
            bail!(
                "none of the {total} controllers could be loaded; the messages above name each cause and remedy"
            );
        }
        Ok(())
    }

    /// Brings the controllers in line with a configuration.
    pub(super) async fn apply(&mut self, config: HostConfig) {
        let is_new = self.differs(&config);
        self.host.news.applied(is_new, &restart_needed(&self.host.config, &config));
        self.wanted = config.controllers;
        let names: BTreeSet<&str> = self.wanted.iter().map(|config| config.name.as_str()).collect();
        let known = self.running.keys().chain(self.refused.keys()).chain(self.loading.keys());
        let gone: BTreeSet<String> = known.filter(|name| !names.contains(name.as_str())).cloned().collect();
        self.remove(gone).await;
        self.leave_unused_rings().await;
    }

    /// The configuration file cannot be used.
    pub(super) fn refuse(&self, why: &str) {
        self.host.news.refused(why);
    }

    /// Looks whether something is to be loaded: by the configuration, because a module's file changed, or
    /// because it is time to try again. Takes up what is loaded before `next`, when to look again.
    pub(super) async fn look(&mut self, next: Instant) {
        self.begin_loads();
        self.take_up_until(next).await;
        self.release_idle_code();
        self.publish();
    }

    /// Says in the member Leases what runs, and how it is.
    fn publish(&self) {
        let mut by_ring: BTreeMap<String, BTreeMap<Lane, ModuleInfo>> = BTreeMap::new();
        for (name, running) in &self.running {
            let Loaded { config, module, manifest, .. } = &*running.loaded;
            let digest = module.digest().trim_start_matches("sha256:");
            let info = ModuleInfo {
                version: manifest.version.clone(),
                digest: digest.chars().take(SHORT_DIGEST).collect(),
                ready: self.host.readiness.is_well(name),
            };
            let ring = self.host.config.ring(config).to_owned();
            by_ring.entry(ring).or_default().insert(name.as_str().into(), info);
        }
        self.host.rings.publish(&by_ring);
    }

    /// Gives back the code of modules that nobody called for a while.
    fn release_idle_code(&self) {
        let modules = self.running.values().map(|running| &running.loaded.module);
        // Counting is what makes the iterator go on.
        let _released = modules.filter(|module| module.release_idle_code()).take(RELEASES_AT_ONCE).count();
    }

    /// The tasks of all controllers.
    pub(super) fn into_tasks(self) -> JoinSet<()> {
        self.tasks
    }

    fn differs(&self, config: &HostConfig) -> bool {
        let pairs = || self.wanted.iter().zip(&config.controllers);
        self.wanted.len() != config.controllers.len()
            || !pairs().all(|(before, after)| before.says_the_same_as(after))
            || !restart_needed(&self.host.config, config).is_empty()
    }

    /// Begins to load what is to run and does not.
    fn begin_loads(&mut self) {
        for config in self.wanted.clone() {
            let due = Due { stamp: Stamp::of(&config.module), config };
            let name = &due.config.name;
            if self.runs(&due) {
                self.loading.remove(name);
                if self.refused.remove(name).is_some() {
                    // The configuration came back to what runs.
                    self.host.news.settled(name);
                }
            } else if !self.is_known(&due) {
                if !self.running.contains_key(name) && !self.refused.contains_key(name) {
                    self.host.readiness.set(name, Err("loading its module".to_owned()));
                }
                self.loading.insert(name.clone(), due.clone());
                let host = Arc::clone(&self.host);
                self.loads.spawn(async move {
                    let loaded = load_here(&host, &due.config).await;
                    (due, loaded)
                });
            }
        }
    }

    /// Whether this is what runs. A file that is gone is being replaced: what was read of it runs.
    fn runs(&self, due: &Due) -> bool {
        self.running.get(&due.config.name).is_some_and(|running| {
            let is_same_file = running.stamp == due.stamp || due.stamp.is_none();
            is_same_file && running.loaded.config.says_the_same_as(&due.config)
        })
    }

    /// Whether this is being loaded, or could not be a while ago.
    fn is_known(&self, due: &Due) -> bool {
        let name = &due.config.name;
        let refused = self.refused.get(name).filter(|refused| Instant::now() < refused.retry_at);
        self.loading.get(name).is_some_and(|loading| loading.is(due))
            || refused.is_some_and(|refused| refused.due.is(due))
    }

    /// Takes up what is loaded, together when that is all before `deadline`.
    async fn take_up_until(&mut self, deadline: Instant) {
        let mut ended = Vec::new();
        while let Ok(Some(one)) = timeout_at(deadline, self.loads.join_next()).await {
            match one {
                Ok(one) => ended.push(one),
                Err(failure) => {
                    error!("loading a module broke off, so all that are under way begin anew: {failure}");
                    self.loading.clear();
                }
            }
        }
        let mut new = Vec::new();
        for (due, result) in ended {
            let name = &due.config.name;
            if !self.loading.get(name).is_some_and(|loading| loading.is(&due)) {
                continue;
            }
            self.loading.remove(name);
            match result {
                Ok(loaded) => {
                    self.refused.remove(name);
                    new.push((Arc::new(loaded), due.stamp));
                }
                Err(why) => self.refuse_one(due, explain::chain(&why)),
            }
        }
        if !new.is_empty() {
            self.take_up(new).await;
        }
    }

    fn refuse_one(&mut self, due: Due, why: String) {
        if due.stamp != Stamp::of(&due.config.module) {
            // It was read while it was written.
            return;
        }
        let ControllerConfig { name, place, .. } = &due.config;
        let before = self.refused.remove(name);
        let is_known = before.as_ref().is_some_and(|before| before.why == why);
        if !is_known {
            match self.running.get(name) {
                Some(running) => self.host.news.update_refused(&running.loaded, place, &why),
                None => self.host.news.not_started(name, place, &why),
            }
        }
        let wait = before.filter(|_| is_known).map_or(RETRY.0, |before| (before.wait * 2).min(RETRY.1));
        let retry_at = Instant::now() + wait;
        self.refused.insert(name.clone(), Refused { due, why, wait, retry_at });
    }

    /// Lets what was loaded take the place of what runs.
    async fn take_up(&mut self, new: Vec<(Arc<Loaded>, Option<Stamp>)>) {
        let elsewhere: BTreeSet<String> = new
            .iter()
            .filter(|(loaded, _)| {
                self.running
                    .get(&loaded.config.name)
                    .is_some_and(|running| !self.is_successor(running, loaded))
            })
            .map(|(loaded, _)| loaded.config.name.clone())
            .collect();
        self.end(&elsewhere).await;
        self.host.join_rings(new.iter().map(|(loaded, _)| &loaded.config));
        for (loaded, stamp) in new {
            match self.running.get_mut(&loaded.config.name) {
                Some(running) => {
                    let before = std::mem::replace(&mut running.loaded, Arc::clone(&loaded));
                    running.stamp = stamp;
                    running.wanted.send_replace(Arc::clone(&loaded));
                    self.host.news.updated(&before, &loaded);
                }
                None => self.start_one(loaded, stamp),
            }
        }
        // Of controllers that moved.
        self.leave_unused_rings().await;
    }

    /// Whether one controller can go on as the other with its queue and its slots.
    fn is_successor(&self, running: &Running, next: &Loaded) -> bool {
        let ring = |config| self.host.config.ring(config).to_owned();
        running.loaded.plan.primary == next.plan.primary && ring(&running.loaded.config) == ring(&next.config)
    }

    fn start_one(&mut self, loaded: Arc<Loaded>, stamp: Option<Stamp>) {
        let (host, name) = (Arc::clone(&self.host), loaded.config.name.clone());
        host.news.loaded(&loaded);
        host.news.settled(&name);
        let share = host.rings.share(&host.config, &loaded.config);
        let lane = share.load(&host.config, &name);
        let queue = Arc::new(Queue::new(host.metrics.queue(&name)));
        host.queues.lock().insert(name.clone(), Arc::clone(&queue));
        let seat = Seat { name: name.clone(), share, lane, queue, applied: Arc::default() };
        let (wanted, receiver) = watch::channel(Arc::clone(&loaded));
        let (stop, ended) = (CancellationToken::new(), CancellationToken::new());
        let (until, shutdown, over) = (stop.clone(), self.shutdown.clone(), ended.clone().drop_guard());
        self.tasks.spawn(async move {
            tend(host, seat, receiver, until, shutdown).await;
            drop(over);
        });
        self.running.insert(name, Running { loaded, stamp, wanted, stop, ended });
        self.has_run = true;
    }

    async fn remove(&mut self, names: BTreeSet<String>) {
        self.end(&names).await;
        for name in &names {
            self.refused.remove(name);
            self.loading.remove(name);
            self.host.news.removed(name);
        }
    }

    /// Ends controllers, and waits until nothing of them runs.
    async fn end(&mut self, names: &BTreeSet<String>) {
        let ending: Vec<Running> = names.iter().filter_map(|name| self.running.remove(name)).collect();
        ending.iter().for_each(|running| running.stop.cancel());
        join_all(ending.iter().map(|running| running.ended.cancelled())).await;
        while self.tasks.try_join_next().is_some() {}
    }

    async fn leave_unused_rings(&self) {
        let config = &self.host.config;
        let used = self.running.values().map(|running| config.ring(&running.loaded.config)).collect();
        for ring in self.host.rings.leave_all_but(&used).await {
            self.host.readiness.remove(&format!("ring/{ring}"));
        }
    }
}

/// Loads a module, and connects in the name of its own account.
async fn load_here(host: &Host, config: &ControllerConfig) -> Result<Loaded, StartError> {
    let mut loaded = load(&host.engine, config).await?;
    let account = config.service_account.as_ref();
    loaded.client = account.map(|account| host.identities.client(account)).transpose()?;
    Ok(loaded)
}

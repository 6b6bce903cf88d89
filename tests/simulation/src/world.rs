//! One simulation from its seed to its verdict: machines, network, server, users and adversary, and the
//! one loop that lets each of them run up to the same moment.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use polyreme::config::HostConfig;
use polyreme::host::{Environment, client, run_in};
use polyreme::identity::Identity;
use polyreme::metrics::Metrics;
use polyreme::ownership::Safeguards;
use polyreme_runtime::{Engine, EngineConfig, Limits};
use polyreme_tests::Scope;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::adversary::{Act, Adversary, with_ways};
use crate::cluster::{Cluster, NAMESPACE};
use crate::log::Log;
use crate::machine::{Machine, State, runtime};
use crate::network::{Link, Network, Trace};
use crate::random::Random;
use crate::system;
use crate::verdict::{self, Evidence};
use crate::wire::{Wire, transport};

/// How far everybody runs at a time: what happens within it happens in one order of machines.
const TICK: Duration = Duration::from_millis(4);
/// Hosts come together, before anything goes wrong.
const QUIET_START: Duration = Duration::from_secs(6);
/// Everything must have come to rest this long after the last mishap: broken connections are noticed after
/// 15 s, members fenced after 6 s more, and reconciles that failed often are tried again after up to 40 s.
const REST_LIMIT: Duration = Duration::from_secs(120);
/// How long nothing may happen then.
const REST: Duration = Duration::from_secs(10);
/// How often it is looked whether all is at rest.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Between two changes of users, in milliseconds.
const CHANGE_MILLIS: (u64, u64) = (10, 250);
/// Live reads between the marks of a reconcile, which make it last: of most, and of every fourth.
const READS: (u64, u64) = (6, 80);
/// Calls at once on all machines together: workers of each, and old processes that are not gone yet.
const INSTANCES: u32 = 64;
const CONTROLLER: &str = "probe";

/// What is to be simulated.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) seed: u64,
    /// How long things go wrong.
    pub(crate) mishaps: Duration,
    pub(crate) safeguards: Safeguards,
    /// Compiled modules, kept for the next simulation.
    pub(crate) cache: PathBuf,
    /// Where every event goes.
    pub(crate) log: Option<PathBuf>,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) hosts: usize,
    pub(crate) simulated: Duration,
    pub(crate) events: u64,
    pub(crate) requests: u64,
    pub(crate) changes: u64,
    pub(crate) mishaps: u64,
    pub(crate) digest: u64,
    /// What was wrong, with the last events.
    pub(crate) fault: Option<String>,
}

/// Simulates on this thread, which must not have been used for anything before.
pub(crate) fn simulate(options: &Options) -> Result<Outcome> {
    system::simulate(options.seed);
    let mut world = World::new(options)?;
    let fault = world.play(options.mishaps).err().map(|fault| format!("{fault:#}\n{}", world.log.tail()));
    Ok(Outcome {
        hosts: world.machines.len(),
        simulated: world.now,
        events: world.log.lines(),
        requests: world.network.requests(),
        changes: world.users.changes,
        mishaps: world.mishaps,
        digest: world.log.digest(),
        fault,
    })
}

struct World {
    now: Duration,
    log: Log,
    machines: Vec<Machine>,
    wire: Wire,
    network: Network,
    cluster: Cluster,
    adversary: Adversary,
    users: Users,
    engine: Engine,
    safeguards: Safeguards,
    /// Requests of reconciles that prove that they still ran.
    traces: Vec<Trace>,
    mishaps: u64,
}

/// Who gives probes something to do.
struct Users {
    random: Random,
    /// `spec.seq` of each probe.
    seqs: Vec<i64>,
    next: Duration,
    changes: u64,
}

impl World {
    fn new(options: &Options) -> Result<Self> {
        let mut random = Random::new(options.seed);
        let hosts = random.place(3) + 3;
        let probes = random.place(17) + 8;
        let paces = Adversary::paces(&mut random, hosts);
        let machine = |(host, pace): (usize, &u32)| Machine::new(host, *pace, random.millis(0, 86_400_000));
        let machines: Vec<_> = paces.iter().enumerate().map(machine).collect();
        let names: Vec<_> = machines.iter().map(|machine| machine.name.clone()).collect();
        let log = options.log.as_ref().map(File::create).transpose().context("failed to make the log")?;
        let wire = Wire::default();
        let mut world = Self {
            now: Duration::ZERO,
            log: Log::new(log),
            network: Network::new(wire.clone(), random.fork(), hosts),
            cluster: Cluster::new(wire.clone(), &names, probes)?,
            adversary: Adversary::new(random.fork(), hosts),
            users: Users { random: random.fork(), seqs: vec![1; probes], next: QUIET_START, changes: 0 },
            engine: engine(&options.cache)?,
            safeguards: options.safeguards,
            traces: Vec::new(),
            mishaps: 0,
            machines,
            wire,
        };
        world.log.line(world.now, format_args!("{hosts} hosts, paces {paces:?}, {probes} probes"));
        Ok(world)
    }

    /// The whole story.
    fn play(&mut self, mishaps: Duration) -> Result<()> {
        for host in 0..self.machines.len() {
            self.start(host)?;
        }
        self.run_until(QUIET_START, |_| Ok(()))?;
        let end = self.now + mishaps;
        self.run_until(end, |world| {
            world.change_something()?;
            let due = world.adversary.due(world.now);
            world.mishaps += due.len() as u64;
            due.into_iter().try_for_each(|act| world.carry_out(act))
        })?;
        self.make_peace()?;
        self.come_to_rest()?;
        self.evidence().judge()
    }

    /// Everything that is broken is mended.
    fn make_peace(&mut self) -> Result<()> {
        self.log.line(self.now, format_args!("peace"));
        self.adversary.retire(self.now);
        for act in self.adversary.due(self.now) {
            self.carry_out(act)?;
        }
        self.network.calm_down(self.now);
        Ok(())
    }

    fn come_to_rest(&mut self) -> Result<()> {
        let limit = self.now + REST_LIMIT;
        loop {
            let next = self.now + LOOK_EVERY;
            self.run_until(next, Self::restart)?;
            match self.look() {
                Ok(()) => break,
                Err(unrest) if self.now >= limit => {
                    self.evidence().judge()?;
                    return Err(unrest.context(format!("no rest {REST_LIMIT:?} after the last mishap")));
                }
                Err(_) => (),
            }
        }
        let seen = self.cluster.sightings().len();
        let end = self.now + REST;
        self.run_until(end, Self::restart)?;
        self.look().context("the rest did not last")?;
        let more = self.cluster.sightings().len() - seen;
        anyhow::ensure!(more == 0, "{more} writes to objects while nothing happened");
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        let due = self.adversary.due(self.now);
        due.into_iter().try_for_each(|act| self.carry_out(act))
    }

    fn look(&self) -> Result<()> {
        let names: Vec<_> = self.machines.iter().map(|machine| machine.name.as_str()).collect();
        let idle = self.machines.iter().find(|machine| machine.state != State::Running);
        anyhow::ensure!(idle.is_none(), "a host does not run");
        verdict::ensure_rest(&self.cluster.probes()?, &self.cluster.leases()?, &names)
    }

    fn evidence(&self) -> Evidence<'_> {
        let unanswered = self.network.unanswered();
        Evidence { sightings: self.cluster.sightings(), traces: &self.traces, unanswered }
    }

    fn run_until(&mut self, end: Duration, mut each: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        while self.now < end {
            self.now += TICK;
            let arrivals = self.network.deliver(self.now, &mut self.log);
            self.cluster.take(arrivals);
            each(self)?;
            self.tick();
        }
        Ok(())
    }

    /// Everybody runs up to now.
    fn tick(&mut self) {
        for (host, machine) in self.machines.iter_mut().enumerate() {
            let Some(ended) = machine.advance(self.now) else { continue };
            let how = ended.map_or_else(|failure| format!("{failure:#}"), |()| "well".to_owned());
            self.log.line(self.now, format_args!("host-{host} ended: {how}"));
            self.network.died(host);
            self.adversary.plan_start(host, self.now);
        }
        self.cluster.advance(self.now);
        self.network.collect(self.now, &mut self.log);
        let traces = self.network.take_traces().into_iter();
        let machines = &self.machines;
        self.traces.extend(
            traces.filter(|trace| machines.get(trace.host).is_some_and(|one| !one.was_stopped(trace.at))),
        );
    }

    fn change_something(&mut self) -> Result<()> {
        let users = &mut self.users;
        if self.now < users.next {
            return Ok(());
        }
        users.next = self.now + users.random.millis(CHANGE_MILLIS.0, CHANGE_MILLIS.1);
        let probe = users.random.place(users.seqs.len());
        let Some(seq) = users.seqs.get_mut(probe) else { return Ok(()) };
        *seq += 1;
        users.changes += 1;
        let most = if users.random.chance(250) { READS.1 } else { READS.0 };
        let reads = users.random.within(0, most);
        self.log.line(self.now, format_args!("p-{probe} is to be {seq}"));
        self.cluster.change(probe, &json!({"seq": *seq, "reads": reads}))
    }

    fn carry_out(&mut self, act: Act) -> Result<()> {
        self.log.line(self.now, format_args!("{act:?}"));
        let now = self.now;
        let state = |host: usize| self.machines.get(host).map(|machine| machine.state);
        match act {
            Act::Start(host) if state(host) == Some(State::Down) => self.start(host)?,
            Act::Crash(host) if state(host) != Some(State::Down) => {
                self.on(host, |machine| machine.kill());
                self.network.died(host);
                self.adversary.plan_start(host, now);
            }
            Act::Leave(host) => self.on(host, |machine| machine.terminate()),
            Act::Stop(host, how) if state(host) == Some(State::Running) => {
                self.on(host, |machine| machine.stop(how))
            }
            Act::Proceed(host) if matches!(state(host), Some(State::Stopped | State::Suspended)) => {
                self.on(host, |machine| machine.proceed(now));
            }
            Act::Link(host, up, down) => {
                let link = with_ways(self.network.link(host), up, down);
                self.network.set_link(host, link, now);
            }
            Act::Rough(host, is_rough) => {
                let link = Link { is_rough, ..self.network.link(host) };
                self.network.set_link(host, link, now);
            }
            Act::Cut(host) => self.network.cut(host, now),
            Act::Mend(host) => self.network.mend(host),
            Act::Silence(host, forgets) => self.network.silence_watches(host, forgets, now),
            Act::Forget(host) => self.cluster.forget_member(&format!("polyreme-probes-host-{host}-"))?,
            Act::GoDown => self.network.go_down(now),
            Act::ComeUp => self.network.come_up(),
            _ => (),
        }
        Ok(())
    }

    fn on(&mut self, host: usize, what: impl FnOnce(&mut Machine)) {
        if let Some(machine) = self.machines.get_mut(host) {
            what(machine);
        }
    }

    fn start(&mut self, host: usize) -> Result<()> {
        let Some(machine) = self.machines.get_mut(host) else { return Ok(()) };
        self.log.line(self.now, format_args!("host-{host} starts"));
        let config = configuration(&machine.name)?;
        let (wire, engine, safeguards) = (self.wire.clone(), self.engine.clone(), self.safeguards);
        let token = machine.name.clone();
        machine.start(|shutdown| live(config, wire, host, token, engine, safeguards, shutdown))
    }
}

/// The life of a host process.
async fn live(
    config: HostConfig,
    wire: Wire,
    host: usize,
    token: String,
    engine: Engine,
    safeguards: Safeguards,
    shutdown: CancellationToken,
) -> Result<()> {
    let metrics = Metrics::new();
    let client = client(transport(&wire, host, &token), "simulated".to_owned(), &metrics);
    let environment = Environment { client, metrics, namespace: NAMESPACE.to_owned(), engine, safeguards };
    run_in(config, environment, shutdown).await
}

fn configuration(host: &str) -> Result<HostConfig> {
    let text = json!({
        "apiVersion": "polyreme.dev/v1alpha1",
        "kind": "HostConfiguration",
        "shutdownGracePeriod": "20s",
        "ownership": {
            "ring": "probes", "namespace": NAMESPACE, "timing": "fast", "slots": verdict::SLOTS,
            "drainTimeout": "4s", "settle": "2s",
        },
        "controllers": [Scope::Namespaced.entry(host)?],
    });
    let mut config = HostConfig::parse(&text.to_string(), "simulation.yaml".as_ref())?;
    config.identify(Identity { name: host.to_owned(), ..Identity::default() })?;
    Ok(config)
}

/// One engine for all machines, with the module compiled before anything begins.
fn engine(cache: &std::path::Path) -> Result<Engine> {
    let config =
        EngineConfig { cache_dir: Some(cache.to_owned()), max_instances: INSTANCES, interrupts: false };
    let engine = Engine::new(config).context("failed to start the WebAssembly engine")?;
    let entry: Value = Scope::Namespaced.entry(CONTROLLER)?;
    let module = entry["module"].as_str().and_then(|module| module.strip_prefix("file:")).unwrap_or_default();
    let loading = engine.load(CONTROLLER, std::path::Path::new(module), Limits::default());
    runtime()?.block_on(loading).context("failed to compile the probe")?;
    Ok(engine)
}

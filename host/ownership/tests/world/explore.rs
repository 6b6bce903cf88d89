//! Random exploration: a simulation in which every delay and every fault is drawn from a seed.
//!
//! A run has two parts. First things go wrong: requests and events are late or lost, processes crash,
//! stop, leave and start, the API server is down, Leases are deleted. Then all of that ends, and within
//! [`CALM`] the ring must have settled. What happened can be had as a trace, to be shortened.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::time::Duration;

use polyreme_ownership::member::Phase;
use polyreme_ownership::plan::Placement;
use polyreme_ownership::{Lane, Rules, SlotCount, Timing};

use super::api::{Content, Name};
use super::clock::Clock;
use super::node::Life;
use super::random::Random;
use super::{Action, Host, Setup, Violation, World, settled};

/// After the last fault the ring has this long: the longest fence (15 s by a slow clock) of a member, of
/// its placeholder and of a successor one after another, ranks, retries and the tidying of the table.
pub(crate) const CALM: Duration = Duration::from_secs(120);

/// Drift of clock rates that the protocol bears, a hair less: 1.5 (fenceAfter over holdFor).
const FASTEST: u64 = 1_490;

/// How a run ended.
pub(crate) struct Run {
    /// Steps of members.
    pub(crate) steps: u64,
    /// Actions of the world.
    pub(crate) actions: u64,
    pub(crate) failure: Option<Failure>,
}

/// A violation, and what led to it.
pub(crate) struct Failure {
    pub(crate) violation: Violation,
    pub(crate) setup: Setup,
    pub(crate) trace: Vec<Action>,
}

/// How a seed's world misbehaves, in thousandths unless said otherwise.
#[derive(Clone, Debug)]
struct Chaos {
    /// Requests, answers and events that take a while (up to 2 s), or long (up to 60 s).
    slow: u64,
    very_slow: u64,
    lost: u64,
    /// Mean time between faults.
    fault_every: Duration,
    /// How many faults.
    faults: u32,
    deletes: bool,
}

/// See the module's story.
pub(crate) struct Explorer {
    pub(crate) world: World,
    random: Random,
    chaos: Chaos,
    agenda: BinaryHeap<Reverse<(Duration, u64, Action)>>,
    entries: u64,
    actions: u64,
    /// When each process is ticked next.
    ticks: Vec<Option<Duration>>,
    faults_left: u32,
    next_fault: Duration,
    is_calm: bool,
    trace: Option<Vec<Action>>,
}

/// Explores one seed. A run that fails is run again to record its trace.
pub(crate) fn explore(seed: u64, rules: Rules) -> Run {
    let mut explorer = Explorer::new(seed, rules);
    let failed = explorer.run().is_err();
    let (steps, actions) = (explorer.world.journal.steps, explorer.actions);
    if !failed {
        return Run { steps, actions, failure: None };
    }
    let mut again = Explorer::new(seed, rules);
    again.trace = Some(Vec::new());
    let violation = again.run().expect_err("a seed decides everything");
    let setup = (*again.world.setup).clone();
    let trace = again.trace.unwrap_or_default();
    Run { steps, actions, failure: Some(Failure { violation, setup, trace }) }
}

/// A ring of 3 to 5 hosts.
pub(crate) fn setup(random: &mut Random, rules: Rules) -> Setup {
    let lanes: Vec<Lane> =
        ["theme", "website"].into_iter().take(1 + usize::from(random.chance(300))).map(Lane::from).collect();
    let hosts = random.within(3, 5);
    let drift = random.chance(700);
    let timing = random.pick(&[
        Timing::DEFAULT,
        Timing::FAST,
        Timing { renew_every: Duration::from_millis(3_300), ..Timing::DEFAULT },
    ]);
    let timing = timing.unwrap_or_default();
    let mut hosts: Vec<Host> = (0..hosts).map(|_| host(random, &lanes, drift, timing)).collect();
    if random.chance(300) {
        change_timings(random, &mut hosts);
    }
    Setup {
        hosts,
        slots: SlotCount::for_model(random.within(2, 8) as u16),
        settle: random.millis(0, 1_000),
        damping: (1_000, 1_000),
        placement: if random.chance(200) { Placement::Leader } else { Placement::Sharded },
        rules,
        lanes,
        in_order: false,
    }
}

/// Somebody changes the configuration of a ring that runs, to and fro.
fn change_timings(random: &mut Random, hosts: &mut [Host]) {
    for timing in hosts.iter_mut().flat_map(|host| &mut host.timing) {
        *timing = random.pick(&[Timing::DEFAULT, Timing::FAST]).unwrap_or_default();
    }
}

fn host(random: &mut Random, lanes: &[Lane], drift: bool, timing: Timing) -> Host {
    let permille = match (drift, random.within(0, 2)) {
        (false, _) => 1_000,
        (true, 0) => 1_000,
        (true, 1) => FASTEST,
        (true, _) => random.within(1_000, FASTEST),
    };
    let origin = Duration::from_millis(random.within(0, 10_000_000));
    let chosen: BTreeSet<Lane> = lanes.iter().filter(|_| random.chance(800)).cloned().collect();
    let lanes = if chosen.is_empty() { lanes.iter().cloned().collect() } else { chosen };
    let weight = if random.chance(850) { 100 } else { 200 };
    Host { clock: Clock { origin, permille: permille as u32 }, lanes, weight, timing: [timing; 2] }
}

impl Chaos {
    fn new(random: &mut Random) -> Self {
        Self {
            slow: random.pick(&[0, 20, 100, 300]).unwrap_or(0),
            very_slow: random.pick(&[0, 2, 10, 50]).unwrap_or(0),
            lost: random.pick(&[0, 5, 30]).unwrap_or(0),
            fault_every: Duration::from_secs(random.within(1, 20)),
            faults: random.within(1, 20) as u32,
            deletes: random.chance(300),
        }
    }
}

impl Explorer {
    fn new(seed: u64, rules: Rules) -> Self {
        let mut random = Random::new(seed);
        let chaos = Chaos::new(&mut random);
        let setup = Setup { in_order: chaos.deletes, ..setup(&mut random, rules) };
        Self::with(setup, chaos, random)
    }

    fn with(setup: Setup, chaos: Chaos, random: Random) -> Self {
        let world = World::new(setup);
        let faults_left = chaos.faults;
        Self {
            world,
            random,
            chaos,
            agenda: BinaryHeap::new(),
            entries: 0,
            actions: 0,
            ticks: Vec::new(),
            faults_left,
            next_fault: Duration::from_secs(5),
            is_calm: false,
            trace: None,
        }
    }

    /// A ring in which nothing goes wrong unless the caller does it; all hosts start.
    pub(crate) fn quiet(seed: u64) -> Self {
        let mut quiet = Self::new(seed, Rules::all());
        quiet.chaos = Chaos { slow: 0, very_slow: 0, lost: 0, ..quiet.chaos };
        quiet.is_calm = true;
        quiet.start_all();
        quiet
    }

    /// A world in which nothing goes wrong, and nobody has been started.
    pub(crate) fn empty(seed: u64, setup: Setup) -> Self {
        let mut random = Random::new(seed);
        let chaos = Chaos { slow: 0, very_slow: 0, lost: 0, ..Chaos::new(&mut random) };
        let mut empty = Self::with(setup, chaos, random);
        empty.is_calm = true;
        empty
    }

    pub(crate) fn run_for(&mut self, time: Duration) -> Result<(), Violation> {
        let end = self.world.now + time;
        while self.agenda.peek().is_some_and(|Reverse((at, _, _))| *at <= end) {
            self.next()?;
        }
        self.advance(end)
    }

    fn start_all(&mut self) {
        for host in 0..self.world.setup.hosts.len() {
            let after = self.random.millis(0, 3_000);
            self.put(after, Action::Start(host));
        }
    }

    fn run(&mut self) -> Result<(), Violation> {
        self.start_all();
        while self.faults_left > 0 {
            self.next()?;
            if self.world.now >= self.next_fault {
                self.fault()?;
            }
        }
        self.calm()?;
        let end = self.world.now + CALM;
        while self.world.now < end {
            self.next()?;
        }
        settled::check(&self.world)
    }

    fn put(&mut self, at: Duration, action: Action) {
        self.entries += 1;
        self.agenda.push(Reverse((at, self.entries, action)));
    }

    /// Does what is due next.
    fn next(&mut self) -> Result<(), Violation> {
        let Some(Reverse((at, _, action))) = self.agenda.pop() else {
            let at = self.next_fault.max(self.world.now) + Duration::from_secs(1);
            return self.advance(at);
        };
        self.advance(at.max(self.world.now))?;
        if let Action::Tick(node) = action {
            if self.ticks.get(node).copied().flatten() != Some(at) {
                return Ok(());
            }
            self.ticks[node] = None;
        }
        self.act(action)
    }

    fn advance(&mut self, to: Duration) -> Result<(), Violation> {
        let time = to.saturating_sub(self.world.now);
        if time.is_zero() { Ok(()) } else { self.act(Action::Advance(time)) }
    }

    pub(crate) fn act(&mut self, action: Action) -> Result<(), Violation> {
        self.actions += 1;
        if let Some(trace) = &mut self.trace {
            trace.push(action.clone());
        }
        if !self.world.apply(&action)? {
            self.again(action);
        }
        for action in std::mem::take(&mut self.world.journal.fresh) {
            let after = self.delay_of(&action);
            self.put(self.world.now + after, action);
        }
        for node in std::mem::take(&mut self.world.journal.stepped) {
            self.schedule_tick(node);
        }
        Ok(())
    }

    /// The API server is down, a process is stopped, or writes are under way: what was not possible may
    /// be so later.
    fn again(&mut self, action: Action) {
        let is_worth_it = match &action {
            Action::Start(host) => self
                .world
                .process_of(*host)
                .is_some_and(|at| self.world.nodes[at].member.phase() != Phase::Active),
            Action::Carry(id) => self.world.is_on_its_way(*id),
            Action::List(at) | Action::Barrier(at) => self.world.nodes[*at].is_alive(),
            Action::Write(at, place) => self.world.nodes[*at].works_on(*place),
            Action::Drained(at, place) => self.world.is_draining(*at, *place),
            _ => false,
        };
        if is_worth_it {
            let after = self.random.millis(100, 1_000);
            self.put(self.world.now + after, action);
        }
    }

    fn schedule_tick(&mut self, at: usize) {
        self.ticks.resize(self.world.nodes.len(), None);
        let node = &self.world.nodes[at];
        if node.life != Life::Up {
            return;
        }
        let wake = node.clock.world(node.member.wake_at(node.clock.at(self.world.now)));
        let late =
            if self.random.chance(self.chaos.slow) { self.random.millis(0, 500) } else { Duration::ZERO };
        let due = wake.max(self.world.now) + late;
        if self.ticks[at].is_none_or(|planned| due < planned) {
            self.ticks[at] = Some(due);
            self.put(due, Action::Tick(at));
        }
    }

    fn delay_of(&mut self, action: &Action) -> Duration {
        match action {
            Action::Carry(id) | Action::Answer(id) if self.random.chance(self.lost()) => {
                self.put(self.world.now, Action::Lose(*id));
                Duration::ZERO
            }
            Action::GiveUp(id) => self.world.patience(*id),
            Action::Start(_) => self.random.millis(0, 2_000),
            Action::Write(..) => self.random.millis(0, 4_000),
            Action::Drained(..) => self.random.millis(0, 300) + self.network(),
            Action::Take(_) | Action::Tick(_) => self.random.millis(0, 5),
            _ => self.network(),
        }
    }

    fn lost(&self) -> u64 {
        if self.is_calm { 0 } else { self.chaos.lost }
    }

    fn network(&mut self) -> Duration {
        let (slow, very_slow) = if self.is_calm { (0, 0) } else { (self.chaos.slow, self.chaos.very_slow) };
        if self.random.chance(very_slow) {
            self.random.millis(1_000, 60_000)
        } else if self.random.chance(slow) {
            self.random.millis(20, 2_000)
        } else {
            self.random.millis(1, 20)
        }
    }

    fn fault(&mut self) -> Result<(), Violation> {
        self.faults_left -= 1;
        let mean = self.chaos.fault_every.as_millis() as u64;
        self.next_fault = self.world.now + self.random.millis(0, 2 * mean);
        let alive: Vec<usize> = self.world.alive().map(|(at, _)| at).collect();
        let Some(at) = self.random.pick(&alive) else { return Ok(()) };
        let host = self.world.nodes[at].host;
        match self.random.within(0, 11) {
            0 | 1 => {
                self.later(100, 20_000, Action::Start(host));
                self.act(Action::Crash(at))
            }
            2..=4 => {
                self.later(100, 60_000, Action::Resume(at));
                self.act(Action::Pause(at))
            }
            5 | 6 => {
                self.later(0, 5_000, Action::Start(host));
                self.act(Action::Leave(at))
            }
            7 => {
                self.later(500, 60_000, Action::Recovery);
                self.act(Action::Outage)
            }
            8 => self.act(Action::List(at)),
            9 | 10 => {
                let lanes = 1_u64 << self.world.setup.lanes.len();
                let (now, then) = (self.random.within(0, lanes - 1), self.random.within(1, lanes - 1));
                self.later(10, 20_000, Action::Load(at, then as u8));
                self.act(Action::Load(at, now as u8))
            }
            _ => self.delete(),
        }
    }

    fn later(&mut self, least: u64, most: u64, action: Action) {
        let after = self.random.millis(least, most);
        self.put(self.world.now + after, action);
    }

    /// Somebody deletes a Lease, but never everything that tells of the table, nor while somebody who
    /// knows of no table may still create one: what happens then is not promised (docs/handover.md).
    fn delete(&mut self) -> Result<(), Violation> {
        let names: Vec<&Name> = self.world.api.leases.keys().collect();
        let everybody_knows = self.world.alive().all(|(_, node)| node.member.known_generation().is_some());
        if !self.chaos.deletes || names.is_empty() || !everybody_knows || self.world.is_creating_table() {
            return Ok(());
        }
        let name = names[self.random.next() as usize % names.len()].clone();
        let tells = |(other, lease): (&Name, &super::api::Lease)| match &lease.content {
            Content::Table(_) => *other != name,
            Content::Member(record) => *other != name && !record.fenced && record.table.is_some(),
            Content::Damaged => false,
        };
        if !self.world.api.leases.iter().any(tells) {
            return Ok(());
        }
        let damages = name == Name::Table && self.random.within(0, 1) == 0;
        self.act(if damages { Action::Damage } else { Action::Delete(name) })
    }

    /// Faults end: what is late arrives, who is stopped goes on, every host runs.
    fn calm(&mut self) -> Result<(), Violation> {
        self.is_calm = true;
        let late = self.world.now + Duration::from_secs(1);
        let agenda = std::mem::take(&mut self.agenda);
        self.agenda = agenda
            .into_iter()
            .map(|Reverse((at, entry, action))| match action {
                Action::GiveUp(_) | Action::Tick(_) => Reverse((at, entry, action)),
                action => Reverse((at.min(late), entry, action)),
            })
            .collect();
        self.act(Action::Recovery)?;
        for at in 0..self.world.nodes.len() {
            self.act(Action::Resume(at))?;
        }
        for host in 0..self.world.setup.hosts.len() {
            self.later(0, 1_000, Action::Start(host));
        }
        Ok(())
    }
}

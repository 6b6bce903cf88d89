//! What goes wrong, and when: drawn from the seed, one mishap at a time, each with its end.
//!
//! Mishaps of several hosts, and several of one host, overlap freely. Nothing here breaks what
//! `docs/handover.md` assumes: paces stay within the ratio, and nobody deletes all Leases.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::machine::{PAR, State};
use crate::network::{Link, Way};
use crate::random::Random;

/// Between two mishaps, in milliseconds.
const PAUSE_MILLIS: (u64, u64) = (200, 3_500);
/// The slowest and the fastest machine, in thousandths: 1.22 / 0.82 is a little less than the 1.5 by which
/// paces may differ.
const PACE_PERMILLE: (u64, u64) = (820, 1_220);

/// Something that happens now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// SIGKILL.
    Crash(usize),
    /// SIGTERM.
    Leave(usize),
    /// A new process.
    Start(usize),
    /// The process, or the whole machine, stands still.
    Stop(usize, State),
    /// It goes on.
    Proceed(usize),
    /// Either way of a connection.
    Link(usize, Way, Way),
    /// Parcels are late, doubled and lost, or not.
    Rough(usize, bool),
    /// No connection is to be had.
    Cut(usize),
    /// Connections are to be had again.
    Mend(usize),
    /// Watches are silent, then break; the server may have forgotten where they were.
    Silence(usize, bool),
    /// Somebody deletes a host's Leases by hand.
    Forget(usize),
    /// The API server.
    GoDown,
    ComeUp,
}

/// See the module's story.
pub(crate) struct Adversary {
    random: Random,
    hosts: usize,
    next: Duration,
    agenda: BTreeMap<(Duration, u64), Act>,
    entries: u64,
}

impl Adversary {
    pub(crate) fn new(random: Random, hosts: usize) -> Self {
        Self { random, hosts, next: Duration::ZERO, agenda: BTreeMap::new(), entries: 0 }
    }

    /// Paces of the machines, in millionths. Every second simulation has one of the slowest and one of
    /// the fastest.
    pub(crate) fn paces(random: &mut Random, hosts: usize) -> Vec<u32> {
        let (slowest, fastest) = PACE_PERMILLE;
        let is_extreme = random.chance(500);
        let mut pace = |host| match host {
            0 if is_extreme => slowest,
            1 if is_extreme => fastest,
            _ => random.within(slowest, fastest),
        };
        (0..hosts).map(|host| u32::try_from(pace(host)).map_or(PAR, |permille| permille * 1_000)).collect()
    }

    /// Something for later.
    pub(crate) fn plan(&mut self, at: Duration, act: Act) {
        self.entries += 1;
        self.agenda.insert((at, self.entries), act);
    }

    /// A host whose process ended is started again some time later.
    pub(crate) fn plan_start(&mut self, host: usize, now: Duration) {
        let at = now + self.random.millis(300, 6_000);
        self.plan(at, Act::Start(host));
    }

    /// Nothing goes wrong any more; what is planned still ends.
    pub(crate) fn retire(&mut self, now: Duration) {
        self.next = Duration::MAX;
        let late: Vec<Act> = std::mem::take(&mut self.agenda).into_values().collect();
        for act in late {
            self.plan(now, act);
        }
    }

    /// What is due.
    pub(crate) fn due(&mut self, now: Duration) -> Vec<Act> {
        if now >= self.next {
            self.next = now + self.random.millis(PAUSE_MILLIS.0, PAUSE_MILLIS.1);
            self.mishap(now);
        }
        let later = self.agenda.split_off(&(now + Duration::from_nanos(1), 0));
        std::mem::replace(&mut self.agenda, later).into_values().collect()
    }

    fn mishap(&mut self, now: Duration) {
        let host = self.random.place(self.hosts);
        let kind = self.random.within(0, 99);
        let is_even = self.random.chance(500);
        let (begin, end, least, most) = match kind {
            0..12 => return self.plan(now, Act::Crash(host)),
            12..22 => return self.plan(now, Act::Leave(host)),
            22..40 => (Act::Stop(host, State::Stopped), Act::Proceed(host), 200, 14_000),
            40..46 => (Act::Stop(host, State::Suspended), Act::Proceed(host), 500, 14_000),
            46..60 => {
                (Self::partition(&mut self.random, host), Act::Link(host, Way::Open, Way::Open), 300, 12_000)
            }
            60..66 => (Act::Cut(host), Act::Mend(host), 300, 10_000),
            66..72 => return self.plan(now, Act::Silence(host, is_even)),
            72..74 => return self.plan(now, Act::Forget(host)),
            74..78 => (Act::GoDown, Act::ComeUp, 300, 9_000),
            _ => (Act::Rough(host, true), Act::Rough(host, false), 2_000, 20_000),
        };
        let lasts = self.random.millis(least, most);
        self.plan(now, begin);
        self.plan(now + lasts, end);
    }

    fn partition(random: &mut Random, host: usize) -> Act {
        let mut way = || match random.within(0, 2) {
            0 => Way::Open,
            1 => Way::Held,
            _ => Way::Lost,
        };
        Act::Link(host, way(), way())
    }
}

/// A connection of which only the ways change.
pub(crate) fn with_ways(link: Link, up: Way, down: Way) -> Link {
    Link { up, down, ..link }
}

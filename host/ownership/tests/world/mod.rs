//! The world around the production code: an API server, a network, clocks, faults, and guests that write.
//!
//! [`World::apply`] carries out one [`Action`]; whoever chooses the actions explores: at random
//! (`explore`), all of them in every order (`exhaustive.rs`), or those of a trace again (`shrink`). An
//! action that is not possible is skipped, so a trace stays a trace when some of it is left out.
//!
//! What the network may do: carry out a request late, never, or without an answer; answer late; report
//! the events of each Lease in order but late, and of two Leases in any order; repeat events by a relist.
//! Processes crash, stop and go on, leave, and start again; clocks start anywhere and run at rates that
//! differ by less than 1.5; people delete Leases and change the timing between two processes of a host. After every step of a member the invariants are asked.

#![allow(dead_code, reason = "each program that includes the world uses a part of it")]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "a checker may fail loudly")]

mod action;
pub(crate) mod api;
pub(crate) mod clock;
pub(crate) mod explore;
mod network;
pub(crate) mod node;
pub(crate) mod random;
pub(crate) mod settled;
mod setup;
pub(crate) mod shrink;
mod tell;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use polyreme_ownership::invariants::{
    self, invariant_acknowledgements_are_true, invariant_one_owner_per_slot,
};
use polyreme_ownership::member::{Phase, Slots};
use polyreme_ownership::{
    Effect, Input, KeyBy, Lane, Member, MemberConfig, MemberId, MemberInfo, Rule, SlotId, SlotState,
};

pub(crate) use action::Action;
use api::{Api, Name, Outcome};
use network::{Body, Request};
use node::{Life, Node, Work};
pub(crate) use setup::{Host, Setup};

/// One slot of one controller, and the object in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    /// By its place in [`Setup::lanes`].
    pub(crate) lane: usize,
    pub(crate) slot: SlotId,
}

/// A request by its sender and number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RequestId {
    pub(crate) node: usize,
    pub(crate) number: u32,
}

/// What must never happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    Invariant(invariants::Violation),
    /// A former owner wrote over its successor.
    Overwritten {
        place: Place,
        epoch: u64,
        newer: u64,
    },
    /// A slot changed hands and its epoch did not grow.
    EpochBack {
        place: Place,
        from: u64,
        to: u64,
    },
    /// A fenced incarnation came back.
    Resurrected {
        member: MemberId,
    },
    /// A table replaced a newer one.
    GenerationBack {
        from: u64,
        to: u64,
    },
    /// A slot is worked on that was acknowledged as released.
    FalseAck {
        member: MemberId,
        place: Place,
        epoch: u64,
    },
    /// A member wants to be ticked although nothing comes of it.
    Spins {
        member: MemberId,
    },
    /// Two requests of a kind at once.
    Impatient {
        member: MemberId,
    },
    /// Faults ended long ago and something is still not as it should be.
    Unsettled(String),
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invariant(violation) => violation.fmt(f),
            other => write!(f, "{other:?}"),
        }
    }
}

impl From<invariants::Violation> for Violation {
    fn from(violation: invariants::Violation) -> Self {
        Self::Invariant(violation)
    }
}

/// What explorers want to know and states do not differ by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    /// Steps of members.
    pub(crate) steps: u64,
    /// Actions that have become possible.
    pub(crate) fresh: Vec<Action>,
    /// Processes whose member took a step.
    pub(crate) stepped: Vec<usize>,
}

/// See the module's story.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) setup: Arc<Setup>,
    pub(crate) now: Duration,
    pub(crate) api: Api,
    pub(crate) nodes: Vec<Node>,
    network: BTreeMap<RequestId, Request>,
    /// Who acquired each slot last, and its epoch.
    epochs: BTreeMap<Place, (u64, usize)>,
    pub(crate) journal: Journal,
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.now == other.now
            && self.api == other.api
            && self.nodes == other.nodes
            && self.network == other.network
            && self.epochs == other.epochs
    }
}

impl Eq for World {}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.now, &self.api, &self.nodes, &self.network, &self.epochs).hash(state);
    }
}

impl World {
    pub(crate) fn new(setup: Setup) -> Self {
        Self {
            setup: Arc::new(setup),
            now: Duration::ZERO,
            api: Api::default(),
            nodes: Vec::new(),
            network: BTreeMap::new(),
            epochs: BTreeMap::new(),
            journal: Journal::default(),
        }
    }

    /// Carries out an action; whether it was possible.
    pub(crate) fn apply(&mut self, action: &Action) -> Result<bool, Violation> {
        match action {
            Action::Advance(time) => self.now += *time,
            Action::Start(host) => return Ok(self.start(*host)),
            Action::Crash(at) => return Ok(self.set_life(*at, &[Life::Up, Life::Paused], Life::Over)),
            Action::Pause(at) => return Ok(self.set_life(*at, &[Life::Up], Life::Paused)),
            Action::Resume(at) => return Ok(self.set_life(*at, &[Life::Paused], Life::Up)),
            Action::Leave(at) => return self.deliver(*at, vec![Input::Leave]),
            Action::Load(at, lanes) => return self.load(*at, *lanes),
            Action::Tick(at) => return self.tick(*at),
            Action::Take(at) => return self.take(*at),
            Action::Carry(id) => return self.carry(*id),
            Action::Lose(id) => return Ok(self.lose(*id)),
            Action::Answer(id) => return self.answer(*id),
            Action::GiveUp(id) => return self.give_up(*id),
            Action::List(at) => return Ok(self.list(*at)),
            Action::Listed(at) => return self.listed(*at),
            Action::Watch(at, name) => return self.watch(*at, name),
            Action::Barrier(at) => return self.barrier(*at),
            Action::Write(at, place) => return self.write(*at, *place),
            Action::Drained(at, place) => return self.drained(*at, *place),
            Action::Outage => return Ok(!std::mem::replace(&mut self.api.is_down, true)),
            Action::Recovery => return Ok(std::mem::replace(&mut self.api.is_down, false)),
            Action::Delete(name) => {
                let deleted = matches!(self.api.delete(name, None), Outcome::Done(_));
                self.broadcast(name, deleted.then_some(None));
                return Ok(deleted);
            }
            Action::Damage => {
                let is_there = self.api.table().is_some();
                let damaged = is_there.then(|| self.api.put(&Name::Table, api::Content::Damaged));
                self.broadcast(&Name::Table, damaged.map(Some));
                return Ok(is_there);
            }
        }
        Ok(true)
    }

    /// The process of a host that is alive.
    pub(crate) fn process_of(&self, host: usize) -> Option<usize> {
        self.nodes.iter().rposition(|node| node.host == host && node.is_alive())
    }

    pub(crate) fn alive(&self) -> impl Iterator<Item = (usize, &Node)> {
        self.nodes.iter().enumerate().filter(|(_, node)| node.is_alive())
    }

    /// Some slots of a controller, as the world counts them.
    fn places(&self, slots: &Slots) -> Vec<Place> {
        let lane = self.setup.lanes.iter().position(|lane| *lane == slots.lane).expect("a known controller");
        slots.slots.iter().map(|slot| Place { lane, slot }).collect()
    }

    /// Whether a process has been told to stop work on a slot and has not said that it did.
    pub(crate) fn is_draining(&self, at: usize, place: Place) -> bool {
        let state = self.nodes[at].member.slot(&self.setup.lanes[place.lane], place.slot);
        self.nodes[at].is_alive() && matches!(state, SlotState::Draining { .. })
    }

    /// Everything that may happen next, time apart.
    pub(crate) fn possible(&self) -> Vec<Action> {
        let mut actions = self.requests();
        let idle = (0..self.setup.hosts.len()).filter(|host| self.process_of(*host).is_none());
        actions.extend(idle.map(Action::Start));
        for (at, node) in self.alive() {
            let local = node.clock.at(self.now);
            if node.member.wake_at(local) <= local || node.requests == 0 {
                actions.push(Action::Tick(at));
            }
            if !node.is_watching {
                actions.push(Action::List(at));
            }
            actions.extend([Action::Crash(at), Action::Leave(at), Action::Load(at, 0), Action::Load(at, 1)]);
            actions.extend(node.watches.keys().map(|name| Action::Watch(at, name.clone())));
            actions.extend(node.barriers.iter().map(|_| Action::Barrier(at)));
            for (place, work) in &node.work {
                if node.is_drained(*place, self.now) && self.is_draining(at, *place) {
                    actions.push(Action::Drained(at, *place));
                }
                if !work.is_stopping {
                    actions.push(Action::Write(at, *place));
                }
            }
        }
        actions
    }

    /// Forgets what only explorers that schedule want to know.
    pub(crate) fn forget_journal(&mut self) {
        self.journal.fresh.clear();
        self.journal.stepped.clear();
    }

    /// Of events that wait, only the newest of each Lease is kept.
    pub(crate) fn coalesce_watches(&mut self) {
        for queue in self.nodes.iter_mut().flat_map(|node| node.watches.values_mut()) {
            queue.drain(..queue.len().saturating_sub(1));
        }
    }

    fn start(&mut self, host: usize) -> bool {
        if self.process_of(host).is_some() {
            return false;
        }
        let Host { clock, lanes, weight, timing } = self.setup.hosts[host].clone();
        let incarnation = self.nodes.iter().filter(|node| node.host == host).count();
        let before = self.nodes.iter().rev().find(|node| node.host == host);
        let lost = before.filter(|node| node.member.phase() == Phase::Lost);
        let config = MemberConfig {
            id: format!("h{host}-{incarnation}").into(),
            lanes,
            weight,
            info: MemberInfo::default(),
            timing: timing[incarnation.min(1)],
            slots: self.setup.slots,
            key: KeyBy::Name,
            placement: self.setup.placement,
            settle: self.setup.settle,
            damping: self.setup.damping,
            knew_generation: lost.and_then(|node| node.member.known_generation()),
            rules: self.setup.rules,
        };
        self.nodes.push(Node::new(host, Member::new(config), clock));
        let at = self.nodes.len() - 1;
        self.journal.fresh.extend([Action::Tick(at), Action::List(at)]);
        true
    }

    fn load(&mut self, at: usize, bits: u8) -> Result<bool, Violation> {
        let chosen = (0..).zip(&self.setup.lanes).filter(|(bit, _)| bits & (1 << bit) != 0);
        let lanes: BTreeSet<Lane> = chosen.map(|(_, lane)| lane.clone()).collect();
        if self.nodes.get(at).is_none_or(|node| node.member.config().lanes == lanes) {
            return Ok(false);
        }
        self.deliver(at, vec![Input::Loads(lanes)])
    }

    fn set_life(&mut self, at: usize, from: &[Life], to: Life) -> bool {
        let Some(node) = self.nodes.get_mut(at).filter(|node| from.contains(&node.life)) else {
            return false;
        };
        node.life = to;
        match to {
            Life::Over => node.end(),
            Life::Paused => (),
            Life::Up => {
                self.journal.fresh.extend(node.inbox.iter().map(|_| Action::Take(at)));
                self.journal.fresh.push(Action::Tick(at));
            }
        }
        true
    }

    /// Brings inputs to a process, or to the door of one that is stopped.
    fn deliver(&mut self, at: usize, inputs: Vec<Input>) -> Result<bool, Violation> {
        for input in inputs {
            let Some(node) = self.nodes.get_mut(at).filter(|node| node.is_alive()) else { return Ok(false) };
            if node.life == Life::Paused || !node.inbox.is_empty() {
                node.inbox.push_back(input);
                self.journal.fresh.push(Action::Take(at));
            } else {
                self.step(at, input)?;
            }
        }
        Ok(true)
    }

    fn take(&mut self, at: usize) -> Result<bool, Violation> {
        let up = self.nodes.get_mut(at).filter(|node| node.life == Life::Up);
        let Some(input) = up.and_then(|node| node.inbox.pop_front()) else { return Ok(false) };
        self.step(at, input).map(|()| true)
    }

    fn tick(&mut self, at: usize) -> Result<bool, Violation> {
        if self.nodes.get(at).is_none_or(|node| node.life != Life::Up) {
            return Ok(false);
        }
        let quiet = self.journal.fresh.len();
        self.step(at, Input::Tick)?;
        let node = &self.nodes[at];
        let local = node.clock.at(self.now);
        let spins = node.is_alive() && node.member.wake_at(local) <= local;
        if spins && self.journal.fresh.len() == quiet {
            return Err(Violation::Spins { member: node.member.id().clone() });
        }
        Ok(true)
    }

    fn step(&mut self, at: usize, input: Input) -> Result<(), Violation> {
        self.journal.steps += 1;
        self.journal.stepped.push(at);
        let node = &mut self.nodes[at];
        let now = node.clock.at(self.now);
        for effect in node.member.step(input, now) {
            self.perform(at, effect)?;
        }
        self.check(at)
    }

    fn check(&self, at: usize) -> Result<(), Violation> {
        let node = &self.nodes[at];
        if !node.is_alive() {
            return Ok(());
        }
        invariant_acknowledgements_are_true(&node.member)?;
        node.invariant_acknowledged_slots_rest()?;
        let observed: Vec<_> =
            self.alive().map(|(_, node)| (&node.member, node.clock.at(self.now))).collect();
        invariant_one_owner_per_slot(&observed)?;
        Ok(())
    }

    fn perform(&mut self, at: usize, effect: Effect) -> Result<(), Violation> {
        match effect {
            Effect::Renew { record, lock, .. } => {
                let node = &mut self.nodes[at];
                node.acknowledge(&record, &self.setup.lanes);
                self.send(at, Body::Renew { record, lock })
            }
            Effect::WriteTable { table, lock } => self.send(at, Body::Table { table, lock }),
            Effect::Fence { id, record, lock } => self.send(at, Body::Fence { id, record, lock }),
            Effect::CreatePlaceholder { id, record } => self.send(at, Body::Placeholder { id, record }),
            Effect::DeleteMember { id, lock } => self.send(at, Body::Delete { id, lock }),
            Effect::Prepare(_) | Effect::Drop(_) => Ok(()),
            Effect::Barrier { slots, epoch } => {
                self.nodes[at].barriers.push_back((slots, epoch));
                self.journal.fresh.push(Action::Barrier(at));
                Ok(())
            }
            Effect::Start { slots, epoch } => self.start_work(at, &slots, epoch),
            Effect::Stop(slots) => {
                self.stop_work(at, &slots);
                Ok(())
            }
            Effect::Lost(_) => {
                let host = self.nodes[at].host;
                self.nodes[at].end();
                self.journal.fresh.push(Action::Start(host));
                Ok(())
            }
            Effect::Left => {
                self.nodes[at].end();
                Ok(())
            }
        }
    }

    fn start_work(&mut self, at: usize, slots: &Slots, epoch: u64) -> Result<(), Violation> {
        for place in self.places(slots) {
            let version = self.api.version_of(place);
            let work = Work { epoch, version, outstanding: BTreeMap::new(), is_stopping: false };
            self.nodes[at].work.insert(place, work);
            self.invariant_epochs_grow(at, place)?;
            self.journal.fresh.push(Action::Write(at, place));
        }
        Ok(())
    }

    /// Whoever may act on a slot does so by a newer epoch than everybody before. (A member whose validity
    /// has ended may still go through the motions.)
    fn invariant_epochs_grow(&mut self, at: usize, place: Place) -> Result<(), Violation> {
        let node = &self.nodes[at];
        let Some(to) = node.work.get(&place).map(|work| work.epoch) else { return Ok(()) };
        let lane = &self.setup.lanes[place.lane];
        if !node.member.may_act(lane, place.slot, node.clock.at(self.now)) {
            return Ok(());
        }
        match self.epochs.insert(place, (to, at)) {
            Some((from, last)) if from > to || (from == to && last != at) => {
                Err(Violation::EpochBack { place, from, to })
            }
            _ => Ok(()),
        }
    }

    fn stop_work(&mut self, at: usize, slots: &Slots) {
        for place in self.places(slots) {
            if let Some(work) = self.nodes[at].work.get_mut(&place) {
                work.is_stopping = true;
            }
            self.journal.fresh.push(Action::Drained(at, place));
        }
    }

    fn barrier(&mut self, at: usize) -> Result<bool, Violation> {
        let up = self.nodes.get_mut(at).filter(|node| node.life == Life::Up);
        let Some((slots, epoch)) = up.and_then(|node| node.barriers.pop_front()) else { return Ok(false) };
        self.deliver(at, vec![Input::BarrierPassed { slots, epoch }])
    }

    fn write(&mut self, at: usize, place: Place) -> Result<bool, Violation> {
        let Some(node) = self.nodes.get_mut(at).filter(|node| node.life == Life::Up) else {
            return Ok(false);
        };
        let local = node.clock.at(self.now);
        let acts = node.member.may_act(&self.setup.lanes[place.lane], place.slot, local);
        let window = node.member.write_window(local).filter(|_| acts);
        let margin = node.member.config().timing.write_margin();
        let (Some(window), Some(work)) = (window, node.work.get_mut(&place)) else { return Ok(false) };
        if !work.outstanding.is_empty() {
            return Ok(false);
        }
        let expects = self.setup.rules.has(Rule::ResourceVersion).then_some(work.version);
        let body = Body::Object { place, epoch: work.epoch, expects };
        node.requests += 1;
        let id = RequestId { node: at, number: node.requests };
        work.outstanding.insert(id, local + window + margin);
        self.network.insert(id, Request { body, answer: None, is_given_up: false });
        self.journal.fresh.extend([Action::Carry(id), Action::GiveUp(id)]);
        self.invariant_epochs_grow(at, place)?;
        Ok(true)
    }

    fn drained(&mut self, at: usize, place: Place) -> Result<bool, Violation> {
        let Some(node) = self.nodes.get_mut(at).filter(|node| node.life == Life::Up) else {
            return Ok(false);
        };
        let lane = self.setup.lanes[place.lane].clone();
        if !matches!(node.member.slot(&lane, place.slot), SlotState::Draining { .. })
            || (node.work.contains_key(&place) && !node.is_drained(place, self.now))
        {
            return Ok(false);
        }
        node.work.remove(&place);
        let slots = [place.slot].into_iter().collect();
        self.deliver(at, vec![Input::Drained(Slots { lane, slots })])
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.node, self.number)
    }
}

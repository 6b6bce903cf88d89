//! One host process in the world: a member, its clock, what reached it, and the guests it runs.
//!
//! It behaves as `Input` and `Effect` say that a driver does: each request is answered once, the table
//! that an answer shows comes before the answer, `Drained` is said of a slot only when each of its
//! writes was answered or can no longer be under way by its own deadline and a margin.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use polyreme_ownership::member::Slots;
use polyreme_ownership::{Input, Lane, Member, MemberRecord};

use super::api::{Content, Lease, Name};
use super::clock::Clock;
use super::{Place, RequestId, Violation};

/// Whether a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Life {
    Up,
    /// Stopped by SIGSTOP: time passes, nothing happens.
    Paused,
    /// Gone, for whatever reason.
    Over,
}

/// A guest at work on the object of a slot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Work {
    pub(crate) epoch: u64,
    /// The resourceVersion that the cache holds.
    pub(crate) version: u64,
    /// Writes without an answer, each with the time from which it counts as lost.
    pub(crate) outstanding: BTreeMap<RequestId, Duration>,
    pub(crate) is_stopping: bool,
}

/// See the module's story.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) host: usize,
    pub(crate) member: Member,
    pub(crate) clock: Clock,
    pub(crate) life: Life,
    /// What reached a stopped process.
    pub(crate) inbox: VecDeque<Input>,
    /// A list that was read and has not arrived.
    pub(crate) listing: Option<Vec<(Name, Lease)>>,
    pub(crate) is_watching: bool,
    /// Events on their way, in order for each Lease, or for all under one name.
    pub(crate) watches: BTreeMap<Name, VecDeque<(Name, Option<Lease>)>>,
    /// Leases that the member was told of.
    known: BTreeSet<Name>,
    pub(crate) barriers: VecDeque<(Slots, u64)>,
    pub(crate) work: BTreeMap<Place, Work>,
    /// The newest generation at which each slot was acknowledged as released.
    acked: BTreeMap<Place, u64>,
    pub(crate) requests: u32,
}

impl Node {
    pub(crate) fn new(host: usize, member: Member, clock: Clock) -> Self {
        Self {
            host,
            member,
            clock,
            life: Life::Up,
            inbox: VecDeque::new(),
            listing: None,
            is_watching: false,
            watches: BTreeMap::new(),
            known: BTreeSet::new(),
            barriers: VecDeque::new(),
            work: BTreeMap::new(),
            acked: BTreeMap::new(),
            requests: 0,
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.life != Life::Over
    }

    pub(crate) fn works_on(&self, place: Place) -> bool {
        self.work.contains_key(&place)
    }

    pub(crate) fn end(&mut self) {
        self.life = Life::Over;
        self.inbox.clear();
        self.listing = None;
        self.is_watching = false;
        self.watches.clear();
        self.barriers.clear();
        self.work.clear();
    }

    /// Turns the next event of a watch into an input.
    pub(crate) fn next_event(&mut self, watch: &Name) -> Option<Input> {
        let queue = self.watches.get_mut(watch)?;
        let event = queue.pop_front();
        if queue.is_empty() {
            self.watches.remove(watch);
        }
        match event? {
            (name, Some(lease)) => {
                let input = seen(&name, &lease);
                self.known.insert(name);
                Some(input)
            }
            (name, None) => self.known.remove(&name).then(|| gone(&name)),
        }
    }

    /// Whether the next event of a watch shows a renewal of the process's own Lease.
    pub(crate) fn is_own_renewal(&self, watch: &Name) -> bool {
        let next = self.watches.get(watch).and_then(VecDeque::front);
        next.is_some_and(|(name, lease)| match (name, lease.as_ref().map(|lease| &lease.content)) {
            (Name::Member(id), Some(Content::Member(record))) => id == self.member.id() && !record.fenced,
            _ => false,
        })
    }

    /// Turns a list that arrived into inputs.
    pub(crate) fn take_list(&mut self, list: &[(Name, Lease)]) -> Vec<Input> {
        let there: BTreeSet<Name> = list.iter().map(|(name, _)| name.clone()).collect();
        let mut inputs: Vec<Input> =
            self.known.iter().filter(|name| !there.contains(*name)).map(gone).collect();
        inputs.extend(list.iter().map(|(name, lease)| seen(name, lease)));
        inputs.push(Input::Listed);
        self.known = there;
        inputs
    }

    /// Notes what a record that is being sent acknowledges.
    pub(crate) fn acknowledge(&mut self, record: &MemberRecord, lanes: &[Lane]) {
        let Some(table) = self.member.table() else { return };
        let id = self.member.id();
        for (lane, name) in lanes.iter().enumerate() {
            for slot in table.slots.all() {
                let mine = table.entry(name, slot).is_some_and(|entry| entry.owner == *id);
                if !mine && !record.holds(name, slot) {
                    self.acked.insert(Place { lane, slot }, record.seen);
                }
            }
        }
    }

    /// Who acknowledged that it released a slot never acts on it again by an epoch that is not newer.
    pub(crate) fn invariant_acknowledged_slots_rest(&self) -> Result<(), Violation> {
        let lie = self
            .work
            .iter()
            .find(|(place, work)| self.acked.get(*place).is_some_and(|generation| *generation >= work.epoch));
        let Some((place, work)) = lie else { return Ok(()) };
        Err(Violation::FalseAck { member: self.member.id().clone(), place: *place, epoch: work.epoch })
    }

    /// Whether nothing of a slot can be under way any more.
    pub(crate) fn is_drained(&self, place: Place, now: Duration) -> bool {
        let local = self.clock.at(now);
        self.work.get(&place).is_some_and(|work| {
            work.is_stopping && work.outstanding.values().all(|safe_at| *safe_at <= local)
        })
    }
}

pub(crate) fn seen(name: &Name, lease: &Lease) -> Input {
    match (name, &lease.content) {
        (Name::Table, Content::Table(table)) => {
            Input::TableSeen { table: table.clone(), lock: lease.lock.clone() }
        }
        (Name::Table, Content::Damaged) => Input::TableUnreadable { lock: lease.lock.clone() },
        (Name::Member(id), Content::Member(record)) => {
            Input::MemberSeen { id: id.clone(), record: record.clone(), lock: lease.lock.clone() }
        }
        _ => unreachable!("a Lease holds what its name says"),
    }
}

fn gone(name: &Name) -> Input {
    match name {
        Name::Table => Input::TableGone,
        Name::Member(id) => Input::MemberGone { id: id.clone() },
    }
}

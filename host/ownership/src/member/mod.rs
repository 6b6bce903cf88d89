//! One member of a ring: a state machine that is told what happened and says what to do.
//!
//! [`Member::step`] never blocks, reads no clock and draws no random number. `now` is the time on this
//! host's own clock, which counts on while the machine is suspended; it starts anywhere. Effects are
//! requests: each that asks the API server for something is answered by exactly one input, however
//! late, and until then no second one of its kind is asked for.
//!
//! A slot goes `NotMine → Waiting → Barrier → Owned → Draining → NotMine`. See `docs/handover.md`.

mod coordinate;
mod handover;
mod lane_slots;
mod lease;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::bucket::Bucket;
use crate::ids::{Lane, Lock, MemberId};
use crate::plan::Placement;
use crate::record::{MemberInfo, MemberRecord};
use crate::rules::Rules;
use crate::slots::{KeyBy, SlotCount, SlotId, SlotSet};
use crate::table::Table;
use crate::timing::Timing;

use coordinate::Coordinator;
use lane_slots::LaneSlots;
use lease::OwnLease;
use view::View;

/// Who a member is and how it takes part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MemberConfig {
    /// Name of its Lease, never used before.
    pub id: MemberId,
    /// Controllers that it loads.
    pub lanes: BTreeSet<Lane>,
    /// Its share relative to the others.
    pub weight: u32,
    /// For people.
    pub info: MemberInfo,
    /// Durations.
    pub timing: Timing,
    /// Number of slots of a new table; an existing one must agree.
    pub slots: SlotCount,
    /// Key of a new table; an existing one must agree.
    pub key: KeyBy,
    /// How slots are given to members.
    pub placement: Placement,
    /// How long a newcomer is left alone before it is given slots of others.
    pub settle: Duration,
    /// How many slots may move to level the load: at once, and in a minute.
    pub damping: (u32, u32),
    /// This process was a member before, knew the table at this generation, and lost its Lease: if the
    /// table is gone too, somebody deleted Leases by hand, and others may still act by them. The next
    /// table goes on from there: an epoch is used once.
    pub knew_generation: Option<u64>,
    /// The rules in force.
    pub rules: Rules,
}

/// A slot at this member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SlotState {
    /// Somebody else's, or nobody's.
    #[default]
    NotMine,
    /// The table gives it to this member; previous owners are not proven gone.
    Waiting,
    /// They are. The cache must catch up with what they wrote.
    Barrier {
        /// Generation of the table by which it was acquired.
        epoch: u64,
    },
    /// Objects of it are reconciled here.
    Owned {
        /// The fencing token: grows whenever the slot changes hands.
        epoch: u64,
    },
    /// The table gives it to somebody else; reconciles and writes under way are waited for.
    Draining {
        /// As it was owned.
        epoch: u64,
    },
}

impl SlotState {
    /// Whether this member may still act on objects of the slot.
    #[must_use]
    pub fn is_held(self) -> bool {
        !matches!(self, Self::NotMine | Self::Waiting)
    }
}

/// Slots of one controller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slots {
    /// The controller.
    pub lane: Lane,
    /// Which of its slots.
    pub slots: SlotSet,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Nothing but time.
    Tick,
    /// The Leases of the ring were listed, after [`Input::TableSeen`] and [`Input::MemberSeen`] for each,
    /// and [`Input::TableGone`] and [`Input::MemberGone`] for those that vanished since. All Leases come by
    /// one watch, in the order in which they changed.
    Listed,
    /// The table Lease as it is.
    TableSeen {
        /// Its content.
        table: Arc<Table>,
        /// Its version.
        lock: Lock,
    },
    /// The table Lease was deleted, or a list does not have it.
    TableGone,
    /// The table Lease holds what no host can read: it is overwritten, as if it had been deleted.
    TableUnreadable {
        /// Its version.
        lock: Lock,
    },
    /// A member Lease as it is, this member's own included.
    MemberSeen {
        /// Its name.
        id: MemberId,
        /// Its content.
        record: Arc<MemberRecord>,
        /// Its version.
        lock: Lock,
    },
    /// A member Lease was deleted, or a list does not have it.
    MemberGone {
        /// Its name.
        id: MemberId,
    },
    /// Answer to [`Effect::Renew`].
    Renewed {
        /// The new version.
        lock: Lock,
    },
    /// Answer to [`Effect::Renew`]: it was refused, or not answered in time.
    RenewFailed(Refusal),
    /// Answer to [`Effect::WriteTable`]: done, refused or not answered. The table as the answer showed it
    /// comes before, as [`Input::TableSeen`].
    TableAnswered {
        /// Whether it was refused because the table is another.
        conflict: bool,
    },
    /// Answer to [`Effect::Fence`], [`Effect::CreatePlaceholder`] and [`Effect::DeleteMember`].
    MemberAnswered {
        /// Whose Lease.
        id: MemberId,
        /// Whether it was refused because the Lease is not as it was: its holder lives.
        conflict: bool,
    },
    /// Answer to [`Effect::Barrier`]: the cache has caught up.
    BarrierPassed {
        /// The slots.
        slots: Slots,
        /// As the effect said.
        epoch: u64,
    },
    /// Answer to [`Effect::Stop`], slot by slot: nothing runs and no write is outstanding.
    Drained(Slots),
    /// The controllers that this host loads from now on. Work on others ends at once.
    Loads(BTreeSet<Lane>),
    /// What people want to know of this host from now on. Nobody waits for it: it is published with the next
    /// renewal.
    Describes(MemberInfo),
    /// This host wants to stop.
    Leave,
}

/// Why a renewal did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// No answer, or none that says anything about the Lease. It may have been renewed.
    Unavailable,
    /// The Lease is another version than was thought: this one.
    Conflict {
        /// Its content.
        record: Arc<MemberRecord>,
        /// Its version.
        lock: Lock,
    },
    /// There is no such Lease.
    Gone,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Renew the own Lease by compare-and-swap on `lock`; create it when there is none.
    Renew {
        /// The annotation.
        record: Arc<MemberRecord>,
        /// The version to replace.
        lock: Option<Lock>,
        /// Whether the annotation differs from what was published.
        changed: bool,
    },
    /// Replace the table by compare-and-swap on `lock`; create it when there is none.
    WriteTable {
        /// The next table.
        table: Arc<Table>,
        /// The version to replace.
        lock: Option<Lock>,
    },
    /// Fence a member: replace its Lease by compare-and-swap on `lock`.
    Fence {
        /// Whose.
        id: MemberId,
        /// Its record, fenced.
        record: Arc<MemberRecord>,
        /// As it was last seen. (Absent only in tests that take this rule away.)
        lock: Option<Lock>,
    },
    /// Create the Lease of a member that was deleted by hand, so that it cannot come back.
    CreatePlaceholder {
        /// Whose.
        id: MemberId,
        /// What to put there.
        record: Arc<MemberRecord>,
    },
    /// Delete the Lease of a fenced member whom the table no longer names.
    DeleteMember {
        /// Whose.
        id: MemberId,
        /// As it was last seen.
        lock: Lock,
    },
    /// Begin to cache objects of these slots: they are this member's next.
    Prepare(Slots),
    /// Make the cache at least as new as a consistent read that begins now, for these slots.
    Barrier {
        /// The slots.
        slots: Slots,
        /// To be given back.
        epoch: u64,
    },
    /// Reconcile every object of these slots from now on.
    Start {
        /// The slots.
        slots: Slots,
        /// The fencing token.
        epoch: u64,
    },
    /// Begin no reconcile of these slots any more; interrupt what runs at the drain deadline; report
    /// [`Input::Drained`].
    Stop(Slots),
    /// Forget what is cached of these slots.
    Drop(Slots),
    /// This incarnation is over: stop everything at once.
    Lost(Loss),
    /// Everything is released and published: the process may exit.
    Left,
}

/// Why an incarnation is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Loss {
    /// Another member fenced it.
    #[error("another host took over: this one was silent for too long")]
    Fenced,
    /// Its Lease is gone.
    #[error("the Lease of this host was deleted")]
    Deleted,
    /// Its Lease was not known to exist within `holdFor` of the first attempt to create it. It may have
    /// existed, been fenced and been deleted meanwhile, so its name is used no more.
    #[error("the API server did not confirm the Lease of this host in time")]
    Unconfirmed,
}

/// Where a member is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It takes part.
    Active,
    /// It gives everything away.
    Leaving,
    /// It left in good order.
    Left,
    /// It lost its Lease.
    Lost,
}

/// See the module's story.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    config: MemberConfig,
    phase: Phase,
    lease: OwnLease,
    view: View,
    slots: BTreeMap<Lane, LaneSlots>,
    /// The table that it acts by waits for it to release something.
    is_pred: bool,
    coordinator: Coordinator,
}

impl Member {
    /// A member that has done nothing yet.
    #[must_use]
    pub fn new(config: MemberConfig) -> Self {
        let slots = config.lanes.iter().map(|lane| (lane.clone(), LaneSlots::new(config.slots))).collect();
        let (capacity, per_minute) = config.damping;
        Self {
            phase: Phase::Active,
            lease: OwnLease::new(),
            view: View::default(),
            slots,
            is_pred: false,
            coordinator: Coordinator::new(Bucket::new(capacity, per_minute)),
            config,
        }
    }

    /// Takes in what happened and says what to do about it.
    ///
    /// # Example
    /// ```
    /// use polyreme_ownership::{Effect, Input, Member};
    /// # let config = polyreme_ownership::member::example_config();
    /// let mut member = Member::new(config);
    /// let effects = member.step(Input::Tick, std::time::Duration::ZERO);
    /// assert!(matches!(effects[..], [Effect::Renew { lock: None, .. }]), "it creates its Lease first");
    /// ```
    pub fn step(&mut self, input: Input, now: Duration) -> Vec<Effect> {
        let mut effects = Vec::new();
        if matches!(self.phase, Phase::Lost | Phase::Left) {
            return effects;
        }
        self.take(input, now, &mut effects);
        self.advance(now, &mut effects);
        effects
    }

    fn take(&mut self, input: Input, now: Duration, effects: &mut Vec<Effect>) {
        match input {
            Input::Tick => (),
            Input::Listed => self.view.listed(now),
            Input::TableSeen { table, lock } => self.table_seen(table, lock, now, effects),
            Input::TableGone => self.view.table_gone(now),
            Input::TableUnreadable { lock } => self.view.table_displaced(lock, now),
            Input::MemberSeen { id, record, lock } if id == self.config.id => {
                self.own_lease_seen(&record, lock, now, effects);
            }
            Input::MemberSeen { id, record, lock } => {
                self.view.member_seen(id, record, lock, now, self.config.timing);
            }
            Input::MemberGone { id } if id == self.config.id => self.own_lease_gone(effects),
            Input::MemberGone { id } => self.view.member_gone(&id),
            Input::Renewed { lock } => self.renewed(lock, now, effects),
            Input::RenewFailed(refusal) => self.renew_failed(refusal, now, effects),
            Input::TableAnswered { conflict } => self.coordinator.table_answered(conflict, now),
            Input::MemberAnswered { id, conflict } => {
                self.coordinator.member_answered(&id, now);
                if conflict {
                    self.view.lives(&id, now);
                }
            }
            Input::BarrierPassed { slots, epoch } => self.barrier_passed(slots, epoch, effects),
            Input::Drained(slots) => self.drained(&slots, effects),
            Input::Loads(lanes) => self.load(lanes, effects),
            Input::Describes(info) => self.config.info = info,
            Input::Leave => self.phase = Phase::Leaving,
        }
    }

    fn advance(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::Lost | Phase::Left) {
            return;
        }
        self.stop_waiting_for_the_proven_gone(effects);
        self.lay_down(effects);
        self.coordinate(now, effects);
        self.renew(now, effects);
    }

    fn lose(&mut self, why: Loss, effects: &mut Vec<Effect>) {
        self.phase = Phase::Lost;
        self.slots.values_mut().for_each(|slots| slots.change(|_, _| Some(SlotState::NotMine)));
        effects.push(Effect::Lost(why));
    }

    /// When [`Input::Tick`] is due next, at the latest. Never more than a renewal away.
    #[must_use]
    pub fn wake_at(&self, now: Duration) -> Duration {
        let batch = self.drains().then(|| now + lease::ACK_BATCH);
        let due = [self.renewal_due(), batch, self.coordination_due(now)];
        due.into_iter().flatten().min().unwrap_or(now + self.config.timing.renew_every).max(now)
    }

    /// Who it is.
    #[must_use]
    pub fn id(&self) -> &MemberId {
        &self.config.id
    }

    /// Where it is in its life.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Its own name, controllers and durations.
    #[must_use]
    pub fn config(&self) -> &MemberConfig {
        &self.config
    }

    /// One slot of one controller.
    #[must_use]
    pub fn slot(&self, lane: &Lane, slot: SlotId) -> SlotState {
        self.slots.get(lane).map(|slots| slots.get(slot)).unwrap_or_default()
    }

    /// Whether it loads a controller, or has not yet ended what it did for it.
    #[must_use]
    pub fn loads(&self, lane: &Lane) -> bool {
        self.slots.contains_key(lane)
    }

    /// All slots of the controllers that it loads.
    pub fn slots(&self) -> impl Iterator<Item = (&Lane, SlotId, SlotState)> {
        self.slots.iter().flat_map(|(lane, slots)| slots.iter().map(move |(slot, state)| (lane, slot, state)))
    }

    /// Until when it may act; nothing before its first renewal.
    #[must_use]
    pub fn valid_until(&self) -> Option<Duration> {
        self.lease.valid_until().filter(|_| self.phase != Phase::Lost)
    }

    /// How long a write that is sent now may take; nothing when it must not be sent any more.
    #[must_use]
    pub fn write_window(&self, now: Duration) -> Option<Duration> {
        let end = self.valid_until()?.saturating_sub(self.config.timing.write_margin());
        end.checked_sub(now).filter(|window| !window.is_zero())
    }

    /// Whether it may act on objects of a slot: the statement that must never hold of two members.
    #[must_use]
    pub fn may_act(&self, lane: &Lane, slot: SlotId, now: Duration) -> bool {
        let valid = self.valid_until().is_some_and(|until| now < until);
        let state = self.slot(lane, slot);
        valid && matches!(state, SlotState::Owned { .. } | SlotState::Draining { .. })
    }

    /// The table that it acts by.
    #[must_use]
    pub fn table(&self) -> Option<&Arc<Table>> {
        self.view.table()
    }

    /// The newest generation of the table that this process knows of; it may be deleted by now.
    #[must_use]
    pub fn known_generation(&self) -> Option<u64> {
        let last = self.view.last_table().map(|table| table.generation);
        last.max(self.config.knew_generation)
    }

    /// Whether the table has another number of slots or another key than the configuration says: then
    /// this member takes part in nothing.
    #[must_use]
    pub fn disagrees(&self) -> bool {
        self.table().is_some_and(|table| table.slots != self.config.slots || table.key != self.config.key)
    }

    /// The other members as this one sees them, and for how long each has been silent.
    pub fn others(&self, now: Duration) -> impl Iterator<Item = (&MemberId, &MemberRecord, Duration)> {
        let silence = move |seen| self.view.silence(seen, now);
        self.view.members.iter().map(move |(id, seen)| (id, &*seen.record, silence(seen)))
    }

    /// What it would publish now.
    #[must_use]
    pub fn record(&self) -> MemberRecord {
        let mut record =
            MemberRecord::new(self.config.weight, self.config.lanes.clone(), self.config.info.clone());
        record.timing = Some(self.config.timing);
        // Also when it is gone, so that nobody takes the ring for one that begins.
        if let Some((table, uid)) = self.view.last_table_and_uid() {
            record.table = Some(Arc::clone(uid));
            record.seen = table.generation;
        }
        record.draining = self.phase != Phase::Active;
        record.fenced = self.may_exit();
        record.held = self.held();
        record
    }

    fn held(&self) -> BTreeMap<Lane, SlotSet> {
        let all = self.slots.iter().filter(|(_, slots)| !slots.held().is_empty());
        all.map(|(lane, slots)| (lane.clone(), slots.held().clone())).collect()
    }

    fn drains(&self) -> bool {
        self.slots.values().any(LaneSlots::drains)
    }
}

/// A configuration for examples and tests: one controller `website`, default timing.
#[must_use]
pub fn example_config() -> MemberConfig {
    MemberConfig {
        id: "polyreme-default-host-0-x7k2p9".into(),
        lanes: ["website".into()].into(),
        weight: crate::record::DEFAULT_WEIGHT,
        info: MemberInfo { identity: "host-0".to_owned(), ..MemberInfo::default() },
        timing: Timing::DEFAULT,
        slots: SlotCount::DEFAULT,
        key: KeyBy::Name,
        placement: Placement::Sharded,
        settle: Duration::from_secs(1),
        damping: (2_048, 1_024),
        knew_generation: None,
        rules: Rules::all(),
    }
}

//! The slots of one controller as its reconcile loop and its caches see them.
//!
//! The driver of the ring writes here, workers and watches read. Everything is under one lock that is
//! held for nanoseconds; nothing waits while holding it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use polyreme_ownership::slots::Root;
use polyreme_ownership::{KeyBy, Lane, SlotCount, SlotId, SlotSet, SlotState};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::clock::RingClock;

/// Longest that one write may take, whatever the validity: the API server itself gives up after a
/// minute, and a response after half of that is of no use to a reconcile.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// See the module's story.
pub struct LaneSlots {
    /// The controller.
    pub lane: Lane,
    /// What decides an object's slot.
    pub key: KeyBy,
    slots: SlotCount,
    clock: RingClock,
    inner: Mutex<Inner>,
    /// Told whenever the last reconcile of a draining slot ends.
    drained: Arc<Notify>,
}

struct Inner {
    states: Vec<SlotState>,
    running: HashMap<SlotId, Running>,
    /// No write is started from then on; absent for a host that needs no renewal.
    valid_until: Option<Duration>,
    /// Slots that are not somebody else's.
    wanted: usize,
    /// Slots of which objects are reconciled.
    owned: usize,
}

/// Reconciles and writes under way in one slot.
struct Running {
    count: usize,
    /// Cancelled when they must end.
    revoked: CancellationToken,
}

/// Why an object may not be reconciled now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is another host's, or becomes that: whoever owns it next queues it.
    NotOwner,
    /// It becomes this host's: what is gone until then would not be queued again.
    NotYet,
    /// This host owns it but has lost contact with the API server for too long to act.
    Suspended,
}

impl LaneSlots {
    /// Slots of which none is owned yet.
    #[must_use]
    pub fn new(lane: Lane, slots: SlotCount, key: KeyBy, clock: RingClock, drained: Arc<Notify>) -> Self {
        let states = vec![SlotState::NotMine; usize::from(slots.get())];
        // Until the first renewal nothing is valid.
        let inner =
            Inner { states, running: HashMap::new(), valid_until: Some(Duration::ZERO), wanted: 0, owned: 0 };
        Self { lane, key, slots, clock, inner: Mutex::new(inner), drained }
    }

    /// The slot of an object's root.
    #[must_use]
    pub fn slot(&self, root: &Root<'_>) -> SlotId {
        self.slots.slot_of(self.key.hash(root))
    }

    /// The slot of a root whose hash is known.
    #[must_use]
    pub fn slot_of(&self, hash: u64) -> SlotId {
        self.slots.slot_of(hash)
    }

    /// Whether objects of a slot are to be cached: they are this host's, or will be.
    #[must_use]
    pub fn wants(&self, slot: SlotId) -> bool {
        self.inner.lock().state(slot) != SlotState::NotMine
    }

    /// Whether objects of every slot are to be cached.
    #[must_use]
    pub fn wants_all(&self) -> bool {
        self.inner.lock().wanted == usize::from(self.slots.get())
    }

    /// How many slots are owned now: none once this host was out of contact for too long.
    #[must_use]
    pub fn owned(&self) -> usize {
        let inner = self.inner.lock();
        inner.window(self.clock.now()).map_or(0, |_| inner.owned)
    }

    /// The right to reconcile an object.
    ///
    /// # Errors
    /// When another host owns it, or nobody, or this host must not act.
    pub fn permit(self: &Arc<Self>, slot: SlotId) -> Result<Permit, Refused> {
        let mut inner = self.inner.lock();
        let epoch = match inner.state(slot) {
            SlotState::Owned { epoch } => epoch,
            SlotState::Waiting | SlotState::Barrier { .. } => return Err(Refused::NotYet),
            SlotState::NotMine | SlotState::Draining { .. } => return Err(Refused::NotOwner),
        };
        if inner.window(self.clock.now()).is_none() {
            return Err(Refused::Suspended);
        }
        let running = inner.running.entry(slot).or_insert_with(Running::new);
        if running.revoked.is_cancelled() {
            // What was told to end in this slot has not ended yet.
            return Err(Refused::Suspended);
        }
        running.count += 1;
        let place = Place { lane: Arc::clone(self), slot, epoch, revoked: running.revoked.clone() };
        Ok(Permit { epoch, place: Arc::new(place) })
    }

    /// Puts slots into a state.
    pub fn set(&self, slots: &SlotSet, state: SlotState) {
        self.inner.lock().change(slots, |_| state);
    }

    /// Begins nothing any more in slots that this host holds; what runs in them may finish.
    pub fn drain(&self, slots: &SlotSet) {
        self.inner.lock().change(slots, |state| match state {
            SlotState::Owned { epoch } | SlotState::Barrier { epoch } => SlotState::Draining { epoch },
            SlotState::NotMine | SlotState::Waiting | SlotState::Draining { .. } => state,
        });
    }

    /// A lane of a controller that owns everything and always will.
    #[cfg(test)]
    pub(crate) fn everything(lane: Lane) -> Self {
        let (slots, clock) = (SlotCount::DEFAULT, RingClock::new());
        let everything = Self::new(lane, slots, KeyBy::Name, clock, Arc::default());
        everything.set(&slots.all().collect(), SlotState::Owned { epoch: 1 });
        everything.set_valid_until(None);
        everything
    }

    /// A lane of which something else than slots says which objects are this host's: it owns every slot,
    /// but acts only while it is valid.
    #[must_use]
    pub fn everything_while_valid(lane: Lane, clock: RingClock, drained: Arc<Notify>) -> Self {
        let slots = SlotCount::DEFAULT;
        let everything = Self::new(lane, slots, KeyBy::Name, clock, drained);
        everything.set(&slots.all().collect(), SlotState::Owned { epoch: 1 });
        everything
    }

    /// Slots that this host holds or is about to hold.
    #[must_use]
    pub fn wanted(&self) -> SlotSet {
        let inner = self.inner.lock();
        let wanted = (0..).map(SlotId).zip(&inner.states).filter(|(_, state)| **state != SlotState::NotMine);
        wanted.map(|(slot, _)| slot).collect()
    }

    /// Begins nothing any more, and waits until nothing runs; what runs is told to end after `patience`.
    /// Only for a lane without a ring, whose driver waits for the same.
    pub async fn end(&self, patience: Duration) {
        self.drain_all();
        let idle = async {
            while !self.is_idle() {
                self.drained.notified().await;
            }
        };
        tokio::pin!(idle);
        if tokio::time::timeout(patience, idle.as_mut()).await.is_err() {
            self.revoke_all();
            idle.await;
        }
    }

    /// Begins nothing any more; what runs may finish.
    pub fn drain_all(&self) {
        self.drain(&self.slots.all().collect());
    }

    /// Nothing is this host's any more; what runs is told to end.
    pub fn lose(&self) {
        let mut inner = self.inner.lock();
        inner.states.fill(SlotState::NotMine);
        (inner.wanted, inner.owned) = (0, 0);
        inner.valid_until = Some(Duration::ZERO);
        inner.revoke(|_| true);
    }

    /// No write is started at or after `until`.
    pub fn set_valid_until(&self, until: Option<Duration>) {
        self.inner.lock().valid_until = until;
    }

    /// Tells what runs in some slots to end, as far as these still drain.
    pub fn revoke_draining(&self, slots: &SlotSet) {
        let mut inner = self.inner.lock();
        let draining = |slot: SlotId| matches!(inner.state(slot), SlotState::Draining { .. });
        let late: SlotSet = slots.iter().filter(|slot| draining(*slot)).collect();
        inner.revoke(|slot| late.contains(slot));
    }

    /// Tells everything that runs to end.
    pub fn revoke_all(&self) {
        self.inner.lock().revoke(|_| true);
    }

    /// Draining slots in which nothing runs.
    #[must_use]
    pub fn drained(&self) -> SlotSet {
        let inner = self.inner.lock();
        let draining = (0..).map(SlotId).zip(&inner.states);
        let drained = draining.filter(|(slot, state)| {
            matches!(state, SlotState::Draining { .. }) && !inner.running.contains_key(slot)
        });
        drained.map(|(slot, _)| slot).collect()
    }

    /// Whether nothing runs at all.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.inner.lock().running.is_empty()
    }
}

impl Inner {
    fn state(&self, slot: SlotId) -> SlotState {
        self.states.get(slot.index()).copied().unwrap_or_default()
    }

    fn change(&mut self, slots: &SlotSet, change: impl Fn(SlotState) -> SlotState) {
        for slot in slots.iter() {
            if let Some(state) = self.states.get_mut(slot.index()) {
                *state = change(*state);
            }
        }
        self.wanted = self.states.iter().filter(|state| **state != SlotState::NotMine).count();
        self.owned = self.states.iter().filter(|state| matches!(state, SlotState::Owned { .. })).count();
    }

    fn window(&self, now: Duration) -> Option<Duration> {
        let Some(until) = self.valid_until else { return Some(WRITE_TIMEOUT) };
        until.checked_sub(now).filter(|window| !window.is_zero()).map(|window| window.min(WRITE_TIMEOUT))
    }

    fn revoke(&mut self, concerned: impl Fn(SlotId) -> bool) {
        for (_, running) in self.running.iter().filter(|(slot, _)| concerned(**slot)) {
            running.revoked.cancel();
        }
    }
}

impl Running {
    fn new() -> Self {
        Self { count: 0, revoked: CancellationToken::new() }
    }
}

/// The right to reconcile one object, as it was when the reconcile began. A slot is drained only when
/// every clone is dropped.
#[derive(Clone)]
pub struct Permit {
    /// Grows whenever the object changes hands: the fencing token that guests receive.
    pub epoch: u64,
    place: Arc<Place>,
}

impl Permit {
    /// How long a write sent now may take; `None` once the object must not be written any more.
    pub fn write_window(&self) -> Option<Duration> {
        let place = &self.place;
        if place.revoked.is_cancelled() {
            return None;
        }
        let inner = place.lane.inner.lock();
        let held = match inner.state(place.slot) {
            SlotState::Owned { epoch } | SlotState::Draining { epoch } => epoch == place.epoch,
            _ => false,
        };
        inner.window(place.lane.clock.now()).filter(|_| held)
    }

    /// Waits until the reconcile must end.
    pub async fn revoked(&self) {
        self.place.revoked.cancelled().await;
    }
}

/// A place among what runs in a slot.
struct Place {
    lane: Arc<LaneSlots>,
    slot: SlotId,
    epoch: u64,
    revoked: CancellationToken,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = self.lane.inner.lock();
        if let Some(running) = inner.running.get_mut(&self.slot) {
            running.count = running.count.saturating_sub(1);
            if running.count == 0 {
                inner.running.remove(&self.slot);
                // One stored wake-up is enough: the driver looks at all slots.
                self.lane.drained.notify_one();
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A lane of one controller that owns everything and always will.
    pub(crate) fn everything() -> Arc<LaneSlots> {
        Arc::new(LaneSlots::everything("w".into()))
    }

    fn fresh() -> Arc<LaneSlots> {
        let drained = Arc::new(Notify::new());
        Arc::new(LaneSlots::new("w".into(), SlotCount::DEFAULT, KeyBy::Name, RingClock::new(), drained))
    }

    fn all() -> SlotSet {
        SlotCount::DEFAULT.all().collect()
    }

    fn one(slot: u16) -> SlotSet {
        [SlotId(slot)].into_iter().collect()
    }

    #[tokio::test(start_paused = true)]
    async fn only_owned_slots_are_reconciled() {
        let lane = fresh();
        lane.set_valid_until(None);
        let refused = |state| {
            lane.set(&one(3), state);
            lane.permit(SlotId(3)).err()
        };
        assert_eq!(refused(SlotState::NotMine), Some(Refused::NotOwner));
        assert_eq!(refused(SlotState::Draining { epoch: 1 }), Some(Refused::NotOwner));
        assert_eq!(refused(SlotState::Waiting), Some(Refused::NotYet));
        assert_eq!(refused(SlotState::Barrier { epoch: 1 }), Some(Refused::NotYet));
        lane.set(&one(3), SlotState::Owned { epoch: 7 });
        assert_eq!(lane.permit(SlotId(3)).ok().map(|permit| permit.epoch), Some(7));
    }

    #[tokio::test(start_paused = true)]
    async fn writes_end_with_the_validity() {
        let lane = fresh();
        lane.set(&all(), SlotState::Owned { epoch: 1 });
        assert_eq!(lane.permit(SlotId(0)).err(), Some(Refused::Suspended));
        assert_eq!(lane.owned(), 0);
        lane.set_valid_until(Some(Duration::from_secs(8)));
        assert_eq!(lane.owned(), 1024);
        let permit = lane.permit(SlotId(0)).ok().unwrap();
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(permit.write_window().map(|window| window.as_secs()), Some(3));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(permit.write_window(), None);
        lane.set_valid_until(Some(Duration::from_secs(60)));
        assert_eq!(permit.write_window(), Some(WRITE_TIMEOUT), "it lost nothing meanwhile");
    }

    #[tokio::test(start_paused = true)]
    async fn a_draining_slot_is_drained_when_the_last_permit_is_dropped() {
        let lane = everything();
        let permit = lane.permit(SlotId(5)).ok().unwrap();
        lane.set(&all(), SlotState::Draining { epoch: 1 });
        assert!(permit.write_window().is_some(), "what runs may finish");
        assert_eq!(lane.drained().len(), 1_023);
        let clone = permit.clone();
        drop(permit);
        assert!(!lane.drained().contains(SlotId(5)), "a write is outstanding");
        drop(clone);
        assert!(lane.drained().contains(SlotId(5)));
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_is_held_drains_and_keeps_its_epoch() {
        let lane = fresh();
        lane.set(&one(1), SlotState::Owned { epoch: 7 });
        lane.set(&one(2), SlotState::Waiting);
        lane.drain_all();
        assert_eq!(lane.drained(), one(1));
        assert!(lane.wants(SlotId(2)) && !lane.wants(SlotId(3)));
        assert_eq!(lane.inner.lock().state(SlotId(1)), SlotState::Draining { epoch: 7 });
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_revoked_neither_writes_nor_waits() {
        let lane = everything();
        let (permit, other) = (lane.permit(SlotId(5)).ok().unwrap(), lane.permit(SlotId(6)).ok().unwrap());
        lane.set(&one(5), SlotState::Draining { epoch: 1 });
        lane.revoke_draining(&[SlotId(5), SlotId(6)].into_iter().collect());
        permit.revoked().await;
        assert!(permit.write_window().is_none() && other.write_window().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slot_that_came_back_is_another_epoch() {
        let lane = everything();
        let permit = lane.permit(SlotId(5)).ok().unwrap();
        lane.set(&one(5), SlotState::Owned { epoch: 2 });
        assert!(permit.write_window().is_none());
    }
}

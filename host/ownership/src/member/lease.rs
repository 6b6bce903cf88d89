//! The own Lease: heartbeat, acknowledgement and published state in one.
//!
//! Validity runs from the time a renewal was *sent*, and only an answered renewal extends it. Ordinary
//! renewals go out every `renewEvery`; a renewal goes out at once when others wait for what it says.

use std::sync::Arc;
use std::time::Duration;

use super::lane_slots::LaneSlots;
use super::{Effect, Loss, Member, Phase, Refusal};
use crate::ids::{Lane, Lock};
use crate::record::MemberRecord;
use crate::rules::Rule;
use crate::slots::SlotSet;
use crate::table::Column;
use crate::timing::Timing;

/// While some slots still drain, those that are drained are acknowledged this often: a slow reconcile
/// does not hold back the other slots, nor does each slot cost a request.
pub(super) const ACK_BATCH: Duration = Duration::from_millis(100);

/// A renewal that failed is tried again after this share of `renewEvery`.
const RETRY_DIVISOR: u32 = 4;

/// See the module's story.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct OwnLease {
    lock: Option<Lock>,
    published: Option<Arc<MemberRecord>>,
    in_flight: Option<Sent>,
    /// When its creation was first asked for.
    first_sent: Option<Duration>,
    last_sent: Option<Duration>,
    joined_at: Option<Duration>,
    last_renewed: Option<Duration>,
    /// When the renewal that made the Lease as it is was sent.
    lock_sent: Option<Duration>,
    /// The Lease as the watch last showed it.
    echo: Option<Lock>,
    next_at: Duration,
    /// After a failure nothing is sent before this, whoever waits for it: a server that refuses connections
    /// answers at once, and would be asked again at once.
    retry_at: Duration,
    valid_until: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Sent {
    at: Duration,
    record: Arc<MemberRecord>,
}

impl OwnLease {
    pub(super) fn new() -> Self {
        Self {
            lock: None,
            published: None,
            in_flight: None,
            first_sent: None,
            last_sent: None,
            joined_at: None,
            last_renewed: None,
            lock_sent: None,
            echo: None,
            next_at: Duration::ZERO,
            retry_at: Duration::ZERO,
            valid_until: None,
        }
    }

    pub(super) fn valid_until(&self) -> Option<Duration> {
        self.valid_until
    }

    /// When a renewal was answered last.
    pub(super) fn last_renewed(&self) -> Option<Duration> {
        self.last_renewed
    }

    /// What its Lease says, as far as that was answered.
    pub(super) fn published(&self) -> Option<&MemberRecord> {
        self.published.as_deref()
    }

    /// When the first renewal was answered.
    pub(super) fn joined_at(&self) -> Option<Duration> {
        self.joined_at
    }
}

impl Member {
    /// Sends a renewal if one is due.
    pub(super) fn renew(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        if self.lease.in_flight.is_some() {
            return;
        }
        if self.is_unconfirmed(now) {
            return self.lose(Loss::Unconfirmed, effects);
        }
        if now < self.lease.retry_at || (now < self.lease.next_at && !self.is_awaited(now)) {
            return;
        }
        let record = self.record();
        let changed = self.lease.published.as_deref() != Some(&record);
        let record = match self.lease.published.as_ref().filter(|_| !changed) {
            Some(published) => Arc::clone(published),
            None => Arc::new(record),
        };
        self.lease.in_flight = Some(Sent { at: now, record: Arc::clone(&record) });
        self.lease.first_sent.get_or_insert(now);
        self.lease.last_sent = Some(now);
        self.lease.next_at = now + self.config.timing.renew_every;
        effects.push(Effect::Renew { record, lock: self.lease.lock.clone(), changed });
    }

    /// Whether the Lease is not known to exist although it was asked for long ago: others may have seen,
    /// fenced and deleted it since then, and must never see this incarnation again.
    fn is_unconfirmed(&self, now: Duration) -> bool {
        let is_late = |sent| now >= sent + self.config.timing.hold_for;
        self.lease.lock.is_none() && self.lease.first_sent.is_some_and(is_late)
    }

    /// Whether the published record names the table that this member acts by.
    pub(super) fn tells_of_table(&self) -> bool {
        let published = self.lease.published.as_ref().and_then(|record| record.table.as_ref());
        published == self.view.table_and_uid().map(|(_, uid)| uid)
    }

    /// Whether somebody waits for what the Lease does not say yet.
    fn is_awaited(&self, now: Duration) -> bool {
        let Some(published) = self.lease.published.as_deref() else { return false };
        let is_leaving = self.phase != Phase::Active;
        let is_loading = self.config.lanes != published.lanes;
        if is_loading || is_leaving != published.draining || self.may_exit() != published.fenced {
            return true;
        }
        let last = self.view.last_table_and_uid();
        let is_other_table = last.map(|(_, uid)| uid) != published.table.as_ref();
        if is_other_table && self.slots.values().any(LaneSlots::waits) {
            return true;
        }
        let has_seen = !is_other_table && last.is_none_or(|(table, _)| table.generation == published.seen);
        let acknowledges = self.is_pred && !(has_seen && self.holds_as(published));
        let batch_is_due = self.lease.last_sent.is_none_or(|sent| now >= sent + ACK_BATCH);
        acknowledges && (!self.drains() || batch_is_due)
    }

    /// Whether it holds exactly what a record says.
    fn holds_as(&self, record: &MemberRecord) -> bool {
        let none = SlotSet::default();
        let as_told =
            |(lane, slots): (&Lane, &LaneSlots)| slots.held() == record.held.get(lane).unwrap_or(&none);
        self.slots.iter().all(as_told)
    }

    pub(super) fn renewed(&mut self, lock: Lock, now: Duration, effects: &mut Vec<Effect>) {
        let Some(Sent { at, record }) = self.lease.in_flight.take() else { return };
        if self.is_unconfirmed(now) {
            return self.lose(Loss::Unconfirmed, effects);
        }
        let from = if self.config.rules.has(Rule::ValidityFromSend) { at } else { now };
        if self.lease.last_renewed.is_none_or(|last| now > last + self.config.timing.contact_gap()) {
            self.view.contact_since = now;
        }
        self.lease.joined_at.get_or_insert(now);
        self.lease.last_renewed = Some(now);
        if self.view.fallen_silent(Timing::give_up_after, now).next().is_some() {
            self.view.is_news = true;
        }
        self.lease.valid_until = self.lease.valid_until.max(Some(from + self.config.timing.hold_for));
        self.lease.lock = Some(lock);
        self.lease.lock_sent = Some(at);
        self.echoed(now);
        if record.fenced {
            self.phase = Phase::Left;
            effects.push(Effect::Left);
        }
        self.view.is_news |= self.lease.published.as_ref().is_none_or(|old| old.lanes != record.lanes);
        self.lease.published = Some(record);
    }

    /// Once the watch has shown a renewal, it has shown everything that was there when it was sent.
    fn echoed(&mut self, now: Duration) {
        if let Some(sent) = self.lease.lock_sent.filter(|_| self.lease.echo == self.lease.lock) {
            self.view.known_as_of(sent, now);
        }
    }

    pub(super) fn renew_failed(&mut self, refusal: Refusal, now: Duration, effects: &mut Vec<Effect>) {
        self.lease.in_flight = None;
        match refusal {
            Refusal::Unavailable => {
                self.lease.retry_at = now + self.config.timing.renew_every / RETRY_DIVISOR;
                self.lease.next_at = self.lease.retry_at;
            }
            Refusal::Gone if self.lease.lock.is_some() => self.lose(Loss::Deleted, effects),
            Refusal::Gone => self.lease.next_at = now,
            Refusal::Conflict { record, lock } => self.reread(&record, lock, now, effects),
        }
    }

    /// The Lease is not as it was thought: fenced, replaced, edited by hand, or renewed by a request
    /// whose answer was lost.
    fn reread(&mut self, record: &MemberRecord, lock: Lock, now: Duration, effects: &mut Vec<Effect>) {
        let replaced = self.lease.lock.as_ref().is_some_and(|known| known.uid != lock.uid);
        if replaced {
            return self.lose(Loss::Deleted, effects);
        }
        if self.is_unconfirmed(now) {
            return self.lose(Loss::Unconfirmed, effects);
        }
        if record.fenced && !self.may_exit() {
            return self.lose(Loss::Fenced, effects);
        }
        if record.fenced {
            self.phase = Phase::Left;
            return effects.push(Effect::Left);
        }
        self.lease.lock = Some(lock);
        self.lease.lock_sent = None;
        self.lease.next_at = now;
    }

    /// An event of the own Lease. It may be old, so only what can never be undone counts.
    pub(super) fn own_lease_seen(
        &mut self,
        record: &MemberRecord,
        lock: Lock,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let replaced = self.lease.lock.as_ref().is_some_and(|known| known.uid != lock.uid);
        if replaced {
            self.lose(Loss::Deleted, effects);
        } else if record.fenced && !self.may_exit() {
            self.lose(Loss::Fenced, effects);
        } else {
            self.lease.echo = Some(lock);
            self.echoed(now);
        }
    }

    pub(super) fn own_lease_gone(&mut self, effects: &mut Vec<Effect>) {
        if self.lease.lock.is_some() {
            self.lose(Loss::Deleted, effects);
        }
    }

    /// Whether it holds nothing and the table gives it nothing that somebody else could take: its next
    /// renewal is its last.
    pub(super) fn may_exit(&self) -> bool {
        if self.phase != Phase::Leaving || !self.slots.values().all(LaneSlots::is_idle) {
            return false;
        }
        let owes = |(lane, column): (&Lane, &Arc<Column>)| {
            column.iter().any(|entry| entry.owner == self.config.id) && self.view.has_heirs(lane)
        };
        !self.table().is_some_and(|table| table.lanes.iter().any(owes))
    }

    /// When the next renewal is due.
    pub(super) fn renewal_due(&self) -> Option<Duration> {
        self.lease.in_flight.is_none().then_some(self.lease.next_at)
    }
}

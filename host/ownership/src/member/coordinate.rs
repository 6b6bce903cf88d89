//! What a member does for the ring: change the table, fence the silent, tidy up.
//!
//! Any member may do any of this at any time, because every write is a compare-and-swap. To spare the
//! API server conflicts, the first live member in name order acts at once and each next one a little
//! later. A member whose own validity has ended does nothing for others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::view::Seen;
use super::{Effect, Member, Phase};
use crate::bucket::Bucket;
use crate::ids::MemberId;
use crate::placement::Leveling;
use crate::plan::{Plan, Records, Situation};
use crate::record::MemberRecord;
use crate::rules::Rule;
use crate::slots::fnv1a;
use crate::table::{Entry, Table};
use crate::timing::Timing;

/// A member acts this much later than the one before it in name order.
const RANK_DELAY: Duration = Duration::from_millis(300);
/// Spread of the delays, by a hash of the name.
const RANK_JITTER_MILLIS: u64 = 150;
/// After a refused or unanswered write of the table.
const TABLE_RETRY: Duration = Duration::from_millis(250);
/// After a write of another member's Lease was answered, the watch has this long to show what came of it
/// before anything is tried again.
const MEMBER_RETRY: Duration = Duration::from_millis(500);
/// A table that replaces a lost one has a generation that is higher by this: more than anybody can have
/// written before it was lost without this member hearing of it.
const GENERATION_LEAP: u64 = 1_000;
/// How often a move that damping forbids is looked at again.
const DAMPED_RETRY: Duration = Duration::from_secs(1);
/// A member that the table names but that has no Lease is given up after this long: events of two
/// Leases may come in any order.
const MISSING_GRACE: Duration = Duration::from_secs(2);

/// See the module's story.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Coordinator {
    bucket: Bucket,
    /// A write of the table is under way.
    is_writing: bool,
    /// Members whose Lease this one is writing, or wrote a moment ago: then with the time from which it
    /// may do so again.
    pending: BTreeMap<MemberId, Option<Duration>>,
    /// Since when the table should change.
    wanted_since: Option<Duration>,
    /// Since when it names predecessors that are all proven gone.
    prunable_since: Option<Duration>,
    /// No write of the table before this.
    not_before: Duration,
    /// When to look at the table again although nothing happened.
    check_at: Option<Duration>,
    /// Members that the table names and that have no Lease, and since when.
    missing: BTreeMap<MemberId, Duration>,
    /// Fenced members that the table does not name, and since when.
    unused: BTreeMap<MemberId, Duration>,
}

impl Coordinator {
    pub(super) fn new(bucket: Bucket) -> Self {
        Self {
            bucket,
            is_writing: false,
            pending: BTreeMap::new(),
            wanted_since: None,
            prunable_since: None,
            not_before: Duration::ZERO,
            check_at: None,
            missing: BTreeMap::new(),
            unused: BTreeMap::new(),
        }
    }

    pub(super) fn table_answered(&mut self, conflict: bool, now: Duration) {
        self.is_writing = false;
        self.not_before = if conflict { now + TABLE_RETRY } else { now };
        self.check_at = Some(self.not_before);
    }

    pub(super) fn member_answered(&mut self, id: &MemberId, now: Duration) {
        if let Some(pending) = self.pending.get_mut(id) {
            *pending = Some(now + MEMBER_RETRY);
            self.check_again(now + MEMBER_RETRY);
        }
    }

    fn is_pending(&self, id: &MemberId) -> bool {
        self.pending.contains_key(id)
    }

    /// Whether the Lease of a member may be written now, which counts as begun then.
    fn begin(&mut self, id: &MemberId) -> bool {
        let may = !self.is_pending(id);
        if may {
            self.pending.insert(id.clone(), None);
        }
        may
    }

    fn check_again(&mut self, at: Duration) {
        self.check_at = Some(self.check_at.map_or(at, |known| known.min(at)));
    }

    /// Whether it is time to look at the table although nothing happened; forgets that it was.
    fn is_due(&mut self, now: Duration) -> bool {
        self.pending.retain(|_, until| until.is_none_or(|until| now < until));
        self.check_at.take_if(|at| now >= *at).is_some()
    }

    /// Charges what moved, whoever moved it.
    pub(super) fn table_changed(&mut self, before: Option<&Table>, after: &Table, now: Duration) {
        let moved = before.map_or(0, |before| moves(before, after));
        self.bucket.take(moved, now);
        self.wanted_since = None;
        self.prunable_since = None;
    }
}

/// Slots that change owner, each controller's counted.
fn moves(before: &Table, after: &Table) -> usize {
    let differ = |(old, new): &(&Entry, &Entry)| old.owner != new.owner;
    let of_column = |column: &Arc<Vec<Entry>>| {
        let lane = after.lanes.iter().find(|(_, other)| Arc::ptr_eq(other, column)).map(|(lane, _)| lane);
        let old = lane.and_then(|lane| before.lanes.get(lane));
        old.map_or(0, |old| old.iter().zip(column.iter()).filter(differ).count())
    };
    after.columns().map(of_column).sum()
}

impl Member {
    pub(super) fn coordinate(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        if !self.may_coordinate(now) {
            return;
        }
        let is_due = self.coordinator.is_due(now);
        self.fence_the_silent(now, effects);
        if self.table().is_none() {
            return self.create_table(now, effects);
        }
        if self.view.is_news || is_due {
            self.view.is_news = false;
            self.replace_the_missing(now, effects);
            self.delete_the_unused(now, effects);
            self.change_table(now, effects);
        }
    }

    fn may_coordinate(&self, now: Duration) -> bool {
        let is_valid = self.valid_until().is_some_and(|until| now < until);
        is_valid && self.view.is_listed && !self.disagrees()
    }

    /// How much later than the first this member acts.
    fn my_delay(&self, now: Duration) -> Duration {
        let before = self.view.members.iter().take_while(|(id, _)| **id < self.config.id);
        let ahead = before.filter(|(_, seen)| {
            !seen.record.fenced
                && !seen.record.draining
                && self.view.silence(seen, now) < seen.timing.hold_for
        });
        let rank = u32::try_from(ahead.count()).unwrap_or(u32::MAX).min(100);
        if rank == 0 {
            return Duration::ZERO;
        }
        let jitter = fnv1a(self.config.id.as_str().as_bytes()) % RANK_JITTER_MILLIS;
        RANK_DELAY * rank + Duration::from_millis(jitter)
    }

    /// Silence after which a member is fenced, whose timing or the own, if that is longer, is `timing`.
    fn patience(&self, timing: &Timing) -> Duration {
        let rules = self.config.rules;
        let timing = if rules.has(Rule::TheirTiming) { timing } else { &self.config.timing };
        match (rules.has(Rule::WaitBeforeFencing), rules.has(Rule::DriftRatio)) {
            (false, _) => Duration::ZERO,
            (_, false) => timing.hold_for,
            _ => timing.fence_after,
        }
    }

    /// What holds for a member that cannot be asked.
    fn slowest(&self) -> Timing {
        let own = self.config.timing;
        self.view.slowest.map_or(own, |slowest| slowest.or_longer(own))
    }

    fn fence_the_silent(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let patience = |timing: &Timing| self.patience(timing);
        if self.view.silent(patience, now).all(|(_, seen)| seen.record.fenced) {
            return;
        }
        let delay = self.my_delay(now);
        let limit = |timing: &Timing| self.patience(timing) + delay;
        let swaps = self.config.rules.has(Rule::FenceSwap);
        let silent = self.view.silent(limit, now).filter(|(_, seen)| !seen.record.fenced);
        let silent: Vec<(MemberId, Seen)> = silent.map(|(id, seen)| (id.clone(), seen.clone())).collect();
        for (id, seen) in silent {
            if self.coordinator.begin(&id) {
                let record = Arc::new(MemberRecord { fenced: true, ..(*seen.record).clone() });
                effects.push(Effect::Fence { id, record, lock: swaps.then_some(seen.lock) });
            }
        }
    }

    /// Members named in the table must have a Lease that can be fenced.
    fn replace_the_missing(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let Some(table) = self.table().cloned() else { return };
        let known = |id: &MemberId| *id == self.config.id || self.view.members.contains_key(id);
        let missing: BTreeSet<MemberId> =
            table.named().into_iter().filter(|id| !known(id)).cloned().collect();
        self.coordinator.missing.retain(|id, _| missing.contains(id));
        let patience = MISSING_GRACE + self.my_delay(now);
        let record = Arc::new(MemberRecord::placeholder(Some(self.slowest())));
        for id in missing {
            let due = *self.coordinator.missing.entry(id.clone()).or_insert(now) + patience;
            if now < due {
                self.coordinator.check_again(due);
            } else if self.coordinator.begin(&id) {
                effects.push(Effect::CreatePlaceholder { id, record: Arc::clone(&record) });
            }
        }
    }

    /// The Lease of a dead member is deleted once nothing depends on it, and people had time to see it.
    fn delete_the_unused(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let Some(table) = self.table().cloned() else { return };
        let named = table.named();
        let unused: Vec<MemberId> = self
            .view
            .members
            .iter()
            .filter(|(id, seen)| seen.record.fenced && !named.contains(id))
            .map(|(id, _)| id.clone())
            .collect();
        self.coordinator.unused.retain(|id, _| unused.contains(id));
        let patience = self.config.timing.hold_for + self.my_delay(now);
        for id in unused {
            let due = *self.coordinator.unused.entry(id.clone()).or_insert(now) + patience;
            let lock = self.view.members.get(&id).map(|seen| seen.lock.clone());
            if now < due {
                self.coordinator.check_again(due);
            } else if let Some(lock) = lock
                && self.coordinator.begin(&id)
            {
                effects.push(Effect::DeleteMember { id, lock });
            }
        }
    }

    fn change_table(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        if self.coordinator.is_writing {
            return;
        }
        if now < self.coordinator.not_before {
            return self.coordinator.check_again(self.coordinator.not_before);
        }
        let wanted = self.permitted_plan(now).map(|plan| plan.table);
        if wanted.is_none() {
            self.coordinator.wanted_since = None;
        }
        let next = match wanted {
            Some(next) => self.is_my_turn(now).then_some(next),
            None => self.tidy_table(now),
        };
        let Some(next) = next else { return };
        self.coordinator.is_writing = true;
        let lock = self.view.table_lock().cloned();
        effects.push(Effect::WriteTable { table: Arc::new(next), lock });
    }

    /// Whether those before this member have had time to make the change that is wanted. Who leaves does
    /// not wait for others.
    fn is_my_turn(&mut self, now: Duration) -> bool {
        let since = *self.coordinator.wanted_since.get_or_insert(now);
        let delay = if self.phase == Phase::Leaving { Duration::ZERO } else { self.my_delay(now) };
        if now < since + delay {
            self.coordinator.check_again(since + delay);
        }
        now >= since + delay
    }

    /// A plan that moves no more than the damping allows.
    fn permitted_plan(&mut self, now: Duration) -> Option<Plan> {
        let plan = self.with_situation(now, |situation| situation.plan(Leveling::Level))?;
        if plan.voluntary == 0 || self.coordinator.bucket.allows(plan.voluntary, now) {
            return Some(plan);
        }
        self.coordinator.check_again(now + DAMPED_RETRY);
        self.with_situation(now, |situation| situation.plan(Leveling::Keep))
    }

    /// The table without predecessors, when all of them have been proven gone for a while: it lets their
    /// Leases be deleted, and shows people that no move is in progress.
    fn tidy_table(&mut self, now: Duration) -> Option<Table> {
        let has_preds =
            |table: &Table| table.columns().any(|column| column.iter().any(|e| !e.preds.is_empty()));
        let pruned = self.with_situation(now, |situation| situation.pruned()).filter(|next| !has_preds(next));
        let Some(next) = pruned else {
            self.coordinator.prunable_since = None;
            return None;
        };
        let since = *self.coordinator.prunable_since.get_or_insert(now);
        let due = since + self.config.timing.renew_every + self.my_delay(now);
        if now < due {
            self.coordinator.check_again(due);
            return None;
        }
        Some(next)
    }

    fn with_situation<T>(&mut self, now: Duration, use_it: impl FnOnce(&Situation<'_>) -> T) -> T {
        let mut mine = self.record();
        // Others plan by what they can read: a controller that this member has not published is not given
        // to it, or they would take it away again.
        if let Some(published) = self.lease.published() {
            mine.lanes.clone_from(&published.lanes);
        }
        let settle = self.config.settle;
        let mine_since = self.lease.joined_at();
        let since = self.view.members.values().map(|seen| seen.first).chain(mine_since);
        if let Some(at) = since.map(|since| since + settle).filter(|at| *at > now).min() {
            self.coordinator.check_again(at);
        }
        let empty = Table::empty(self.config.slots, self.config.key);
        let (table, table_uid) = match self.view.table_and_uid() {
            Some((table, uid)) => (&**table, &**uid),
            None => (self.view.last_table().map_or(&empty, |table| &**table), ""),
        };
        let mut members: Records<'_> =
            self.view.members.iter().map(|(id, seen)| (id, &*seen.record)).collect();
        members.insert(&self.config.id, &mine);
        let is_settled = |(_, seen): &(&MemberId, &Seen)| seen.first + settle <= now;
        let mut settled: BTreeSet<&MemberId> =
            self.view.members.iter().filter(is_settled).map(|(id, _)| id).collect();
        if mine_since.is_some_and(|at| at + settle <= now) {
            settled.insert(&self.config.id);
        }
        let silent = self.view.silent(|timing| timing.hold_for, now).map(|(id, _)| id).collect();
        let patience = Timing::give_up_after;
        // Silence counts while there is contact: until the last renewal that was answered.
        let contact = self.lease.last_renewed().unwrap_or_default();
        let given_up = self.view.fallen_silent(patience, contact).collect();
        if let Some(at) = self.view.next_silent(patience, now) {
            self.coordinator.check_again(at);
        }
        use_it(&Situation {
            table,
            table_uid,
            members: &members,
            settled: &settled,
            silent: &silent,
            given_up: &given_up,
            placement: self.config.placement,
            rules: self.config.rules,
        })
    }

    /// There is no table. A ring that begins needs one at once. But where there was one, somebody deleted
    /// it by hand, and perhaps the Leases of members that still act by it. So once all Leases are known as
    /// they were without it, who is there must acknowledge every slot, and who is not is waited for as if
    /// it were silent.
    fn create_table(&mut self, now: Duration, effects: &mut Vec<Effect>) {
        let was_there = self.knows_ring();
        let patience = if was_there { self.slowest().fence_after } else { Duration::ZERO };
        let Some(since) = self.view.known_without_table else { return };
        let due = since.max(self.view.contact_since) + patience + self.my_delay(now);
        if now < due || now < self.coordinator.not_before {
            return self.coordinator.check_again(due.max(self.coordinator.not_before));
        }
        if self.coordinator.is_writing {
            return;
        }
        let plan = self.with_situation(now, |situation| situation.plan(Leveling::Level));
        let last = self.view.last_table().map(|last| (**last).clone());
        let Some(mut next) = plan.map(|plan| plan.table).or(last) else { return };
        let seen = self.view.members.values().map(|seen| seen.record.seen).max().unwrap_or(0);
        let known = self.known_generation().unwrap_or(0);
        next.generation = seen.max(known) + if was_there { GENERATION_LEAP } else { 1 };
        if was_there {
            self.distrust(&mut next);
        }
        self.coordinator.is_writing = true;
        effects.push(Effect::WriteTable { table: Arc::new(next), lock: self.view.impostor.clone() });
    }

    /// Whether there was a table, as far as this member can know.
    pub(super) fn knows_ring(&self) -> bool {
        let told = |seen: &Seen| seen.record.table.is_some();
        let has_traces = self.known_generation().is_some() || self.view.impostor.is_some();
        has_traces || self.view.members.values().any(told)
    }

    /// Makes everybody a predecessor of every slot that is not theirs.
    fn distrust(&self, table: &mut Table) {
        let others = self.view.members.iter().filter(|(_, seen)| !seen.record.fenced).map(|(id, _)| id);
        let everybody: BTreeSet<MemberId> =
            others.chain(&self.view.vanished).chain([&self.config.id]).cloned().collect();
        for column in table.lanes.values_mut() {
            for entry in Arc::make_mut(column) {
                entry.preds.extend(everybody.iter().filter(|id| **id != entry.owner).cloned());
            }
        }
    }

    /// When coordination needs a tick. Nothing does while the validity has ended: the next renewal does.
    pub(super) fn coordination_due(&self, now: Duration) -> Option<Duration> {
        if !self.may_coordinate(now) {
            return None;
        }
        let delay = self.my_delay(now);
        let may_be_fenced =
            |(id, seen): &(&MemberId, &Seen)| !seen.record.fenced && !self.coordinator.is_pending(id);
        let silence_ends = |(_, seen): (&MemberId, &Seen)| {
            seen.changed.max(self.view.contact_since) + self.patience(&seen.timing) + delay
        };
        let fence = self.view.members.iter().filter(may_be_fenced).map(silence_ends).min();
        fence.into_iter().chain(self.coordinator.check_at).min()
    }
}

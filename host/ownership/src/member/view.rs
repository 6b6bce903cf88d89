//! What a member knows of the others, and since when on its own clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::ids::{Lane, Lock, MemberId};
use crate::record::MemberRecord;
use crate::table::Table;
use crate::timing::Timing;

/// Another member as it was last seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Seen {
    pub(super) record: Arc<MemberRecord>,
    pub(super) lock: Lock,
    /// When its Lease was first seen.
    pub(super) first: Duration,
    /// When its Lease was last seen to have changed.
    pub(super) changed: Duration,
    /// The longer of what it says and what the observer has.
    pub(super) timing: Timing,
}

/// See the module's story.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct View {
    pub(super) members: BTreeMap<MemberId, Seen>,
    table: Option<(Arc<Table>, Lock)>,
    /// The newest table that there ever was and the uid of its Lease, for the case that somebody deletes it.
    last_table: Option<(Arc<Table>, Arc<str>)>,
    /// Uid of the table's Lease before that one.
    former_uid: Option<Arc<str>>,
    /// A Lease that stands where the table was and holds an older one (what a restored backup looks like, or a
    /// creation that was under way for long) or what cannot be read. It is overwritten, never followed.
    pub(super) impostor: Option<Lock>,
    /// When the table was first missed.
    pub(super) table_missing_since: Option<Duration>,
    /// When it was first certain, after that, that all Leases there were are known.
    pub(super) known_without_table: Option<Duration>,
    /// Members whose Lease was deleted while there was no table: they may act on.
    pub(super) vanished: BTreeSet<MemberId>,
    /// The longest durations that any member had: what holds for one that cannot be asked.
    pub(super) slowest: Option<Timing>,
    /// Whether everything was listed once.
    pub(super) is_listed: bool,
    /// Silence before this time means nothing: there was no contact with the API server.
    pub(super) contact_since: Duration,
    /// Something that a plan depends on has changed.
    pub(super) is_news: bool,
}

impl View {
    pub(super) fn listed(&mut self, now: Duration) {
        self.is_news |= !self.is_listed;
        self.is_listed = true;
        if self.table.is_none() {
            self.table_missing_since.get_or_insert(now);
        }
        self.known_as_of(now, now);
    }

    /// The Leases are known as they were at `at`, or later.
    pub(super) fn known_as_of(&mut self, at: Duration, now: Duration) {
        if self.table_missing_since.is_some_and(|since| since <= at) {
            self.known_without_table.get_or_insert(now);
        }
    }

    /// Takes in a table unless a newer one is known; whether it was taken. Generations grow for ever, also
    /// when the Lease is deleted and created anew, so one that is not newer is an old event or an impostor.
    pub(super) fn table_seen(&mut self, table: Arc<Table>, lock: Lock, now: Duration) -> bool {
        let Some((last, last_uid)) = &self.last_table else { return self.accept(table, lock) };
        let (is_same, is_former) = (*last_uid == lock.uid, self.former_uid.as_ref() == Some(&lock.uid));
        let is_last = is_same && table.generation == last.generation;
        match &mut self.table {
            _ if table.generation > last.generation => return self.accept(table, lock),
            // Somebody edited the Lease but not the table; or an old event.
            Some((_, known)) if is_last => *known = lock,
            // It is still there after all.
            None if is_last => return self.accept(table, lock),
            _ if is_same || is_former => (),
            _ => self.table_displaced(lock, now),
        }
        false
    }

    /// There is no table any more, but something else in its place.
    pub(super) fn table_displaced(&mut self, lock: Lock, now: Duration) {
        self.table_gone(now);
        self.impostor = Some(lock);
    }

    fn accept(&mut self, table: Arc<Table>, lock: Lock) -> bool {
        if let Some((_, uid)) = self.last_table.take_if(|(_, uid)| *uid != lock.uid) {
            self.former_uid = Some(uid);
        }
        self.last_table = Some((Arc::clone(&table), Arc::clone(&lock.uid)));
        self.table = Some((table, lock));
        self.impostor = None;
        self.table_missing_since = None;
        self.known_without_table = None;
        self.vanished.clear();
        self.is_news = true;
        true
    }

    pub(super) fn table_gone(&mut self, now: Duration) {
        self.table = None;
        self.impostor = None;
        self.table_missing_since.get_or_insert(now);
        self.is_news = true;
    }

    /// Takes in a member. One that comes back after it was silent is news although it says the same.
    pub(super) fn member_seen(
        &mut self,
        id: MemberId,
        record: Arc<MemberRecord>,
        lock: Lock,
        now: Duration,
        own: Timing,
    ) {
        let timing = own.or_longer(record.timing.or(self.slowest).unwrap_or(own));
        self.slowest = Some(self.slowest.map_or(timing, |slowest| slowest.or_longer(timing)));
        match self.members.get_mut(&id) {
            Some(seen) if seen.lock == lock => (),
            // A fence is for ever; an older event must not undo it.
            Some(seen) if seen.record.fenced && seen.lock.uid == lock.uid => seen.lock = lock,
            Some(seen) => {
                self.is_news |= seen.record != record || now >= seen.changed + seen.timing.hold_for;
                *seen = Seen { record, lock, first: seen.first, changed: now, timing };
            }
            None => {
                self.is_news = true;
                self.members.insert(id, Seen { record, lock, first: now, changed: now, timing });
            }
        }
    }

    pub(super) fn member_gone(&mut self, id: &MemberId) {
        let was_there = self.members.remove(id).is_some();
        self.is_news |= was_there;
        if was_there && self.table.is_none() {
            self.vanished.insert(id.clone());
        }
    }

    /// A member turned out to live.
    pub(super) fn lives(&mut self, id: &MemberId, now: Duration) {
        if let Some(seen) = self.members.get_mut(id) {
            seen.changed = now;
        }
    }

    pub(super) fn table(&self) -> Option<&Arc<Table>> {
        self.table.as_ref().map(|(table, _)| table)
    }

    pub(super) fn table_lock(&self) -> Option<&Lock> {
        self.table.as_ref().map(|(_, lock)| lock)
    }

    pub(super) fn table_and_uid(&self) -> Option<(&Arc<Table>, &Arc<str>)> {
        self.table.as_ref().map(|(table, lock)| (table, &lock.uid))
    }

    pub(super) fn last_table_and_uid(&self) -> Option<(&Arc<Table>, &Arc<str>)> {
        self.last_table.as_ref().map(|(table, uid)| (table, uid))
    }

    pub(super) fn last_table(&self) -> Option<&Arc<Table>> {
        self.last_table.as_ref().map(|(table, _)| table)
    }

    /// Whether some member that stays loads a controller.
    pub(super) fn has_heirs(&self, lane: &Lane) -> bool {
        let stays = |record: &MemberRecord| !record.fenced && !record.draining && record.lanes.contains(lane);
        self.members.values().any(|seen| stays(&seen.record))
    }

    /// How long a member has shown no sign of life while there was contact.
    pub(super) fn silence(&self, seen: &Seen, now: Duration) -> Duration {
        now.saturating_sub(seen.changed.max(self.contact_since))
    }

    /// Members that spoke since there is contact and then fell silent for `limit`. Who did not speak since
    /// an outage may only be slow to come back, and is left alone until it is fenced.
    pub(super) fn fallen_silent(
        &self,
        limit: impl Fn(&Timing) -> Duration,
        now: Duration,
    ) -> impl Iterator<Item = &MemberId> {
        let fallen = move |seen: &Seen| now.saturating_sub(seen.changed) >= limit(&seen.timing);
        let living = self.members.iter().filter(|(_, seen)| !seen.record.fenced);
        let spoke = living.filter(|(_, seen)| seen.changed > self.contact_since);
        spoke.filter(move |(_, seen)| fallen(seen)).map(|(id, _)| id)
    }

    /// When the first of those that are not fenced will have said nothing for `limit`, unless it does.
    pub(super) fn next_silent(&self, limit: impl Fn(&Timing) -> Duration, now: Duration) -> Option<Duration> {
        let living = self.members.values().filter(|seen| !seen.record.fenced);
        living.map(|seen| seen.changed + limit(&seen.timing)).filter(|at| *at > now).min()
    }

    /// Members that said nothing for `limit`.
    pub(super) fn silent(
        &self,
        limit: impl Fn(&Timing) -> Duration,
        now: Duration,
    ) -> impl Iterator<Item = (&MemberId, &Seen)> {
        self.members.iter().filter(move |(_, seen)| self.silence(seen, now) >= limit(&seen.timing))
    }
}

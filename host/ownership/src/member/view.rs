//! What a member knows of the others, and since when on its own clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::ids::{Lock, MemberId};
use crate::record::MemberRecord;
use crate::table::Table;

/// Another member as it was last seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Seen {
    pub(super) record: Arc<MemberRecord>,
    pub(super) lock: Lock,
    /// When its Lease was first seen.
    pub(super) first: Duration,
    /// When its Lease was last seen to have changed.
    pub(super) changed: Duration,
}

/// See the module's story.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct View {
    pub(super) members: BTreeMap<MemberId, Seen>,
    table: Option<(Arc<Table>, Lock)>,
    /// The newest table that there ever was, for the case that somebody deletes it.
    last_table: Option<Arc<Table>>,
    /// When the table was first missed.
    pub(super) table_missing_since: Option<Duration>,
    /// Whether everything was listed once.
    pub(super) is_listed: bool,
    /// Silence before this time means nothing: there was no contact with the API server.
    pub(super) contact_since: Duration,
    /// Something that a plan depends on has changed.
    pub(super) is_news: bool,
}

impl View {
    pub(super) fn listed(&mut self, now: Duration) {
        if !self.is_listed {
            self.is_listed = true;
            self.is_news = true;
            if self.table.is_none() {
                self.table_missing_since.get_or_insert(now);
            }
        }
    }

    /// Takes in a table unless a newer one is known; whether it was taken.
    pub(super) fn table_seen(&mut self, table: Arc<Table>, lock: Lock) -> bool {
        if let Some((known, known_lock)) = &mut self.table
            && known_lock.uid == lock.uid
        {
            if table.generation == known.generation {
                // Somebody edited the Lease but not the table; or an old event.
                *known_lock = lock.clone();
            }
            if table.generation <= known.generation {
                return false;
            }
        }
        self.last_table = Some(Arc::clone(&table));
        self.table = Some((table, lock));
        self.table_missing_since = None;
        self.is_news = true;
        true
    }

    pub(super) fn table_gone(&mut self, now: Duration) {
        self.table = None;
        self.table_missing_since.get_or_insert(now);
        self.is_news = true;
    }

    pub(super) fn member_seen(&mut self, id: MemberId, record: Arc<MemberRecord>, lock: Lock, now: Duration) {
        match self.members.get_mut(&id) {
            Some(seen) if seen.lock == lock => (),
            // A fence is for ever; an older event must not undo it.
            Some(seen) if seen.record.fenced && seen.lock.uid == lock.uid => seen.lock = lock,
            Some(seen) => {
                self.is_news |= seen.record != record;
                *seen = Seen { record, lock, first: seen.first, changed: now };
            }
            None => {
                self.is_news = true;
                self.members.insert(id, Seen { record, lock, first: now, changed: now });
            }
        }
    }

    pub(super) fn member_gone(&mut self, id: &MemberId) {
        self.is_news |= self.members.remove(id).is_some();
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

    pub(super) fn last_table(&self) -> Option<&Arc<Table>> {
        self.last_table.as_ref()
    }

    /// How long a member has shown no sign of life while there was contact.
    pub(super) fn silence(&self, seen: &Seen, now: Duration) -> Duration {
        now.saturating_sub(seen.changed.max(self.contact_since))
    }

    /// Members that said nothing for `limit`.
    pub(super) fn silent(&self, limit: Duration, now: Duration) -> BTreeSet<&MemberId> {
        let silent = |seen: &Seen| self.silence(seen, now) >= limit;
        self.members.iter().filter(|(_, seen)| silent(seen)).map(|(id, _)| id).collect()
    }
}

//! Full lists of a cache: when they began, when they ended, and who waits for the next one.
//!
//! The watch lists when it starts, when its position is too old, and when somebody asks. A list is a
//! consistent read, and the watch goes on from it without a gap; so once a list that began after a moment
//! is complete, the cache is at least as new as a consistent read made at that moment.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::state::Versions;
use super::{Cache, Health};
use crate::object::ResourceVersion;
use crate::queue::schedule::Priority;

/// Numbers of lists.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lists {
    /// One of at least this number was asked for.
    asked: u64,
    /// The last that began, and when.
    begun: u64,
    begun_at: Option<Instant>,
    /// The last that was complete, and when it began.
    done: u64,
    done_since: Option<Instant>,
}

impl Cache {
    /// A relist begins.
    pub fn begin_relist(&self) {
        let mut state = self.state.write();
        let mut asked_for = false;
        self.lists.send_modify(|lists| {
            lists.begun += 1;
            lists.begun_at = Some(Instant::now());
            asked_for = lists.asked >= lists.begun;
        });
        // A list after a failure may be one of a restored backup, in which a version may come twice.
        state.begin_relist(if asked_for { Versions::Unique } else { Versions::Reused });
        self.routes().iter().for_each(|route| route.begin_relist());
        self.progress.send_replace(None);
    }

    /// A relist is complete.
    pub fn end_relist(&self) {
        let vanished = {
            let mut state = self.state.write();
            self.routes().iter().for_each(|route| route.end_relist());
            state.end_relist()
        };
        vanished.iter().for_each(|change| self.dispatch(change, Priority::NORMAL));
        self.lists.send_modify(|lists| {
            lists.done = lists.begun;
            lists.done_since = lists.begun_at;
        });
        self.set_health(Health::Synced);
    }

    /// Whether it has had a full list.
    pub fn is_listed(&self) -> bool {
        self.lists.borrow().done > 0
    }

    /// Waits for the first full list, and for one that was asked for before.
    pub async fn listed(&self) {
        let number = self.lists.borrow().asked.max(1);
        self.list_done(number).await;
    }

    /// Waits for a list that begins after this call.
    pub async fn listed_anew(&self) {
        let number = self.ask_for_list();
        self.list_done(number).await;
    }

    /// Has the watch list everything anew; the number of that list.
    pub(super) fn ask_for_list(&self) -> u64 {
        let mut number = 0;
        self.lists.send_modify(|lists| {
            number = lists.begun + 1;
            lists.asked = lists.asked.max(number);
        });
        number
    }

    pub(super) fn ask_for_list_if_partial(&self) {
        if self.state.read().is_partial() {
            self.ask_for_list();
        }
    }

    /// Whether a list that began at some time or later is complete.
    pub(super) fn is_listed_since(&self, time: Instant) -> bool {
        self.lists.borrow().done_since.is_some_and(|begun| begun >= time)
    }

    /// Number of the last list that began.
    pub(super) fn lists_begun(&self) -> u64 {
        self.lists.borrow().begun
    }

    async fn list_done(&self, number: u64) {
        // The sender lives in self, so waiting cannot fail, here and below.
        let _ = self.lists.subscribe().wait_for(|lists| lists.done >= number).await;
    }

    /// Waits until no list is under way.
    pub(super) async fn list_ended(&self) {
        let ended = |lists: &Lists| lists.done > 0 && lists.done == lists.begun;
        let _ = self.lists.subscribe().wait_for(ended).await;
    }

    /// Waits until a list was asked for. One that is under way is finished first, so that lists are
    /// finished however often they are asked for.
    pub async fn list_asked_for(&self) {
        let idle = |lists: &Lists| lists.begun > 0 && lists.done == lists.begun;
        let _ = self.lists.subscribe().wait_for(|lists| idle(lists) && lists.asked > lists.begun).await;
    }

    /// A watch event of this version was taken in, and with it all before.
    pub fn progressed(&self, version: &ResourceVersion) {
        self.progress.send_replace(Some(version.clone()));
    }

    /// Waits until the watch has shown everything up to a version; false when it did not in `patience`,
    /// as when nothing has changed since.
    pub(super) async fn reaches(&self, version: &ResourceVersion, patience: Duration) -> bool {
        let reached =
            |seen: &Option<ResourceVersion>| seen.as_ref().is_some_and(|seen| version.at_most(seen));
        let mut progress: watch::Receiver<_> = self.progress.subscribe();
        tokio::time::timeout(patience, progress.wait_for(reached)).await.is_ok()
    }
}

//! Bringing caches up to date for slots that this host acquires.
//!
//! [`prewarm`] fetches what was dropped while the slots were somebody else's, and may run while they still
//! are. [`catch_up`] is the barrier: what a previous owner wrote before it gave the slots up is in the
//! caches when it returns. Both rest on two facts: a slot without a hole ([`super::holes`]) holds whatever
//! list and watch have shown, and a watch shows changes in order. So if slots have no holes, all that is
//! to be proven is that the watch has shown everything up to the version that a read made now returns: a
//! later event proves it. Where nothing changes there is none, and a list of metadata shows that the cache
//! has every object as it is.
//!
//! API failures are retried until they succeed or the future is dropped.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use kube::Client;
use polyreme_ownership::SlotSet;
use tokio::time::Instant;
use tracing::debug;

use super::Cache;
use super::metadata::{self, Metadata, MetadataList};
use crate::explain;
use crate::object::Identity;
use crate::ownership::LaneSlots;

/// How long the watch may take to show something as new as a read. Watches are a few milliseconds behind;
/// one that shows nothing for so long has nothing to show, and a list of metadata finds out.
const WATCH_PATIENCE: Duration = Duration::from_millis(30);
/// How long the watch may take to show what a list of metadata has and the cache has not; after that
/// everything is listed anew.
const AGREEMENT_PATIENCE: Duration = Duration::from_secs(1);
/// The cache is compared with the list again when the watch shows something, at least and at most so often.
const AGREEMENT_INTERVAL: Duration = Duration::from_millis(50);
const AGREEMENT_PAUSE: Duration = Duration::from_millis(5);
/// First and longest wait after a failed request: the slots are nobody's meanwhile.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// A read that takes longer is given up and made again.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Fetches what the caches lack of some slots of a controller. To be called once the slots are wanted.
/// Slots that stop being wanted meanwhile do not count.
pub async fn prewarm(caches: &[Arc<Cache>], lane: &LaneSlots, slots: &SlotSet) {
    join_all(caches.iter().map(|cache| cache.fill(lane, slots))).await;
}

/// Waits until, for some slots of a controller, the caches are at least as new as a consistent read made
/// at `since`, which is now or before: no object is older, and none is there that was deleted before. To
/// be called once the slots are wanted; includes [`prewarm`].
pub async fn catch_up(
    caches: &[Arc<Cache>],
    client: &Client,
    lane: &LaneSlots,
    slots: &SlotSet,
    since: Instant,
) {
    join_all(caches.iter().map(|cache| cache.catch_up(client, lane, slots, since))).await;
}

impl Cache {
    /// Whether something of these slots, as far as they are wanted, was dropped.
    pub(super) fn has_holes(&self, lane: &LaneSlots, slots: &SlotSet) -> bool {
        self.routes().iter().any(|route| route.is_of(lane) && route.has_holes(slots))
    }

    async fn fill(&self, lane: &LaneSlots, slots: &SlotSet) {
        self.list_ended().await;
        while self.has_holes(lane, slots) {
            self.listed_anew().await;
        }
    }

    async fn catch_up(&self, client: &Client, lane: &LaneSlots, slots: &SlotSet, since: Instant) {
        self.fill(lane, slots).await;
        if self.is_listed_since(since) {
            return;
        }
        let version = self.ask("version", || metadata::version(client, &self.resource)).await;
        if self.reaches(&version, WATCH_PATIENCE).await {
            return;
        }
        let begun = self.lists_begun();
        let list = self.ask("metadata", || metadata::list(client, &self.id, &self.resource)).await;
        if !self.comes_to_agree(&list, begun).await {
            self.listed_anew().await;
        }
    }

    /// Waits until the cache is nowhere behind a list of metadata; false when it takes too long.
    async fn comes_to_agree(&self, list: &MetadataList, begun: u64) -> bool {
        let mut progress = self.progress.subscribe();
        let agreed = async {
            while !self.agrees(list, begun) {
                // Whatever was shown, it is looked at again; the sender lives in self.
                let _ = tokio::time::timeout(AGREEMENT_INTERVAL, progress.changed()).await;
                tokio::time::sleep(AGREEMENT_PAUSE).await;
            }
        };
        tokio::time::timeout(AGREEMENT_PATIENCE, agreed).await.is_ok()
    }

    /// Whether the cache is nowhere behind a list that was read when `begun` lists had begun. From then on
    /// it ignores what the watch shows late.
    fn agrees(&self, list: &MetadataList, begun: u64) -> bool {
        let routes = self.routes();
        let mut state = self.state.write();
        let wanted = |item: &Identity<'_>| routes.is_empty() || routes.iter().any(|route| route.wants(item));
        let items = list.items.iter().map(Metadata::identity);
        let agrees = self.lists_begun() == begun && state.is_as_new_as(items, &list.version, wanted);
        if agrees {
            state.raise_floor(list.version.clone());
        }
        agrees
    }

    /// Asks until the API server answers.
    async fn ask<T, F>(&self, what: &str, mut request: impl FnMut() -> F) -> T
    where
        F: Future<Output = kube::Result<T>>,
    {
        let (mut wait, longest) = RETRY;
        loop {
            match tokio::time::timeout(READ_TIMEOUT, request()).await {
                Ok(Ok(answer)) => return answer,
                Ok(Err(failure)) => {
                    let why = explain::request_error(&failure);
                    debug!(kind = %self.id.kind, "failed to read the {what}: {why}");
                }
                Err(_) => debug!(kind = %self.id.kind, "failed to read the {what} in {READ_TIMEOUT:?}"),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(longest);
        }
    }
}

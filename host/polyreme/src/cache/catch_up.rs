//! Bringing caches up to date for slots that this host acquires.
//!
//! [`prewarm`] fetches what was dropped while the slots were somebody else's, and may run while they still
//! are. [`catch_up`] is the barrier: what a previous owner wrote before it gave the slots up is in the
//! caches when it returns. Both rest on two facts: a slot without a hole ([`super::holes`]) holds whatever
//! list and watch have shown, and a watch shows changes in order. So if slots have no holes, all that is
//! to be proven is that the watch has shown everything up to the version that a read made now returns.
//!
//! API failures are retried until they succeed or the future is dropped.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use http::{Request, header};
use kube::Client;
use kube::api::DynamicObject;
use kube::core::Resource as _;
use polyreme_ownership::SlotSet;
use serde::Deserialize;
use tokio::time::Instant;
use tracing::debug;

use super::Cache;
use crate::explain;
use crate::object::ResourceVersion;
use crate::ownership::LaneSlots;

/// How long the watch may take to show something as new as a read. Watches are a few milliseconds behind;
/// one that shows nothing for so long has nothing to show, and a list finds out.
const WATCH_PATIENCE: Duration = Duration::from_millis(50);
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
        let version = self.version_now(client).await;
        if !self.reaches(&version, WATCH_PATIENCE).await {
            self.listed_anew().await;
        }
    }

    /// The version of a consistent read.
    async fn version_now(&self, client: &Client) -> ResourceVersion {
        let (mut wait, longest) = RETRY;
        loop {
            match tokio::time::timeout(READ_TIMEOUT, self.read_version(client)).await {
                Ok(Ok(version)) => return version,
                Ok(Err(failure)) => {
                    let why = explain::request_error(&failure);
                    debug!(kind = %self.id.kind, "failed to read the version: {why}");
                }
                Err(_) => debug!(kind = %self.id.kind, "failed to read the version in {READ_TIMEOUT:?}"),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(longest);
        }
    }

    async fn read_version(&self, client: &Client) -> kube::Result<ResourceVersion> {
        #[derive(Deserialize)]
        struct List {
            metadata: Metadata,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Metadata {
            resource_version: Box<str>,
        }
        /// Without a resourceVersion a list is consistent; one object is the least that can be asked for.
        const ONE: &str = "limit=1";
        const METADATA: &str =
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
        let uri = format!("{}?{ONE}", DynamicObject::url_path(&self.resource.api, None));
        let request = Request::get(uri).header(header::ACCEPT, METADATA).body(Vec::new());
        let request = request.map_err(kube::Error::HttpError)?;
        let list: List = client.request(request).await?;
        Ok(ResourceVersion(list.metadata.resource_version))
    }
}

//! One controller, for as long as the configuration names it.
//!
//! It keeps its queue, its slots and its part in the watches while what it runs changes. Another module,
//! other settings, grants, limits or workers take effect between two reconciles. If a module wants to
//! watch something else than the one before, nothing is reconciled until the new watches are as complete
//! as the old ones were; the slots stay this host's meanwhile.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::Host;
use super::load::Loaded;
use super::share::Share;
use super::start::{self, Connected};
use crate::api::elide::Applied;
use crate::ownership::LaneSlots;
use crate::queue::Queue;

/// What a controller has from the start to the end of its life.
pub(super) struct Seat {
    pub(super) name: String,
    pub(super) share: Share,
    pub(super) lane: Arc<LaneSlots>,
    pub(super) queue: Arc<Queue>,
    pub(super) applied: Arc<Applied>,
}

/// Why a controller does not go on as it is.
pub(super) enum Turn {
    /// It is to watch something else.
    Rewire,
    /// It is to end, or its queue was closed.
    End,
}

impl Seat {
    /// Nothing of the controller runs here any more, and others may act on its objects.
    async fn leave(&self, host: &Host) {
        info!(controller = self.name, "removing the controller");
        self.share.unload(&self.name, &self.lane, host.config.ownership.drain_timeout).await;
        self.queue.close();
    }
}

/// Keeps a controller running as `wanted` says until `stop` or the end of the host.
pub(super) async fn tend(
    host: Arc<Host>,
    seat: Seat,
    mut wanted: watch::Receiver<Arc<Loaded>>,
    stop: CancellationToken,
    shutdown: CancellationToken,
) {
    // What the last round watched is given up only when the next one watches, so that what both watch
    // goes on without a new list.
    let mut last: Option<Connected> = None;
    loop {
        let loaded = Arc::clone(&wanted.borrow_and_update());
        let connected = tokio::select! {
            connected = start::connect(&host, &seat, &loaded) => connected,
            Ok(()) = wanted.changed() => continue,
            () = stop.cancelled() => {
                seat.leave(&host).await;
                break;
            }
            () = shutdown.cancelled() => break,
        };
        host.caches.keep_only(&seat.lane, &connected.lineage);
        drop(last.take());
        let turn = connected.work(&host, &seat, &mut wanted, &stop).await;
        last = Some(connected);
        if matches!(turn, Turn::End) {
            break;
        }
    }
    if stop.is_cancelled() {
        host.caches.forget(&seat.lane);
        host.forget(&seat.name);
    }
}

impl Connected {
    /// Works until something has to be done that needs other watches, or none.
    async fn work(
        &self,
        host: &Host,
        seat: &Seat,
        wanted: &mut watch::Receiver<Arc<Loaded>>,
        stop: &CancellationToken,
    ) -> Turn {
        let mut now = Arc::clone(&self.loaded);
        info!(
            controller = seat.name,
            workers = now.config.workers,
            queued = seat.queue.depth(),
            "controller started"
        );
        seat.queue.set_backoff(now.config.queue);
        let mut crew = self.crew(now.config.workers);
        let _health = self.follow_health(host);
        let mut resync = self.resync(host, &now.config);
        loop {
            tokio::select! {
                () = crew.ended() => return Turn::End,
                () = stop.cancelled() => {
                    seat.leave(host).await;
                    crew.ended().await;
                    return Turn::End;
                }
                Ok(()) = wanted.changed() => (),
            }
            let next = Arc::clone(&wanted.borrow_and_update());
            if next.plan != now.plan {
                crew.rest().await;
                return Turn::Rewire;
            }
            self.replace(host, seat, &now, &next);
            crew.resize(next.config.workers);
            seat.queue.set_backoff(next.config.queue);
            if next.config.resync != now.config.resync {
                drop(std::mem::replace(&mut resync, self.resync(host, &next.config)));
            }
            now = next;
        }
    }
}

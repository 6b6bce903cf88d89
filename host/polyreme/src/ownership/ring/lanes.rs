//! The controllers of this host in one ring, which come and go while it is a member.
//!
//! What the host loads is told to the driver at once. What it no longer loads stays here until nothing of
//! it runs and the driver has acknowledged that: only then may the name be used again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use polyreme_ownership::{KeyBy, Lane, ModuleInfo, SlotCount};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::cache::Caches;
use crate::ownership::clock::RingClock;
use crate::ownership::lane::LaneSlots;
use crate::reconcile::Controller;

/// What this host runs, by controller.
pub(super) type Modules = BTreeMap<Lane, ModuleInfo>;

/// The controllers by name.
pub(super) type Handles = BTreeMap<Lane, LaneHandle>;

/// One controller in the ring.
#[derive(Clone)]
pub(super) struct LaneHandle {
    pub(super) slots: Arc<LaneSlots>,
    pub(super) controller: watch::Sender<Option<Arc<Controller>>>,
    gone: CancellationToken,
}

/// See the module's story.
pub(super) struct Lanes {
    slots: SlotCount,
    key: KeyBy,
    clock: RingClock,
    drained: Arc<Notify>,
    handles: watch::Sender<Arc<Handles>>,
    loaded: watch::Sender<BTreeSet<Lane>>,
    modules: watch::Sender<Modules>,
}

impl Lanes {
    pub(super) fn new(slots: SlotCount, key: KeyBy, clock: RingClock, drained: Arc<Notify>) -> Self {
        let (handles, loaded) = (watch::Sender::default(), watch::Sender::default());
        Self { slots, key, clock, drained, handles, loaded, modules: watch::Sender::default() }
    }

    /// The host loads a controller from now on.
    pub(super) fn load(&self, controller: &str) -> Arc<LaneSlots> {
        let lane = Lane::from(controller);
        let new = || {
            let slots =
                LaneSlots::new(lane.clone(), self.slots, self.key, self.clock, Arc::clone(&self.drained));
            let gone = CancellationToken::new();
            LaneHandle { slots: Arc::new(slots), controller: watch::Sender::new(None), gone }
        };
        let mut slots = None;
        self.handles.send_modify(|handles| {
            let handle = Arc::make_mut(handles).entry(lane.clone()).or_insert_with(new);
            slots = Some(Arc::clone(&handle.slots));
        });
        self.loaded.send_modify(|loaded| {
            loaded.insert(lane);
        });
        slots.expect("it was put there")
    }

    /// The host does not load a controller any more. Waits until nothing of it runs here, which others
    /// know by then.
    pub(super) async fn unload(&self, controller: &str) {
        let lane = Lane::from(controller);
        self.loaded.send_modify(|loaded| {
            loaded.remove(&lane);
        });
        let mut handles = self.handles.subscribe();
        // The sender is here, so this ends only as it should.
        let _ = handles.wait_for(|handles| !handles.contains_key(&lane)).await;
    }

    pub(super) fn all(&self) -> Arc<Handles> {
        Arc::clone(&self.handles.borrow())
    }

    pub(super) fn get(&self, lane: &Lane) -> Option<LaneHandle> {
        self.handles.borrow().get(lane).cloned()
    }

    /// What the host loads, followed.
    pub(super) fn loaded(&self) -> watch::Receiver<BTreeSet<Lane>> {
        self.loaded.subscribe()
    }

    /// What the host runs is to be published.
    pub(super) fn publish(&self, modules: Modules) {
        self.modules.send_if_modified(|known| {
            let is_news = *known != modules;
            *known = modules;
            is_news
        });
    }

    /// What the host runs, followed.
    pub(super) fn modules(&self) -> watch::Receiver<Modules> {
        self.modules.subscribe()
    }

    /// Forgets controllers that are not loaded and of which nothing is left; returns their names.
    pub(super) fn forget(&self, is_left: impl Fn(&Lane) -> bool) -> Vec<Lane> {
        let all = self.all();
        let ended: Vec<Lane> = {
            let loaded = self.loaded.borrow();
            all.keys().filter(|lane| !loaded.contains(*lane) && !is_left(lane)).cloned().collect()
        };
        if ended.is_empty() {
            return ended;
        }
        for handle in ended.iter().filter_map(|lane| all.get(lane)) {
            handle.slots.lose();
            handle.gone.cancel();
        }
        self.handles.send_modify(|handles| Arc::make_mut(handles).retain(|lane, _| !ended.contains(lane)));
        ended
    }
}

impl LaneHandle {
    /// The controller, once it has its caches; nothing when it is removed before.
    pub(super) async fn bound(&self) -> Option<Arc<Controller>> {
        let mut controller = self.controller.subscribe();
        let bound = self.gone.run_until_cancelled(controller.wait_for(Option::is_some)).await?.ok()?;
        bound.clone()
    }

    /// Forgets everything about objects that are another host's now.
    pub(super) fn evict(&self, caches: &Caches) {
        let evicted = caches.evict(&self.slots);
        if let Some(controller) = &*self.controller.borrow() {
            controller.forget_released(&evicted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes() -> Lanes {
        Lanes::new(SlotCount::DEFAULT, KeyBy::Name, RingClock::new(), Arc::default())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_unloaded_is_gone_only_when_nothing_of_it_is_left() {
        let lanes = lanes();
        lanes.load("website");
        let mut loaded = lanes.loaded();
        let driver = async {
            loaded.wait_for(BTreeSet::is_empty).await.unwrap();
            assert!(lanes.forget(|_| true).is_empty());
            assert!(lanes.get(&"website".into()).is_some());
            assert_eq!(lanes.forget(|_| false), [Lane::from("website")]);
        };
        tokio::join!(lanes.unload("website"), driver);
        assert!(lanes.all().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_controller_that_is_removed_waits_no_longer() {
        let lanes = lanes();
        lanes.load("website");
        let handle = lanes.get(&"website".into()).unwrap();
        lanes.loaded.send_modify(BTreeSet::clear);
        lanes.forget(|_| false);
        assert!(handle.bound().await.is_none());
    }
}

//! How the controllers of this host share their objects with other hosts.
//!
//! Controllers of one ring share its Leases; a controller may have a ring of its own. With strategy
//! `label` an external sharder says which objects are this host's, and with strategy
//! `ordinal` there are no Leases: which slots are this host's is known from its place in a StatefulSet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use parking_lot::Mutex;
use polyreme_ownership::{Lane, ModuleInfo, SlotSet, SlotState};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::admin::Readiness;
use crate::cache::Caches;
use crate::config::{ControllerConfig, HostConfig, OrdinalConfig, Strategy};
use crate::metrics::Metrics;
use crate::ownership::ring::Surroundings as RingSurroundings;
use crate::ownership::{
    LaneSlots, Ring, RingClock, RingSettings, Safeguards, Shard, ShardLabels, ShardSettings,
};
use crate::reconcile::Controller;

/// How one controller shares its objects.
#[derive(Clone)]
pub(super) enum Share {
    /// With the other members of a ring.
    Ring(Arc<Ring>),
    /// As an external sharder says.
    Label(Arc<Shard>),
    /// By a rule that needs nobody else.
    Ordinal(OrdinalConfig),
}

/// All rings of this host, by name.
#[derive(Default)]
pub(super) struct Rings {
    rings: Mutex<BTreeMap<String, Share>>,
}

/// What a ring needs of its host.
pub(super) struct Surroundings<'a> {
    pub(super) config: &'a HostConfig,
    pub(super) namespace: &'a str,
    pub(super) client: &'a Client,
    pub(super) caches: &'a Arc<Caches>,
    pub(super) readiness: &'a Readiness,
    pub(super) metrics: &'a Metrics,
    pub(super) safeguards: Safeguards,
}

impl Surroundings<'_> {
    fn ring(&self, ring: &str, controllers: Vec<String>, background: &mut JoinSet<()>) -> Ring {
        let settings = RingSettings {
            ring: ring.to_owned(),
            namespace: self.namespace.to_owned(),
            identity: self.config.identity.clone(),
            config: self.config.ownership.clone(),
            controllers,
        };
        let around = RingSurroundings {
            client: self.client.clone(),
            caches: Arc::clone(self.caches),
            readiness: self.readiness.clone(),
            metrics: self.metrics.ring(ring),
            safeguards: self.safeguards,
        };
        Ring::start(settings, around, background)
    }

    fn shard(&self, ring: &str, controllers: Vec<String>, background: &mut JoinSet<()>) -> Shard {
        let settings = ShardSettings {
            ring: ring.to_owned(),
            shard: self.config.identity.name.clone(),
            namespace: self.namespace.to_owned(),
            timing: self.config.ownership.timing,
            controllers,
        };
        Shard::start(settings, self.client.clone(), self.readiness.clone(), background)
    }
}

impl Rings {
    /// Joins the rings of these controllers, as far as this host is not in them yet.
    pub(super) fn join<'c>(
        &self,
        around: &Surroundings<'_>,
        controllers: impl Iterator<Item = &'c ControllerConfig>,
        background: &mut JoinSet<()>,
    ) {
        let mut by_ring: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        if !matches!(around.config.ownership.strategy, Strategy::Ordinal(_)) {
            for controller in controllers {
                by_ring.entry(around.config.ring(controller)).or_default().push(controller.name.clone());
            }
        }
        let is_label = around.config.ownership.strategy == Strategy::Label;
        let join = |(ring, controllers): (&str, Vec<String>)| {
            let share = if is_label {
                Share::Label(Arc::new(around.shard(ring, controllers, background)))
            } else {
                Share::Ring(Arc::new(around.ring(ring, controllers, background)))
            };
            (ring.to_owned(), share)
        };
        let mut rings = self.rings.lock();
        let new: Vec<_> = by_ring.into_iter().filter(|(ring, _)| !rings.contains_key(*ring)).collect();
        rings.extend(new.into_iter().map(join));
    }

    /// How a controller shares its objects.
    pub(super) fn share(&self, config: &HostConfig, controller: &ControllerConfig) -> Share {
        if let Strategy::Ordinal(ordinal) = &config.ownership.strategy {
            return Share::Ordinal(ordinal.clone());
        }
        let rings = self.rings.lock();
        rings
            .get(config.ring(controller))
            .cloned()
            .expect("a controller's ring is joined before it is started")
    }

    /// Gives everything away to others.
    pub(super) async fn leave(&self) {
        let all: Vec<Share> = self.rings.lock().values().cloned().collect();
        futures::future::join_all(all.iter().map(Share::leave)).await;
    }

    /// Says what this host runs in each ring.
    pub(super) fn publish(&self, by_ring: &BTreeMap<String, BTreeMap<Lane, ModuleInfo>>) {
        for (name, share) in self.rings.lock().iter() {
            if let Share::Ring(ring) = share {
                ring.publish(by_ring.get(name).cloned().unwrap_or_default());
            }
        }
    }

    /// Leaves the rings of which this host runs no controller any more; returns their names.
    pub(super) async fn leave_all_but(&self, used: &BTreeSet<&str>) -> Vec<String> {
        let unused: Vec<(String, Share)> = {
            let mut rings = self.rings.lock();
            rings.extract_if(.., |ring, _| !used.contains(ring.as_str())).collect()
        };
        futures::future::join_all(unused.iter().map(|(_, share)| share.leave())).await;
        unused.into_iter().map(|(ring, _)| ring).collect()
    }
}

impl Share {
    /// Waits until this host knows what it owns.
    pub(super) async fn joined(&self) {
        match self {
            Self::Ring(ring) => ring.joined().await,
            Self::Label(shard) => shard.joined().await,
            Self::Ordinal(_) => (),
        }
    }

    async fn leave(&self) {
        match self {
            Self::Ring(ring) => ring.leave().await,
            Self::Label(shard) => shard.leave().await,
            Self::Ordinal(_) => (),
        }
    }

    /// The labels of this host's objects, where labels say which they are.
    pub(super) fn labels(&self) -> Option<ShardLabels> {
        match self {
            Self::Label(shard) => Some(shard.labels().clone()),
            Self::Ring(_) | Self::Ordinal(_) => None,
        }
    }

    /// The slots of a controller, which takes part from now on if it does not yet.
    pub(super) fn load(&self, config: &HostConfig, controller: &str) -> Arc<LaneSlots> {
        match self {
            Self::Ring(ring) => ring.load(controller),
            Self::Label(shard) => shard.load(controller),
            Self::Ordinal(ordinal) => ordinal_lane(config, ordinal, controller),
        }
    }

    /// Takes a controller out: nothing of it runs here when this returns, and others know that. What runs
    /// is interrupted after `patience`.
    pub(super) async fn unload(&self, controller: &str, lane: &LaneSlots, patience: Duration) {
        match self {
            Self::Ring(ring) => ring.unload(controller).await,
            Self::Label(shard) => {
                lane.end(patience).await;
                shard.unload(controller);
            }
            Self::Ordinal(_) => lane.end(patience).await,
        }
    }

    /// The caches of a controller are there.
    pub(super) fn bind(&self, controller: &Arc<Controller>) {
        if let Self::Ring(ring) = self {
            ring.bind(controller);
        }
    }
}

/// Every `replicas`-th slot, from the ordinal on.
fn ordinal_lane(config: &HostConfig, ordinal: &OrdinalConfig, controller: &str) -> Arc<LaneSlots> {
    let (slots, key) = (config.ownership.slots, config.ownership.key);
    let drained = Arc::new(Notify::new());
    let lane = LaneSlots::new(controller.into(), slots, key, RingClock::new(), drained);
    let mine = |slot: u16| Some(u32::from(slot) % ordinal.replicas) == ordinal.ordinal;
    let owned: SlotSet = slots.all().filter(|slot| mine(slot.0)).collect();
    lane.set(&owned, SlotState::Owned { epoch: 1 });
    lane.set_valid_until(None);
    Arc::new(lane)
}

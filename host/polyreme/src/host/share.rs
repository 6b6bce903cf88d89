//! How the controllers of this host share their objects with other hosts.
//!
//! Controllers of one ring share its Leases; a controller may have a ring of its own. With strategy
//! `ordinal` there are no Leases: which slots are this host's is known from its place in a StatefulSet.

use std::collections::BTreeMap;
use std::sync::Arc;

use kube::Client;
use polyreme_ownership::{SlotSet, SlotState};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::admin::Readiness;
use crate::cache::Caches;
use crate::config::{ControllerConfig, HostConfig, OrdinalConfig, Strategy};
use crate::metrics::Metrics;
use crate::ownership::ring::Surroundings as RingSurroundings;
use crate::ownership::{LaneSlots, Ring, RingClock, RingSettings};
use crate::reconcile::Controller;

/// How one controller shares its objects.
#[derive(Clone)]
pub(super) enum Share {
    /// With the other members of a ring.
    Ring(Arc<Ring>),
    /// By a rule that needs nobody else.
    Fixed,
}

/// All rings of this host, by name.
#[derive(Default)]
pub(super) struct Rings {
    rings: BTreeMap<String, Arc<Ring>>,
}

/// What a ring needs of its host.
pub(super) struct Surroundings<'a> {
    pub(super) config: &'a HostConfig,
    pub(super) namespace: &'a str,
    pub(super) client: &'a Client,
    pub(super) caches: &'a Arc<Caches>,
    pub(super) readiness: &'a Readiness,
    pub(super) metrics: &'a Metrics,
}

impl Rings {
    /// Joins the rings of the controllers that could be loaded.
    pub(super) fn join<'c>(
        around: &Surroundings<'_>,
        controllers: impl Iterator<Item = &'c ControllerConfig>,
        background: &mut JoinSet<()>,
    ) -> Self {
        let mut by_ring: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        if matches!(around.config.ownership.strategy, Strategy::Sharded | Strategy::Leader) {
            for controller in controllers {
                by_ring.entry(ring_of(around.config, controller)).or_default().push(controller.name.clone());
            }
        }
        let join = |(ring, controllers): (&str, Vec<String>)| {
            let settings = RingSettings {
                ring: ring.to_owned(),
                namespace: around.namespace.to_owned(),
                identity: around.config.identity.clone(),
                config: around.config.ownership.clone(),
                controllers,
            };
            let around = RingSurroundings {
                client: around.client.clone(),
                caches: Arc::clone(around.caches),
                readiness: around.readiness.clone(),
                metrics: around.metrics.ring(ring),
            };
            let ring = Ring::start(settings, around, background);
            (ring.name.clone(), Arc::new(ring))
        };
        Self { rings: by_ring.into_iter().map(join).collect() }
    }

    /// How a controller shares its objects.
    pub(super) fn share(&self, config: &HostConfig, controller: &ControllerConfig) -> Share {
        self.rings.get(ring_of(config, controller)).map_or(Share::Fixed, |ring| Share::Ring(Arc::clone(ring)))
    }

    /// Gives everything away to others.
    pub(super) async fn leave(&self) {
        futures::future::join_all(self.rings.values().map(|ring| ring.leave())).await;
    }
}

impl Share {
    /// Waits until this host knows what it owns.
    pub(super) async fn joined(&self) {
        if let Self::Ring(ring) = self {
            ring.joined().await;
        }
    }

    /// The slots of a controller.
    pub(super) fn lane(&self, config: &HostConfig, controller: &str) -> Arc<LaneSlots> {
        match (self, &config.ownership.strategy) {
            (Self::Ring(ring), _) => ring.lane(controller).unwrap_or_else(|| everything(controller)),
            (Self::Fixed, Strategy::Ordinal(ordinal)) => ordinal_lane(config, ordinal, controller),
            (Self::Fixed, _) => everything(controller),
        }
    }

    /// The caches of a controller are there.
    pub(super) fn bind(&self, controller: &Arc<Controller>) {
        if let Self::Ring(ring) = self {
            ring.bind(controller);
        }
    }
}

fn ring_of<'a>(config: &'a HostConfig, controller: &'a ControllerConfig) -> &'a str {
    controller.ring.as_deref().unwrap_or(&config.ownership.ring)
}

fn everything(controller: &str) -> Arc<LaneSlots> {
    Arc::new(LaneSlots::everything(controller.into()))
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

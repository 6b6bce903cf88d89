//! One ring: this host's part in sharing the objects of its controllers with other hosts.
//!
//! [`Ring::start`] runs the state machine of `polyreme-ownership` in a task of its own ([`driver`]): it
//! joins, follows the Leases of the ring, and tells each controller's [`LaneSlots`] which slots it owns
//! and until when. A host that loses its Lease stops what it does and joins again as a new incarnation
//! with nothing.
//!
//! A controller is known to the ring once it is [loaded](Ring::load), and [`bound`](Ring::bind) to it once
//! its caches are there: slots that it is given before that wait at the barrier.

mod driver;
mod lanes;
mod publish;
mod recent;
mod requests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::Client;
use polyreme_ownership::plan::Placement;
use polyreme_ownership::{Lane, MemberConfig, MemberId, MemberInfo, ModuleInfo};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::clock::RingClock;
use super::lane::LaneSlots;
use super::leases::Leases;
use super::names::member_lease;
use super::safeguards::Safeguards;
use crate::admin::Readiness;
use crate::cache::Caches;
use crate::config::{OwnershipConfig, Strategy};
use crate::identity::Identity;
use crate::metrics::RingMetrics;
use crate::random::HostRandom;
use crate::reconcile::Controller;
use driver::Driver;
use lanes::{Lanes, Modules};
use polyreme_runtime::Random as _;

/// What a ring is made of.
pub struct RingSettings {
    /// Its name.
    pub ring: String,
    /// Where its Leases live.
    pub namespace: String,
    /// Who this host is.
    pub identity: Identity,
    /// Strategy, timing, weight and so on.
    pub config: OwnershipConfig,
    /// Names of the controllers that this host shares in it from the start.
    pub controllers: Vec<String>,
}

/// See the module's story.
pub struct Ring {
    /// Its name.
    pub name: String,
    lanes: Arc<Lanes>,
    leave: CancellationToken,
    state: watch::Receiver<State>,
}

/// Where this host is with the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not a member yet, or not any more.
    Outside,
    /// A member that knows the table.
    Member,
    /// Everything is given away.
    Left,
}

/// What the driver shares with everything else in the host.
pub(super) struct Shared {
    pub(super) settings: RingSettings,
    pub(super) leases: Leases,
    pub(super) client: Client,
    pub(super) caches: Arc<Caches>,
    pub(super) clock: RingClock,
    pub(super) readiness: Readiness,
    pub(super) metrics: RingMetrics,
    pub(super) drained: Arc<Notify>,
    pub(super) safeguards: Safeguards,
}

/// What a ring needs of its host.
pub struct Surroundings {
    /// The connection to the API server.
    pub client: Client,
    /// What is cached of slots that are given away is dropped.
    pub caches: Arc<Caches>,
    /// Whether this host is a member shows here.
    pub readiness: Readiness,
    /// `polyreme_slots_owned` and its kin.
    pub metrics: RingMetrics,
    /// All of them, except in tests that show what one is there for.
    pub safeguards: Safeguards,
}

impl Ring {
    /// Joins the ring in the background, in a task of `background`.
    #[must_use]
    pub fn start(settings: RingSettings, around: Surroundings, background: &mut JoinSet<()>) -> Self {
        let Surroundings { client, caches, readiness, metrics, safeguards } = around;
        let clock = RingClock::new();
        let drained = Arc::new(Notify::new());
        let OwnershipConfig { slots, key, timing, .. } = settings.config;
        let lanes = Arc::new(Lanes::new(slots, key, clock, Arc::clone(&drained)));
        for controller in &settings.controllers {
            lanes.load(controller);
        }
        let leases = Leases::new(
            client.clone(),
            &settings.namespace,
            &settings.ring,
            &settings.identity.name,
            &timing,
        );
        let name = settings.ring.clone();
        let leave = CancellationToken::new();
        let (state, receiver) = watch::channel(State::Outside);
        let shared =
            Shared { settings, leases, client, caches, clock, readiness, metrics, drained, safeguards };
        let driver = Driver::new(Arc::new(shared), Arc::clone(&lanes), state);
        background.spawn(driver.run(leave.clone()));
        Self { name, lanes, leave, state: receiver }
    }

    /// The slots of a controller, which takes part from now on if it does not yet.
    #[must_use]
    pub fn load(&self, controller: &str) -> Arc<LaneSlots> {
        self.lanes.load(controller)
    }

    /// Takes a controller out: stops its work, gives its slots to others that load it, and waits for both.
    pub async fn unload(&self, controller: &str) {
        self.lanes.unload(controller).await;
    }

    /// What this host runs of the ring's controllers, for people.
    pub fn publish(&self, modules: BTreeMap<Lane, ModuleInfo>) {
        self.lanes.publish(modules);
    }

    /// The caches of a controller are there: slots may pass the barrier.
    pub fn bind(&self, controller: &Arc<Controller>) {
        if let Some(handle) = self.lanes.get(&controller.name.as_str().into()) {
            handle.controller.send_replace(Some(Arc::clone(controller)));
        }
    }

    /// Waits until this host knows which slots are its.
    pub async fn joined(&self) {
        let mut state = self.state.clone();
        // The driver ends only with the process.
        let _ = state.wait_for(|state| *state != State::Outside).await;
    }

    /// Gives everything away, and waits until others may act on it.
    pub async fn leave(&self) {
        self.leave.cancel();
        let mut state = self.state.clone();
        let _ = state.wait_for(|state| *state == State::Left).await;
    }
}

impl Shared {
    fn info(&self, modules: Modules) -> MemberInfo {
        let identity = &self.settings.identity;
        MemberInfo {
            identity: identity.name.clone(),
            pod: identity.pod.clone(),
            namespace: identity.namespace.clone().unwrap_or_default(),
            zone: identity.zone.clone(),
            host_version: env!("CARGO_PKG_VERSION").to_owned(),
            profile: identity.profile.clone(),
            modules,
        }
    }

    /// The configuration of a new incarnation.
    fn member(&self, lanes: BTreeSet<Lane>, modules: Modules, knew_generation: Option<u64>) -> MemberConfig {
        let RingSettings { ring, identity, config, .. } = &self.settings;
        let suffix = format!("{:06x}", HostRandom.number() & 0xff_ffff);
        MemberConfig {
            id: MemberId::from(member_lease(ring, &identity.name, &suffix)),
            lanes,
            weight: config.weight,
            info: self.info(modules),
            timing: config.timing,
            slots: config.slots,
            key: config.key,
            placement: if config.strategy == Strategy::Leader {
                Placement::Leader
            } else {
                Placement::Sharded
            },
            settle: config.settle,
            damping: (config.rebalance.burst, config.rebalance.per_minute),
            knew_generation,
            rules: self.safeguards.rules,
        }
    }
}

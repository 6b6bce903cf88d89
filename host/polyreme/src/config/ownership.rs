//! `ownership:`: how hosts share the objects of their controllers.
//!
//! All hosts of a ring must agree on `slots` and `key`, which the ring's table keeps for its life; the
//! rest may differ from host to host, and does during a rolling update. What a strategy has no use for
//! is an error and not ignored: whoever writes `weight` should get what it promises.

use std::time::Duration;

use polyreme_ownership::record::DEFAULT_WEIGHT;
use polyreme_ownership::{KeyBy, SlotCount, Timing};

use super::{Bound, ConfigError, Fault, Place};
use crate::identity::Identity;

/// Ring of the controllers that name none.
pub const DEFAULT_RING: &str = "default";

/// Share of a member relative to the others; 0 takes slots only when nobody else does. Above 100 times
/// the default, levelling within 5 % would need more slots than there are.
pub const WEIGHT: Bound<u32> = Bound { default: DEFAULT_WEIGHT, min: 0, max: 10_000 };

/// How long a running reconcile may go on after its slot moved away. Ten times the few hundred
/// milliseconds of a usual reconcile, and what its next owner waits for at most.
pub const DRAIN_MILLIS: Bound<u64> = Bound { default: 10_000, min: 0, max: 3_600_000 };

/// How long a newcomer is left alone: the pods of a scaled Deployment start within a second of each
/// other, and one move for all is better than one for each.
pub const SETTLE_MILLIS: Bound<u64> = Bound { default: 1_000, min: 0, max: 600_000 };

/// Slots that may move at once to level the load. Unless told, twice the slots of the ring: a new host
/// in each of two controllers' rings, or two changes in a row, never wait.
pub const REBALANCE_BURST: Bound<u32> =
    Bound { default: 2 * SlotCount::DEFAULT.get() as u32, min: 1, max: 1_000_000 };

/// Slots that may move in a minute after that. Unless told, as many as the ring has: a host that
/// crashes every few seconds moves its share a few times a minute and not at each crash.
pub const REBALANCE_PER_MINUTE: Bound<u32> =
    Bound { default: SlotCount::DEFAULT.get() as u32, min: 1, max: 1_000_000 };

/// Hosts of strategy `ordinal`: as many as there can be slots.
pub const ORDINAL_REPLICAS: Bound<u32> = Bound { default: 1, min: 1, max: SlotCount::MAX as u32 };

/// `ownership:`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnershipConfig {
    /// `strategy:`
    pub strategy: Strategy,
    /// `ring:`, a DNS label.
    pub ring: String,
    /// `namespace:` of the Leases; absent for the pod's, or the kubeconfig context's.
    pub namespace: Option<String>,
    /// `slots:`
    pub slots: SlotCount,
    /// `key:`
    pub key: KeyBy,
    /// `timing:`, checked.
    pub timing: Timing,
    /// `weight:`
    pub weight: u32,
    /// `drainTimeout:`, below `shutdownGracePeriod` unless that is zero.
    pub drain_timeout: Duration,
    /// `settle:`
    pub settle: Duration,
    /// `rebalance:`
    pub rebalance: Rebalance,
}

/// `strategy:`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Each host owns a part of the slots.
    Sharded,
    /// One host owns them all; the others stand by.
    Leader,
    /// The ordinal of a StatefulSet's pod says what a host owns; there are no Leases.
    Ordinal(OrdinalConfig),
    /// Labels on the objects say it, which an external sharder sets.
    Label,
}

/// `rebalance:`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebalance {
    /// Slots that may move at once.
    pub burst: u32,
    /// Slots that may move in a minute after that.
    pub per_minute: u32,
}

/// `ordinal:`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrdinalConfig {
    /// `replicas:`
    pub replicas: u32,
    /// `ordinal:`, below `replicas`. Absent until [`super::HostConfig::identify`] takes it from the
    /// pod's name.
    pub ordinal: Option<u32>,
    /// Where it is in the file, for messages that ask to change it.
    pub place: Place,
}

impl Rebalance {
    /// What applies to a ring of `slots` when the file says nothing.
    #[must_use]
    pub fn of(slots: SlotCount) -> Self {
        let slots = u32::from(slots.get());
        Self { burst: 2 * slots, per_minute: slots }
    }
}

impl Default for OwnershipConfig {
    fn default() -> Self {
        Self {
            strategy: Strategy::Sharded,
            ring: DEFAULT_RING.to_owned(),
            namespace: None,
            slots: SlotCount::DEFAULT,
            key: KeyBy::Name,
            timing: Timing::DEFAULT,
            weight: WEIGHT.default,
            drain_timeout: Duration::from_millis(DRAIN_MILLIS.default),
            settle: Duration::from_millis(SETTLE_MILLIS.default),
            rebalance: Rebalance::of(SlotCount::DEFAULT),
        }
    }
}

impl OrdinalConfig {
    /// The number at the end of a StatefulSet's pod name: 2 of `host-2`.
    pub(super) fn ordinal_from(&self, identity: &Identity) -> Result<u32, ConfigError> {
        let (name, replicas) = (&identity.name, self.replicas);
        let number = name.rsplit_once('-').and_then(|(_, digits)| digits.parse().ok());
        let (problem, remedy) = match number {
            Some(ordinal) if ordinal < replicas => return Ok(ordinal),
            Some(ordinal) => (
                format!("this host is \"{name}\", and ordinal {ordinal} is not below {replicas} replicas"),
                "set ordinal.replicas to the replicas of the StatefulSet",
            ),
            None => (
                format!("this host is \"{name}\", which does not end in an ordinal"),
                "run it in a StatefulSet, or add \"ordinal:\" here or --identity NAME-0",
            ),
        };
        let fault = Fault { place: Some(self.place.clone()), problem, remedy: remedy.to_owned() };
        Err(ConfigError::Invalid(vec![fault]))
    }
}

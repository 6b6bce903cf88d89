//! The checks of `ownership:`.

use std::time::Duration;

use polyreme_ownership::timing::TimingError;
use polyreme_ownership::{KeyBy, SlotCount, Timing};
use serde_saphyr::{Location, Spanned};

use super::Checker;
use crate::config::error::suggestion;
use crate::config::ownership::{
    DEFAULT_RING, DRAIN_MILLIS, ORDINAL_REPLICAS, OrdinalConfig, OwnershipConfig, REBALANCE_BURST,
    REBALANCE_PER_MINUTE, Rebalance, SETTLE_MILLIS, Strategy, WEIGHT,
};
use crate::config::raw::{
    RawController, RawOrdinal, RawOwnTiming, RawOwnership, RawRebalance, RawStrategy, RawTiming,
};
use crate::config::{Bound, DurationText};

impl Checker {
    pub(super) fn ownership(&mut self, raw: Option<RawOwnership>, grace: Duration) -> OwnershipConfig {
        let raw = raw.unwrap_or_default();
        self.useless_fields(&raw);
        let slots = self.slots(raw.slots);
        OwnershipConfig {
            strategy: self.strategy(raw.strategy.as_ref(), raw.ordinal),
            ring: self.label("ownership.ring", raw.ring).unwrap_or_else(|| DEFAULT_RING.to_owned()),
            namespace: self.label("ownership.namespace", raw.namespace),
            slots,
            key: raw.key.map_or(KeyBy::Name, |key| key.value),
            timing: raw.timing.map_or(Timing::DEFAULT, |timing| self.timing(timing)),
            weight: self.number("ownership.weight", raw.weight, WEIGHT),
            drain_timeout: self.drain_timeout(raw.drain_timeout, grace),
            settle: self.duration("ownership.settle", raw.settle, SETTLE_MILLIS),
            rebalance: self.rebalance(raw.rebalance.unwrap_or_default(), slots),
        }
    }

    /// A controller's ring of its own; there are none where nothing is shared by a ring, nor where a host has one
    /// Lease whatever the ring, which two of them would take from each other.
    pub(super) fn controllers_rings(&mut self, strategy: &Strategy, controllers: &[Spanned<RawController>]) {
        for ring in controllers.iter().filter_map(|controller| controller.value.ring.as_ref()) {
            match strategy {
                Strategy::Ordinal(_) => self.useless("ring", ring.referenced, "ordinal"),
                Strategy::Label => self.useless("ring", ring.referenced, "label"),
                Strategy::Sharded | Strategy::Leader => (),
            }
        }
    }

    /// Below the grace period, if there is one: a host that is interrupted before it gave its objects
    /// away leaves the others waiting for `fenceAfter`.
    fn drain_timeout(&mut self, raw: Option<Spanned<DurationText>>, grace: Duration) -> Duration {
        let at = raw.as_ref().map(|raw| raw.referenced);
        let timeout = self.duration("ownership.drainTimeout", raw, DRAIN_MILLIS);
        if grace.is_zero() || timeout < grace {
            return timeout;
        }
        let Some(at) = at else { return grace / 2 };
        let [timeout_text, grace] = [timeout, grace].map(DurationText::from);
        let problem = format!(
            "ownership.drainTimeout {timeout_text} is not below shutdownGracePeriod {grace}: a host that ends \
             would be interrupted before it gave its objects away"
        );
        self.fault(at, problem, "lower it, or raise shutdownGracePeriod and the pod's grace period");
        timeout
    }

    fn slots(&mut self, slots: Option<Spanned<u64>>) -> SlotCount {
        let Some(slots) = slots else { return SlotCount::DEFAULT };
        SlotCount::new(slots.value).unwrap_or_else(|error| {
            let remedy = format!("leave it out for {}", SlotCount::DEFAULT.get());
            self.fault(slots.referenced, format!("ownership.{error}"), remedy);
            SlotCount::DEFAULT
        })
    }

    fn strategy(
        &mut self,
        strategy: Option<&Spanned<RawStrategy>>,
        ordinal: Option<Spanned<RawOrdinal>>,
    ) -> Strategy {
        match (strategy.map(|strategy| strategy.value), ordinal) {
            (Some(RawStrategy::Ordinal), Some(ordinal)) => Strategy::Ordinal(self.ordinal(ordinal)),
            (Some(RawStrategy::Ordinal), None) => {
                if let Some(strategy) = strategy {
                    let remedy =
                        "add \"ordinal: {replicas: N}\" beside it, with the replicas of the StatefulSet";
                    self.fault(strategy.referenced, "strategy ordinal does not say of how many", remedy);
                }
                Strategy::Sharded
            }
            (other, ordinal) => {
                if let Some(ordinal) = ordinal {
                    let remedy = "write \"strategy: ordinal\", or remove it";
                    self.fault(ordinal.referenced, "ordinal is only for strategy ordinal", remedy);
                }
                match other {
                    Some(RawStrategy::Leader) => Strategy::Leader,
                    Some(RawStrategy::Label) => Strategy::Label,
                    Some(RawStrategy::Sharded | RawStrategy::Ordinal) | None => Strategy::Sharded,
                }
            }
        }
    }

    fn ordinal(&mut self, raw: Spanned<RawOrdinal>) -> OrdinalConfig {
        let place = self.place(raw.referenced);
        let raw = raw.value;
        let replicas = self.number("ownership.ordinal.replicas", Some(raw.replicas), ORDINAL_REPLICAS);
        if let Some(ordinal) = raw.ordinal.as_ref().filter(|ordinal| ordinal.value >= replicas) {
            let problem = format!("ordinal {} is not below {replicas} replicas", ordinal.value);
            self.fault(ordinal.referenced, problem, "ordinals count from 0");
        }
        OrdinalConfig { replicas, ordinal: raw.ordinal.map(|ordinal| ordinal.value), place }
    }

    fn timing(&mut self, raw: Spanned<RawTiming>) -> Timing {
        let own = match raw.value {
            RawTiming::Named(name) => return self.profile(&name, raw.referenced),
            RawTiming::Own(own) => own,
        };
        let timing = Timing {
            hold_for: own.hold_for.value.get(),
            fence_after: own.fence_after.value.get(),
            renew_every: own.renew_every.value.get(),
        };
        if let Err(error) = timing.check() {
            let (at, remedy) = place_and_remedy(&own, &error);
            self.fault(at, format!("ownership.timing.{error}"), remedy);
            return Timing::DEFAULT;
        }
        timing
    }

    fn profile(&mut self, name: &str, at: Location) -> Timing {
        match name {
            "default" => Timing::DEFAULT,
            "fast" => Timing::FAST,
            other => {
                let remedy = format!(
                    "{}, or a map of holdFor, fenceAfter and renewEvery",
                    suggestion(other, &["default", "fast"])
                );
                self.fault(at, format!("unknown timing \"{other}\""), remedy);
                Timing::DEFAULT
            }
        }
    }

    fn rebalance(&mut self, raw: RawRebalance, slots: SlotCount) -> Rebalance {
        let unless_told = Rebalance::of(slots);
        let burst = Bound { default: unless_told.burst, ..REBALANCE_BURST };
        let per_minute = Bound { default: unless_told.per_minute, ..REBALANCE_PER_MINUTE };
        Rebalance {
            burst: self.number("ownership.rebalance.burst", raw.burst, burst),
            per_minute: self.number("ownership.rebalance.perMinute", raw.per_minute, per_minute),
        }
    }

    /// What the strategy has no use for. `leader` takes everything that `sharded` does, so that one word
    /// changes one into the other.
    fn useless_fields(&mut self, raw: &RawOwnership) {
        let (name, with_leases, with_table) = match raw.strategy.as_ref().map(|strategy| strategy.value) {
            Some(RawStrategy::Ordinal) => ("ordinal", false, false),
            Some(RawStrategy::Label) => ("label", true, false),
            Some(RawStrategy::Sharded | RawStrategy::Leader) | None => return,
        };
        if !with_leases {
            self.useless_field("ring", raw.ring.as_ref(), name);
            self.useless_field("namespace", raw.namespace.as_ref(), name);
            self.useless_field("timing", raw.timing.as_ref(), name);
            self.useless_field("drainTimeout", raw.drain_timeout.as_ref(), name);
        } else {
            self.useless_field("slots", raw.slots.as_ref(), name);
            self.useless_field("key", raw.key.as_ref(), name);
        }
        if !with_table {
            self.useless_field("weight", raw.weight.as_ref(), name);
            self.useless_field("settle", raw.settle.as_ref(), name);
            let rebalance = raw.rebalance.iter().flat_map(|raw| [&raw.burst, &raw.per_minute]).flatten();
            if let Some(first) = rebalance.min_by_key(|field| field.referenced.line()) {
                self.useless("rebalance", first.referenced, name);
            }
        }
    }

    fn useless_field<T>(&mut self, field: &str, value: Option<&Spanned<T>>, strategy: &str) {
        if let Some(value) = value {
            self.useless(field, value.referenced, strategy);
        }
    }

    fn useless(&mut self, field: &str, at: Location, strategy: &str) {
        let problem = format!("{field} has no meaning with strategy {strategy}");
        self.fault(at, problem, "remove it");
    }
}

/// Which of the three to change, and to what.
fn place_and_remedy(own: &RawOwnTiming, error: &TimingError) -> (Location, String) {
    let text = |duration: &Duration| DurationText::from(*duration);
    let named = |field: &str| match field {
        "holdFor" => own.hold_for.referenced,
        "fenceAfter" => own.fence_after.referenced,
        _ => own.renew_every.referenced,
    };
    match error {
        TimingError::DriftRatio { needed } => {
            (named("fenceAfter"), format!("write {} or more", text(needed)))
        }
        TimingError::Renewals { needed } => (named("renewEvery"), format!("write {} or less", text(needed))),
        TimingError::TooShort { field, least } => (named(field), format!("write {} or more", text(least))),
        TimingError::TooLong { field, most } => (named(field), format!("write {} or less", text(most))),
    }
}

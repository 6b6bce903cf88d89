//! `polyreme_slots_owned` and its kin: what of a ring this host owns, and how it changes hands.
//!
//! `polyreme_overlap_violations_total` counts what must never happen; it exists so that an alert can
//! say so. Handovers are counted slot by slot, as every other number here: the histogram's buckets
//! then say how long *a slot* had to wait, and not how long a move of unknown size took.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Seconds: planned handovers take tens of milliseconds to `drainTimeout` (10 s), takeovers of dead
/// hosts 7.5 s (`fast`) or 16.5 s.
const HANDOVER_BUCKETS: [f64; 16] =
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 12.5, 16.5, 30.0, 60.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RingLabel {
    ring: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SlotLabels {
    ring: String,
    controller: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabels {
    ring: String,
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DirectionLabels {
    ring: String,
    direction: &'static str,
}

#[derive(Debug)]
pub(super) struct Families {
    slots: Family<SlotLabels, Gauge>,
    generation: Family<RingLabel, Gauge>,
    members: Family<StateLabels, Gauge>,
    handovers: Family<DirectionLabels, Counter>,
    seconds: Family<DirectionLabels, Histogram, fn() -> Histogram>,
    violations: Family<RingLabel, Counter>,
}

impl Families {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            slots: Family::default(),
            generation: Family::default(),
            members: Family::default(),
            handovers: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(HANDOVER_BUCKETS)),
            violations: Family::default(),
        };
        let help = "Slots that this host owns";
        registry.register("polyreme_slots_owned", help, families.slots.clone());
        let help = "Generation of the ring's table that this host acts by";
        registry.register("polyreme_ring_generation", help, families.generation.clone());
        let help = "Members of the ring as this host sees them";
        registry.register("polyreme_members", help, families.members.clone());
        let help = "Slots that this host took over or released";
        registry.register("polyreme_handovers", help, families.handovers.clone());
        let help = "Seconds from the table that moves a slot until it is owned, or released";
        registry.register("polyreme_handover_seconds", help, families.seconds.clone());
        let help = "Writes and reconciles that this host found to have begun without owning the object";
        registry.register("polyreme_overlap_violations", help, families.violations.clone());
        families
    }

    pub(super) fn ring(&self, ring: &str, leading: Gauge) -> RingMetrics {
        let label = RingLabel { ring: ring.to_owned() };
        let state = |state| self.members.get_or_create_owned(&StateLabels { ring: ring.to_owned(), state });
        let direction = |direction| {
            let labels = DirectionLabels { ring: ring.to_owned(), direction };
            Handovers {
                slots: self.handovers.get_or_create_owned(&labels),
                seconds: self.seconds.get_or_create_owned(&labels),
            }
        };
        RingMetrics {
            ring: ring.to_owned(),
            slots: self.slots.clone(),
            generation: self.generation.get_or_create_owned(&label),
            active: state("active"),
            draining: state("draining"),
            silent: state("silent"),
            fenced: state("fenced"),
            gained: direction("in"),
            released: direction("out"),
            violations: self.violations.get_or_create_owned(&label),
            leading,
        }
    }
}

#[derive(Clone, Debug)]
struct Handovers {
    slots: Counter,
    seconds: Histogram,
}

impl Handovers {
    fn record(&self, slots: usize, took: Duration) {
        self.slots.inc_by(u64::try_from(slots).unwrap_or(u64::MAX));
        for _ in 0..slots {
            self.seconds.observe(took.as_secs_f64());
        }
    }
}

/// How many members of a ring there are, this host included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemberCounts {
    /// Taking part.
    pub active: usize,
    /// Giving everything away.
    pub draining: usize,
    /// Not heard of for `holdFor`, and not fenced yet.
    pub silent: usize,
    /// Over; their Leases are not deleted yet.
    pub fenced: usize,
}

/// Handles of one ring.
///
/// # Example
///
/// ```
/// # use polyreme::metrics::{MemberCounts, Metrics};
/// # use std::time::Duration;
/// let ring = Metrics::new().ring("default");
/// ring.members(&MemberCounts { active: 3, ..MemberCounts::default() });
/// ring.gained(342, Duration::from_millis(40));
/// ring.slots_owned("website", 342);
/// ```
#[derive(Clone, Debug)]
pub struct RingMetrics {
    ring: String,
    slots: Family<SlotLabels, Gauge>,
    generation: Gauge,
    active: Gauge,
    draining: Gauge,
    silent: Gauge,
    fenced: Gauge,
    gained: Handovers,
    released: Handovers,
    violations: Counter,
    leading: Gauge,
}

impl RingMetrics {
    /// So many slots of a controller are owned now.
    pub fn slots_owned(&self, controller: &str, slots: usize) {
        let labels = SlotLabels { ring: self.ring.clone(), controller: controller.to_owned() };
        set(&self.slots.get_or_create_owned(&labels), slots);
    }

    /// A controller was taken out of the ring.
    pub fn forget(&self, controller: &str) {
        self.slots.remove(&SlotLabels { ring: self.ring.clone(), controller: controller.to_owned() });
    }

    /// The table that this host acts by is of this generation; 0 while there is none.
    pub fn generation(&self, generation: u64) {
        self.generation.set(i64::try_from(generation).unwrap_or(i64::MAX));
    }

    /// Who is there.
    pub fn members(&self, counts: &MemberCounts) {
        set(&self.active, counts.active);
        set(&self.draining, counts.draining);
        set(&self.silent, counts.silent);
        set(&self.fenced, counts.fenced);
    }

    /// So many slots were taken over, this long after the table gave them to this host.
    pub fn gained(&self, slots: usize, took: Duration) {
        self.gained.record(slots, took);
    }

    /// So many slots were released, this long after the table gave them to others.
    pub fn released(&self, slots: usize, took: Duration) {
        self.released.record(slots, took);
    }

    /// Something began that must not have: a bug, or an assumption of `docs/handover.md` that fails.
    pub fn overlap_violation(&self) {
        self.violations.inc();
    }

    /// Whether this host owns anything of the ring: with strategy `leader`, whether it leads.
    pub fn leads(&self, leads: bool) {
        self.leading.set(i64::from(leads));
    }
}

fn set(gauge: &Gauge, count: usize) {
    gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
}

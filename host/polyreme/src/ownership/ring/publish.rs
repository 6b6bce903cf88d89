//! What a ring shows of itself: metrics, and a check of the promise that the protocol makes.

use std::collections::HashMap;
use std::time::Duration;

use polyreme_ownership::{Lane, Member, MemberRecord, SlotId, SlotState};
use tracing::error;

use super::Shared;
use super::lanes::Handles;
use crate::metrics::MemberCounts;

/// When each slot that is changing hands began to.
#[derive(Default)]
pub(super) struct Handovers {
    since: HashMap<(Lane, SlotId), Duration>,
}

impl Handovers {
    /// The table moved a slot to or from this host.
    pub(super) fn begin(&mut self, lane: &Lane, slots: impl Iterator<Item = SlotId>, now: Duration) {
        self.since.extend(slots.map(|slot| ((lane.clone(), slot), now)));
    }

    /// A slot has changed hands: how long that took.
    pub(super) fn end(&mut self, lane: &Lane, slot: SlotId, now: Duration) -> Option<Duration> {
        self.since.remove(&(lane.clone(), slot)).map(|since| now.saturating_sub(since))
    }
}

/// Publishes what there is to know of the ring.
pub(super) fn publish(shared: &Shared, member: &Member, lanes: &Handles) {
    let now = shared.clock.now();
    let mut owned = 0;
    for (lane, handle) in lanes {
        let slots = handle.slots.owned();
        shared.metrics.slots_owned(lane.as_str(), slots);
        owned += slots;
    }
    shared.metrics.leads(owned > 0);
    shared.metrics.generation(member.table().map_or(0, |table| table.generation));
    shared.metrics.members(&count(member, now));
}

fn count(member: &Member, now: Duration) -> MemberCounts {
    let mut counts = MemberCounts::default();
    let own = member.config().timing;
    let mine = member.record();
    let me = (&mine, Duration::ZERO);
    for (record, silence) in member.others(now).map(|(_, record, silence)| (record, silence)).chain([me]) {
        let count = match (record.fenced, record.draining) {
            (true, _) => &mut counts.fenced,
            (_, true) => &mut counts.draining,
            _ if silence >= record.timing.unwrap_or(own).hold_for => &mut counts.silent,
            _ => &mut counts.active,
        };
        *count += 1;
    }
    counts
}

/// Looks whether another member says that it holds what this one owns, by the same table.
pub(super) fn check_overlap(shared: &Shared, member: &Member, other: &str, record: &MemberRecord) {
    let table = member.table().map_or(0, |table| table.generation);
    if record.fenced || record.seen != table || member.id().as_str() == other {
        return;
    }
    let both = member
        .slots()
        .find(|(lane, slot, state)| matches!(state, SlotState::Owned { .. }) && record.holds(lane, *slot));
    if let Some((lane, slot, _)) = both {
        shared.metrics.overlap_violation();
        error!(controller = %lane, %slot, other, "another host holds a slot that this host owns: please report this");
    }
}

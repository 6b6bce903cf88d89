//! What must hold of a ring at every moment, seen from above all clocks.
//!
//! The model checker, the property tests and the simulation call these after every step.

use std::time::Duration;

use crate::ids::{Lane, MemberId};
use crate::member::{Member, SlotState};
use crate::slots::SlotId;

/// A member with the time on its own clock.
pub type Observed<'a> = (&'a Member, Duration);

/// A statement that does not hold, for a report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Two members may act on one slot.
    #[error("slot {slot} of {lane} may be acted on by {first} and by {second}")]
    TwoOwners {
        /// The controller.
        lane: Lane,
        /// The slot.
        slot: SlotId,
        /// One of them.
        first: MemberId,
        /// Another.
        second: MemberId,
    },
    /// A member acts on a slot and does not say so.
    #[error("{member} acts on slot {slot} of {lane}, which it has acknowledged as released")]
    ReleasedButHeld {
        /// Who.
        member: MemberId,
        /// The controller.
        lane: Lane,
        /// The slot.
        slot: SlotId,
    },
}

/// No two members may act on objects of one slot.
///
/// # Errors
/// The first slot of which two may.
pub fn invariant_one_owner_per_slot(members: &[Observed<'_>]) -> Result<(), Violation> {
    for (at, (member, now)) in members.iter().enumerate() {
        for (lane, slot, state) in member.slots() {
            if !state.is_held() || !member.may_act(lane, slot, *now) {
                continue;
            }
            let rest = members.iter().skip(at + 1);
            let second = rest.clone().find(|(other, now)| other.may_act(lane, slot, *now));
            if let Some((second, _)) = second {
                let (first, second) = (member.id().clone(), second.id().clone());
                return Err(Violation::TwoOwners { lane: lane.clone(), slot, first, second });
            }
        }
    }
    Ok(())
}

/// A member publishes as held every slot that it acts on and that the table it acts by gives to others.
///
/// # Errors
/// The first slot that it keeps quiet about.
pub fn invariant_acknowledgements_are_true(member: &Member) -> Result<(), Violation> {
    let record = member.record();
    for (lane, slot, state) in member.slots() {
        let quiet = matches!(state, SlotState::Draining { .. } | SlotState::Owned { .. })
            && !record.holds(lane, slot);
        if quiet {
            let (member, lane) = (member.id().clone(), lane.clone());
            return Err(Violation::ReleasedButHeld { member, lane, slot });
        }
    }
    Ok(())
}

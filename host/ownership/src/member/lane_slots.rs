//! The slots of one controller at a member, with what is asked of all of them kept at hand: a step is
//! taken for every event of every Lease, and hardly any of them concerns a slot.

use super::SlotState;
use crate::slots::{SlotCount, SlotId, SlotSet};

/// See the module's story.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct LaneSlots {
    states: Vec<SlotState>,
    held: SlotSet,
    waiting: usize,
    draining: usize,
}

impl LaneSlots {
    pub(super) fn new(slots: SlotCount) -> Self {
        let states = vec![SlotState::NotMine; usize::from(slots.get())];
        Self { states, held: SlotSet::default(), waiting: 0, draining: 0 }
    }

    pub(super) fn get(&self, slot: SlotId) -> SlotState {
        self.states.get(slot.index()).copied().unwrap_or_default()
    }

    pub(super) fn set(&mut self, slot: SlotId, to: SlotState) {
        let Some(state) = self.states.get_mut(slot.index()) else { return };
        let from = std::mem::replace(state, to);
        let count = |state, is: fn(SlotState) -> bool| usize::from(is(state));
        self.waiting = self.waiting + count(to, is_waiting) - count(from, is_waiting);
        self.draining = self.draining + count(to, is_draining) - count(from, is_draining);
        match (from.is_held(), to.is_held()) {
            (false, true) => drop(self.held.insert(slot)),
            (true, false) => self.held.remove(slot),
            _ => (),
        }
    }

    /// Changes every slot for which `to` says something.
    pub(super) fn change(&mut self, mut to: impl FnMut(SlotId, SlotState) -> Option<SlotState>) {
        for at in 0..self.states.len() {
            let slot = SlotId(u16::try_from(at).unwrap_or(u16::MAX));
            if let Some(state) = to(slot, self.get(slot)) {
                self.set(slot, state);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SlotId, SlotState)> {
        (0..).map(SlotId).zip(self.states.iter().copied())
    }

    /// Those on which the member may still act.
    pub(super) fn held(&self) -> &SlotSet {
        &self.held
    }

    pub(super) fn waits(&self) -> bool {
        self.waiting > 0
    }

    pub(super) fn drains(&self) -> bool {
        self.draining > 0
    }

    /// Whether nothing is held or waited for.
    pub(super) fn is_idle(&self) -> bool {
        !self.waits() && self.held.is_empty()
    }
}

fn is_waiting(state: SlotState) -> bool {
    state == SlotState::Waiting
}

fn is_draining(state: SlotState) -> bool {
    matches!(state, SlotState::Draining { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn state() -> impl Strategy<Value = SlotState> {
        prop_oneof![
            Just(SlotState::NotMine),
            Just(SlotState::Waiting),
            Just(SlotState::Barrier { epoch: 1 }),
            Just(SlotState::Owned { epoch: 1 }),
            Just(SlotState::Draining { epoch: 1 }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_kept_at_hand_is_what_counting_would_find(changes in proptest::collection::vec((0_u16..8, state()), 0..60)) {
            let mut slots = LaneSlots::new(SlotCount::for_model(8));
            for (slot, to) in changes {
                slots.set(SlotId(slot), to);
                let held: SlotSet = slots.iter().filter(|(_, state)| state.is_held()).map(|(slot, _)| slot).collect();
                prop_assert_eq!(slots.held(), &held);
                prop_assert_eq!(slots.waits(), slots.iter().any(|(_, state)| is_waiting(state)));
                prop_assert_eq!(slots.drains(), slots.iter().any(|(_, state)| is_draining(state)));
                prop_assert_eq!(slots.is_idle(), slots.iter().all(|(_, state)| state == SlotState::NotMine));
            }
        }
    }
}

//! Slots: what each new table means for them, and when they change hands.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::lane_slots::LaneSlots;
use super::{Effect, Member, Phase, SlotState, Slots};
use crate::ids::{Lane, Lock, MemberId};
use crate::plan::is_proven_gone;
use crate::rules::Rule;
use crate::slots::{SlotId, SlotSet};
use crate::table::{Entry, Table};

impl Member {
    pub(super) fn table_seen(
        &mut self,
        table: Arc<Table>,
        lock: Lock,
        now: Duration,
        effects: &mut Vec<Effect>,
    ) {
        let before = self.table().cloned();
        if !self.view.table_seen(Arc::clone(&table), lock, now) {
            return;
        }
        self.coordinator.table_changed(before.as_deref(), &table, now);
        self.is_pred = table.is_pred(&self.config.id);
        let lanes: Vec<Lane> = self.slots.keys().cloned().collect();
        for lane in lanes {
            self.follow(&lane, &table, effects);
        }
    }

    /// Brings the slots of one controller in line with a new table. Who leaves takes no slot up any more:
    /// its last renewal, which says that it never acts again, may be under way.
    fn follow(&mut self, lane: &Lane, table: &Table, effects: &mut Vec<Effect>) {
        let (mut prepare, mut stop, mut forget) =
            (SlotSet::default(), SlotSet::default(), SlotSet::default());
        let id = self.config.id.clone();
        let usable = !self.disagrees();
        let takes = self.takes(lane);
        let Some(slots) = self.slots.get_mut(lane) else { return };
        let column = table.lanes.get(lane).filter(|_| usable);
        let owner =
            |slot: SlotId| column.and_then(|column| column.get(slot.index())).map(|entry| &entry.owner);
        slots.change(|slot, state| {
            let mine = owner(slot) == Some(&id);
            match (mine, state) {
                (true, SlotState::NotMine) if takes => {
                    prepare.insert(slot);
                    Some(SlotState::Waiting)
                }
                (false, SlotState::Waiting | SlotState::Barrier { .. }) => {
                    forget.insert(slot);
                    Some(SlotState::NotMine)
                }
                (false, SlotState::Owned { epoch }) => {
                    stop.insert(slot);
                    Some(SlotState::Draining { epoch })
                }
                _ => None,
            }
        });
        push(effects, lane, prepare, Effect::Prepare);
        push(effects, lane, stop, Effect::Stop);
        push(effects, lane, forget, Effect::Drop);
    }

    /// Takes every slot whose previous owners are all proven gone up to the barrier, once this member's
    /// Lease tells of the table: where no Lease tells of one, nobody acts by one.
    pub(super) fn stop_waiting_for_the_proven_gone(&mut self, effects: &mut Vec<Effect>) {
        if !self.slots.values().any(LaneSlots::waits) {
            return;
        }
        let Some(table) = self.table().filter(|_| self.tells_of_table()).cloned() else { return };
        let epoch = table.generation;
        let waiting = self.slots.iter().filter(|(_, slots)| slots.waits());
        let waiting: Vec<Lane> = waiting.map(|(lane, _)| lane.clone()).collect();
        for lane in waiting {
            let waits = |slot: &SlotId| self.slot(&lane, *slot) == SlotState::Waiting;
            let free = |slot: &SlotId| {
                table
                    .entry(&lane, *slot)
                    .is_some_and(|entry| self.waits_for(&lane, *slot, entry).next().is_none())
            };
            let passed: SlotSet = self.config.slots.all().filter(waits).filter(free).collect();
            self.set(&lane, &passed, SlotState::Barrier { epoch });
            push(effects, &lane, passed, |slots| Effect::Barrier { slots, epoch });
        }
    }

    /// Previous owners of a slot that may still act on it.
    pub fn waits_for<'a>(
        &'a self,
        lane: &'a Lane,
        slot: SlotId,
        entry: &'a Entry,
    ) -> impl Iterator<Item = &'a MemberId> {
        let rules = self.config.rules;
        let proven = move |pred: &MemberId| {
            let (Some(seen), Some((table, uid))) = (self.view.members.get(pred), self.view.table_and_uid())
            else {
                return false;
            };
            is_proven_gone(&seen.record, uid, table.generation, lane, slot, rules)
        };
        let others = entry.preds.iter().filter(|pred| **pred != self.config.id);
        others.filter(move |pred| rules.has(Rule::Preds) && !proven(pred))
    }

    pub(super) fn barrier_passed(&mut self, slots: Slots, epoch: u64, effects: &mut Vec<Effect>) {
        let Slots { lane, slots } = slots;
        let still = |slot: &SlotId| self.slot(&lane, *slot) == SlotState::Barrier { epoch };
        let passed: SlotSet = slots.iter().filter(still).collect();
        self.set(&lane, &passed, SlotState::Owned { epoch });
        push(effects, &lane, passed, |slots| Effect::Start { slots, epoch });
    }

    /// Nothing runs any more on slots that were given away; one that has come back waits for its turn.
    pub(super) fn drained(&mut self, slots: &Slots, effects: &mut Vec<Effect>) {
        let lane = &slots.lane;
        let drained = |slot: &SlotId| matches!(self.slot(lane, *slot), SlotState::Draining { .. });
        let returned = |slot: &SlotId| {
            let entry = self.table().and_then(|table| table.entry(lane, *slot));
            self.takes(lane) && entry.is_some_and(|entry| entry.owner == self.config.id)
        };
        let (back, gone): (Vec<_>, Vec<_>) = slots.slots.iter().filter(drained).partition(returned);
        let (back, gone): (SlotSet, SlotSet) = (back.into_iter().collect(), gone.into_iter().collect());
        self.set(lane, &back, SlotState::Waiting);
        self.set(lane, &gone, SlotState::NotMine);
        push(effects, lane, back, Effect::Prepare);
        push(effects, lane, gone, Effect::Drop);
    }

    /// Takes up controllers that are new, whose slots the table may give to this member already. Those that
    /// it loads no longer are laid down in [`lay_down`](Self::lay_down).
    pub(super) fn load(&mut self, lanes: BTreeSet<Lane>, effects: &mut Vec<Effect>) {
        let added: Vec<Lane> = lanes.difference(&self.config.lanes).cloned().collect();
        self.config.lanes = lanes;
        let table = self.table().cloned();
        for lane in added {
            self.slots.entry(lane.clone()).or_insert_with(|| LaneSlots::new(self.config.slots));
            if let Some(table) = &table {
                self.follow(&lane, table, effects);
            }
        }
    }

    /// Whether it may be given slots of a controller.
    fn takes(&self, lane: &Lane) -> bool {
        self.phase == Phase::Active && self.config.lanes.contains(lane)
    }

    /// Stops working on controllers that this member no longer loads, and, when it leaves, on those that
    /// nobody else loads. Their slots stay its own in the table until somebody takes them, which then
    /// waits for its acknowledgement as in any other move.
    pub(super) fn lay_down(&mut self, effects: &mut Vec<Effect>) {
        let leaves = self.phase == Phase::Leaving && self.view.is_listed;
        let (view, loaded) = (&self.view, &self.config.lanes);
        let ends = |lane: &Lane| !loaded.contains(lane) || (leaves && !view.has_heirs(lane));
        for (lane, slots) in self.slots.iter_mut().filter(|(lane, _)| ends(lane)) {
            let mut stop = SlotSet::default();
            slots.change(|slot, state| match state {
                SlotState::Owned { epoch } => {
                    stop.insert(slot);
                    Some(SlotState::Draining { epoch })
                }
                SlotState::Waiting | SlotState::Barrier { .. } => Some(SlotState::NotMine),
                SlotState::NotMine | SlotState::Draining { .. } => None,
            });
            push(effects, lane, stop, Effect::Stop);
        }
        self.slots.retain(|lane, slots| loaded.contains(lane) || !slots.is_idle());
    }

    fn set(&mut self, lane: &Lane, slots: &SlotSet, to: SlotState) {
        if let Some(all) = self.slots.get_mut(lane) {
            slots.iter().for_each(|slot| all.set(slot, to));
        }
    }
}

fn push(effects: &mut Vec<Effect>, lane: &Lane, slots: SlotSet, effect: impl FnOnce(Slots) -> Effect) {
    if !slots.is_empty() {
        effects.push(effect(Slots { lane: lane.clone(), slots }));
    }
}

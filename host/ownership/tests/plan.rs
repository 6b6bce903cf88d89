//! What a plan may never do, whatever the table and the members look like.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use polyreme_ownership::placement::Leveling;
use polyreme_ownership::plan::{Placement, Plan, Records, Situation, is_proven_gone};
use polyreme_ownership::{
    Entry, KeyBy, Lane, MemberId, MemberInfo, MemberRecord, Rules, SlotCount, SlotId, SlotSet, Table,
};
use proptest::prelude::*;

const SLOTS: u16 = 6;
const UID: &str = "table";

fn member(n: u8) -> MemberId {
    format!("host-{n}").into()
}

fn lane(n: u8) -> Lane {
    format!("lane-{n}").into()
}

#[derive(Clone, Debug)]
struct World {
    table: Table,
    records: BTreeMap<MemberId, MemberRecord>,
    settled: BTreeSet<MemberId>,
    silent: BTreeSet<MemberId>,
    given_up: BTreeSet<MemberId>,
    placement: Placement,
}

impl World {
    fn with<T>(&self, use_it: impl FnOnce(&Situation<'_>) -> T) -> T {
        let members: Records<'_> = self.records.iter().collect();
        use_it(&Situation {
            table: &self.table,
            table_uid: UID,
            members: &members,
            settled: &self.settled.iter().collect(),
            silent: &self.silent.iter().collect(),
            given_up: &self.given_up.iter().collect(),
            placement: self.placement,
            rules: Rules::all(),
        })
    }

    fn plan(&self, leveling: Leveling) -> Option<Plan> {
        self.with(|situation| situation.plan(leveling))
    }

    fn is_proven(&self, pred: &MemberId, lane: &Lane, slot: SlotId) -> bool {
        let generation = self.table.generation;
        let proven = |record| is_proven_gone(record, UID, generation, lane, slot, Rules::all());
        self.records.get(pred).is_some_and(proven)
    }

    /// Each slot before and after.
    fn changes<'a>(
        &'a self,
        after: &'a Table,
    ) -> impl Iterator<Item = (&'a Lane, SlotId, &'a Entry, &'a Entry)> {
        self.table.lanes.iter().flat_map(move |(lane, old)| {
            let new = after.lanes.get(lane).into_iter().flat_map(|column| column.iter());
            (0..).map(SlotId).zip(old.iter().zip(new)).map(move |(slot, (old, new))| (lane, slot, old, new))
        })
    }
}

fn slots() -> impl Strategy<Value = SlotSet> {
    proptest::collection::btree_set(0..SLOTS, 0..4).prop_map(|slots| slots.into_iter().map(SlotId).collect())
}

fn record() -> impl Strategy<Value = MemberRecord> {
    let held = proptest::collection::btree_map((0_u8..3).prop_map(lane), slots(), 0..3);
    let lanes = proptest::collection::btree_set((0_u8..3).prop_map(lane), 0..4);
    let flags = (any::<bool>(), proptest::bool::weighted(0.2), proptest::bool::weighted(0.2), 1_u32..300);
    (held, lanes, 4_u64..7, flags).prop_map(|(held, lanes, seen, (same, fenced, draining, weight))| {
        MemberRecord {
            table: Some(if same { UID } else { "another" }.into()),
            seen,
            held,
            fenced,
            draining,
            ..MemberRecord::new(weight, lanes, MemberInfo::default())
        }
    })
}

fn column() -> impl Strategy<Value = Vec<Entry>> {
    let entry = (0_u8..6, proptest::collection::btree_set(0_u8..6, 0..3)).prop_map(|(owner, mut preds)| {
        preds.remove(&owner);
        Entry { owner: member(owner), preds: preds.into_iter().map(member).collect() }
    });
    proptest::collection::vec(entry, usize::from(SLOTS))
}

/// Up to three controllers, some of them with one column in memory.
fn world() -> impl Strategy<Value = World> {
    let columns = proptest::collection::vec(column(), 1..3);
    let lanes = proptest::collection::btree_map((0_u8..3).prop_map(lane), 0_usize..2, 0..4);
    let some = || proptest::collection::btree_set((0_u8..5).prop_map(member), 0..6);
    let records = proptest::collection::btree_map((0_u8..5).prop_map(member), record(), 0..6);
    (columns, lanes, records, some(), some(), some(), any::<bool>()).prop_map(
        |(columns, lanes, records, settled, silent, longer, leader)| {
            let given_up = silent.intersection(&longer).cloned().collect();
            let columns: Vec<_> = columns.into_iter().map(Arc::new).collect();
            let mut table = Table::empty(SlotCount::for_model(SLOTS), KeyBy::Name);
            table.generation = 5;
            table.lanes = lanes
                .into_iter()
                .map(|(lane, at)| (lane, Arc::clone(&columns[at % columns.len()])))
                .collect();
            let placement = if leader { Placement::Leader } else { Placement::Sharded };
            World { table, records, settled, silent, given_up, placement }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_never_drops_a_predecessor_that_is_not_proven_gone(world in world()) {
        let Some(plan) = world.plan(Leveling::Level) else { return Ok(()) };
        for (lane, slot, old, new) in world.changes(&plan.table) {
            let fenced = |member| world.records.get(member).is_some_and(|record: &MemberRecord| record.fenced);
            let before = old.preds.iter().filter(|pred| !world.is_proven(pred, lane, slot));
            let owner = [&old.owner].into_iter().filter(|owner| !fenced(*owner));
            for must in before.chain(owner).filter(|must| **must != new.owner) {
                prop_assert!(new.preds.contains(must), "{lane} {slot}: {must} is lost in {new:?}, was {old:?}");
            }
            prop_assert!(!new.preds.contains(&new.owner), "{new:?} waits for itself");
        }
    }

    #[test]
    fn only_members_that_load_a_controller_and_stay_are_given_its_slots(world in world()) {
        let Some(plan) = world.plan(Leveling::Level) else { return Ok(()) };
        for (lane, slot, old, new) in world.changes(&plan.table).filter(|(_, _, old, new)| old.owner != new.owner) {
            let record = world.records.get(&new.owner);
            let may = record.is_some_and(|record| {
                record.lanes.contains(lane) && !record.fenced && !record.draining && !world.silent.contains(&new.owner)
            });
            prop_assert!(may, "{lane} {slot}: from {} to {}, {record:?}", old.owner, new.owner);
        }
    }

    #[test]
    fn without_levelling_only_slots_whose_owner_may_not_stay_move(world in world()) {
        let Some(plan) = world.plan(Leveling::Keep) else { return Ok(()) };
        // A leader leads all slots or none.
        prop_assume!(world.placement == Placement::Sharded);
        prop_assert_eq!(plan.voluntary, 0);
        for (lane, slot, old, new) in world.changes(&plan.table).filter(|(_, _, old, new)| old.owner != new.owner) {
            let record = world.records.get(&old.owner);
            let leaves = |record: &MemberRecord| {
                record.fenced || record.draining || !record.lanes.contains(lane) || world.given_up.contains(&old.owner)
            };
            let gone = record.is_some_and(leaves);
            prop_assert!(gone, "{lane} {slot}: from {} to {}", old.owner, new.owner);
        }
    }

    #[test]
    fn controllers_with_one_column_and_the_same_members_keep_the_same_owners(world in world()) {
        let Some(plan) = world.plan(Leveling::Level) else { return Ok(()) };
        let loading = |lane: &Lane| -> BTreeSet<_> {
            world.records.iter().filter(|(_, record)| record.lanes.contains(lane)).map(|(id, _)| id).collect()
        };
        let owners = |lane: &Lane| -> Vec<_> {
            plan.table.lanes[lane].iter().map(|entry| entry.owner.clone()).collect()
        };
        for (a, column) in &world.table.lanes {
            for (b, other) in &world.table.lanes {
                if Arc::ptr_eq(column, other) && loading(a) == loading(b) {
                    prop_assert_eq!(owners(a), owners(b));
                }
            }
        }
    }

    #[test]
    fn a_controller_that_is_new_to_the_table_waits_for_whoever_may_still_act_on_it(world in world()) {
        let Some(plan) = world.plan(Leveling::Level) else { return Ok(()) };
        for (lane, column) in plan.table.lanes.iter().filter(|(lane, _)| !world.table.lanes.contains_key(*lane)) {
            for (slot, entry) in (0..).map(SlotId).zip(column.iter()) {
                for (id, record) in world.records.iter().filter(|(id, _)| **id != entry.owner) {
                    let acts_by_another = record.table.as_deref() != Some(UID);
                    let may_act = !record.fenced && (acts_by_another || record.holds(lane, slot));
                    prop_assert_eq!(entry.preds.contains(id), may_act, "{} {}: {}", lane, slot, id);
                }
            }
        }
    }

    #[test]
    fn tidying_removes_only_what_is_proven_gone(world in world()) {
        let Some(after) = world.with(|situation| situation.pruned()) else { return Ok(()) };
        for (lane, slot, old, new) in world.changes(&after) {
            prop_assert_eq!(&old.owner, &new.owner);
            for gone in old.preds.difference(&new.preds) {
                prop_assert!(world.is_proven(gone, lane, slot), "{lane} {slot}: {gone}");
            }
            prop_assert!(new.preds.is_subset(&old.preds));
        }
    }
}

//! When the table should change, and to what.
//!
//! A slot must move when its owner is fenced or about to be, leaves, or no longer loads the controller. It may move to
//! level the load, but only to members that have been there for a while, and only as often as the
//! damping allows. Every move keeps the previous owner among the predecessors until it is proven gone:
//! [`is_proven_gone`] is the rule that a successor and a planner share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ids::{Lane, MemberId};
use crate::placement::{Leveling, Weights, place, place_leader};
use crate::record::MemberRecord;
use crate::rules::{Rule, Rules};
use crate::slots::SlotId;
use crate::table::{Column, Entry, Table};

/// How slots are given to members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Placement {
    /// Evenly, by weight.
    #[default]
    Sharded,
    /// All of them to one.
    Leader,
}

/// What is known of everybody, by an observer.
pub type Records<'a> = BTreeMap<&'a MemberId, &'a MemberRecord>;

/// Everything that a plan depends on.
pub struct Situation<'a> {
    /// Today's table and the uid of its Lease.
    pub table: &'a Table,
    /// Uid of the table's Lease.
    pub table_uid: &'a str,
    /// Everybody known, oneself included.
    pub members: &'a Records<'a>,
    /// Members that have been there long enough to be given slots of others.
    pub settled: &'a BTreeSet<&'a MemberId>,
    /// Members that have been silent for so long that they are given nothing, though they keep what they
    /// have until they are fenced.
    pub silent: &'a BTreeSet<&'a MemberId>,
    /// Those among them that will be fenced soon unless they say something: their successors are chosen now,
    /// so that they have the objects in their caches by then.
    pub given_up: &'a BTreeSet<&'a MemberId>,
    /// How slots are given to members.
    pub placement: Placement,
    /// The rules in force.
    pub rules: Rules,
}

/// A table that should replace today's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The next table.
    pub table: Table,
    /// Slots that change owner although their owner is well.
    pub voluntary: usize,
    /// Slots that change owner.
    pub moved: usize,
}

/// Whether `pred` can no longer act on a slot: it is fenced, or it has acknowledged that it released the
/// slot, at exactly this generation of this table. An acknowledgement of another generation proves
/// nothing: the slot may have been given back in between, and either side may not know yet.
#[must_use]
pub fn is_proven_gone(
    record: &MemberRecord,
    table_uid: &str,
    generation: u64,
    lane: &Lane,
    slot: SlotId,
    rules: Rules,
) -> bool {
    let same = record.table.as_deref() == Some(table_uid) && record.seen == generation;
    record.fenced || ((same || !rules.has(Rule::SeenGeneration)) && !record.holds(lane, slot))
}

/// Whether a member may still act on a slot.
type MayHold<'a> = Box<dyn Fn(SlotId) -> bool + 'a>;

/// A controller whose slots have been placed.
struct Placed<'a> {
    lane: &'a Lane,
    loaded_by: BTreeSet<&'a MemberId>,
    before: Option<&'a Arc<Column>>,
    after: Arc<Column>,
}

impl Situation<'_> {
    /// The table as it should be, or nothing if it is.
    #[must_use]
    pub fn plan(&self, leveling: Leveling) -> Option<Plan> {
        let mut next = Table { generation: self.table.generation + 1, ..self.table.clone() };
        let mut done: Vec<Placed<'_>> = Vec::new();
        for lane in self.lanes() {
            let (before, loaded_by) = (self.table.lanes.get(lane), self.loaded_by(lane));
            // Controllers with the same owners that the same members load move as one.
            let twin =
                done.iter().find(|twin| twin.loaded_by == loaded_by && same_column(twin.before, before));
            let after = match twin {
                Some(twin) => self.as_its_twin(lane, twin),
                None => {
                    let owners = self.owners(lane, leveling);
                    if owners.is_empty() {
                        continue;
                    }
                    let after = Arc::new(self.column(lane, owners));
                    done.push(Placed { lane, loaded_by, before, after: Arc::clone(&after) });
                    after
                }
            };
            next.lanes.insert(lane.clone(), after);
        }
        let moved = done.iter().map(|placed| self.moves(placed, false)).sum();
        let voluntary = done.iter().map(|placed| self.moves(placed, true)).sum();
        (owners_differ(self.table, &next)).then_some(Plan { table: next, voluntary, moved })
    }

    /// A controller moves as another does; but whether a predecessor is proven gone is a matter of each.
    fn as_its_twin(&self, lane: &Lane, twin: &Placed<'_>) -> Arc<Column> {
        let all_proven = |column: &Arc<Column>| column.iter().all(|entry| entry.preds.is_empty());
        if twin.before.is_some_and(all_proven) {
            return Arc::clone(&twin.after);
        }
        let owners = twin.after.iter().map(|entry| entry.owner.clone()).collect();
        let after = self.column(lane, owners);
        if after == *twin.after { Arc::clone(&twin.after) } else { Arc::new(after) }
    }

    /// Slots that change owner; only those whose owner is well, if asked.
    fn moves(&self, placed: &Placed<'_>, only_voluntary: bool) -> usize {
        let pairs = placed.before.into_iter().flat_map(|before| before.iter()).zip(placed.after.iter());
        let differing = pairs.filter(|(old, new)| old.owner != new.owner);
        differing.filter(|(old, _)| !only_voluntary || self.may_stay(placed.lane, &old.owner)).count()
    }

    /// The table without predecessors that are proven gone; nothing if none is.
    #[must_use]
    pub fn pruned(&self) -> Option<Table> {
        let mut next = Table { generation: self.table.generation + 1, ..self.table.clone() };
        for (lane, column) in &mut next.lanes {
            let pruned: Column = (0..)
                .map(SlotId)
                .zip(column.iter())
                .map(|(slot, entry)| Entry {
                    owner: entry.owner.clone(),
                    preds: self.remaining(lane, slot, entry),
                })
                .collect();
            if pruned != **column {
                *column = Arc::new(pruned);
            }
        }
        let orphaned = |lane: &Lane, column: &Arc<Column>| {
            self.loading(lane).is_empty()
                && column.iter().all(|entry| entry.preds.is_empty() && self.is_fenced(&entry.owner))
        };
        next.lanes.retain(|lane, column| !orphaned(lane, column));
        (next.lanes != self.table.lanes).then_some(next)
    }

    fn lanes(&self) -> BTreeSet<&Lane> {
        let loaded = self.members.values().filter(|record| !record.fenced).flat_map(|record| &record.lanes);
        self.table.lanes.keys().chain(loaded).collect()
    }

    /// Who should own the slots of a controller; empty when nobody can take them.
    fn owners(&self, lane: &Lane, leveling: Leveling) -> Vec<MemberId> {
        let before = self.table.lanes.get(lane);
        let current: Vec<Option<MemberId>> = match before {
            Some(column) => column
                .iter()
                .map(|entry| self.may_stay(lane, &entry.owner).then(|| entry.owner.clone()))
                .collect(),
            None => Vec::new(),
        };
        let (weights, leveling) = self.candidates(lane, before, leveling);
        match self.placement {
            Placement::Sharded => place(self.table.slots, &weights, &current, leveling),
            Placement::Leader => place_leader(self.table.slots, &weights, &current),
        }
    }

    fn column(&self, lane: &Lane, owners: Vec<MemberId>) -> Column {
        let before = self.table.lanes.get(lane);
        let suspects = if before.is_none() { self.suspects(lane) } else { Vec::new() };
        let entry =
            |(slot, owner): (SlotId, MemberId)| match before.and_then(|column| column.get(slot.index())) {
                Some(old) => self.moved_entry(lane, slot, old, owner),
                None => {
                    let suspects = suspects.iter().filter(|(id, may_hold)| **id != owner && may_hold(slot));
                    let preds = suspects.map(|(id, _)| (*id).clone()).collect();
                    Entry { owner, preds }
                }
            };
        (0..).map(SlotId).zip(owners).map(entry).collect()
    }

    /// Members that may act on slots of a controller which the table does not have, and on which slots. There are
    /// some only where the table was deleted by hand and made anew while nobody who stays loaded the controller: who
    /// still tells of another table acts by that; who tells of this one says what it has not given back; and of whom
    /// only the table tells nothing is known.
    fn suspects(&self, lane: &Lane) -> Vec<(&MemberId, MayHold<'_>)> {
        let unknown = self.table.named().into_iter().filter(|id| !self.members.contains_key(*id));
        let unknown = unknown.map(|id| -> (_, MayHold<'_>) { (id, Box::new(|_| true)) });
        let known = self.members.iter().filter(|(_, record)| !record.fenced).filter_map(|(id, record)| {
            let table = record.table.as_deref()?;
            let may_hold: MayHold<'_> = match record.held.get(lane) {
                _ if table != self.table_uid => Box::new(|_| true),
                held => {
                    let held = held?;
                    Box::new(|slot| held.contains(slot))
                }
            };
            Some((*id, may_hold))
        });
        unknown.chain(known).collect()
    }

    fn moved_entry(&self, lane: &Lane, slot: SlotId, old: &Entry, owner: MemberId) -> Entry {
        let mut preds = self.remaining(lane, slot, old);
        if old.owner != owner && !self.is_fenced(&old.owner) {
            preds.insert(old.owner.clone());
        }
        preds.remove(&owner);
        Entry { owner, preds }
    }

    /// Predecessors that are not proven gone. The owner itself stays listed only by others.
    fn remaining(&self, lane: &Lane, slot: SlotId, entry: &Entry) -> BTreeSet<MemberId> {
        let gone = |pred: &&MemberId| {
            self.members.get(*pred).is_some_and(|record| {
                is_proven_gone(record, self.table_uid, self.table.generation, lane, slot, self.rules)
            })
        };
        entry.preds.iter().filter(|pred| !gone(pred)).cloned().collect()
    }

    /// Who may be given slots of a controller, and whether slots of healthy owners may move.
    ///
    /// Members that just came get nothing from the others yet. They do get the slots of a member that
    /// leaves in good order: in a rolling update that is their predecessor, and each slot moves once.
    fn candidates(
        &self,
        lane: &Lane,
        before: Option<&Arc<Column>>,
        leveling: Leveling,
    ) -> (Weights, Leveling) {
        let loading = self.loading(lane);
        let settled: BTreeSet<_> = loading.intersection(self.settled).copied().collect();
        let leaving = |entry: &Entry| {
            self.members.get(&entry.owner).is_some_and(|record| record.draining && !record.fenced)
        };
        let succession = before.is_some_and(|column| column.iter().any(leaving));
        let (chosen, leveling) = match (succession, settled.is_empty()) {
            (true, _) => (loading, Leveling::Keep),
            (false, true) => (loading, Leveling::Keep),
            (false, false) => (settled, leveling),
        };
        (chosen.into_iter().map(|member| (member.clone(), self.weight(member))).collect(), leveling)
    }

    /// Everybody that loads a controller, also those that are given nothing.
    fn loaded_by(&self, lane: &Lane) -> BTreeSet<&MemberId> {
        let loads = self.members.iter().filter(|(_, record)| record.lanes.contains(lane));
        loads.map(|(member, _)| *member).collect()
    }

    fn loading(&self, lane: &Lane) -> BTreeSet<&MemberId> {
        let loads = |record: &MemberRecord| !record.fenced && !record.draining && record.lanes.contains(lane);
        let loading = self.members.iter().filter(|(_, record)| loads(record)).map(|(member, _)| *member);
        loading.filter(|member| !self.silent.contains(member)).collect()
    }

    /// Whether an owner keeps a slot. One that is not known is waited for until it is fenced.
    fn may_stay(&self, lane: &Lane, owner: &MemberId) -> bool {
        self.members.get(owner).is_none_or(|record| {
            let is_placeholder = record.lanes.is_empty() && record.weight == 0;
            let loads = is_placeholder || record.lanes.contains(lane);
            !record.fenced && !record.draining && loads && !self.given_up.contains(owner)
        })
    }

    fn is_fenced(&self, member: &MemberId) -> bool {
        self.members.get(member).is_some_and(|record| record.fenced)
    }

    fn weight(&self, member: &MemberId) -> u32 {
        self.members.get(member).map_or(0, |record| record.weight)
    }
}

fn same_column(a: Option<&Arc<Column>>, b: Option<&Arc<Column>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}

fn owners_differ(before: &Table, after: &Table) -> bool {
    let same = |lane: &Lane, column: &Arc<Column>| {
        before.lanes.get(lane).is_some_and(|old| {
            Arc::ptr_eq(old, column) || old.iter().zip(column.iter()).all(|(old, new)| old.owner == new.owner)
        })
    };
    !after.lanes.iter().all(|(lane, column)| same(lane, column))
}

//! Slots that are on their way, and what each waits for.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use polyreme_ownership::plan::is_proven_gone;
use polyreme_ownership::{Entry, Lane, MemberId, Rules, SlotId, SlotSet};
use serde::Serialize;

use super::snapshot::{MemberSeen, Snapshot, TableSeen};
use super::{MemberState, lane_text};

/// Slots that move to the same member and wait for the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Move {
    /// The controllers.
    pub controllers: Vec<String>,
    /// Which slots of each, as ranges like `0-340,512`.
    pub slots: SlotSet,
    /// How many.
    pub count: usize,
    /// The member that the table gives them to.
    pub to: String,
    /// All of these have to happen first.
    pub waits_for: Vec<Wait>,
}

/// What has to happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Wait {
    /// By whom.
    pub member: String,
    /// What kind of thing.
    pub reason: WaitReason,
    /// In words, after "which".
    pub message: String,
}

/// What has to happen, as scripts want it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitReason {
    /// It has not seen the newest table.
    Unseen,
    /// It has, and still holds slots.
    Holds,
    /// It does not renew its Lease: it will be fenced.
    Silent,
    /// Its Lease was deleted: it will be fenced by another in its place.
    Missing,
    /// The new owner itself is about to begin.
    TakingOver,
    /// The new owner cannot begin any more: the table is about to change again.
    OwnerGone,
}

/// All moves in progress.
pub(super) fn moves(snapshot: &Snapshot, now: Timestamp) -> Vec<Move> {
    let Some(seen) = &snapshot.table else { return Vec::new() };
    let mut same: BTreeMap<(String, MemberId, BTreeSet<MemberId>), Vec<String>> = BTreeMap::new();
    for lane in seen.table.lanes.keys() {
        for ((owner, preds), slots) in lane_moves(snapshot, seen, lane) {
            same.entry((slots.to_string(), owner, preds)).or_default().push(lane_text(lane));
        }
    }
    let mut moves: Vec<Move> = same
        .into_iter()
        .map(|((ranges, owner, preds), controllers)| {
            let slots: SlotSet = ranges.parse().unwrap_or_default();
            let lane = Lane::from(controllers.first().map(String::as_str).unwrap_or_default());
            let waits_for = if preds.is_empty() {
                vec![waits_for_owner(snapshot, seen, &owner, now)]
            } else {
                preds.iter().map(|pred| waits_for_pred(snapshot, seen, &lane, &slots, pred, now)).collect()
            };
            Move { controllers, count: slots.len(), slots, to: owner.as_str().to_owned(), waits_for }
        })
        .collect();
    moves.sort_by_key(|moving| moving.slots.iter().next());
    moves
}

/// Slots of one controller that are not with their owner, by owner and by who keeps them from it.
fn lane_moves(
    snapshot: &Snapshot,
    seen: &TableSeen,
    lane: &Lane,
) -> BTreeMap<(MemberId, BTreeSet<MemberId>), SlotSet> {
    let mut groups: BTreeMap<(MemberId, BTreeSet<MemberId>), SlotSet> = BTreeMap::new();
    let column = seen.table.lanes.get(lane).into_iter().flat_map(|column| column.iter());
    for (slot, entry) in (0..).map(SlotId).zip(column) {
        let preds = blocking(snapshot, seen, lane, slot, entry);
        let holds = |owner: &MemberSeen| !owner.record.fenced && owner.record.holds(lane, slot);
        let holds = snapshot.members.get(&entry.owner).is_some_and(holds);
        if !holds || !preds.is_empty() {
            groups.entry((entry.owner.clone(), preds)).or_default().insert(slot);
        }
    }
    groups
}

/// Previous owners that are not proven gone.
fn blocking(
    snapshot: &Snapshot,
    seen: &TableSeen,
    lane: &Lane,
    slot: SlotId,
    entry: &Entry,
) -> BTreeSet<MemberId> {
    let gone = |pred: &MemberId| {
        snapshot.members.get(pred).is_some_and(|member| {
            is_proven_gone(&member.record, &seen.uid, seen.table.generation, lane, slot, Rules::all())
        })
    };
    entry.preds.iter().filter(|pred| **pred != entry.owner && !gone(pred)).cloned().collect()
}

fn waits_for_pred(
    snapshot: &Snapshot,
    seen: &TableSeen,
    lane: &Lane,
    slots: &SlotSet,
    pred: &MemberId,
    now: Timestamp,
) -> Wait {
    let generation = seen.table.generation;
    let wait = |reason, message: String| Wait { member: pred.as_str().to_owned(), reason, message };
    let Some(member) = snapshot.members.get(pred) else {
        let message = "has no Lease any more: somebody deleted it; it is fenced in its place";
        return wait(WaitReason::Missing, message.to_owned());
    };
    let record = &member.record;
    let held = slots.iter().filter(|slot| record.holds(lane, *slot)).count();
    if snapshot.state(pred, now) == MemberState::Silent {
        return wait(WaitReason::Silent, "does not renew its Lease: it is fenced if that goes on".to_owned());
    }
    if record.table.as_deref() != Some(seen.uid.as_str()) || record.seen != generation {
        let message = format!("has not acknowledged generation {generation}: it is at {}", record.seen);
        return wait(WaitReason::Unseen, message);
    }
    let message = format!("still holds {held} of them: reconciles under way end first");
    wait(WaitReason::Holds, message)
}

/// Nobody stands in the way of the new owner.
fn waits_for_owner(snapshot: &Snapshot, seen: &TableSeen, owner: &MemberId, now: Timestamp) -> Wait {
    let generation = seen.table.generation;
    let at = snapshot.members.get(owner).map_or(0, |member| member.record.seen);
    let (reason, message) = match snapshot.state(owner, now) {
        MemberState::Fenced | MemberState::Left => (
            WaitReason::OwnerGone,
            "is over: its slots go to others, or to the next host that starts".to_owned(),
        ),
        MemberState::Missing => (
            WaitReason::Missing,
            "has no Lease any more: somebody deleted it; it is fenced in its place".into(),
        ),
        MemberState::Silent => {
            (WaitReason::Silent, "does not renew its Lease: it is fenced if that goes on".to_owned())
        }
        MemberState::Active | MemberState::Draining if at < generation => (
            WaitReason::Unseen,
            format!("has not said yet that it acts by generation {generation}: it is at {at}"),
        ),
        MemberState::Active | MemberState::Draining => {
            let message = "takes over: nobody else holds them, and its next renewal says when it does";
            (WaitReason::TakingOver, message.to_owned())
        }
    };
    Wait { member: owner.as_str().to_owned(), reason, message }
}

//! What a ring must come to once faults have stopped.

use polyreme_ownership::member::Phase;
use polyreme_ownership::placement::TOLERANCE_PERCENT;
use polyreme_ownership::plan::Placement;
use polyreme_ownership::{Lane, SlotId, SlotState, Table};

use super::node::Node;
use super::{Violation, World};

/// Every slot of a controller that somebody loads is owned by exactly the member that the table names,
/// no move is in progress, and nobody has more than its share.
pub(crate) fn check(world: &World) -> Result<(), Violation> {
    let table = world.api.table().ok_or_else(|| Violation::Unsettled("there is no table".to_owned()))?;
    let members: Vec<&Node> = world.alive().map(|(_, node)| node).collect();
    for node in &members {
        agrees(node, table).map_err(Violation::Unsettled)?;
    }
    for lane in &world.setup.lanes {
        let loading: Vec<&Node> =
            members.iter().copied().filter(|node| node.member.config().lanes.contains(lane)).collect();
        if loading.is_empty() {
            continue;
        }
        for slot in world.setup.slots.all() {
            is_owned(&loading, table, lane, slot).map_err(Violation::Unsettled)?;
        }
        if world.setup.placement == Placement::Sharded {
            is_level(&loading, table, lane).map_err(Violation::Unsettled)?;
        }
    }
    Ok(())
}

fn agrees(node: &Node, table: &Table) -> Result<(), String> {
    let member = &node.member;
    if member.phase() != Phase::Active {
        return Err(format!("{} is {:?}", member.id(), member.phase()));
    }
    match member.table() {
        Some(known) if **known == *table => Ok(()),
        other => Err(format!("{} acts by {other:?}, not by {table:?}", member.id())),
    }
}

fn is_owned(loading: &[&Node], table: &Table, lane: &Lane, slot: SlotId) -> Result<(), String> {
    let entry = table.entry(lane, slot).ok_or_else(|| format!("slot {slot} of {lane} is in no table"))?;
    if !entry.preds.is_empty() {
        return Err(format!("slot {slot} of {lane} still waits for {:?}", entry.preds));
    }
    for node in loading {
        let (id, state) = (node.member.id(), node.member.slot(lane, slot));
        let fits = match state {
            SlotState::Owned { .. } => *id == entry.owner,
            SlotState::NotMine => *id != entry.owner,
            _ => false,
        };
        if !fits {
            return Err(format!("slot {slot} of {lane} is {state:?} at {id} and belongs to {}", entry.owner));
        }
    }
    let owned = loading.iter().any(|node| *node.member.id() == entry.owner);
    if owned {
        Ok(())
    } else {
        Err(format!("slot {slot} of {lane} belongs to {}, which is gone", entry.owner))
    }
}

fn is_level(loading: &[&Node], table: &Table, lane: &Lane) -> Result<(), String> {
    let weight = |node: &Node| u64::from(node.member.config().weight);
    let total: u64 = loading.iter().map(|node| weight(node)).sum();
    for node in loading {
        let owned = table.owned(lane, node.member.id()).len() as u64;
        let share = u64::from(table.slots.get()) * weight(node) * (100 + TOLERANCE_PERCENT);
        if owned > share.div_ceil(total * 100) {
            return Err(format!(
                "{} owns {owned} slots of {lane}, too many: {}",
                node.member.id(),
                table.encode()
            ));
        }
    }
    Ok(())
}

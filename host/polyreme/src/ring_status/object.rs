//! Who owns one object, and why.

use polyreme_ownership::slots::Root;
use polyreme_ownership::{Lane, SlotId};
use serde::Serialize;

use super::snapshot::Snapshot;
use super::{RingStatus, Wait};

/// Where an object belongs, and where those that control it do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectsStatus {
    /// The ring.
    pub ring: String,
    /// Where its Leases are.
    pub namespace: String,
    /// The object, its controlling owner, that one's, and so on; empty while the ring has no table.
    pub objects: Vec<ObjectStatus>,
}

/// Where one object belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStatus {
    /// `websites.webhosting.polyreme.dev`
    pub resource: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// `metadata.name`
    pub name: String,
    /// The text that is hashed.
    pub key: String,
    /// FNV-1a-64 of it, in hexadecimal.
    pub hash: String,
    /// The slot.
    pub slot: u16,
    /// Who owns that slot; controllers with the same answer share one.
    pub owners: Vec<ObjectOwner>,
}

/// The owner of a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectOwner {
    /// The controllers.
    pub controllers: Vec<String>,
    /// Name of the Lease of the member that the table gives the slot to.
    pub member: String,
    /// Whether it has it.
    pub is_held: bool,
    /// What has to happen before it has it.
    pub waits_for: Vec<Wait>,
}

impl ObjectStatus {
    /// Where `root` belongs; nothing while the ring has no table.
    #[must_use]
    pub fn new(snapshot: &Snapshot, status: &RingStatus, root: &Root<'_>) -> Option<Self> {
        let table = &snapshot.table.as_ref()?.table;
        let hash = table.key.hash(root);
        let slot = table.slots.slot_of(hash);
        let mut owners: Vec<ObjectOwner> = Vec::new();
        for (lane, column) in &table.lanes {
            let Some(entry) = column.get(slot.index()) else { continue };
            let mut owner = owner_of(status, lane, slot, entry.owner.as_str());
            match owners.iter_mut().find(|known| known.same_answer(&owner)) {
                Some(known) => known.controllers.append(&mut owner.controllers),
                None => owners.push(owner),
            }
        }
        Some(Self {
            resource: [root.resource, root.group].join(".").trim_end_matches('.').to_owned(),
            namespace: root.namespace.to_owned(),
            name: root.name.to_owned(),
            key: table.key.text(root),
            hash: format!("{hash:016x}"),
            slot: slot.0,
            owners,
        })
    }
}

impl ObjectOwner {
    fn same_answer(&self, other: &Self) -> bool {
        (&self.member, &self.waits_for) == (&other.member, &other.waits_for)
    }
}

fn owner_of(status: &RingStatus, lane: &Lane, slot: SlotId, member: &str) -> ObjectOwner {
    let moving = status.moves.iter().find(|moving| {
        moving.slots.contains(slot) && moving.controllers.iter().any(|name| name == lane.as_str())
    });
    ObjectOwner {
        controllers: vec![lane.as_str().to_owned()],
        member: member.to_owned(),
        is_held: moving.is_none(),
        waits_for: moving.map(|moving| moving.waits_for.clone()).unwrap_or_default(),
    }
}

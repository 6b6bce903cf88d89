//! What the Leases of a ring say, for people and scripts: `polyreme ring`.
//!
//! [`Snapshot`] reads the Leases, [`RingStatus`] is what follows from them, [`ObjectsStatus`] answers for
//! one object, and both print themselves as text or, by serde, as the JSON that `docs/operating.md`
//! documents. All of it is a function of the Leases and of the time: the same rules that hosts act by
//! (`polyreme_ownership::plan::is_proven_gone`) say here what a move waits for.
//!
//! Times are those that hosts wrote, by their own clocks, and only shown; no host decides anything by
//! them. So "silent" here is a guess, while what has been acknowledged is not.

pub mod lookup;
mod moves;
mod object;
mod snapshot;
mod text;

use std::collections::BTreeMap;

use polyreme_ownership::{KeyBy, ModuleInfo, Table};
use serde::Serialize;

pub use k8s_openapi::jiff::Timestamp;
pub use moves::{Move, Wait, WaitReason};
pub use object::{ObjectOwner, ObjectStatus, ObjectsStatus};
pub use snapshot::{MemberSeen, Snapshot, TableSeen};

/// A ring at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RingStatus {
    /// Its name.
    pub ring: String,
    /// Where its Leases are.
    pub namespace: String,
    /// The table; absent while there is none.
    pub table: Option<TableStatus>,
    /// Everybody who has a Lease or is named by the table, by name.
    pub members: Vec<MemberStatus>,
    /// Slots that are not with their owner yet.
    pub moves: Vec<Move>,
    /// Leases that cannot be read, and other things that somebody should look at.
    pub problems: Vec<String>,
}

/// The table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TableStatus {
    /// Grows with every change.
    pub generation: u64,
    /// Slots of each controller.
    pub slots: u16,
    /// What decides an object's slot.
    pub key: KeyBy,
    /// When it was last changed.
    pub changed: Option<String>,
    /// By name.
    pub controllers: Vec<ControllerStatus>,
}

/// Who owns the slots of a controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ControllerStatus {
    /// Its name in the configuration.
    pub name: String,
    /// Members that own or hold any, by name.
    pub owners: Vec<OwnerStatus>,
}

/// One member's part of a controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerStatus {
    /// Name of its Lease.
    pub member: String,
    /// Slots that the table gives to it.
    pub owned: usize,
    /// Slots that it may act on: what it says, and nothing once it is fenced.
    pub held: usize,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberStatus {
    /// Name of its Lease.
    pub name: String,
    /// What the host is called.
    pub identity: String,
    /// Its pod; empty outside a cluster.
    pub pod: String,
    /// The pod's namespace.
    pub pod_namespace: String,
    /// The node's zone.
    pub zone: String,
    /// Version of the host.
    pub version: String,
    /// Where it is in its life.
    pub state: MemberState,
    /// When its Lease was created.
    pub created: Option<String>,
    /// When it last renewed, by its own clock.
    pub renewed: Option<String>,
    /// Its share relative to the others.
    pub weight: u32,
    /// Generation of the table that it acts by.
    pub seen_generation: u64,
    /// Slots that the table gives to it, over all controllers.
    pub owned: usize,
    /// Slots that it may act on, over all controllers.
    pub held: usize,
    /// Controllers that it loads.
    pub controllers: Vec<String>,
    /// The profile that it was started with.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub profile: String,
    /// What it runs, by controller.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub modules: BTreeMap<String, ModuleStatus>,
}

/// What a member runs for one controller.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModuleStatus {
    /// Version of the module, as it says.
    pub version: String,
    /// The beginning of its digest.
    pub digest: String,
    /// Whether the controller works, and runs what its configuration says.
    pub ready: bool,
}

/// Where a member is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberState {
    /// It takes part.
    Active,
    /// It gives everything away.
    Draining,
    /// It has not renewed for as long as its Lease is good for.
    Silent,
    /// Another member took over from it; it never acts again.
    Fenced,
    /// It gave everything away and ended.
    Left,
    /// The table names it, and it has no Lease.
    Missing,
}

impl MemberState {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Silent => "silent",
            Self::Fenced => "fenced",
            Self::Left => "left",
            Self::Missing => "missing",
        }
    }
}

impl RingStatus {
    /// What follows from the Leases at `now`.
    #[must_use]
    pub fn new(snapshot: &Snapshot, now: Timestamp) -> Self {
        let mut problems = snapshot.problems.clone();
        if snapshot.table.is_none() {
            problems.push(
                "there is no table: nobody owns anything until a member writes one; when it was deleted \
                 by hand, that takes as long as replacing a dead host"
                    .to_owned(),
            );
        }
        Self {
            ring: snapshot.ring.clone(),
            namespace: snapshot.namespace.clone(),
            table: snapshot.table.as_ref().map(|seen| table_status(snapshot, seen)),
            members: snapshot.names().into_iter().map(|id| member_status(snapshot, id, now)).collect(),
            moves: moves::moves(snapshot, now),
            problems,
        }
    }

    /// The same without what every renewal changes, for telling whether anything is new.
    #[must_use]
    pub fn without_renewals(mut self) -> Self {
        for member in &mut self.members {
            member.renewed = None;
        }
        self
    }
}

fn table_status(snapshot: &Snapshot, seen: &TableSeen) -> TableStatus {
    let table = &seen.table;
    let owner = |lane, id| OwnerStatus {
        member: id_text(id),
        owned: table.owned(lane, id).len(),
        held: snapshot.held(lane, id).len(),
    };
    let controller = |lane| ControllerStatus {
        name: lane_text(lane),
        owners: snapshot
            .names()
            .into_iter()
            .map(|id| owner(lane, id))
            .filter(|owner| owner.owned + owner.held > 0)
            .collect(),
    };
    TableStatus {
        generation: table.generation,
        slots: table.slots.get(),
        key: table.key,
        changed: seen.changed.map(|at| at.to_string()),
        controllers: table.lanes.keys().map(controller).collect(),
    }
}

fn member_status(snapshot: &Snapshot, id: &polyreme_ownership::MemberId, now: Timestamp) -> MemberStatus {
    let owned = |table: &Table| table.lanes.keys().map(|lane| table.owned(lane, id).len()).sum();
    let owned = snapshot.table.as_ref().map_or(0, |seen| owned(&seen.table));
    let state = snapshot.state(id, now);
    let Some(seen) = snapshot.members.get(id) else {
        return MemberStatus {
            name: id_text(id),
            identity: String::new(),
            pod: String::new(),
            pod_namespace: String::new(),
            zone: String::new(),
            version: String::new(),
            state,
            created: None,
            renewed: None,
            weight: 0,
            seen_generation: 0,
            owned,
            held: 0,
            controllers: Vec::new(),
            profile: String::new(),
            modules: BTreeMap::new(),
        };
    };
    let (record, info) = (&seen.record, seen.record.info.clone());
    MemberStatus {
        name: id_text(id),
        identity: info.identity,
        pod: info.pod,
        pod_namespace: info.namespace,
        zone: info.zone,
        version: info.host_version,
        state,
        created: seen.created.map(|at| at.to_string()),
        renewed: seen.renewed.map(|at| at.to_string()),
        weight: record.weight,
        seen_generation: record.seen,
        owned,
        held: if record.fenced { 0 } else { record.held_count() },
        controllers: record.lanes.iter().map(lane_text).collect(),
        profile: info.profile,
        modules: info.modules.iter().map(|(lane, info)| (lane_text(lane), module(info))).collect(),
    }
}

fn module(info: &ModuleInfo) -> ModuleStatus {
    let ModuleInfo { version, digest, ready } = info.clone();
    ModuleStatus { version, digest, ready }
}

fn id_text(id: &polyreme_ownership::MemberId) -> String {
    id.as_str().to_owned()
}

fn lane_text(lane: &polyreme_ownership::Lane) -> String {
    lane.as_str().to_owned()
}

#[cfg(test)]
mod tests;

//! The Leases of a ring, read.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::Timestamp;
use polyreme_ownership::{Lane, MemberId, MemberRecord, SlotSet, Table};

use super::MemberState;
use crate::explain;
use crate::ownership::names::{MEMBER_ANNOTATION, ROLE_LABEL, ROLE_MEMBER, ROLE_TABLE, TABLE_ANNOTATION};

/// What the Leases of one ring say.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The ring.
    pub ring: String,
    /// Where its Leases are.
    pub namespace: String,
    /// The table, if there is one that can be read.
    pub table: Option<TableSeen>,
    /// Members that have a Lease.
    pub members: BTreeMap<MemberId, MemberSeen>,
    /// What could not be read.
    pub problems: Vec<String>,
}

/// The table and its Lease.
#[derive(Clone, Debug)]
pub struct TableSeen {
    /// Its content.
    pub table: Table,
    /// Uid of its Lease, which acknowledgements name.
    pub uid: String,
    /// When it was last written.
    pub changed: Option<Timestamp>,
}

/// A member and its Lease.
#[derive(Clone, Debug)]
pub struct MemberSeen {
    /// What it says of itself.
    pub record: MemberRecord,
    /// When its Lease was created.
    pub created: Option<Timestamp>,
    /// When it was last renewed, by the member's clock.
    pub renewed: Option<Timestamp>,
    /// How long a renewal is good for.
    pub hold_for: Duration,
}

impl Snapshot {
    /// Reads the Leases that are labelled with `ring`.
    #[must_use]
    pub fn new<'a>(ring: &str, namespace: &str, leases: impl IntoIterator<Item = &'a Lease>) -> Self {
        let mut snapshot = Self {
            ring: ring.to_owned(),
            namespace: namespace.to_owned(),
            table: None,
            members: BTreeMap::new(),
            problems: Vec::new(),
        };
        leases.into_iter().for_each(|lease| snapshot.read(lease));
        snapshot.forget_removed();
        snapshot
    }

    /// A controller that was removed from every host stays in the table until its last owner is gone, and
    /// means nothing.
    fn forget_removed(&mut self) {
        let living: Vec<&MemberRecord> =
            self.members.values().map(|seen| &seen.record).filter(|record| !record.fenced).collect();
        let matters = |lane: &Lane| {
            living.is_empty()
                || living.iter().any(|record| record.lanes.contains(lane) || record.held.contains_key(lane))
        };
        if let Some(seen) = &mut self.table {
            seen.table.lanes.retain(|lane, _| matters(lane));
        }
    }

    fn read(&mut self, lease: &Lease) {
        let name = lease.metadata.name.clone().unwrap_or_default();
        let role = value(lease.metadata.labels.as_ref(), ROLE_LABEL);
        match role {
            Some(ROLE_TABLE) => self.read_table(&name, lease),
            Some(ROLE_MEMBER) => self.read_member(&name, lease),
            _ => self.problems.push(format!("Lease {name} has no {ROLE_LABEL} label: not a host's")),
        }
    }

    fn read_table(&mut self, name: &str, lease: &Lease) {
        let text = value(lease.metadata.annotations.as_ref(), TABLE_ANNOTATION).unwrap_or_default();
        match Table::decode(text) {
            Ok(table) => {
                let uid = lease.metadata.uid.clone().unwrap_or_default();
                self.table = Some(TableSeen { table, uid, changed: renewed(lease) });
            }
            Err(error) => self.problems.push(format!("Lease {name}: {}", explain::chain(&error))),
        }
    }

    /// A member that cannot be read is one that takes part in nothing, as hosts see it.
    fn read_member(&mut self, name: &str, lease: &Lease) {
        let text = value(lease.metadata.annotations.as_ref(), MEMBER_ANNOTATION).unwrap_or_default();
        let record = MemberRecord::decode(text).unwrap_or_else(|error| {
            self.problems.push(format!("Lease {name}: {}", explain::chain(&error)));
            MemberRecord::placeholder(None)
        });
        let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).unwrap_or(0);
        let seen = MemberSeen {
            record,
            created: lease.metadata.creation_timestamp.as_ref().map(|time| time.0),
            renewed: renewed(lease),
            hold_for: Duration::from_secs(u64::try_from(seconds).unwrap_or(0)),
        };
        self.members.insert(name.into(), seen);
    }

    /// Everybody who has a Lease or is named by the table.
    #[must_use]
    pub fn names(&self) -> BTreeSet<&MemberId> {
        let named = self.table.iter().flat_map(|seen| seen.table.named());
        self.members.keys().chain(named).collect()
    }

    /// Slots of a controller that a member may act on: what it says, and nothing once it is fenced.
    pub(super) fn held(&self, lane: &Lane, id: &MemberId) -> SlotSet {
        let record = self.members.get(id).map(|seen| &seen.record).filter(|record| !record.fenced);
        record.and_then(|record| record.held.get(lane)).cloned().unwrap_or_default()
    }

    /// Where a member is in its life.
    pub(super) fn state(&self, id: &MemberId, now: Timestamp) -> MemberState {
        let Some(seen) = self.members.get(id) else { return MemberState::Missing };
        let silence = seen.renewed.map(|renewed| since(renewed, now)).unwrap_or_default();
        match (seen.record.fenced, seen.record.draining) {
            (true, true) => MemberState::Left,
            (true, false) => MemberState::Fenced,
            (false, _) if silence >= seen.hold_for => MemberState::Silent,
            (false, true) => MemberState::Draining,
            (false, false) => MemberState::Active,
        }
    }
}

/// Time from `then` to `now`; zero when a clock elsewhere is ahead.
pub(super) fn since(then: Timestamp, now: Timestamp) -> Duration {
    let millis = now.as_millisecond().saturating_sub(then.as_millisecond());
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

fn renewed(lease: &Lease) -> Option<Timestamp> {
    Some(lease.spec.as_ref()?.renew_time.as_ref()?.0)
}

fn value<'a>(map: Option<&'a BTreeMap<String, String>>, key: &str) -> Option<&'a str> {
    map?.get(key).map(String::as_str)
}

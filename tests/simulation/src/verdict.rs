//! What must be true of a simulation: the outside judge's rules over what the observer saw, and rest.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::jiff::Timestamp;
use polyreme::ownership::names::{MEMBER_ANNOTATION, TABLE_ANNOTATION};
use polyreme_ownership::{MemberId, MemberRecord, Table};
use polyreme_tests::judge::rules::Faults;
use polyreme_tests::judge::{self, Deed, History, Phase, Sighting, TraceKind, Write};
use serde_json::Value;

use crate::network::Trace;

/// Of the ring: enough that every host has some, few enough that tables are cheap.
pub(crate) const SLOTS: u16 = 64;

/// What the judge is given.
pub(crate) struct Evidence<'a> {
    pub(crate) sightings: Vec<Sighting>,
    pub(crate) traces: &'a [Trace],
    /// Reconciles whose host was not told what came of a write.
    pub(crate) unanswered: BTreeSet<&'a str>,
}

impl Evidence<'_> {
    /// Breaks no rule.
    pub(crate) fn judge(&self) -> Result<()> {
        let traces = self.traces.iter().map(|trace| judge::Trace {
            token: trace.token.clone(),
            at: Timestamp::UNIX_EPOCH + trace.at,
            kind: if trace.is_write { TraceKind::Refused } else { TraceKind::Read },
        });
        let history = History { traces: traces.collect(), ..History::from_watch(&self.sightings) };
        let mut faults = Faults::of(&history);
        faults.needless.retain(|write| !self.may_repeat(&history, write));
        faults.ensure_none()
    }

    /// Whether its host did the same before and was not told that it had succeeded: a change is reconciled
    /// at least once, and what the host does not know, and its watch did not show yet, it does again.
    fn may_repeat(&self, history: &History, repeated: &Write) -> bool {
        let Deed::Marked(again) = &repeated.deed else { return false };
        history
            .writes
            .iter()
            .filter(|write| write.object == repeated.object && write.order < repeated.order)
            .any(|write| {
                let Deed::Marked(mark) = &write.deed else { return false };
                let is_same = mark.host == again.host && mark.seq == again.seq && mark.phase == Phase::End;
                is_same && self.unanswered.contains(mark.token.as_str())
            })
    }
}

/// All objects done, all slots owned by hosts that live and say so, nothing on its way.
pub(crate) fn ensure_rest(probes: &[Value], leases: &[Value], hosts: &[&str]) -> Result<()> {
    for probe in probes {
        let (wanted, done) = (&probe["spec"]["seq"], &probe["status"]["done"]);
        ensure!(wanted == done, "{} is to be {wanted} and is {done}", probe["metadata"]["name"]);
    }
    let mut table = None;
    let mut members = BTreeMap::new();
    for lease in leases {
        let metadata = &lease["metadata"];
        if let Some(text) = metadata["annotations"][TABLE_ANNOTATION].as_str() {
            let uid = metadata["uid"].as_str().unwrap_or_default();
            table = Some((uid, Table::decode(text).context("failed to read the table")?));
        } else if let Some(text) = metadata["annotations"][MEMBER_ANNOTATION].as_str() {
            let record = MemberRecord::decode(text).context("failed to read a member")?;
            members.insert(MemberId::from(metadata["name"].as_str().unwrap_or_default()), record);
        }
    }
    let (uid, table) = table.context("there is no table")?;
    members.retain(|_, record| !record.fenced);
    let named: BTreeSet<&str> = members.values().map(|record| record.info.identity.as_str()).collect();
    let is_all = named.len() == members.len() && named == hosts.iter().copied().collect::<BTreeSet<_>>();
    ensure!(is_all, "members are {named:?}, {} Leases", members.len());
    ensure_agreement(uid, &table, &members)
}

fn ensure_agreement(uid: &str, table: &Table, members: &BTreeMap<MemberId, MemberRecord>) -> Result<()> {
    for (lane, column) in &table.lanes {
        ensure!(column.len() == usize::from(SLOTS), "{lane} has {} slots", column.len());
        for entry in column.iter() {
            ensure!(members.contains_key(&entry.owner), "{} owns a slot and is no member", entry.owner);
            ensure!(entry.preds.is_empty(), "{:?} are waited for", entry.preds);
        }
        for (id, record) in members {
            let (owned, held) = (table.owned(lane, id), record.held.get(lane).cloned().unwrap_or_default());
            ensure!(owned == held, "{id} owns {owned:?} and holds {held:?}");
            let is_seen = record.table.as_deref() == Some(uid) && record.seen == table.generation;
            ensure!(is_seen, "{id} is at {} of {}", record.seen, table.generation);
        }
    }
    ensure!(!table.lanes.is_empty(), "the table is empty");
    Ok(())
}

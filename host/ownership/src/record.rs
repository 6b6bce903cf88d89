//! What a member says of itself, in the annotation of its Lease.
//!
//! The schema is documented in `docs/handover.md`, so that the protocol can be followed from outside.
//! Unknown fields are ignored: hosts of two versions share a ring during a rolling update.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::Lane;
use crate::slots::{SlotId, SlotSet};
use crate::timing::Timing;

/// Version of the annotation that this code writes, and the newest it reads.
pub const RECORD_VERSION: u32 = 1;

/// Weight of a member unless told.
pub const DEFAULT_WEIGHT: u32 = 100;

/// A member's published state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MemberRecord {
    /// Uid of the table Lease that [`seen`](Self::seen) counts in; absent before the first table.
    pub table: Option<Arc<str>>,
    /// Newest generation of the table that this member acts by.
    pub seen: u64,
    /// Slots that it may still act on. Every slot that the table at `seen` does not give to it and that
    /// is not listed here is acknowledged as released.
    pub held: BTreeMap<Lane, SlotSet>,
    /// It never acts again.
    pub fenced: bool,
    /// It wants to leave.
    pub draining: bool,
    /// Its share relative to the others.
    pub weight: u32,
    /// Controllers that it loads.
    pub lanes: BTreeSet<Lane>,
    /// How long it holds, and when its silence counts; absent where nobody knows.
    pub timing: Option<Timing>,
    /// For people.
    pub info: MemberInfo,
}

/// What people want to know of a member; no rule reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MemberInfo {
    /// `--identity`, or the pod's name.
    pub identity: String,
    /// Name of the pod, empty outside a cluster.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pod: String,
    /// Namespace of the pod.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Zone of the node.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub zone: String,
    /// Version of the host.
    pub host_version: String,
    /// The profile that it was started with, if any.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub profile: String,
    /// What it runs, by controller.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub modules: BTreeMap<Lane, ModuleInfo>,
}

/// What a member runs for one controller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ModuleInfo {
    /// Version of the module, as it says.
    pub version: String,
    /// The beginning of its digest.
    pub digest: String,
    /// Whether the controller works, and runs what its configuration says.
    pub ready: bool,
}

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON of this shape.
    #[error("failed to read the annotation of a Lease")]
    Json(#[from] serde_json::Error),
    /// Written by a newer host in a way that this one does not understand.
    #[error(
        "failed to read the annotation of a Lease: its version is {found}, this host reads up to {newest}: upgrade it"
    )]
    Version {
        /// What it says.
        found: u32,
        /// What this code reads.
        newest: u32,
    },
    /// A field that contradicts another.
    #[error("failed to read the annotation of a Lease: {0}")]
    Invalid(String),
}

impl DecodeError {
    /// Whether a newer host can read it. What nobody can read is damaged.
    #[must_use]
    pub fn is_newer(&self) -> bool {
        matches!(self, Self::Version { .. })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Encoded {
    version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    table_uid: Option<Arc<str>>,
    #[serde(default)]
    seen_generation: u64,
    #[serde(default)]
    held: Vec<EncodedHeld>,
    #[serde(default)]
    fenced: bool,
    #[serde(default)]
    draining: bool,
    weight: u32,
    #[serde(default)]
    controllers: BTreeSet<Lane>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timing: Option<EncodedTiming>,
    #[serde(flatten)]
    info: MemberInfo,
}

/// In milliseconds.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EncodedTiming {
    hold_for: u64,
    fence_after: u64,
    renew_every: u64,
}

impl EncodedTiming {
    fn encode(timing: Timing) -> Self {
        // Rounded up: a member is never waited for too shortly.
        let millis =
            |duration: Duration| u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        Self {
            hold_for: millis(timing.hold_for),
            fence_after: millis(timing.fence_after),
            renew_every: millis(timing.renew_every),
        }
    }

    fn decode(&self) -> Timing {
        let told = Timing {
            hold_for: Duration::from_millis(self.hold_for),
            fence_after: Duration::from_millis(self.fence_after),
            renew_every: Duration::from_millis(self.renew_every),
        };
        told.within_reason()
    }
}

/// Controllers that hold the same slots share an entry.
#[derive(Serialize, Deserialize)]
struct EncodedHeld {
    controllers: Vec<Lane>,
    slots: SlotSet,
}

impl MemberRecord {
    /// The record of a member that has just started.
    #[must_use]
    pub fn new(weight: u32, lanes: BTreeSet<Lane>, info: MemberInfo) -> Self {
        Self {
            table: None,
            seen: 0,
            held: BTreeMap::new(),
            fenced: false,
            draining: false,
            weight,
            lanes,
            timing: None,
            info,
        }
    }

    /// What an observer puts in the place of a Lease that was deleted by hand: it never changes by
    /// itself, so the ordinary rules fence it in time, and its former holder can no longer renew. `timing` is
    /// the slowest that it may have had.
    #[must_use]
    pub fn placeholder(timing: Option<Timing>) -> Self {
        let info = MemberInfo { identity: "(deleted by hand)".to_owned(), ..MemberInfo::default() };
        Self { timing, ..Self::new(0, BTreeSet::new(), info) }
    }

    /// Whether it may still act on a slot.
    #[must_use]
    pub fn holds(&self, lane: &Lane, slot: SlotId) -> bool {
        self.held.get(lane).is_some_and(|slots| slots.contains(slot))
    }

    /// Slots held in all lanes.
    #[must_use]
    pub fn held_count(&self) -> usize {
        self.held.values().map(SlotSet::len).sum()
    }

    /// The text of the annotation.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut grouped: Vec<EncodedHeld> = Vec::new();
        for (lane, slots) in self.held.iter().filter(|(_, slots)| !slots.is_empty()) {
            match grouped.iter_mut().find(|group| group.slots == *slots) {
                Some(group) => group.controllers.push(lane.clone()),
                None => grouped.push(EncodedHeld { controllers: vec![lane.clone()], slots: slots.clone() }),
            }
        }
        let encoded = Encoded {
            version: RECORD_VERSION,
            table_uid: self.table.clone(),
            seen_generation: self.seen,
            held: grouped,
            fenced: self.fenced,
            draining: self.draining,
            weight: self.weight,
            controllers: self.lanes.clone(),
            timing: self.timing.map(EncodedTiming::encode),
            info: self.info.clone(),
        };
        serde_json::to_string(&encoded).expect("a record has string keys and no failing serializer")
    }

    /// Reads the annotation.
    ///
    /// # Errors
    /// When it is not a record, or one of a newer version.
    ///
    /// # Example
    /// ```
    /// use polyreme_ownership::{MemberInfo, MemberRecord};
    /// let record = MemberRecord::new(100, ["website".into()].into(), MemberInfo::default());
    /// assert_eq!(MemberRecord::decode(&record.encode())?, record);
    /// # Ok::<(), polyreme_ownership::record::DecodeError>(())
    /// ```
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        let encoded: Encoded = serde_json::from_str(text)?;
        check_version(encoded.version, RECORD_VERSION)?;
        let spread = |held: EncodedHeld| {
            let slots = held.slots;
            held.controllers.into_iter().map(move |lane| (lane, slots.clone()))
        };
        Ok(Self {
            table: encoded.table_uid,
            seen: encoded.seen_generation,
            held: encoded.held.into_iter().flat_map(spread).collect(),
            fenced: encoded.fenced,
            draining: encoded.draining,
            weight: encoded.weight,
            lanes: encoded.controllers,
            timing: encoded.timing.map(|timing| timing.decode()),
            info: encoded.info,
        })
    }
}

pub(crate) fn check_version(found: u32, newest: u32) -> Result<(), DecodeError> {
    if found > newest { Err(DecodeError::Version { found, newest }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn arbitrary() -> impl Strategy<Value = MemberRecord> {
        let held =
            proptest::collection::btree_map("[a-c]", proptest::collection::vec(0_u16..1_024, 1..20), 0..3);
        (held, any::<u64>(), any::<[bool; 2]>(), any::<u32>(), proptest::option::of("[a-z]{1,8}")).prop_map(
            |(held, seen, [fenced, draining], weight, table)| MemberRecord {
                table: table.map(Into::into),
                seen,
                held: held
                    .into_iter()
                    .map(|(lane, slots)| (lane.into(), slots.into_iter().map(SlotId).collect()))
                    .collect(),
                fenced,
                draining,
                weight,
                lanes: ["website".into()].into(),
                timing: draining.then_some(Timing::FAST),
                info: MemberInfo {
                    identity: "a\"b".into(),
                    host_version: "1".into(),
                    ..MemberInfo::default()
                },
            },
        )
    }

    proptest! {
        #[test]
        fn records_survive_their_text(record in arbitrary()) {
            prop_assert_eq!(MemberRecord::decode(&record.encode()).unwrap(), record);
        }
    }

    #[test]
    fn fields_of_a_newer_host_are_ignored_but_a_newer_version_is_not() {
        let text = r#"{"version":1,"weight":5,"somethingNew":{"a":1},"identity":"x"}"#;
        assert_eq!(MemberRecord::decode(text).unwrap().weight, 5);
        let error = MemberRecord::decode(&text.replace(":1,", ":2,")).unwrap_err().to_string();
        assert!(error.contains("upgrade"), "{error}");
    }

    #[test]
    fn a_timing_that_somebody_edited_is_made_one_that_can_be_waited_for() {
        let told = |timing: &str| {
            let text = format!(r#"{{"version":1,"weight":1,"timing":{timing}}}"#);
            MemberRecord::decode(&text).unwrap().timing.unwrap()
        };
        let longest = u64::MAX;
        for timing in [
            r#"{"holdFor":10000,"fenceAfter":11000,"renewEvery":2000}"#.to_owned(),
            r#"{"holdFor":10000,"fenceAfter":0,"renewEvery":90000}"#.to_owned(),
            format!(r#"{{"holdFor":{longest},"fenceAfter":{longest},"renewEvery":{longest}}}"#),
        ] {
            assert_eq!(told(&timing).check(), Ok(()), "{timing}");
        }
    }

    #[test]
    fn a_timing_is_never_told_too_short() {
        let mut record = MemberRecord::new(1, BTreeSet::new(), MemberInfo::default());
        let timing = Timing { hold_for: Duration::from_nanos(4_000_000_001), ..Timing::FAST };
        record.timing = Some(timing);
        let told = MemberRecord::decode(&record.encode()).unwrap().timing.unwrap();
        assert_eq!((told.hold_for.as_millis(), told.check()), (4_001, Ok(())));
        assert!(told.fence_after >= timing.fence_after);
    }

    #[test]
    fn controllers_that_hold_the_same_slots_share_an_entry() {
        let mut record = MemberRecord::new(1, BTreeSet::new(), MemberInfo::default());
        for lane in ["a", "b"] {
            record.held.insert(lane.into(), (0..512).map(SlotId).collect());
        }
        assert!(record.encode().contains(r#""held":[{"controllers":["a","b"],"slots":"0-511"}]"#));
    }
}

//! Leases made by hand in, text and JSON out. `UPDATE_GOLDEN=1` writes the golden files anew.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time};
use polyreme_ownership::slots::Root;
use polyreme_ownership::{
    Entry, KeyBy, Lane, MemberId, MemberInfo, MemberRecord, ModuleInfo, SlotCount, SlotId,
};

use super::*;
use crate::ownership::names::{
    MEMBER_ANNOTATION, RING_LABEL, ROLE_LABEL, ROLE_MEMBER, ROLE_TABLE, TABLE_ANNOTATION, member_lease,
    table_lease,
};

const TABLE_UID: &str = "0b9a7c1e-table";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-21T12:00:00Z")
}

fn lease(name: &str, role: &str, annotation: &str, text: &str, renewed: &str) -> Lease {
    let pairs = |pairs: &[(&str, &str)]| -> Option<BTreeMap<String, String>> {
        Some(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    };
    Lease {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            uid: Some(if role == ROLE_TABLE { TABLE_UID.to_owned() } else { format!("uid-{name}") }),
            labels: pairs(&[(RING_LABEL, "default"), (ROLE_LABEL, role)]),
            annotations: pairs(&[(annotation, text)]),
            creation_timestamp: Some(Time(at("2026-11-21T11:00:00Z"))),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            lease_duration_seconds: Some(10),
            renew_time: Some(MicroTime(at(renewed))),
            ..LeaseSpec::default()
        }),
    }
}

fn id(host: u16) -> MemberId {
    member_lease("default", &format!("host-{host}"), "a1b2c3").into()
}

fn member(host: u16, record: &MemberRecord, renewed: &str) -> Lease {
    lease(id(host).as_str(), ROLE_MEMBER, MEMBER_ANNOTATION, &record.encode(), renewed)
}

/// A member that acts by `seen` and holds these slots of both controllers.
fn record(host: u16, seen: u64, held: &str) -> MemberRecord {
    let info = MemberInfo {
        identity: format!("host-{host}"),
        pod: format!("host-{host}"),
        namespace: "polyreme-system".into(),
        zone: format!("eu-1{}", if host == 0 { 'a' } else { 'b' }),
        host_version: "0.1.0".into(),
        ..MemberInfo::default()
    };
    let lanes = ["deployment-readier".into(), "website".into()];
    let mut record = MemberRecord::new(100, lanes.clone().into(), info);
    record.table = Some(TABLE_UID.into());
    record.seen = seen;
    if !held.is_empty() {
        record.held = lanes.into_iter().map(|lane| (lane, held.parse().unwrap())).collect();
    }
    record
}

/// A table of 64 slots; `owner` says owner and predecessors of each.
fn table(generation: u64, owner: impl Fn(u16) -> (u16, Vec<u16>)) -> Lease {
    let entry = |slot| {
        let (owner, preds) = owner(slot);
        Entry { owner: id(owner), preds: preds.into_iter().map(id).collect() }
    };
    let column = Arc::new((0..64).map(entry).collect::<Vec<_>>());
    let mut table = Table::empty(SlotCount::new(64).unwrap(), KeyBy::Name);
    table.generation = generation;
    for lane in ["website", "deployment-readier"] {
        table.lanes.insert(Lane::from(lane), Arc::clone(&column));
    }
    let name = table_lease("default");
    lease(&name, ROLE_TABLE, TABLE_ANNOTATION, &table.encode(), "2026-11-21T11:59:56Z")
}

fn snapshot(leases: &[Lease]) -> Snapshot {
    Snapshot::new("default", "polyreme-system", leases)
}

fn status(leases: &[Lease]) -> RingStatus {
    RingStatus::new(&snapshot(leases), now())
}

const FRESH: &str = "2026-11-21T11:59:59Z";

/// Two members, each with its half.
fn settled() -> Vec<Lease> {
    vec![
        table(3, |slot| (slot / 32, vec![])),
        member(0, &record(0, 3, "0-31"), FRESH),
        member(1, &record(1, 3, "32-63"), FRESH),
    ]
}

/// A third host joins while the second leaves and the fourth is dead: every kind of wait at once.
fn busy() -> Vec<Lease> {
    let owner = |slot| match slot {
        0..16 => (0, vec![]),
        16..32 => (2, vec![0]),
        32..48 => (2, vec![1]),
        48..60 => (0, vec![3]),
        _ => (2, vec![]),
    };
    let leaving = MemberRecord { draining: true, ..record(1, 4, "40-47") };
    vec![
        table(4, owner),
        member(0, &record(0, 3, "0-31"), FRESH),
        member(1, &leaving, FRESH),
        member(2, &record(2, 4, ""), FRESH),
        member(3, &record(3, 2, "48-63"), "2026-11-21T11:59:45Z"),
    ]
}

/// The text is as in the golden file, or becomes it.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ring_status/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{} differs; UPDATE_GOLDEN=1 writes it anew", path.display());
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

#[test]
fn a_settled_ring_shows_members_owners_and_that_nothing_moves() {
    let status = status(&settled());
    assert_eq!(status.moves, []);
    golden("settled.txt", &status.text(now()));
    golden("settled.json", &json(&status));
}

#[test]
fn every_move_says_what_it_waits_for() {
    let status = status(&busy());
    golden("busy.txt", &status.text(now()));
    golden("busy.json", &json(&status));
}

#[test]
fn an_acknowledgement_of_another_generation_or_table_does_not_count() {
    let move_to_1 = table(5, |_| (1, vec![0]));
    let reason = |pred: &MemberRecord| {
        let leases = [move_to_1.clone(), member(0, pred, FRESH), member(1, &record(1, 5, ""), FRESH)];
        let moves = status(&leases).moves;
        moves.iter().find(|moving| moving.slots.contains(SlotId(7))).unwrap().waits_for[0].reason
    };
    assert_eq!(reason(&record(0, 4, "")), WaitReason::Unseen);
    assert_eq!(reason(&record(0, 6, "")), WaitReason::Unseen);
    assert_eq!(
        reason(&MemberRecord { table: Some("another".into()), ..record(0, 5, "") }),
        WaitReason::Unseen
    );
    assert_eq!(reason(&record(0, 5, "7")), WaitReason::Holds);
    assert_eq!(reason(&record(0, 5, "")), WaitReason::TakingOver);
    assert_eq!(reason(&MemberRecord { fenced: true, ..record(0, 2, "0-63") }), WaitReason::TakingOver);
}

#[test]
fn members_without_lease_and_fenced_owners_are_named() {
    let leases = [table(5, |slot| if slot == 0 { (0, vec![]) } else { (1, vec![2]) })];
    let missing = status(&leases);
    assert_eq!(
        missing.members.iter().map(|member| member.state).collect::<Vec<_>>(),
        [MemberState::Missing; 3]
    );
    assert_eq!(missing.moves[0].waits_for[0].reason, WaitReason::Missing);
    let fenced = MemberRecord { fenced: true, ..record(0, 5, "0") };
    let left = MemberRecord { draining: true, ..fenced.clone() };
    let leases = [table(5, |slot| (slot % 2, vec![])), member(0, &fenced, FRESH), member(1, &left, FRESH)];
    let over = status(&leases);
    let states: Vec<_> = over.members.iter().map(|member| member.state).collect();
    assert_eq!(states, [MemberState::Fenced, MemberState::Left]);
    assert_eq!(over.moves.iter().map(|moving| moving.count).sum::<usize>(), 64);
    assert!(over.moves.iter().all(|moving| moving.waits_for[0].reason == WaitReason::OwnerGone));
}

#[test]
fn a_lease_that_cannot_be_read_is_a_problem_and_not_an_end() {
    let mut leases = settled();
    let newer = r#"{"version":9,"weight":1}"#;
    leases.push(lease("polyreme-default-x", ROLE_MEMBER, MEMBER_ANNOTATION, newer, FRESH));
    leases[0].metadata.annotations = None;
    let status = status(&leases);
    assert!(status.table.is_none());
    assert!(
        status.problems[0].starts_with("Lease polyreme-default: failed to read"),
        "{:?}",
        status.problems
    );
    assert!(status.problems[1].contains("its version is 9"), "{:?}", status.problems);
    assert!(status.problems[2].starts_with("there is no table"), "{:?}", status.problems);
    assert!(status.text(now()).starts_with("Ring default in namespace polyreme-system: no table\n"));
}

#[test]
fn an_object_has_a_slot_an_owner_and_a_reason() {
    let (snapshot, status) = (snapshot(&busy()), status(&busy()));
    let object = |n: u32| {
        let name = format!("site-{n}");
        let (group, resource, namespace) = ("webhosting.polyreme.dev", "websites", "project-foo");
        let root = Root { group, resource, namespace, name: &name, uid: "" };
        ObjectStatus::new(&snapshot, &status, &root).unwrap()
    };
    // Names are tried until their slots are where they are wanted: with their owner, and moving.
    let in_slots =
        |range: std::ops::Range<u16>| (0..).map(object).find(|object| range.contains(&object.slot)).unwrap();
    let objects = ObjectsStatus {
        ring: status.ring.clone(),
        namespace: status.namespace.clone(),
        objects: vec![in_slots(0..16), in_slots(40..48)],
    };
    golden("objects.txt", &status.objects_text(&objects));
    golden("objects.json", &json(&objects));
}

#[test]
fn renewals_alone_are_no_news() {
    let mut renewed = settled();
    renewed[1] = member(0, &record(0, 3, "0-31"), "2026-11-21T11:59:58Z");
    assert_ne!(status(&settled()), status(&renewed));
    assert_eq!(status(&settled()).without_renewals(), status(&renewed).without_renewals());
}

#[test]
fn what_each_host_runs_is_shown_version_by_version() {
    let mut leases = vec![table(3, |slot| (slot / 32, vec![]))];
    for host in [0, 1] {
        let mut record = record(host, 3, if host == 0 { "0-31" } else { "32-63" });
        let info = ModuleInfo { version: "1.2.0".into(), digest: "0123456789ab".into(), ready: host == 0 };
        record.info.profile = if host == 0 { "web".into() } else { String::new() };
        record.info.modules = [("website".into(), info)].into();
        leases.push(member(host, &record, FRESH));
    }
    let text = status(&leases).text(now());
    let line =
        |ready: &str| text.lines().find(|line| line.contains("1.2.0") && line.contains(ready)).unwrap();
    assert!(line("yes").starts_with("website") && line("yes").contains("(web)"), "{text}");
    assert!(line("no").contains("0123456789ab"), "{text}");
}

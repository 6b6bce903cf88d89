//! Marks, on a cluster in memory.

use polyreme_sdk::Reason;
use polyreme_sdk::testing::Fake;
use serde_json::json;

use super::*;

fn probe(seq: i64) -> Probe {
    let mut probe = Probe::new("a", ProbeSpec { seq, reads: 2, ..Default::default() });
    probe.metadata.namespace = Some("lab".into());
    probe
}

fn cluster() -> Fake {
    Fake::new().with(&probe(1)).with_settings(json!({ "host": "host-1" }))
}

#[test]
fn a_reconcile_ends_with_the_token_it_began_with() {
    let cluster = cluster();
    cluster.reconcile::<Marker>("lab/a").unwrap();
    let writes = cluster.take_writes();
    assert_eq!(writes.len(), 2, "{writes:?}");
    let status = cluster.get::<Probe>("lab/a").status.unwrap();
    assert_eq!(status.done, Some(1));
    let mark = status.mark.unwrap();
    assert_eq!((mark.host.as_str(), mark.phase, mark.seq), ("host-1", Phase::End, 1));
    assert_eq!(mark.token.len(), 16);
}

#[test]
fn an_object_that_is_done_is_not_written() {
    let cluster = cluster();
    cluster.reconcile::<Marker>("lab/a").unwrap();
    cluster.take_writes();
    cluster.reconcile::<Marker>("lab/a").unwrap();
    assert!(cluster.take_writes().is_empty());
}

#[test]
fn a_change_is_marked_again_with_another_token() {
    let cluster = cluster();
    cluster.reconcile::<Marker>("lab/a").unwrap();
    let first = cluster.get::<Probe>("lab/a").status.unwrap().mark.unwrap();
    cluster.edit::<Probe>("lab/a", |probe| probe.spec.seq = 2);
    cluster.reconcile::<Marker>("lab/a").unwrap();
    let status = cluster.get::<Probe>("lab/a").status.unwrap();
    assert_eq!(status.done, Some(2));
    assert_ne!(status.mark.unwrap().token, first.token);
}

#[test]
fn a_refused_begin_ends_the_reconcile() {
    let cluster = cluster();
    cluster.fail_next("patch", "Probe", Reason::NotOwner);
    assert!(cluster.reconcile::<Marker>("lab/a").unwrap_err().is_not_owner());
    assert!(cluster.take_writes().is_empty());
}

//! What the gate sends, and what it makes of the answers.

mod bench;
mod shared;

use polyreme_runtime::Kubernetes as _;
use polyreme_runtime::wit::kubernetes::{DeleteOptions, PatchType, Propagation, WriteOptions, Written};
use serde_json::json;

use super::*;
use bench::{Bench, Say, map, status, the_map, window};

const PATCH: &str = r#"{"data":{"k":"new"}}"#;

fn options() -> WriteOptions {
    WriteOptions { subresource: None, field_manager: None, force: false, dry_run: false, want_object: false }
}

fn delete_options() -> DeleteOptions {
    DeleteOptions { propagation: Propagation::Background, uid: None, resource_version: None }
}

fn ok(version: u64) -> Say {
    Say::Answer(200, map("u", version))
}

async fn patch(bench: &Bench) -> Result<Written, Error> {
    patch_with(bench, PATCH).await
}

async fn patch_with(bench: &Bench, patch: &str) -> Result<Written, Error> {
    bench.api.patch(the_map(), PatchType::Merge, patch.into(), options()).await
}

/// An apply of less than the ConfigMap is.
async fn apply(bench: &Bench) -> Result<Written, Error> {
    let mut object = map("u", 0);
    object["data"] = json!({"k": "applied"});
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.retain(|name, _| name != "uid" && name != "resourceVersion");
    bench.api.apply(object.to_string(), options()).await
}

#[tokio::test(start_paused = true)]
async fn every_write_names_its_object_and_the_time_that_is_left() {
    let bench = Bench::new([ok(8), ok(9), ok(10), ok(11), ok(12)]).knowing("u", 7);
    patch(&bench).await.unwrap();
    apply(&bench).await.unwrap();
    let mut object = map("u", 9);
    object["metadata"].as_object_mut().unwrap().remove("uid");
    bench.api.update(object.to_string(), options()).await.unwrap();
    let operations = r#"[{"op":"add","path":"/data/k","value":"v"}]"#;
    bench.api.patch(the_map(), PatchType::JsonPatch, operations.into(), options()).await.unwrap();
    bench.api.delete(the_map(), delete_options()).await.unwrap();

    let asked = bench.asked();
    let timeout = format!("{}ms", window().as_millis());
    for (request, method) in asked.iter().zip(["PATCH", "PATCH", "PUT", "PATCH", "DELETE"]) {
        assert_eq!((request.method.as_str(), request.query("timeout")), (method, Some(timeout.as_str())));
    }
    let metadata = |at: usize| asked[at].body()["metadata"].clone();
    for (at, version) in [(0, "7"), (1, "8"), (2, "9")] {
        assert_eq!(metadata(at)["uid"], "u", "{:?}", asked[at]);
        assert_eq!(metadata(at)["resourceVersion"], version, "{:?}", asked[at]);
    }
    assert_eq!(asked[3].body()[2]["value"], "10");
    assert_eq!(asked[4].body()["preconditions"], json!({"uid": "u", "resourceVersion": "11"}));
}

#[tokio::test(start_paused = true)]
async fn what_is_absent_is_made_without_a_condition() {
    let bench = Bench::new([Say::Answer(201, map("u", 8))]);
    apply(&bench).await.unwrap();
    assert_eq!(bench.asked()[0].body()["metadata"].get("uid"), None);
    let bench = Bench::new([status(409, "AlreadyExists")]).knowing("u", 7);
    let error = bench.api.create(map("", 0).to_string(), options()).await.unwrap_err();
    assert_eq!(error.reason, Reason::AlreadyExists);
    let asked = bench.asked();
    assert_eq!((asked.len(), asked[0].method.as_str()), (1, "POST"));
    assert_eq!(asked[0].body()["metadata"]["uid"], "", "as the guest wrote it");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_somebody_else_moved_is_the_hosts_to_learn() {
    let bench = Bench::new([status(409, "Conflict"), ok(9), ok(10)]).knowing("u", 7);
    let written = patch(&bench).await.unwrap();
    assert!(written.changed);
    assert_eq!(written.resource_version, "10");
    let asked = bench.asked();
    let methods: Vec<_> = asked.iter().map(|request| request.method.as_str()).collect();
    assert_eq!(methods, ["PATCH", "GET", "PATCH"]);
    assert_eq!((asked[0].version(), asked[2].version()), (json!("7"), json!("9")));
    assert_eq!(bench.cached().as_deref(), Some("10"));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_learns_the_version_as_well() {
    let gone = json!({"kind": "Status", "status": "Success", "details": {"uid": "u"}});
    let bench = Bench::new([status(409, "Conflict"), ok(9), Say::Answer(200, gone)]).knowing("u", 7);
    bench.api.delete(the_map(), delete_options()).await.unwrap();
    assert_eq!(bench.asked()[2].body()["preconditions"], json!({"uid": "u", "resourceVersion": "9"}));
    assert_eq!(bench.cached(), None);
}

#[tokio::test(start_paused = true)]
async fn a_conflict_over_what_the_guest_pinned_is_the_guests() {
    let bench = Bench::new([status(409, "Conflict")]).knowing("u", 7);
    let pinned = r#"{"metadata":{"resourceVersion":"5"},"data":{"k":"new"}}"#;
    assert_eq!(patch_with(&bench, pinned).await.unwrap_err().reason, Reason::Conflict);
    let asked = bench.asked();
    assert_eq!((asked.len(), asked[0].version()), (1, json!("5")));
    assert_eq!(asked[0].body()["metadata"]["uid"], "u", "the uid is still added");
}

#[tokio::test(start_paused = true)]
async fn a_conflict_that_no_version_solves_is_told() {
    let managers = json!({
        "kind": "Status", "code": 409, "reason": "Conflict", "message": "Apply failed with 1 conflict",
        "details": {"causes": [{"reason": "FieldManagerConflict", "field": ".data.k", "message": "m"}]},
    });
    let bench = Bench::new([Say::Answer(409, managers)]).knowing("u", 7);
    let error = apply(&bench).await.unwrap_err();
    assert_eq!((error.reason, bench.asked().len()), (Reason::Conflict, 1), "of field managers");

    let bench = Bench::new([status(409, "Conflict"), ok(7)]).knowing("u", 7);
    let error = patch(&bench).await.unwrap_err();
    assert_eq!((error.reason, bench.asked().len()), (Reason::Conflict, 2), "the version was right");
}

#[tokio::test(start_paused = true)]
async fn an_object_that_was_replaced_is_not_written() {
    let other = Say::Answer(200, map("other", 9));
    let bench = Bench::new([status(409, "Conflict"), other]).knowing("u", 7);
    let error = patch(&bench).await.unwrap_err();
    assert_eq!(error.reason, Reason::Conflict);
    assert!(error.message.contains("was replaced: it had uid u and now has other"), "{}", error.message);
    assert_eq!(bench.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_namesake_of_the_object_under_reconcile_is_not_written() {
    let bench = Bench::new([ok(8)]).knowing("u", 7);
    let of_map = |uid: &str| ReconcileApi {
        kind: bench::kind(),
        key: ObjectKey::new(Some("ns"), "a"),
        uid: Some(uid.into()),
        ..bench.api.clone()
    };
    let patch = async |api: ReconcileApi| {
        api.patch(the_map(), PatchType::Merge, PATCH.into(), options()).await.map_err(|error| error.reason)
    };
    assert_eq!(patch(of_map("before")).await.unwrap_err(), Reason::Conflict);
    assert_eq!(bench.asked().len(), 0);
    patch(of_map("u")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_was_removed_is_not_found_whoever_has_its_name_now() {
    for bench in [Bench::new([]), Bench::new([]).knowing("namesake", 9)] {
        let api = ReconcileApi {
            kind: bench::kind(),
            key: ObjectKey::new(Some("ns"), "a"),
            uid: Some("u".into()),
            is_removed: true,
            ..bench.api.clone()
        };
        let patched = api.patch(the_map(), PatchType::Merge, PATCH.into(), options()).await.unwrap_err();
        let deleted = api.delete(the_map(), delete_options()).await.unwrap_err();
        assert_eq!((patched.reason, deleted.reason), (Reason::NotFound, Reason::NotFound));
        assert_eq!(bench.asked().len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_apply_makes_what_was_deleted_and_a_patch_does_not() {
    let refusals = || [status(409, "Conflict"), status(404, "NotFound")];
    let made = Say::Answer(201, map("new", 9));
    let bench = Bench::new(refusals().into_iter().chain([made])).knowing("u", 7);
    assert_eq!(apply(&bench).await.unwrap().uid, "new");
    assert_eq!(bench.asked()[2].body()["metadata"].get("uid"), None);

    let bench = Bench::new(refusals()).knowing("u", 7);
    assert_eq!(patch(&bench).await.unwrap_err().reason, Reason::NotFound);
}

#[tokio::test(start_paused = true)]
async fn an_apply_does_not_make_the_object_under_reconcile_again() {
    let refusals = [status(409, "Conflict"), status(404, "NotFound")];
    let bench = Bench::new(refusals).knowing("u", 7).of_the_map("u");
    assert_eq!(apply(&bench).await.unwrap_err().reason, Reason::NotFound);

    // The watch told of the deletion first.
    let bench = Bench::new([status(409, "Conflict")]).of_the_map("u");
    assert_eq!(apply(&bench).await.unwrap_err().reason, Reason::Conflict);
    assert_eq!(bench.asked()[0].body()["metadata"]["uid"], "u");
}

/// The right to one's own finalizers is none to say that there is nothing else.
#[tokio::test(start_paused = true)]
async fn an_update_of_finalizers_only_would_be_the_whole_object() {
    let bench = Bench::for_children([]);
    let metadata =
        json!({"name": "w", "namespace": "ns", "resourceVersion": "7", "finalizers": ["h.example/x"]});
    let object = json!({"apiVersion": "h/v1", "kind": "Website", "metadata": metadata}).to_string();
    assert_eq!(bench.api.update(object, options()).await.unwrap_err().reason, Reason::NotGranted);
    assert!(bench.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_child_that_was_given_away_is_not_written() {
    let mut foreign = map("u", 9);
    foreign["metadata"]["ownerReferences"] = json!([]);
    let script = [status(409, "Conflict"), Say::Answer(200, foreign)];
    let bench = Bench::for_children(script).knowing("u", 7);
    assert_eq!(patch(&bench).await.unwrap_err().reason, Reason::NotGranted);
    assert_eq!(bench.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_nobody_knows_is_neither_patched_nor_deleted() {
    let bench = Bench::for_children([]);
    assert_eq!(patch(&bench).await.unwrap_err().reason, Reason::NotFound);
    let error = bench.api.delete(the_map(), delete_options()).await.unwrap_err();
    assert_eq!((error.reason, bench.asked().len()), (Reason::NotFound, 0));
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded() {
    let lost = (0..20).flat_map(|at| [status(409, "Conflict"), ok(10 + at)]);
    let bench = Bench::new(lost).knowing("u", 7);
    assert_eq!(patch(&bench).await.unwrap_err().reason, Reason::Conflict);
    let asked = bench.asked();
    assert_eq!(asked.iter().filter(|request| request.method == "PATCH").count(), WRITE_ATTEMPTS);
    assert_eq!(asked.iter().filter(|request| request.method == "GET").count(), WRITE_ATTEMPTS - 1);
}

#[tokio::test(start_paused = true)]
async fn a_busy_server_is_waited_for_within_the_window() {
    let bench = Bench::new([status(429, "TooManyRequests"), ok(8)]).knowing("u", 7);
    let started = Instant::now();
    patch(&bench).await.unwrap();
    assert_eq!((started.elapsed(), bench.asked().len()), (BUSY_WAIT, 2));

    let long = json!({
        "kind": "Status", "code": 429, "reason": "TooManyRequests", "details": {"retryAfterSeconds": 60},
    });
    let bench = Bench::new([Say::Answer(429, long), ok(8)]).knowing("u", 7);
    assert_eq!(patch(&bench).await.unwrap_err().reason, Reason::TooManyRequests);
    assert_eq!(bench.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_late_still_reaches_the_caches() {
    let delay = window() + LATE_MARGIN / 2;
    let bench = Bench::new([Say::After(delay, 200, map("u", 8))]).knowing("u", 7);
    let started = Instant::now();
    assert_eq!(patch(&bench).await.unwrap_err().reason, Reason::Timeout);
    assert_eq!((started.elapsed(), bench.cached().as_deref()), (window(), Some("7")));
    assert_eq!(bench.settle().await, LATE_MARGIN / 2, "until the answer came");
    assert_eq!(bench.cached().as_deref(), Some("8"));
}

#[tokio::test(start_paused = true)]
async fn a_write_without_an_answer_is_outstanding_until_the_margin_has_passed() {
    let bench = Bench::new([]).knowing("u", 7);
    assert_eq!(patch(&bench).await.unwrap_err().reason, Reason::Timeout);
    assert_eq!(bench.settle().await, LATE_MARGIN);

    let bench = Bench::new([Say::HangUp]).knowing("u", 7);
    assert_eq!(patch(&bench).await.unwrap_err().reason, Reason::Unavailable);
    assert_eq!(bench.settle().await, window() + LATE_MARGIN, "it may have been received");

    let bench = Bench::new([status(504, "Timeout")]).knowing("u", 7);
    assert_eq!(patch(&bench).await.unwrap_err().reason, Reason::Timeout);
    assert_eq!(bench.settle().await, window() + LATE_MARGIN, "the server gave up, etcd perhaps did not");
    assert_eq!(bench.asked().len(), 1, "and it is not sent again");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_found_no_connection_is_not_outstanding() {
    let bench = Bench::unconnected().knowing("u", 7);
    assert_eq!(patch(&bench).await.unwrap_err().reason, Reason::Timeout);
    assert_eq!(bench.settle().await, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_guest_sends_nothing_more_and_what_it_sent_is_seen() {
    let second = Duration::from_secs(1);
    let bench = Bench::new([Say::After(2 * second, 200, map("u", 8)), ok(9)]).knowing("u", 7);
    let both = async { tokio::join!(patch(&bench), patch_with(&bench, r#"{"data":{"k":"later"}}"#)) };
    assert!(timeout(second, both).await.is_err());
    assert_eq!(bench.settle().await, second);
    assert_eq!((bench.cached().as_deref(), bench.asked().len()), (Some("8"), 1));
}

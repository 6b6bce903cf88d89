//! What keeps a write that was held up from overwriting what came after it: uid and
//! resourceVersion in every kind of write, and the time that a request may take.

use anyhow::Result;
use http::Method;
use serde_json::{Value, json};

use super::support::{
    Answer, Bench, CONFIG_MAPS, DEPLOYMENTS, GADGETS, JSON_PATCH, MERGE, STRATEGIC, deployment, gadget,
};

const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";
const STRANGER: &str = "11111111-1111-1111-1111-111111111111";

/// Uid and version of an object.
fn pins(object: &Answer) -> (Value, Value) {
    (object.at("/metadata/uid").clone(), object.at("/metadata/resourceVersion").clone())
}

/// Adds a pin to an object or merge patch.
fn pinned(mut body: Value, (uid, version): &(Value, Value)) -> Value {
    body["metadata"]["uid"] = uid.clone();
    body["metadata"]["resourceVersion"] = version.clone();
    body
}

/// The same at the end of a JSON patch.
fn operations(operation: Value, (uid, version): &(Value, Value)) -> Value {
    json!([
        operation,
        {"op": "add", "path": "/metadata/uid", "value": uid},
        {"op": "add", "path": "/metadata/resourceVersion", "value": version},
    ])
}

fn config_map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
}

#[tokio::test]
async fn a_pinned_patch_is_for_one_version() -> Result<()> {
    let bench = Bench::new("patch").await?;
    let path = format!("{CONFIG_MAPS}/a");
    let mut last = pins(&bench.config_map("a", "x").await?);
    for (at, media_type) in [MERGE, STRATEGIC, JSON_PATCH].into_iter().enumerate() {
        let body = |value: &str, pin| match media_type {
            JSON_PATCH => operations(json!({"op": "add", "path": "/data/n", "value": value}), pin),
            _ => pinned(json!({"data": {"n": value}}), pin),
        };
        let old = last;
        last = pins(&bench.patch(&path, media_type, body(&at.to_string(), &old)).await?.is(200));
        let late = bench.patch(&path, media_type, body("late", &old)).await?.refused(409, "Conflict");
        assert!(late.message().ends_with(MODIFIED), "{}", late.text);
        assert_eq!(late.at("/details"), &json!({"name": "a", "kind": "configmaps"}));
        let stranger = (json!(STRANGER), last.1.clone());
        let refused = bench.patch(&path, media_type, body("x", &stranger)).await?.refused(422, "Invalid");
        assert_eq!(refused.cause_fields(), ["metadata.uid"], "{media_type}");
    }
    Ok(())
}

#[tokio::test]
async fn a_pinned_status_is_for_one_version() -> Result<()> {
    let bench = Bench::with_gadgets("status").await?;
    bench.post(GADGETS, gadget("a")).await?.is(201);
    bench.post(DEPLOYMENTS, deployment("a", 0)).await?.is(201);
    for collection in [GADGETS, DEPLOYMENTS] {
        let (object, status) = (format!("{collection}/a"), format!("{collection}/a/status"));
        let change = |n: i64| match collection {
            GADGETS => json!({"status": {"size": n}}),
            _ => json!({"status": {"observedGeneration": n}}),
        };
        let operation = |n: i64| json!({"op": "add", "path": "/status", "value": change(n)["status"]});
        let mut last = pins(&bench.get(&object).await?.is(200));
        for media_type in [MERGE, JSON_PATCH] {
            // The real controllers look at a new Deployment.
            let body = |n, pin: &_| match media_type {
                MERGE => pinned(change(n), pin),
                _ => operations(operation(n), pin),
            };
            let old = last;
            bench.patch(&status, media_type, body(7, &old)).await?;
            bench
                .patch(
                    &object,
                    MERGE,
                    json!({"metadata": {"labels": {"moved": media_type.len().to_string()}}}),
                )
                .await?
                .is(200);
            let late = bench.patch(&status, media_type, body(8, &old)).await?.refused(409, "Conflict");
            assert!(late.message().ends_with(MODIFIED), "{}", late.text);
            last = pins(&bench.get(&object).await?.is(200));
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_pin_that_holds_changes_nothing_else() -> Result<()> {
    let bench = Bench::with_gadgets("same").await?;
    let path = format!("{GADGETS}/a");
    let first = bench.apply(&path, "one", gadget("a")).await?.is(201);
    let again = bench.apply(&path, "one", pinned(gadget("a"), &pins(&first))).await?.is(200);
    assert_eq!(again.body, first.body, "an apply");
    let patch = pinned(json!({"spec": {"size": 3}}), &pins(&first));
    assert_eq!(bench.patch(&path, MERGE, patch).await?.is(200).version(), first.version());
    let patch = operations(json!({"op": "replace", "path": "/spec/size", "value": 3}), &pins(&first));
    assert_eq!(bench.patch(&path, JSON_PATCH, patch).await?.is(200).version(), first.version());
    Ok(())
}

#[tokio::test]
async fn a_pinned_apply_is_for_one_version() -> Result<()> {
    let bench = Bench::new("apply").await?;
    let path = format!("{CONFIG_MAPS}/a");
    let first = pins(&bench.apply(&path, "one", config_map(json!({"k": "1"}))).await?.is(201));
    let second = pinned(config_map(json!({"k": "2"})), &first);
    let second = pins(&bench.apply(&path, "one", second).await?.is(200));
    let late = pinned(config_map(json!({"k": "3"})), &first);
    let late = bench.apply(&path, "one", late).await?.refused(409, "Conflict");
    assert!(late.message().ends_with(MODIFIED), "{}", late.text);
    assert_eq!(late.at("/details/causes"), &Value::Null);
    let stranger = pinned(config_map(json!({"k": "3"})), &(json!(STRANGER), second.1));
    let refused = bench.apply(&path, "one", stranger).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["metadata.uid"]);
    Ok(())
}

#[tokio::test]
async fn a_field_of_another_manager_is_told_before_an_old_version() -> Result<()> {
    let bench = Bench::new("both").await?;
    let path = format!("{CONFIG_MAPS}/a");
    let first = pins(&bench.apply(&path, "one", config_map(json!({"k": "1"}))).await?.is(201));
    bench.apply(&path, "one", config_map(json!({"k": "2"}))).await?.is(200);
    let late = pinned(config_map(json!({"k": "3"})), &first);
    let refused = bench.apply(&path, "two", late).await?.refused(409, "Conflict");
    assert_eq!(refused.str("/details/causes/0/reason"), "FieldManagerConflict", "{}", refused.text);
    Ok(())
}

#[tokio::test]
async fn nothing_that_was_meant_for_a_deleted_object_reaches_its_namesake() -> Result<()> {
    let bench = Bench::new("namesake").await?;
    let path = format!("{CONFIG_MAPS}/a");
    let old = pins(&bench.config_map("a", "x").await?);
    bench.delete(&path).await?.is(200);
    let namesake = bench.config_map("a", "y").await?;
    let body = || pinned(config_map(json!({"k": "late"})), &old);
    bench.put(&path, body()).await?.refused(409, "Conflict");
    bench.apply(&path, "one", body()).await?.refused(409, "Conflict");
    for media_type in [MERGE, STRATEGIC] {
        bench.patch(&path, media_type, body()).await?.refused(409, "Conflict");
    }
    let patch = operations(json!({"op": "add", "path": "/data/k", "value": "late"}), &old);
    bench.patch(&path, JSON_PATCH, patch).await?.refused(409, "Conflict");
    let preconditions = json!({"preconditions": {"uid": old.0, "resourceVersion": old.1}});
    bench.delete_with(&path, preconditions).await?.refused(409, "Conflict");
    assert_eq!(bench.get(&path).await?.is(200).body, namesake.body);
    Ok(())
}

#[tokio::test]
async fn only_a_uid_keeps_an_apply_from_making_what_was_deleted() -> Result<()> {
    let bench = Bench::new("gone").await?;
    let path = format!("{CONFIG_MAPS}/a");
    let old = pins(&bench.config_map("a", "x").await?);
    bench.delete(&path).await?.is(200);
    let body = pinned(config_map(json!({})), &old);
    let refused = bench.apply(&path, "one", body.clone()).await?.refused(409, "Conflict");
    assert!(refused.message().contains("uid mismatch"), "{}", refused.text);
    bench.patch(&path, MERGE, body.clone()).await?.refused(404, "NotFound");
    let mut only_versioned = body;
    only_versioned["metadata"]["uid"] = Value::Null;
    bench.apply(&path, "one", only_versioned).await?.is(201);
    Ok(())
}

#[tokio::test]
async fn a_deletion_is_for_one_version() -> Result<()> {
    let bench = Bench::new("delete").await?;
    let path = format!("{CONFIG_MAPS}/a");
    let (uid, version) = pins(&bench.config_map("a", "x").await?);
    bench.patch(&path, MERGE, json!({"data": {"k": "moved"}})).await?.is(200);
    let late = json!({"preconditions": {"uid": uid, "resourceVersion": version}});
    let late = bench.delete_with(&path, late).await?.refused(409, "Conflict");
    assert!(late.message().contains("the ResourceVersion in the precondition"), "{}", late.text);
    assert_eq!(late.at("/details/causes"), &Value::Null);
    Ok(())
}

#[tokio::test]
async fn a_version_of_zero_pins_nothing() -> Result<()> {
    let bench = Bench::new("zero").await?;
    let path = format!("{CONFIG_MAPS}/a");
    bench.config_map("a", "x").await?;
    for version in ["0", "00", ""] {
        let body = json!({"metadata": {"resourceVersion": version}, "data": {"k": version}});
        bench.patch(&path, MERGE, body).await?.is(200);
    }
    Ok(())
}

#[tokio::test]
async fn the_time_that_a_write_may_take_is_a_go_duration() -> Result<()> {
    let bench = Bench::new("timeout").await?;
    bench.config_map("a", "x").await?;
    let patch = |timeout: &str| {
        let path = format!("{CONFIG_MAPS}/a?timeout={timeout}");
        let bench = &bench;
        async move { bench.patch(&path, MERGE, json!({"data": {"k": "v"}})).await }
    };
    for timeout in ["29999ms", "1.5s", "10m", "1m30s", "0", "0s", "-1s", ""] {
        patch(timeout).await?.is(200);
    }
    for (timeout, why) in [
        ("5", r#"missing unit in duration "5""#),
        ("5d", r#"unknown unit "d" in duration "5d""#),
        ("soon", r#"invalid duration "soon""#),
        ("s", r#"invalid duration "s""#),
    ] {
        let refused = patch(timeout).await?.refused(400, "BadRequest");
        let expected = format!("invalid timeout specified in the request URL - time: {why}");
        assert_eq!(refused.message(), expected);
    }
    Ok(())
}

#[tokio::test]
async fn a_write_that_comes_too_late_is_not_carried_out() -> Result<()> {
    let bench = Bench::new("late").await?;
    let created = bench.config_map("a", "x").await?;
    let path = format!("{CONFIG_MAPS}/a?timeout=1ns");
    let headers = [("content-type", MERGE)];
    let body = br#"{"data":{"k":"late"}}"#.to_vec();
    let late = bench.send(Method::PATCH, &path, &headers, body).await?;
    assert_eq!(late.code, 504, "{}", late.text);
    assert_eq!(late.str("/reason"), "Timeout", "{}", late.text);
    assert_eq!(late.message(), "Timeout: request did not complete within the allotted timeout");
    assert_eq!(late.at("/details"), &json!({}));
    let read = bench.get(&format!("{CONFIG_MAPS}/a")).await?.is(200);
    assert_eq!(read.version(), created.version());
    Ok(())
}

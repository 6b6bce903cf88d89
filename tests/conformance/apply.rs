//! Server-side apply: ownership, conflicts, lists with keys.

use anyhow::Result;
use serde_json::{Value, json};

use super::support::{Answer, Bench, CONFIG_MAPS, DEPLOYMENTS, GADGETS, MERGE, deployment, gadget};

fn config_map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
}

/// Managers of an object with their operations, sorted.
fn managers(answer: &Answer) -> Vec<(String, String)> {
    let entries = answer.at("/metadata/managedFields").as_array().cloned().unwrap_or_default();
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let mut managers: Vec<_> = entries.iter().map(|e| (text(e, "manager"), text(e, "operation"))).collect();
    managers.sort();
    managers
}

fn pair(manager: &str, operation: &str) -> (String, String) {
    (manager.to_owned(), operation.to_owned())
}

#[tokio::test]
async fn an_apply_creates_and_then_changes_nothing() -> Result<()> {
    let bench = Bench::new("create").await?;
    let path = format!("{CONFIG_MAPS}/a");
    let created = bench.apply(&path, "one", config_map(json!({"k": "v"}))).await?.is(201);
    assert_eq!(managers(&created), [pair("one", "Apply")]);
    assert_eq!(created.at("/metadata/managedFields/0/fieldsV1"), &json!({"f:data": {"f:k": {}}}));
    let again = bench.apply(&path, "one", config_map(json!({"k": "v"}))).await?.is(200);
    assert_eq!(again.version(), created.version());
    Ok(())
}

#[tokio::test]
async fn what_a_manager_no_longer_applies_goes() -> Result<()> {
    let bench = Bench::new("drop").await?;
    let path = format!("{CONFIG_MAPS}/a");
    bench.apply(&path, "one", config_map(json!({"k": "v", "l": "w"}))).await?.is(201);
    bench.apply(&path, "two", config_map(json!({"m": "x", "l": "w"}))).await?.is(200);
    let dropped = bench.apply(&path, "one", config_map(json!({}))).await?.is(200);
    assert_eq!(dropped.at("/data"), &json!({"l": "w", "m": "x"}));
    Ok(())
}

#[tokio::test]
async fn a_field_of_another_manager_is_a_conflict_unless_forced() -> Result<()> {
    let bench = Bench::new("conflict").await?;
    let path = format!("{CONFIG_MAPS}/a");
    bench.apply(&path, "one", config_map(json!({"k": "v"}))).await?.is(201);
    let refused = bench.apply(&path, "two", config_map(json!({"k": "w"}))).await?.refused(409, "Conflict");
    assert_eq!(refused.message(), "Apply failed with 1 conflict: conflict with \"one\": .data.k");
    assert_eq!(refused.str("/details/causes/0/reason"), "FieldManagerConflict");
    assert_eq!(refused.str("/details/causes/0/field"), ".data.k");
    let forced =
        bench.apply(&format!("{path}?force=true"), "two", config_map(json!({"k": "w"}))).await?.is(200);
    assert_eq!(forced.str("/data/k"), "w");
    assert_eq!(managers(&forced), [pair("two", "Apply")]);
    Ok(())
}

#[tokio::test]
async fn the_same_value_is_owned_together() -> Result<()> {
    let bench = Bench::new("shared").await?;
    let path = format!("{CONFIG_MAPS}/a");
    bench.apply(&path, "one", config_map(json!({"k": "v"}))).await?.is(201);
    let both = bench.apply(&path, "two", config_map(json!({"k": "v"}))).await?.is(200);
    assert_eq!(managers(&both), [pair("one", "Apply"), pair("two", "Apply")]);
    Ok(())
}

#[tokio::test]
async fn an_update_owns_what_it_changes() -> Result<()> {
    let bench = Bench::new("update").await?;
    let path = format!("{CONFIG_MAPS}/a");
    bench.apply(&path, "one", config_map(json!({"k": "v"}))).await?.is(201);
    let changed =
        bench.patch(&format!("{path}?fieldManager=hand"), MERGE, json!({"data": {"k": "w"}})).await?.is(200);
    assert_eq!(managers(&changed), [pair("hand", "Update")]);
    let refused = bench.apply(&path, "one", config_map(json!({"k": "v"}))).await?.refused(409, "Conflict");
    assert!(refused.message().contains("conflict with \"hand\" using v1: .data.k"), "{}", refused.text);
    Ok(())
}

#[tokio::test]
async fn entries_of_a_keyed_list_have_owners_of_their_own() -> Result<()> {
    let bench = Bench::with_gadgets("keys").await?;
    let path = format!("{GADGETS}/a");
    let with = |parts: Value| {
        let mut body = gadget("a");
        body["spec"]["parts"] = parts;
        body
    };
    bench.apply(&path, "one", with(json!([{"name": "x", "value": "1"}]))).await?.is(201);
    let both = bench.apply(&path, "two", with(json!([{"name": "y", "value": "2"}]))).await?.is(200);
    assert_eq!(both.at("/spec/parts"), &json!([{"name": "x", "value": "1"}, {"name": "y", "value": "2"}]));
    let left = bench.apply(&path, "one", gadget("a")).await?.is(200);
    assert_eq!(left.at("/spec/parts"), &json!([{"name": "y", "value": "2"}]));
    Ok(())
}

#[tokio::test]
async fn an_applied_deployment_keeps_its_defaults() -> Result<()> {
    let bench = Bench::new("defaults").await?;
    let path = format!("{DEPLOYMENTS}/a");
    let created = bench.apply(&path, "one", deployment("a", 0)).await?.is(201);
    assert_eq!(created.str("/spec/strategy/type"), "RollingUpdate");
    assert_eq!(created.str("/spec/template/spec/restartPolicy"), "Always");
    assert_eq!(created.at("/spec/progressDeadlineSeconds"), &json!(600));
    let again = bench.apply(&path, "one", deployment("a", 0)).await?.is(200);
    assert_eq!(again.at("/metadata/generation"), &json!(1));
    Ok(())
}

#[tokio::test]
async fn an_apply_must_name_its_manager_and_its_kind() -> Result<()> {
    let bench = Bench::new("who").await?;
    let path = format!("{CONFIG_MAPS}/a");
    let refused = bench.patch(&path, super::support::APPLY, config_map(json!({}))).await?;
    assert!(matches!(refused.code, 400 | 422), "{}", refused.text);
    assert!(refused.message().contains("fieldManager"), "{}", refused.text);
    bench.apply(&path, "one", json!({"metadata": {"name": "a"}})).await?.refused(400, "BadRequest");
    Ok(())
}

#[tokio::test]
async fn an_apply_brings_no_managed_fields() -> Result<()> {
    let bench = Bench::new("managed").await?;
    let mut body = config_map(json!({}));
    body["metadata"]["managedFields"] = json!([{"manager": "x", "operation": "Apply", "apiVersion": "v1"}]);
    let refused = bench.apply(&format!("{CONFIG_MAPS}/a"), "one", body).await?.refused(400, "BadRequest");
    assert_eq!(refused.message(), "metadata.managedFields must be nil");
    Ok(())
}

#[tokio::test]
async fn an_apply_of_an_unknown_field_is_refused() -> Result<()> {
    let bench = Bench::new("unknown").await?;
    let mut body = deployment("a", 0);
    body["spec"]["bogus"] = json!(1);
    let refused = bench.apply(&format!("{DEPLOYMENTS}/a"), "one", body).await?.is(500);
    assert!(refused.message().contains(".spec.bogus: field not declared in schema"), "{}", refused.text);
    Ok(())
}

#[tokio::test]
async fn a_status_is_applied_apart() -> Result<()> {
    let bench = Bench::with_gadgets("status").await?;
    let path = format!("{GADGETS}/a");
    bench.apply(&path, "one", gadget("a")).await?.is(201);
    let status = json!({
        "apiVersion": "conformance.polyreme.dev/v1", "kind": "Gadget",
        "metadata": {"name": "a"}, "status": {"phase": "Ready"},
    });
    let applied = bench.apply(&format!("{path}/status"), "two", status).await?.is(200);
    assert_eq!(applied.str("/status/phase"), "Ready");
    let entries = applied.at("/metadata/managedFields").as_array().cloned().unwrap_or_default();
    let two = entries.iter().find(|e| e["manager"] == "two");
    assert_eq!(two.map(|e| &e["subresource"]), Some(&json!("status")), "{}", applied.text);
    let kept = bench.apply(&path, "one", gadget("a")).await?.is(200);
    assert_eq!(kept.str("/status/phase"), "Ready");
    Ok(())
}

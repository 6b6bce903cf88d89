//! JSON patch, merge patch, strategic merge patch.

use anyhow::Result;
use serde_json::{Value, json};

use super::support::{
    Bench, CONFIG_MAPS, DEPLOYMENTS, GADGETS, JSON_PATCH, MERGE, STRATEGIC, deployment, gadget,
};

#[tokio::test]
async fn a_merge_patch_merges_and_removes() -> Result<()> {
    let bench = Bench::new("merge").await?;
    bench.config_map("a", "x").await?;
    let body = json!({"data": {"key": null, "new": "1"}, "metadata": {"labels": {"more": "yes"}}});
    let patched = bench.patch(&format!("{CONFIG_MAPS}/a"), MERGE, body).await?.is(200);
    assert_eq!(patched.at("/data"), &json!({"new": "1"}));
    assert_eq!(patched.at("/metadata/labels"), &json!({"app": "x", "more": "yes"}));
    Ok(())
}

#[tokio::test]
async fn a_json_patch_runs_its_operations() -> Result<()> {
    let bench = Bench::new("json").await?;
    let path = format!("{CONFIG_MAPS}/a");
    bench.config_map("a", "x").await?;
    let operations = json!([
        {"op": "test", "path": "/data/key", "value": "value"},
        {"op": "add", "path": "/data/new", "value": "1"},
        {"op": "remove", "path": "/metadata/labels/app"},
    ]);
    let patched = bench.patch(&path, JSON_PATCH, operations).await?.is(200);
    assert_eq!(patched.at("/data"), &json!({"key": "value", "new": "1"}));
    assert_eq!(patched.at("/metadata/labels"), &Value::Null);
    Ok(())
}

#[tokio::test]
async fn a_json_patch_may_replace_what_is_not_there() -> Result<()> {
    let bench = Bench::new("replace").await?;
    bench.config_map("a", "x").await?;
    let operations = json!([{"op": "replace", "path": "/data/absent", "value": "1"}]);
    let patched = bench.patch(&format!("{CONFIG_MAPS}/a"), JSON_PATCH, operations).await?.is(200);
    assert_eq!(patched.str("/data/absent"), "1");
    Ok(())
}

#[tokio::test]
async fn a_failed_test_is_unprocessable() -> Result<()> {
    let bench = Bench::new("test").await?;
    bench.config_map("a", "x").await?;
    let operations = json!([{"op": "test", "path": "/data/key", "value": "other"}]);
    bench.patch(&format!("{CONFIG_MAPS}/a"), JSON_PATCH, operations).await?.refused(422, "Invalid");
    let operations = json!([{"op": "remove", "path": "/data/absent"}]);
    bench.patch(&format!("{CONFIG_MAPS}/a"), JSON_PATCH, operations).await?.refused(422, "Invalid");
    Ok(())
}

#[tokio::test]
async fn a_strategic_patch_merges_lists_by_their_key() -> Result<()> {
    let bench = Bench::new("strategic").await?;
    bench.post(DEPLOYMENTS, deployment("a", 0)).await?.is(201);
    let body = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "main", "env": [{"name": "A", "value": "1"}]},
        {"name": "second", "image": "example.invalid/second:1"},
    ]}}}});
    let patched = bench.patch(&format!("{DEPLOYMENTS}/a"), STRATEGIC, body).await?.is(200);
    let containers = patched.at("/spec/template/spec/containers");
    assert_eq!(containers.as_array().map(Vec::len), Some(2), "{}", patched.text);
    let main = containers.as_array().into_iter().flatten().find(|c| c["name"] == "main");
    assert_eq!(main.map(|c| &c["image"]), Some(&json!("example.invalid/main:1")));
    Ok(())
}

#[tokio::test]
async fn a_custom_resource_has_no_strategic_patch() -> Result<()> {
    let bench = Bench::with_gadgets("none").await?;
    bench.post(GADGETS, gadget("a")).await?.is(201);
    let body = json!({"spec": {"size": 4}});
    bench.patch(&format!("{GADGETS}/a"), STRATEGIC, body.clone()).await?.refused(415, "UnsupportedMediaType");
    bench
        .patch(&format!("{GADGETS}/a"), "application/json", body)
        .await?
        .refused(415, "UnsupportedMediaType");
    Ok(())
}

#[tokio::test]
async fn a_patch_of_nothing_is_not_found() -> Result<()> {
    let bench = Bench::new("absent").await?;
    bench.patch(&format!("{CONFIG_MAPS}/a"), MERGE, json!({"data": {}})).await?.refused(404, "NotFound");
    Ok(())
}

#[tokio::test]
async fn racing_patches_all_arrive() -> Result<()> {
    let bench = Bench::new("race").await?;
    bench.config_map("a", "x").await?;
    let path = format!("{CONFIG_MAPS}/a");
    let patches = (0..5).map(|at| bench.patch(&path, MERGE, json!({"data": {format!("k{at}"): "1"}})));
    for patched in futures::future::join_all(patches).await {
        patched?.is(200);
    }
    let read = bench.get(&path).await?.is(200);
    assert_eq!(read.at("/data").as_object().map(|d| d.len()), Some(6), "{}", read.text);
    Ok(())
}

//! What counts as a change of the desired state.

use anyhow::Result;
use serde_json::json;

use super::support::{Bench, CONFIG_MAPS, DEPLOYMENTS, GADGETS, MERGE, deployment, gadget};

#[tokio::test]
async fn the_generation_of_a_custom_resource_follows_its_spec() -> Result<()> {
    let bench = Bench::with_gadgets("generation").await?;
    let path = format!("{GADGETS}/a");
    let created = bench.post(GADGETS, gadget("a")).await?.is(201);
    assert_eq!(created.at("/metadata/generation"), &json!(1));
    let labelled = bench.patch(&path, MERGE, json!({"metadata": {"labels": {"a": "b"}}})).await?.is(200);
    assert_eq!(labelled.at("/metadata/generation"), &json!(1));
    let changed = bench.patch(&path, MERGE, json!({"spec": {"size": 4}})).await?.is(200);
    assert_eq!(changed.at("/metadata/generation"), &json!(2));
    let status =
        bench.patch(&format!("{path}/status"), MERGE, json!({"status": {"phase": "Ready"}})).await?.is(200);
    assert_eq!(status.at("/metadata/generation"), &json!(2));
    Ok(())
}

#[tokio::test]
async fn the_generation_of_a_deployment_follows_its_spec() -> Result<()> {
    let bench = Bench::new("deployment").await?;
    let created = bench.post(DEPLOYMENTS, deployment("a", 0)).await?.is(201);
    assert_eq!(created.at("/metadata/generation"), &json!(1));
    let path = format!("{DEPLOYMENTS}/a");
    let changed = bench.patch(&path, MERGE, json!({"spec": {"paused": true}})).await?.is(200);
    assert_eq!(changed.at("/metadata/generation"), &json!(2));
    Ok(())
}

#[tokio::test]
async fn a_client_does_not_set_the_generation() -> Result<()> {
    let bench = Bench::with_gadgets("claimed").await?;
    let mut body = gadget("a");
    body["metadata"]["generation"] = json!(77);
    let created = bench.post(GADGETS, body).await?.is(201);
    assert_eq!(created.at("/metadata/generation"), &json!(1));
    let kept = bench.post(CONFIG_MAPS, json!({"metadata": {"name": "a", "generation": 77}})).await?.is(201);
    assert_eq!(kept.at("/metadata/generation"), &json!(77));
    Ok(())
}

#[tokio::test]
async fn deleting_what_a_finalizer_holds_raises_the_generation() -> Result<()> {
    let bench = Bench::with_gadgets("held").await?;
    let path = format!("{GADGETS}/a");
    let mut body = gadget("a");
    body["metadata"]["finalizers"] = json!(["conformance.polyreme.dev/hold"]);
    bench.post(GADGETS, body).await?.is(201);
    let marked = bench.delete(&path).await?.is(200);
    assert_eq!(marked.at("/metadata/generation"), &json!(2));
    assert_eq!(marked.at("/metadata/deletionGracePeriodSeconds"), &json!(0));
    bench.patch(&path, MERGE, json!({"metadata": {"finalizers": null}})).await?.is(200);
    bench.until_gone(&path).await
}

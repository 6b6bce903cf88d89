//! `/status` and `/scale`.

use anyhow::Result;
use serde_json::{Value, json};

use super::support::{Bench, DEPLOYMENTS, GADGETS, MERGE, deployment, gadget};

#[tokio::test]
async fn status_is_written_through_its_subresource_only() -> Result<()> {
    let bench = Bench::with_gadgets("status").await?;
    let path = format!("{GADGETS}/a");
    let mut body = gadget("a");
    body["status"] = json!({"phase": "Claimed"});
    let created = bench.post(GADGETS, body).await?.is(201);
    assert_eq!(created.at("/status"), &Value::Null);
    let ignored = bench.patch(&path, MERGE, json!({"status": {"phase": "Claimed"}})).await?.is(200);
    assert_eq!(ignored.at("/status"), &Value::Null);
    let written = bench
        .patch(&format!("{path}/status"), MERGE, json!({"status": {"phase": "Ready"}, "spec": {"size": 9}}))
        .await?
        .is(200);
    assert_eq!(written.str("/status/phase"), "Ready");
    assert_eq!(written.at("/spec/size"), &json!(3));
    Ok(())
}

#[tokio::test]
async fn a_status_is_replaced_by_put() -> Result<()> {
    let bench = Bench::with_gadgets("put").await?;
    let mut body = bench.post(GADGETS, gadget("a")).await?.is(201).body;
    body["status"] = json!({"phase": "Ready"});
    body["metadata"]["labels"] = json!({"ignored": "yes"});
    let written = bench.put(&format!("{GADGETS}/a/status"), body.clone()).await?.is(200);
    assert_eq!(written.str("/status/phase"), "Ready");
    assert_eq!(written.at("/metadata/labels"), &Value::Null);
    bench.put(&format!("{GADGETS}/a/status"), body).await?.refused(409, "Conflict");
    let read = bench.get(&format!("{GADGETS}/a/status")).await?.is(200);
    assert_eq!(read.body, written.body);
    Ok(())
}

#[tokio::test]
async fn a_kind_without_status_has_no_such_path() -> Result<()> {
    let bench = Bench::new("none").await?;
    bench.config_map("a", "x").await?;
    bench.get("/api/v1/namespaces/{ns}/configmaps/a/status").await?.is(404);
    Ok(())
}

#[tokio::test]
async fn a_deployment_is_scaled() -> Result<()> {
    let bench = Bench::new("scale").await?;
    bench.post(DEPLOYMENTS, deployment("a", 0)).await?.is(201);
    let path = format!("{DEPLOYMENTS}/a/scale");
    let scale = bench.get(&path).await?.is(200);
    assert_eq!(scale.str("/kind"), "Scale");
    assert_eq!(scale.str("/apiVersion"), "autoscaling/v1");
    assert_eq!(scale.str("/status/selector"), "app=a");
    let scaled = bench.patch(&path, MERGE, json!({"spec": {"replicas": 2}})).await?.is(200);
    assert_eq!(scaled.at("/spec/replicas"), &json!(2));
    let read = bench.get(&format!("{DEPLOYMENTS}/a")).await?.is(200);
    assert_eq!(read.at("/spec/replicas"), &json!(2));
    bench.patch(&path, MERGE, json!({"spec": {"replicas": -1}})).await?.refused(422, "Invalid");
    Ok(())
}

#[tokio::test]
async fn a_custom_resource_is_scaled() -> Result<()> {
    let bench = Bench::with_gadgets("scaled").await?;
    bench.post(GADGETS, gadget("a")).await?.is(201);
    let path = format!("{GADGETS}/a/scale");
    let mut scale = bench.get(&path).await?.is(200).body;
    assert_eq!(scale["spec"]["replicas"], 3);
    scale["spec"]["replicas"] = json!(7);
    assert_eq!(bench.put(&path, scale).await?.is(200).at("/spec/replicas"), &json!(7));
    assert_eq!(bench.get(&format!("{GADGETS}/a")).await?.is(200).at("/spec/size"), &json!(7));
    Ok(())
}

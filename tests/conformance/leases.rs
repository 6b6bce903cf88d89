//! Leases: the objects that ownership is built on.

use anyhow::Result;
use serde_json::{Value, json};

use super::support::{Bench, MERGE};

const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/{ns}/leases";

fn lease(holder: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "a"},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z"},
    })
}

#[tokio::test]
async fn a_put_creates_a_lease() -> Result<()> {
    let bench = Bench::new("put").await?;
    let created = bench.put(&format!("{LEASES}/a"), lease("me")).await?.is(201);
    assert_eq!(created.str("/spec/holderIdentity"), "me");
    assert_eq!(created.at("/metadata/generation"), &Value::Null);
    Ok(())
}

#[tokio::test]
async fn a_lease_is_replaced_only_from_a_version() -> Result<()> {
    let bench = Bench::new("version").await?;
    let path = format!("{LEASES}/a");
    let created = bench.post(LEASES, lease("me")).await?.is(201);
    bench.put(&path, lease("you")).await?.refused(422, "Invalid");
    let mut body = lease("you");
    body["metadata"]["resourceVersion"] = json!(created.version());
    bench.put(&path, body.clone()).await?.is(200);
    bench.put(&path, body).await?.refused(409, "Conflict");
    Ok(())
}

#[tokio::test]
async fn only_a_uid_keeps_a_deleted_lease_deleted() -> Result<()> {
    let bench = Bench::new("deleted").await?;
    let path = format!("{LEASES}/a");
    let created = bench.post(LEASES, lease("me")).await?.is(201);
    bench.delete(&path).await?.is(200);
    let mut body = lease("me");
    body["metadata"]["resourceVersion"] = json!(created.version());
    body["metadata"]["uid"] = json!(created.str("/metadata/uid"));
    bench.put(&path, body.clone()).await?.refused(409, "Conflict");
    bench.apply(&path, "me", body.clone()).await?.refused(409, "Conflict");
    if let Some(metadata) = body["metadata"].as_object_mut() {
        metadata.remove("uid");
    }
    bench.put(&path, body).await?.is(201);
    Ok(())
}

#[tokio::test]
async fn a_micro_time_has_six_decimals() -> Result<()> {
    let bench = Bench::new("micro").await?;
    for time in ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123Z"] {
        let mut body = lease("me");
        body["spec"]["renewTime"] = json!(time);
        bench.post(LEASES, body).await?.refused(400, "BadRequest");
    }
    let created = bench.post(LEASES, lease("me")).await?.is(201);
    assert_eq!(created.str("/spec/renewTime"), "2026-01-01T00:00:00.000000Z");
    Ok(())
}

#[tokio::test]
async fn a_lease_lasts() -> Result<()> {
    let bench = Bench::new("lasts").await?;
    bench.post(LEASES, lease("me")).await?.is(201);
    let refused =
        bench.patch(&format!("{LEASES}/a"), MERGE, json!({"spec": {"leaseDurationSeconds": 0}})).await?;
    let refused = refused.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["spec.leaseDurationSeconds"]);
    Ok(())
}

//! Namespaces: what they come with, and how they go.

use anyhow::{Result, ensure};
use polyreme_tests::eventually;
use serde_json::json;

use super::support::{Bench, CONFIG_MAPS, LIMIT, MERGE};

#[tokio::test]
async fn a_namespace_is_active_and_labelled() -> Result<()> {
    let bench = Bench::new("active").await?;
    let read = bench.get("/api/v1/namespaces/{ns}").await?.is(200);
    assert_eq!(read.str("/status/phase"), "Active");
    assert_eq!(read.at("/spec/finalizers"), &json!(["kubernetes"]));
    assert_eq!(read.str("/metadata/labels/kubernetes.io~1metadata.name"), bench.ns.name());
    Ok(())
}

#[tokio::test]
async fn a_namespace_gets_a_service_account() -> Result<()> {
    let bench = Bench::new("account").await?;
    eventually("the default service account", LIMIT, async || {
        let answer = bench.get("/api/v1/namespaces/{ns}/serviceaccounts/default").await?;
        ensure!(answer.code == 200, "{}", answer.text);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn deleting_a_namespace_deletes_what_is_in_it() -> Result<()> {
    let bench = Bench::new("delete").await?;
    let body = json!({"metadata": {"name": "a", "finalizers": ["conformance.polyreme.dev/hold"]}});
    bench.post(CONFIG_MAPS, body).await?.is(201);
    let marked = bench.delete("/api/v1/namespaces/{ns}").await?.is(200);
    assert_eq!(marked.str("/status/phase"), "Terminating");
    let refused =
        bench.post(CONFIG_MAPS, json!({"metadata": {"name": "b"}})).await?.refused(403, "Forbidden");
    assert_eq!(refused.str("/details/causes/0/reason"), "NamespaceTerminating");
    let path = format!("{CONFIG_MAPS}/a");
    eventually("the content being deleted", LIMIT, async || {
        let held = bench.get(&path).await?.is(200);
        ensure!(!held.at("/metadata/deletionTimestamp").is_null(), "{}", held.text);
        Ok(())
    })
    .await?;
    bench.get("/api/v1/namespaces/{ns}").await?.is(200);
    bench.patch(&path, MERGE, json!({"metadata": {"finalizers": null}})).await?.is(200);
    bench.until_gone("/api/v1/namespaces/{ns}").await
}

#[tokio::test]
async fn the_namespaces_of_every_cluster_are_there() -> Result<()> {
    let bench = Bench::new("system").await?;
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        bench.get(&format!("/api/v1/namespaces/{name}")).await?.is(200);
    }
    bench.delete("/api/v1/namespaces/default").await?.refused(403, "Forbidden");
    Ok(())
}

#[tokio::test]
async fn a_namespace_is_named_by_a_label() -> Result<()> {
    let bench = Bench::new("name").await?;
    bench
        .post("/api/v1/namespaces", json!({"metadata": {"name": "not.a.label"}}))
        .await?
        .refused(422, "Invalid");
    Ok(())
}

//! Deletion: answers, preconditions, finalizers, collections.

use anyhow::Result;
use serde_json::{Value, json};

use super::support::{Bench, CONFIG_MAPS, GADGETS, MERGE, event, gadget};

const HOLD: &str = "conformance.polyreme.dev/hold";

#[tokio::test]
async fn a_deleted_config_map_is_answered_by_a_status() -> Result<()> {
    let bench = Bench::new("status").await?;
    let created = bench.config_map("a", "x").await?;
    let deleted = bench.delete(&format!("{CONFIG_MAPS}/a")).await?.is(200);
    assert_eq!(deleted.str("/kind"), "Status");
    assert_eq!(deleted.str("/status"), "Success");
    let details = json!({"name": "a", "kind": "configmaps", "uid": created.str("/metadata/uid")});
    assert_eq!(deleted.at("/details"), &details);
    bench.get(&format!("{CONFIG_MAPS}/a")).await?.is(404);
    bench.delete(&format!("{CONFIG_MAPS}/a")).await?.refused(404, "NotFound");
    Ok(())
}

#[tokio::test]
async fn a_deleted_service_account_is_answered_by_itself() -> Result<()> {
    let bench = Bench::new("account").await?;
    let path = "/api/v1/namespaces/{ns}/serviceaccounts";
    bench.post(path, json!({"metadata": {"name": "a"}})).await?.is(201);
    let deleted = bench.delete(&format!("{path}/a")).await?.is(200);
    assert_eq!(deleted.str("/kind"), "ServiceAccount");
    Ok(())
}

#[tokio::test]
async fn a_finalizer_holds_an_object() -> Result<()> {
    let bench = Bench::new("hold").await?;
    let path = format!("{CONFIG_MAPS}/a");
    let body = json!({"metadata": {"name": "a", "labels": {"app": "x"}, "finalizers": [HOLD]}});
    let created = bench.post(CONFIG_MAPS, body).await?.is(201);
    let mut watch = bench
        .watch(&format!("{CONFIG_MAPS}?watch=1&labelSelector=app&resourceVersion={}", created.version()))
        .await?;
    let marked = bench.delete(&path).await?.is(200);
    assert_eq!(marked.str("/kind"), "ConfigMap");
    assert_ne!(marked.at("/metadata/deletionTimestamp"), &Value::Null);
    let again = bench.delete(&path).await?.is(200);
    assert_eq!(again.version(), marked.version());
    bench.patch(&path, MERGE, json!({"data": {"k": "v"}})).await?.is(200);
    bench.patch(&path, MERGE, json!({"metadata": {"finalizers": null}})).await?.is(200);
    bench.get(&path).await?.is(404);
    for kind in ["MODIFIED", "MODIFIED", "DELETED"] {
        assert_eq!(watch.step().await?, event(kind, "a"));
    }
    Ok(())
}

#[tokio::test]
async fn an_object_being_deleted_takes_no_new_finalizer() -> Result<()> {
    let bench = Bench::new("late").await?;
    let path = format!("{CONFIG_MAPS}/a");
    bench.post(CONFIG_MAPS, json!({"metadata": {"name": "a", "finalizers": [HOLD]}})).await?.is(201);
    bench.delete(&path).await?.is(200);
    let body = json!({"metadata": {"finalizers": [HOLD, "conformance.polyreme.dev/more"]}});
    let refused = bench.patch(&path, MERGE, body).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["metadata.finalizers"]);
    bench.patch(&path, MERGE, json!({"metadata": {"finalizers": []}})).await?.is(200);
    Ok(())
}

#[tokio::test]
async fn preconditions_protect_another_object_of_the_name() -> Result<()> {
    let bench = Bench::new("precondition").await?;
    let path = format!("{CONFIG_MAPS}/a");
    let created = bench.config_map("a", "x").await?;
    let other = json!({"preconditions": {"uid": "11111111-1111-1111-1111-111111111111"}});
    bench.delete_with(&path, other).await?.refused(409, "Conflict");
    let old = json!({"preconditions": {"resourceVersion": "1"}});
    bench.delete_with(&path, old).await?.refused(409, "Conflict");
    let right =
        json!({"preconditions": {"uid": created.str("/metadata/uid"), "resourceVersion": created.version()}});
    bench.delete_with(&path, right).await?.is(200);
    Ok(())
}

#[tokio::test]
async fn all_namespaces_at_once_are_not_deleted() -> Result<()> {
    let bench = Bench::with_gadgets("everywhere").await?;
    // A server that did it would touch no other case's objects.
    let selector = format!("?labelSelector=app={}", bench.ns.name());
    let config_maps = format!("/api/v1/configmaps{selector}");
    let body = json!({"metadata": {"name": "a", "labels": {"app": bench.ns.name()}}});
    bench.post(CONFIG_MAPS, body).await?.is(201);
    bench.delete(&config_maps).await?.refused(405, "MethodNotAllowed");
    assert_eq!(bench.get(&config_maps).await?.is(200).names(), ["a"]);
    bench
        .post("/api/v1/configmaps", json!({"metadata": {"name": "b"}}))
        .await?
        .refused(405, "MethodNotAllowed");
    bench
        .put("/api/v1/configmaps", json!({"metadata": {"name": "b"}}))
        .await?
        .refused(405, "MethodNotAllowed");
    bench.patch("/api/v1/configmaps", MERGE, json!({})).await?.refused(405, "MethodNotAllowed");
    let gadgets = "/apis/conformance.polyreme.dev/v1/gadgets";
    let absent = bench.delete(&format!("{gadgets}{selector}")).await?.is(404);
    assert_eq!(absent.text, "404 page not found\n");
    bench.post(gadgets, gadget("a")).await?.is(404);
    bench.put(gadgets, gadget("a")).await?.is(404);
    bench.patch(gadgets, MERGE, json!({})).await?.is(404);
    bench.get(&format!("{gadgets}{selector}")).await?.is(200);
    Ok(())
}

#[tokio::test]
async fn a_collection_without_namespaces_can_be_deleted() -> Result<()> {
    let bench = Bench::new("roles").await?;
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let selected = format!("{roles}?labelSelector=app={}", bench.ns.name());
    let body = json!({"metadata": {"name": bench.ns.name(), "labels": {"app": bench.ns.name()}}});
    bench.post(roles, body).await?.is(201);
    bench.delete(&selected).await?.is(200);
    assert!(bench.get(&selected).await?.is(200).names().is_empty());
    Ok(())
}

#[tokio::test]
async fn a_collection_is_deleted_by_selector() -> Result<()> {
    let bench = Bench::new("collection").await?;
    for (name, app) in [("a", "x"), ("b", "y"), ("c", "x")] {
        bench.config_map(name, app).await?;
    }
    bench.delete(&format!("{CONFIG_MAPS}?labelSelector=app%3Dx")).await?.is(200);
    let left = bench.get(&format!("{CONFIG_MAPS}?labelSelector=app")).await?.is(200);
    assert_eq!(left.names(), ["b"]);
    Ok(())
}

#[tokio::test]
async fn an_unknown_policy_is_refused() -> Result<()> {
    let bench = Bench::with_gadgets("policy").await?;
    bench.post(GADGETS, gadget("a")).await?.is(201);
    let refused = bench.delete(&format!("{GADGETS}/a?propagationPolicy=Sometimes")).await?;
    assert!(matches!(refused.code, 400 | 422), "{}", refused.text);
    Ok(())
}

#[tokio::test]
async fn a_pod_that_runs_nowhere_goes_at_once() -> Result<()> {
    let bench = Bench::new("pod").await?;
    let pods = "/api/v1/namespaces/{ns}/pods";
    bench.until_pods_are_possible().await?;
    let body = json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "main", "image": "example.invalid/x:1"}]}});
    let created = bench.post(pods, body).await?.is(201);
    assert_eq!(created.str("/status/phase"), "Pending");
    assert_eq!(created.str("/spec/serviceAccountName"), "default");
    let deleted = bench.delete(&format!("{pods}/a")).await?.is(200);
    assert_eq!(deleted.str("/kind"), "Pod");
    bench.until_gone(&format!("{pods}/a")).await
}

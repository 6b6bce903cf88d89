//! Optimistic concurrency: resourceVersion, uid, and writes that change nothing.

use anyhow::Result;
use serde_json::{Value, json};

use super::support::{Bench, CONFIG_MAPS, DEPLOYMENTS, GADGETS, MERGE, deployment, gadget};

#[tokio::test]
async fn a_write_from_an_old_version_conflicts() -> Result<()> {
    let bench = Bench::new("conflict").await?;
    let path = format!("{CONFIG_MAPS}/a");
    let old = bench.config_map("a", "x").await?;
    let mut body = old.body.clone();
    body["data"]["key"] = json!("new");
    bench.put(&path, body.clone()).await?.is(200);
    let refused = bench.put(&path, body).await?.refused(409, "Conflict");
    assert_eq!(
        refused.message(),
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again"
    );
    Ok(())
}

#[tokio::test]
async fn a_config_map_is_replaced_without_a_version() -> Result<()> {
    let bench = Bench::new("unconditional").await?;
    bench.config_map("a", "x").await?;
    let body = json!({"metadata": {"name": "a"}, "data": {"other": "value"}});
    let replaced = bench.put(&format!("{CONFIG_MAPS}/a"), body).await?.is(200);
    assert_eq!(replaced.at("/data"), &json!({"other": "value"}));
    assert_eq!(replaced.at("/metadata/labels"), &json!(null));
    Ok(())
}

#[tokio::test]
async fn a_service_account_is_replaced_without_a_version() -> Result<()> {
    let bench = Bench::new("account").await?;
    let accounts = "/api/v1/namespaces/{ns}/serviceaccounts";
    let account = |labels: Value| json!({"metadata": {"name": "a", "labels": labels}});
    bench.post(accounts, account(json!({"a": "b"}))).await?.is(201);
    let replaced = bench.put(&format!("{accounts}/a"), account(json!({"c": "d"}))).await?.is(200);
    assert_eq!(replaced.at("/metadata/labels"), &json!({"c": "d"}));
    Ok(())
}

#[tokio::test]
async fn a_webhook_configuration_is_not_replaced_without_a_version() -> Result<()> {
    let bench = Bench::new("webhook").await?;
    let webhooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    let body = json!({"metadata": {"name": bench.ns.name()}});
    let created = bench.post(webhooks, body.clone()).await?.is(201);
    assert_eq!(created.at("/metadata/generation"), &json!(1));
    let path = format!("{webhooks}/{}", bench.ns.name());
    let refused = bench.put(&path, body).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["metadata.resourceVersion"]);
    bench.delete(&path).await?.is(200);
    Ok(())
}

#[tokio::test]
async fn a_put_does_not_create_a_quota() -> Result<()> {
    let bench = Bench::new("quota").await?;
    let body = json!({"metadata": {"name": "a"}, "spec": {"hard": {"pods": "1"}}});
    bench.put("/api/v1/namespaces/{ns}/resourcequotas/a", body).await?.refused(404, "NotFound");
    Ok(())
}

#[tokio::test]
async fn a_custom_resource_is_not_replaced_without_a_version() -> Result<()> {
    let bench = Bench::with_gadgets("conditional").await?;
    bench.post(GADGETS, gadget("a")).await?.is(201);
    let refused = bench.put(&format!("{GADGETS}/a"), gadget("a")).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["metadata.resourceVersion"]);
    assert!(refused.message().contains("must be specified for an update"), "{}", refused.text);
    Ok(())
}

#[tokio::test]
async fn a_put_does_not_create_a_config_map() -> Result<()> {
    let bench = Bench::new("put").await?;
    let body = json!({"metadata": {"name": "a"}});
    bench.put(&format!("{CONFIG_MAPS}/a"), body).await?.refused(404, "NotFound");
    Ok(())
}

#[tokio::test]
async fn a_write_that_changes_nothing_keeps_the_version() -> Result<()> {
    let bench = Bench::new("same").await?;
    let path = format!("{CONFIG_MAPS}/a");
    let first = bench.config_map("a", "x").await?;
    let same = bench.put(&path, first.body.clone()).await?.is(200);
    assert_eq!(same.version(), first.version());
    let same = bench.patch(&path, MERGE, json!({"data": {"key": "value"}})).await?.is(200);
    assert_eq!(same.version(), first.version());
    Ok(())
}

#[tokio::test]
async fn a_uid_in_a_body_is_a_precondition() -> Result<()> {
    let bench = Bench::new("uid").await?;
    let path = format!("{CONFIG_MAPS}/a");
    bench.config_map("a", "x").await?;
    let body = json!({"metadata": {"name": "a", "uid": "11111111-1111-1111-1111-111111111111"}});
    let refused = bench.put(&path, body).await?.refused(409, "Conflict");
    assert!(refused.message().contains("UID in precondition"), "{}", refused.text);
    Ok(())
}

#[tokio::test]
async fn a_merge_patch_may_pin_a_version() -> Result<()> {
    let bench = Bench::new("pin").await?;
    let path = format!("{CONFIG_MAPS}/a");
    let first = bench.config_map("a", "x").await?;
    let body = json!({"metadata": {"resourceVersion": first.version()}, "data": {"k": "1"}});
    bench.patch(&path, MERGE, body.clone()).await?.is(200);
    bench.patch(&path, MERGE, body).await?.refused(409, "Conflict");
    Ok(())
}

#[tokio::test]
async fn the_name_in_a_body_must_be_the_one_in_the_url() -> Result<()> {
    let bench = Bench::new("rename").await?;
    bench.config_map("a", "x").await?;
    let refused = bench
        .put(&format!("{CONFIG_MAPS}/a"), json!({"metadata": {"name": "b"}}))
        .await?
        .refused(400, "BadRequest");
    assert!(refused.message().contains("does not match the name on the URL"), "{}", refused.text);
    Ok(())
}

const UNNAMED: &str = "the name of the object (a based on URL) was undeterminable: name must be provided";

#[tokio::test]
async fn a_body_names_its_object() -> Result<()> {
    let bench = Bench::with_gadgets("unnamed").await?;
    let path = format!("{CONFIG_MAPS}/a");
    let body = || json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v"}});
    assert_eq!(bench.put(&path, body()).await?.refused(400, "BadRequest").message(), UNNAMED);
    assert_eq!(bench.apply(&path, "me", body()).await?.refused(400, "BadRequest").message(), UNNAMED);
    bench.config_map("a", "x").await?;
    assert_eq!(bench.put(&path, body()).await?.refused(400, "BadRequest").message(), UNNAMED);
    let applied = bench.apply(&path, "me", body()).await?.is(200);
    assert_eq!((applied.str("/metadata/name"), applied.str("/data/k")), ("a", "v"));
    let taken = bench.patch(&path, MERGE, json!({"metadata": {"name": null}})).await?;
    assert_eq!(taken.refused(400, "BadRequest").message(), UNNAMED);
    let mut other = body();
    other["metadata"] = json!({"name": "b"});
    bench.put(&path, other.clone()).await?.refused(400, "BadRequest");
    bench.apply(&path, "me", other).await?.refused(400, "BadRequest");
    let mut unnamed = gadget("a");
    unnamed["metadata"] = json!({});
    let refused = bench.put(&format!("{GADGETS}/a"), unnamed).await?.refused(400, "BadRequest");
    assert_eq!(refused.message(), UNNAMED);
    Ok(())
}

#[tokio::test]
async fn a_scale_names_its_object() -> Result<()> {
    let bench = Bench::new("unnamed-scale").await?;
    bench.post(DEPLOYMENTS, deployment("a", 0)).await?.is(201);
    let mut body = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 2}});
    let path = format!("{DEPLOYMENTS}/a/scale");
    let refused = bench.put(&path, body.clone()).await?.refused(400, "BadRequest");
    assert_eq!(refused.message(), UNNAMED);
    body["metadata"] = json!({"name": "a", "namespace": bench.ns.name()});
    assert_eq!(bench.put(&path, body).await?.is(200).at("/spec/replicas"), &json!(2));
    Ok(())
}

#[tokio::test]
async fn versions_rise() -> Result<()> {
    let bench = Bench::new("rise").await?;
    let a: u64 = bench.config_map("a", "x").await?.version().parse()?;
    let b: u64 = bench.config_map("b", "x").await?.version().parse()?;
    assert!(b > a);
    let list: u64 = bench.get(CONFIG_MAPS).await?.version().parse()?;
    assert!(list >= b);
    Ok(())
}

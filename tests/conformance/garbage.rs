//! Garbage collection by owner reference.

use anyhow::{Result, ensure};
use polyreme_tests::eventually;
use serde_json::{Value, json};

use super::support::{Answer, Bench, CONFIG_MAPS, LIMIT};

const SECRETS: &str = "/api/v1/namespaces/{ns}/secrets";

/// An owner reference to a ConfigMap.
fn owned_by(owner: &Answer) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "controller": true, "blockOwnerDeletion": true,
        "name": owner.str("/metadata/name"), "uid": owner.str("/metadata/uid"),
    })
}

async fn child(bench: &Bench, name: &str, owners: Vec<Value>) -> Result<()> {
    let body = json!({"metadata": {"name": name, "ownerReferences": owners}});
    bench.post(SECRETS, body).await?.is(201);
    Ok(())
}

#[tokio::test]
async fn children_follow_their_owner() -> Result<()> {
    let bench = Bench::new("background").await?;
    let owner = bench.config_map("owner", "x").await?;
    child(&bench, "child", vec![owned_by(&owner)]).await?;
    let deleted = bench.delete(&format!("{CONFIG_MAPS}/owner")).await?.is(200);
    assert_eq!(deleted.str("/status"), "Success");
    bench.until_gone(&format!("{SECRETS}/child")).await
}

#[tokio::test]
async fn in_the_foreground_children_go_first() -> Result<()> {
    let bench = Bench::new("foreground").await?;
    let owner = bench.config_map("owner", "x").await?;
    child(&bench, "child", vec![owned_by(&owner)]).await?;
    let path = format!("{CONFIG_MAPS}/owner");
    let marked = bench.delete_with(&path, json!({"propagationPolicy": "Foreground"})).await?;
    assert!(matches!(marked.code, 200 | 202), "{}", marked.text);
    assert_eq!(marked.at("/metadata/finalizers"), &json!(["foregroundDeletion"]));
    bench.until_gone(&path).await?;
    bench.get(&format!("{SECRETS}/child")).await?.is(404);
    Ok(())
}

#[tokio::test]
async fn orphans_stay_without_their_owner() -> Result<()> {
    let bench = Bench::new("orphan").await?;
    let owner = bench.config_map("owner", "x").await?;
    child(&bench, "child", vec![owned_by(&owner)]).await?;
    let path = format!("{CONFIG_MAPS}/owner");
    let marked = bench.delete_with(&path, json!({"propagationPolicy": "Orphan"})).await?;
    assert!(matches!(marked.code, 200 | 202), "{}", marked.text);
    bench.until_gone(&path).await?;
    let left = bench.get(&format!("{SECRETS}/child")).await?.is(200);
    assert_eq!(left.at("/metadata/ownerReferences"), &Value::Null);
    Ok(())
}

#[tokio::test]
async fn a_child_of_another_uid_is_collected() -> Result<()> {
    let bench = Bench::new("uid").await?;
    let owner = bench.config_map("owner", "x").await?;
    let mut reference = owned_by(&owner);
    reference["uid"] = json!("11111111-1111-1111-1111-111111111111");
    child(&bench, "child", vec![reference]).await?;
    bench.until_gone(&format!("{SECRETS}/child")).await?;
    bench.get(&format!("{CONFIG_MAPS}/owner")).await?.is(200);
    Ok(())
}

#[tokio::test]
async fn a_child_stays_as_long_as_one_owner_does() -> Result<()> {
    let bench = Bench::new("two").await?;
    let (one, two) = (bench.config_map("one", "x").await?, bench.config_map("two", "x").await?);
    let mut second = owned_by(&two);
    second["controller"] = json!(false);
    child(&bench, "child", vec![owned_by(&one), second]).await?;
    bench.delete(&format!("{CONFIG_MAPS}/one")).await?.is(200);
    eventually("the reference to the deleted owner being dropped", LIMIT, async || {
        let read = bench.get(&format!("{SECRETS}/child")).await?.is(200);
        ensure!(read.at("/metadata/ownerReferences").as_array().map(Vec::len) == Some(1), "{}", read.text);
        Ok(())
    })
    .await?;
    bench.delete(&format!("{CONFIG_MAPS}/two")).await?.is(200);
    bench.until_gone(&format!("{SECRETS}/child")).await
}

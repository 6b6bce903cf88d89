//! What kube-rs makes of the server: typed objects, its watcher, its events.

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Error, ResourceExt};
use serde_json::json;

use super::support::{Bench, LIMIT};

fn config_map(name: &str) -> Result<ConfigMap> {
    Ok(serde_json::from_value(
        json!({"metadata": {"name": name, "labels": {"app": "x"}}, "data": {"k": "v"}}),
    )?)
}

#[tokio::test]
async fn typed_objects_are_created_listed_and_deleted() -> Result<()> {
    let bench = Bench::new("typed").await?;
    let maps: Api<ConfigMap> = Api::namespaced(bench.client.clone(), bench.ns.name());
    let created = maps.create(&PostParams::default(), &config_map("a")?).await?;
    assert!(created.uid().is_some() && created.resource_version().is_some());
    let mut changed = created.clone();
    changed.data.get_or_insert_default().insert("l".into(), "w".into());
    let replaced = maps.replace("a", &PostParams::default(), &changed).await?;
    assert_ne!(replaced.resource_version(), created.resource_version());
    let stale = maps.replace("a", &PostParams::default(), &changed).await;
    assert!(matches!(stale, Err(Error::Api(status)) if status.is_conflict()));
    assert_eq!(maps.list(&ListParams::default().labels("app")).await?.items.len(), 1);
    assert!(maps.delete("a", &DeleteParams::default()).await?.is_right());
    assert!(maps.get_opt("a").await?.is_none());
    Ok(())
}

#[tokio::test]
async fn a_watcher_sees_the_list_and_what_follows() -> Result<()> {
    for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
        let bench = Bench::new("watcher").await?;
        let maps: Api<ConfigMap> = Api::namespaced(bench.client.clone(), bench.ns.name());
        maps.create(&PostParams::default(), &config_map("a")?).await?;
        let mut seen = watcher(maps.clone(), config.labels("app")).applied_objects().boxed();
        let mut next = async || {
            tokio::time::timeout(LIMIT, seen.try_next())
                .await?
                .map_err(anyhow::Error::from)?
                .context("the watch ended")
        };
        assert_eq!(next().await?.name_any(), "a");
        maps.create(&PostParams::default(), &config_map("b")?).await?;
        assert_eq!(next().await?.name_any(), "b");
    }
    Ok(())
}

#[tokio::test]
async fn an_apply_by_kube_is_stable() -> Result<()> {
    let bench = Bench::new("apply").await?;
    let maps: Api<ConfigMap> = Api::namespaced(bench.client.clone(), bench.ns.name());
    let wanted =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}});
    let first = maps.patch("a", &PatchParams::apply("me"), &Patch::Apply(&wanted)).await?;
    let second = maps.patch("a", &PatchParams::apply("me").force(), &Patch::Apply(&wanted)).await?;
    assert_eq!(first.resource_version(), second.resource_version());
    Ok(())
}

#[tokio::test]
async fn an_event_is_seen_in_both_groups() -> Result<()> {
    let bench = Bench::new("event").await?;
    let events: Api<Event> = Api::namespaced(bench.client.clone(), bench.ns.name());
    let event = json!({
        "metadata": {"name": "a"}, "eventTime": "2026-01-01T00:00:00.000000Z",
        "action": "Test", "reason": "Tested", "note": "it works", "type": "Normal",
        "reportingController": "conformance.polyreme.dev/test", "reportingInstance": "one",
        "regarding": {"kind": "ConfigMap", "name": "b", "namespace": bench.ns.name()},
    });
    events.create(&PostParams::default(), &serde_json::from_value(event)?).await?;
    let core = bench.get("/api/v1/namespaces/{ns}/events/a").await?.is(200);
    assert_eq!(core.str("/message"), "it works");
    assert_eq!(core.str("/involvedObject/name"), "b");
    let selected =
        bench.get("/api/v1/namespaces/{ns}/events?fieldSelector=involvedObject.name%3Db").await?.is(200);
    assert_eq!(selected.names(), ["a"]);
    Ok(())
}

#[tokio::test]
async fn an_absent_object_is_none() -> Result<()> {
    let bench = Bench::new("none").await?;
    let pods: Api<Pod> = Api::namespaced(bench.client.clone(), bench.ns.name());
    assert!(pods.get_opt("a").await?.is_none());
    Ok(())
}

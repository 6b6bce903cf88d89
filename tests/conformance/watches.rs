//! Watches: order, resumption, bookmarks, selectors, the end.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::support::{Bench, CONFIG_MAPS, GADGETS, MERGE, event, gadget};

/// Watches only what the cases made: a real cluster puts a ConfigMap into every namespace.
const MINE: &str = "watch=1&labelSelector=app";

#[tokio::test]
async fn a_watch_shows_what_happens_after_a_version() -> Result<()> {
    let bench = Bench::new("watch").await?;
    let version = bench.get(CONFIG_MAPS).await?.version();
    let mut watch = bench.watch(&format!("{CONFIG_MAPS}?{MINE}&resourceVersion={version}")).await?;
    let path = format!("{CONFIG_MAPS}/a");
    bench.config_map("a", "x").await?;
    bench.patch(&path, MERGE, json!({"data": {"key": "new"}})).await?.is(200);
    bench.delete(&path).await?.is(200);
    for kind in ["ADDED", "MODIFIED", "DELETED"] {
        assert_eq!(watch.step().await?, event(kind, "a"));
    }
    Ok(())
}

#[tokio::test]
async fn a_watch_can_be_resumed() -> Result<()> {
    let bench = Bench::new("resume").await?;
    let first = bench.config_map("a", "x").await?.version();
    bench.config_map("b", "x").await?;
    bench.config_map("c", "x").await?;
    let mut watch = bench.watch(&format!("{CONFIG_MAPS}?{MINE}&resourceVersion={first}")).await?;
    assert_eq!(watch.step().await?, event("ADDED", "b"));
    assert_eq!(watch.step().await?, event("ADDED", "c"));
    Ok(())
}

#[tokio::test]
async fn a_watch_from_nothing_begins_with_what_is_there() -> Result<()> {
    let bench = Bench::new("start").await?;
    bench.config_map("a", "x").await?;
    for query in [MINE.to_owned(), format!("{MINE}&resourceVersion=0")] {
        let mut watch = bench.watch(&format!("{CONFIG_MAPS}?{query}")).await?;
        assert_eq!(watch.step().await?, event("ADDED", "a"));
    }
    Ok(())
}

#[tokio::test]
async fn the_initial_list_of_a_streaming_watch_has_an_end() -> Result<()> {
    let bench = Bench::new("stream").await?;
    bench.config_map("a", "x").await?;
    let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = bench.watch(&format!("{CONFIG_MAPS}?{MINE}&{query}")).await?;
    assert_eq!(watch.step().await?, event("ADDED", "a"));
    let end = watch.next().await?;
    assert_eq!(end["type"], "BOOKMARK");
    assert_eq!(end["object"]["kind"], "ConfigMap");
    assert_eq!(end["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    bench.config_map("b", "x").await?;
    assert_eq!(watch.step().await?, event("ADDED", "b"));
    Ok(())
}

#[tokio::test]
async fn a_streaming_watch_must_say_how_new() -> Result<()> {
    let bench = Bench::new("howtonew").await?;
    bench.get(&format!("{CONFIG_MAPS}?watch=1&sendInitialEvents=true")).await?.refused(422, "Invalid");
    bench
        .get(&format!("{CONFIG_MAPS}?watch=1&resourceVersionMatch=NotOlderThan"))
        .await?
        .refused(422, "Invalid");
    Ok(())
}

#[tokio::test]
async fn an_object_enters_and_leaves_a_selection() -> Result<()> {
    let bench = Bench::new("select").await?;
    let version = bench.get(CONFIG_MAPS).await?.version();
    let path = format!("{CONFIG_MAPS}?watch=1&labelSelector=app%3Dx&resourceVersion={version}");
    let mut watch = bench.watch(&path).await?;
    bench.config_map("a", "y").await?;
    let object = format!("{CONFIG_MAPS}/a");
    bench.patch(&object, MERGE, json!({"metadata": {"labels": {"app": "x"}}})).await?.is(200);
    let left = bench.patch(&object, MERGE, json!({"metadata": {"labels": {"app": "z"}}})).await?.is(200);
    assert_eq!(watch.step().await?, event("ADDED", "a"));
    let event = watch.next().await?;
    assert_eq!(event["type"], "DELETED");
    assert_eq!(event["object"]["metadata"]["resourceVersion"], json!(left.version()));
    assert_eq!(event["object"]["metadata"]["labels"]["app"], "x");
    Ok(())
}

#[tokio::test]
async fn a_write_that_changes_nothing_sends_no_event() -> Result<()> {
    let bench = Bench::new("silent").await?;
    let first = bench.config_map("a", "x").await?;
    let mut watch = bench.watch(&format!("{CONFIG_MAPS}?{MINE}&resourceVersion={}", first.version())).await?;
    bench.put(&format!("{CONFIG_MAPS}/a"), first.body.clone()).await?.is(200);
    bench.config_map("b", "x").await?;
    assert_eq!(watch.step().await?, event("ADDED", "b"));
    Ok(())
}

#[tokio::test]
async fn a_watch_ends_when_its_time_is_up() -> Result<()> {
    let bench = Bench::new("timeout").await?;
    let watch = bench.watch(&format!("{CONFIG_MAPS}?{MINE}&timeoutSeconds=1")).await?;
    watch.ends().await
}

#[tokio::test]
async fn a_watch_from_long_ago_is_told_gone_in_the_stream() -> Result<()> {
    let bench = Bench::with_gadgets("gone").await?;
    bench.post(GADGETS, gadget("a")).await?.is(201);
    let mut watch = bench.watch(&format!("{GADGETS}?watch=1&resourceVersion=1")).await?;
    let first = watch.next().await?;
    if first["type"] == "ERROR" {
        assert_eq!(first["object"]["code"], 410);
        assert_eq!(first["object"]["reason"], "Expired");
    } else {
        assert_eq!(first["type"], "ADDED", "a server that still remembers shows the beginning");
    }
    Ok(())
}

#[tokio::test]
async fn a_watch_from_garbage_is_an_error() -> Result<()> {
    let bench = Bench::new("garbage").await?;
    bench.get(&format!("{CONFIG_MAPS}?watch=1&resourceVersion=garbage")).await?.is(500);
    Ok(())
}

#[tokio::test]
async fn a_watch_of_one_name_sees_only_that() -> Result<()> {
    let bench = Bench::new("one").await?;
    bench.config_map("a", "x").await?;
    let mut watch = bench.watch(&format!("{CONFIG_MAPS}?watch=1&fieldSelector=metadata.name%3Db")).await?;
    bench.config_map("b", "x").await?;
    assert_eq!(watch.step().await?, event("ADDED", "b"));
    Ok(())
}

#[tokio::test]
async fn a_deleted_object_is_shown_as_it_was_at_a_new_version() -> Result<()> {
    let bench = Bench::with_gadgets("last").await?;
    let created = bench.post(GADGETS, gadget("a")).await?.is(201);
    let mut watch = bench.watch(&format!("{GADGETS}?watch=1&resourceVersion={}", created.version())).await?;
    bench.delete(&format!("{GADGETS}/a")).await?.is(200);
    let event = watch.next().await?;
    assert_eq!(event["type"], "DELETED");
    assert_eq!(event["object"]["spec"]["size"], 3);
    let at = |v: &Value| v.as_str().and_then(|s| s.parse::<u64>().ok());
    let last = at(&event["object"]["metadata"]["resourceVersion"]).context("no version")?;
    assert!(last > created.version().parse()?);
    Ok(())
}

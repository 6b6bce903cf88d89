//! What events of both groups must say.

use anyhow::Result;
use serde_json::{Value, json};

use super::support::{Bench, MERGE};

const NEW: &str = "/apis/events.k8s.io/v1/namespaces/{ns}/events";
const CORE: &str = "/api/v1/namespaces/{ns}/events";

fn event(bench: &Bench, name: &str) -> Value {
    json!({
        "metadata": {"name": name}, "eventTime": "2026-01-01T00:00:00.000000Z", "type": "Normal",
        "reason": "Made", "action": "Make", "note": "made it",
        "reportingController": "example.com/maker", "reportingInstance": "maker-0",
        "regarding": {"kind": "ConfigMap", "name": "a", "namespace": bench.ns.name()},
    })
}

#[tokio::test]
async fn a_new_event_says_when_who_and_what() -> Result<()> {
    let bench = Bench::new("event").await?;
    bench.post(NEW, event(&bench, "whole")).await?.is(201);
    let cases = [
        ("eventTime", "eventTime"),
        ("type", "type"),
        ("reason", "reason"),
        ("action", "action"),
        ("reportingController", "reportingController"),
        ("reportingInstance", "reportingInstance"),
    ];
    for (field, cause) in cases {
        let mut body = event(&bench, "part");
        body[field] = Value::Null;
        let refused = bench.post(NEW, body).await?.refused(422, "Invalid");
        assert_eq!(refused.cause_fields(), [cause], "{}", refused.text);
    }
    let mut long = event(&bench, "long");
    long["note"] = json!("x".repeat(1025));
    let refused = bench.post(NEW, long).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["message"]);
    Ok(())
}

#[tokio::test]
async fn a_new_event_changes_only_its_series() -> Result<()> {
    let bench = Bench::new("series").await?;
    bench.post(NEW, event(&bench, "a")).await?.is(201);
    let path = format!("{NEW}/a");
    let other = json!({"reason": "Other", "note": "other"});
    let refused = bench.patch(&path, MERGE, other).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["message", "reason"]);
    let series =
        |count: i64| json!({"series": {"count": count, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}});
    let refused = bench.patch(&path, MERGE, series(1)).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["series.count"]);
    bench.patch(&path, MERGE, series(2)).await?.is(200);
    Ok(())
}

#[tokio::test]
async fn an_old_event_says_little_and_changes_at_will() -> Result<()> {
    let bench = Bench::new("core").await?;
    let involved = |namespace: &str| json!({"metadata": {"name": "a"}, "reason": "Made", "involvedObject": {"kind": "ConfigMap", "name": "a", "namespace": namespace}});
    let refused = bench.post(CORE, involved("elsewhere")).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["involvedObject.namespace"]);
    bench.post(CORE, involved(bench.ns.name())).await?.is(201);
    bench.patch(&format!("{CORE}/a"), MERGE, json!({"reason": "Other"})).await?.is(200);
    let timed = json!({"eventTime": "2026-01-01T00:00:00.000000Z"});
    let refused = bench.patch(&format!("{CORE}/a"), MERGE, timed).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["action", "reportingComponent", "reportingInstance"]);
    Ok(())
}

//! JSON patch, merge patch, strategic merge patch.

use anyhow::Result;
use serde_json::{Value, json};

use super::support::{
    Answer, Bench, CONFIG_MAPS, DEPLOYMENTS, GADGETS, JSON_PATCH, MERGE, STRATEGIC, deployment, gadget,
};

#[tokio::test]
async fn a_merge_patch_merges_and_removes() -> Result<()> {
    let bench = Bench::new("merge").await?;
    bench.config_map("a", "x").await?;
    let body = json!({"data": {"key": null, "new": "1"}, "metadata": {"labels": {"more": "yes"}}});
    let patched = bench.patch(&format!("{CONFIG_MAPS}/a"), MERGE, body).await?.is(200);
    assert_eq!(patched.at("/data"), &json!({"new": "1"}));
    assert_eq!(patched.at("/metadata/labels"), &json!({"app": "x", "more": "yes"}));
    Ok(())
}

#[tokio::test]
async fn a_json_patch_runs_its_operations() -> Result<()> {
    let bench = Bench::new("json").await?;
    let path = format!("{CONFIG_MAPS}/a");
    bench.config_map("a", "x").await?;
    let operations = json!([
        {"op": "test", "path": "/data/key", "value": "value"},
        {"op": "add", "path": "/data/new", "value": "1"},
        {"op": "remove", "path": "/metadata/labels/app"},
    ]);
    let patched = bench.patch(&path, JSON_PATCH, operations).await?.is(200);
    assert_eq!(patched.at("/data"), &json!({"key": "value", "new": "1"}));
    assert_eq!(patched.at("/metadata/labels"), &Value::Null);
    Ok(())
}

#[tokio::test]
async fn a_json_patch_may_replace_what_is_not_there() -> Result<()> {
    let bench = Bench::new("replace").await?;
    bench.config_map("a", "x").await?;
    let operations = json!([{"op": "replace", "path": "/data/absent", "value": "1"}]);
    let patched = bench.patch(&format!("{CONFIG_MAPS}/a"), JSON_PATCH, operations).await?.is(200);
    assert_eq!(patched.str("/data/absent"), "1");
    Ok(())
}

#[tokio::test]
async fn a_failed_test_is_unprocessable() -> Result<()> {
    let bench = Bench::new("test").await?;
    bench.config_map("a", "x").await?;
    let operations = json!([{"op": "test", "path": "/data/key", "value": "other"}]);
    bench.patch(&format!("{CONFIG_MAPS}/a"), JSON_PATCH, operations).await?.refused(422, "Invalid");
    let operations = json!([{"op": "remove", "path": "/data/absent"}]);
    bench.patch(&format!("{CONFIG_MAPS}/a"), JSON_PATCH, operations).await?.refused(422, "Invalid");
    Ok(())
}

#[tokio::test]
async fn a_strategic_patch_merges_lists_by_their_key() -> Result<()> {
    let bench = Bench::new("strategic").await?;
    bench.post(DEPLOYMENTS, deployment("a", 0)).await?.is(201);
    let body = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "main", "env": [{"name": "A", "value": "1"}]},
        {"name": "second", "image": "example.invalid/second:1"},
    ]}}}});
    let patched = bench.patch(&format!("{DEPLOYMENTS}/a"), STRATEGIC, body).await?.is(200);
    let containers = patched.at("/spec/template/spec/containers");
    assert_eq!(containers.as_array().map(Vec::len), Some(2), "{}", patched.text);
    let main = containers.as_array().into_iter().flatten().find(|c| c["name"] == "main");
    assert_eq!(main.map(|c| &c["image"]), Some(&json!("example.invalid/main:1")));
    Ok(())
}

#[tokio::test]
async fn a_custom_resource_has_no_strategic_patch() -> Result<()> {
    let bench = Bench::with_gadgets("none").await?;
    bench.post(GADGETS, gadget("a")).await?.is(201);
    let body = json!({"spec": {"size": 4}});
    bench.patch(&format!("{GADGETS}/a"), STRATEGIC, body.clone()).await?.refused(415, "UnsupportedMediaType");
    bench
        .patch(&format!("{GADGETS}/a"), "application/json", body)
        .await?
        .refused(415, "UnsupportedMediaType");
    Ok(())
}

#[tokio::test]
async fn a_patch_of_nothing_is_not_found() -> Result<()> {
    let bench = Bench::new("absent").await?;
    bench.patch(&format!("{CONFIG_MAPS}/a"), MERGE, json!({"data": {}})).await?.refused(404, "NotFound");
    Ok(())
}

#[tokio::test]
async fn racing_patches_all_arrive() -> Result<()> {
    let bench = Bench::new("race").await?;
    bench.config_map("a", "x").await?;
    let path = format!("{CONFIG_MAPS}/a");
    let patches = (0..5).map(|at| bench.patch(&path, MERGE, json!({"data": {format!("k{at}"): "1"}})));
    for patched in futures::future::join_all(patches).await {
        patched?.is(200);
    }
    let read = bench.get(&path).await?.is(200);
    assert_eq!(read.at("/data").as_object().map(|d| d.len()), Some(6), "{}", read.text);
    Ok(())
}

const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

/// A webhook that nothing ever calls.
fn webhook(name: &str, condition: &str) -> Value {
    json!({
        "name": format!("{name}.conformance.polyreme.dev"),
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "failurePolicy": "Ignore", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "rules": [{
            "apiGroups": ["nothing.conformance.polyreme.dev"], "apiVersions": ["v1"],
            "resources": ["nothings"], "operations": ["CREATE"],
        }],
        "matchConditions": [{"name": condition, "expression": "true"}],
    })
}

/// The webhooks of a configuration and the conditions of each, sorted.
fn webhooks(answer: &Answer) -> Vec<(String, Vec<String>)> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
    let conditions = |webhook: &Value| {
        let mut names: Vec<String> = list(&webhook["matchConditions"]).iter().map(name).collect();
        names.sort();
        names
    };
    let mut found: Vec<_> = list(answer.at("/webhooks")).iter().map(|w| (name(w), conditions(w))).collect();
    found.sort();
    found
}

fn found(name: &str, conditions: &[&str]) -> (String, Vec<String>) {
    let conditions = conditions.iter().map(|c| (*c).to_owned()).collect();
    (format!("{name}.conformance.polyreme.dev"), conditions)
}

#[tokio::test]
async fn webhooks_and_their_conditions_are_merged_by_name() -> Result<()> {
    let bench = Bench::new("webhooks").await?;
    for (collection, kind) in
        [(VALIDATING, "ValidatingWebhookConfiguration"), (MUTATING, "MutatingWebhookConfiguration")]
    {
        let path = format!("{collection}/{}", bench.ns.name());
        let body = |webhook: Value| {
            json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
                "metadata": {"name": bench.ns.name()}, "webhooks": [webhook],
            })
        };
        bench.apply(&path, "one", body(webhook("a", "x"))).await?.is(201);
        let applied = bench.apply(&path, "two", body(webhook("b", "x"))).await?.is(200);
        assert_eq!(webhooks(&applied), [found("a", &["x"]), found("b", &["x"])], "{}", applied.text);
        let patch = json!({"webhooks": [{
            "name": "a.conformance.polyreme.dev", "timeoutSeconds": 3,
            "matchConditions": [{"name": "y", "expression": "true"}],
        }]});
        let patched = bench.patch(&path, STRATEGIC, patch).await?.is(200);
        assert_eq!(webhooks(&patched), [found("a", &["x", "y"]), found("b", &["x"])], "{}", patched.text);
        bench.delete(&path).await?.is(200);
    }
    Ok(())
}

#[tokio::test]
async fn a_selector_of_a_budget_is_replaced_as_a_whole() -> Result<()> {
    let bench = Bench::new("budget").await?;
    let budgets = "/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets";
    let selector = |labels: Value| json!({"matchLabels": labels});
    let spec = json!({"minAvailable": 1, "selector": selector(json!({"a": "1"}))});
    bench.post(budgets, json!({"metadata": {"name": "a"}, "spec": spec})).await?.is(201);
    let patch = json!({"spec": {"selector": selector(json!({"b": "2"}))}});
    let patched = bench.patch(&format!("{budgets}/a"), STRATEGIC, patch).await?.is(200);
    assert_eq!(patched.at("/spec/selector"), &selector(json!({"b": "2"})));
    assert_eq!(patched.at("/spec/minAvailable"), &json!(1));
    Ok(())
}

#[tokio::test]
async fn conditions_of_an_autoscaler_are_merged_by_type() -> Result<()> {
    let bench = Bench::new("autoscaler").await?;
    let autoscalers = "/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers";
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "nothing"});
    let body = json!({"metadata": {"name": "a"}, "spec": {"maxReplicas": 2, "scaleTargetRef": target}});
    bench.post(autoscalers, body).await?.is(201);
    let status = |kind: &str| json!({"status": {"conditions": [{"type": kind, "status": "True"}]}});
    let path = format!("{autoscalers}/a/status");
    bench.patch(&path, STRATEGIC, status("One")).await?.is(200);
    let both = bench.patch(&path, STRATEGIC, status("Two")).await?.is(200);
    // The real controller has conditions of its own.
    let conditions = both.at("/status/conditions").as_array().cloned().unwrap_or_default();
    let has = |kind: &str| conditions.iter().any(|condition| condition["type"] == kind);
    assert!(has("One") && has("Two"), "{}", both.text);
    Ok(())
}

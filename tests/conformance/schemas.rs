//! What the schema of a custom resource does to its objects.

use anyhow::Result;
use serde_json::{Value, json};

use super::support::{Bench, DEPLOYMENTS, GADGETS, MERGE, deployment, gadget};

fn with_spec(spec: Value) -> Value {
    json!({"apiVersion": "conformance.polyreme.dev/v1", "kind": "Gadget", "metadata": {"name": "a"}, "spec": spec})
}

#[tokio::test]
async fn defaults_are_filled_in() -> Result<()> {
    let bench = Bench::with_gadgets("default").await?;
    let created = bench.post(GADGETS, gadget("a")).await?.is(201);
    assert_eq!(created.str("/spec/mode"), "slow");
    Ok(())
}

#[tokio::test]
async fn unknown_fields_are_dropped_with_a_warning() -> Result<()> {
    let bench = Bench::with_gadgets("prune").await?;
    let body = with_spec(json!({"size": 1, "bogus": 1, "free": {"any": {"thing": 1}}}));
    let created = bench.post(GADGETS, body).await?.is(201);
    assert_eq!(created.at("/spec/bogus"), &Value::Null);
    assert_eq!(created.at("/spec/free/any/thing"), &json!(1));
    let warning = created.headers.get("warning").and_then(|w| w.to_str().ok()).unwrap_or_default();
    assert_eq!(warning, "299 - \"unknown field \\\"spec.bogus\\\"\"");
    Ok(())
}

#[tokio::test]
async fn unknown_fields_are_refused_or_ignored_on_demand() -> Result<()> {
    let bench = Bench::with_gadgets("strict").await?;
    let body = with_spec(json!({"size": 1, "bogus": 1}));
    let refused = bench
        .post(&format!("{GADGETS}?fieldValidation=Strict"), body.clone())
        .await?
        .refused(400, "BadRequest");
    assert!(
        refused.message().contains("strict decoding error: unknown field \"spec.bogus\""),
        "{}",
        refused.text
    );
    let ignored = bench.post(&format!("{GADGETS}?fieldValidation=Ignore"), body).await?.is(201);
    assert!(ignored.headers.get("warning").is_none());
    Ok(())
}

#[tokio::test]
async fn unknown_fields_of_built_in_kinds_are_treated_alike() -> Result<()> {
    let bench = Bench::new("builtin").await?;
    let mut body = deployment("a", 0);
    body["spec"]["bogus"] = json!(1);
    let strict = bench
        .post(&format!("{DEPLOYMENTS}?fieldValidation=Strict"), body.clone())
        .await?
        .refused(400, "BadRequest");
    assert!(
        strict.message().contains("strict decoding error: unknown field \"spec.bogus\""),
        "{}",
        strict.text
    );
    let created = bench.post(DEPLOYMENTS, body).await?.is(201);
    assert!(created.headers.get("warning").is_some());
    Ok(())
}

#[tokio::test]
async fn a_missing_field_is_named() -> Result<()> {
    let bench = Bench::with_gadgets("required").await?;
    let refused = bench.post(GADGETS, with_spec(json!({}))).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["<nil>", "spec.size"]);
    assert!(
        refused.message().starts_with("Gadget.conformance.polyreme.dev \"a\" is invalid: "),
        "{}",
        refused.text
    );
    assert!(refused.message().contains("spec.size: Required value"), "{}", refused.text);
    assert!(refused.message().contains("some validation rules were not checked"), "{}", refused.text);
    Ok(())
}

#[tokio::test]
async fn values_are_checked() -> Result<()> {
    let bench = Bench::with_gadgets("values").await?;
    for (spec, says) in [
        (json!({"size": "x"}), "spec.size in body must be of type integer: \"string\""),
        (json!({"size": 101}), "spec.size in body should be less than or equal to 100"),
        (json!({"size": -1}), "spec.size in body should be greater than or equal to 0"),
        (json!({"size": 1, "code": "ABC"}), "spec.code in body should match '^[a-z]+$'"),
        (
            json!({"size": 1, "mode": "other"}),
            "Unsupported value: \"other\": supported values: \"fast\", \"slow\"",
        ),
        (json!({"size": 1, "tags": ["a", "a"]}), "Duplicate value: \"a\""),
        (json!({"size": 1, "parts": [{"name": "a"}, {"name": "a"}]}), "Duplicate value: {\"name\":\"a\"}"),
        (json!({"size": 13}), "size must not be 13"),
    ] {
        let refused = bench.post(GADGETS, with_spec(spec.clone())).await?.refused(422, "Invalid");
        assert!(refused.message().contains(says), "{spec}: {}", refused.text);
    }
    Ok(())
}

#[tokio::test]
async fn a_port_is_a_number_or_a_name() -> Result<()> {
    let bench = Bench::with_gadgets("port").await?;
    for port in [json!(80), json!("http")] {
        let mut body = with_spec(json!({"size": 1, "port": port}));
        body["metadata"] = json!({"generateName": "a-"});
        bench.post(GADGETS, body).await?.is(201);
    }
    bench.post(GADGETS, with_spec(json!({"size": 1, "port": true}))).await?.refused(422, "Invalid");
    Ok(())
}

#[tokio::test]
async fn a_rule_may_compare_with_the_old_object() -> Result<()> {
    let bench = Bench::with_gadgets("old").await?;
    bench.post(GADGETS, with_spec(json!({"size": 1, "fixed": "x"}))).await?.is(201);
    let refused = bench.patch(&format!("{GADGETS}/a"), MERGE, json!({"spec": {"fixed": "y"}})).await?;
    let refused = refused.refused(422, "Invalid");
    assert!(refused.message().contains("fixed cannot change"), "{}", refused.text);
    Ok(())
}

#[tokio::test]
async fn a_custom_resource_must_say_what_it_is() -> Result<()> {
    let bench = Bench::with_gadgets("what").await?;
    bench
        .post(GADGETS, json!({"metadata": {"name": "a"}, "spec": {"size": 1}}))
        .await?
        .refused(400, "BadRequest");
    let mut other = gadget("a");
    other["apiVersion"] = json!("conformance.polyreme.dev/v1beta1");
    bench.post(GADGETS, other).await?.refused(400, "BadRequest");
    Ok(())
}

//! What counts as a change of the desired state.

use anyhow::Result;
use serde_json::{Value, json};

use super::support::{Bench, CONFIG_MAPS, DEPLOYMENTS, GADGETS, MERGE, deployment, gadget};

#[tokio::test]
async fn the_generation_of_a_custom_resource_follows_its_spec() -> Result<()> {
    let bench = Bench::with_gadgets("generation").await?;
    let path = format!("{GADGETS}/a");
    let created = bench.post(GADGETS, gadget("a")).await?.is(201);
    assert_eq!(created.at("/metadata/generation"), &json!(1));
    let labelled = bench.patch(&path, MERGE, json!({"metadata": {"labels": {"a": "b"}}})).await?.is(200);
    assert_eq!(labelled.at("/metadata/generation"), &json!(1));
    let changed = bench.patch(&path, MERGE, json!({"spec": {"size": 4}})).await?.is(200);
    assert_eq!(changed.at("/metadata/generation"), &json!(2));
    let status =
        bench.patch(&format!("{path}/status"), MERGE, json!({"status": {"phase": "Ready"}})).await?.is(200);
    assert_eq!(status.at("/metadata/generation"), &json!(2));
    Ok(())
}

#[tokio::test]
async fn the_generation_of_a_deployment_follows_its_spec() -> Result<()> {
    let bench = Bench::new("deployment").await?;
    let created = bench.post(DEPLOYMENTS, deployment("a", 0)).await?.is(201);
    assert_eq!(created.at("/metadata/generation"), &json!(1));
    let path = format!("{DEPLOYMENTS}/a");
    let changed = bench.patch(&path, MERGE, json!({"spec": {"paused": true}})).await?.is(200);
    assert_eq!(changed.at("/metadata/generation"), &json!(2));
    Ok(())
}

#[tokio::test]
async fn annotations_of_a_deployment_count_and_labels_do_not() -> Result<()> {
    let bench = Bench::new("annotations").await?;
    bench.post(DEPLOYMENTS, deployment("a", 0)).await?.is(201);
    let path = format!("{DEPLOYMENTS}/a");
    let annotations = json!({"metadata": {"annotations": {"conformance.polyreme.dev/a": "1"}}});
    let in_status = json!({"metadata": {"annotations": {"conformance.polyreme.dev/a": "2"}}});
    let steps = [
        (path.clone(), json!({"metadata": {"labels": {"a": "b"}}}), 1),
        (path.clone(), annotations, 2),
        (format!("{path}/status"), in_status, 2),
    ];
    follows(&bench, steps).await
}

/// Sends merge patches one after the other and looks at the generation after each.
async fn follows(bench: &Bench, steps: impl IntoIterator<Item = (String, Value, i64)>) -> Result<()> {
    for (path, patch, generation) in steps {
        let patched = bench.patch(&path, MERGE, patch).await?.is(200);
        assert_eq!(patched.at("/metadata/generation"), &json!(generation), "{}", patched.text);
    }
    Ok(())
}

#[tokio::test]
async fn labels_of_an_endpoint_slice_count_and_annotations_do_not() -> Result<()> {
    let bench = Bench::new("slice").await?;
    let slices = "/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices";
    let slice = json!({"metadata": {"name": "a"}, "addressType": "IPv4", "endpoints": []});
    bench.post(slices, slice).await?.is(201);
    let path = format!("{slices}/a");
    let step = |(field, generation): (&str, i64)| {
        (path.clone(), json!({"metadata": {field: {"a": "b"}}}), generation)
    };
    follows(&bench, [("annotations", 1), ("labels", 2)].map(step)).await
}

#[tokio::test]
async fn a_priority_class_stays_at_its_first_generation() -> Result<()> {
    let bench = Bench::new("priority").await?;
    let classes = "/apis/scheduling.k8s.io/v1/priorityclasses";
    let created =
        bench.post(classes, json!({"metadata": {"name": bench.ns.name()}, "value": 1})).await?.is(201);
    assert_eq!(created.at("/metadata/generation"), &json!(1));
    let path = format!("{classes}/{}", bench.ns.name());
    let changed = bench.patch(&path, MERGE, json!({"description": "other"})).await?.is(200);
    assert_eq!(changed.at("/metadata/generation"), &json!(1));
    bench.delete(&path).await?.is(200);
    Ok(())
}

#[tokio::test]
async fn a_client_does_not_set_the_generation() -> Result<()> {
    let bench = Bench::with_gadgets("claimed").await?;
    let mut body = gadget("a");
    body["metadata"]["generation"] = json!(77);
    let created = bench.post(GADGETS, body).await?.is(201);
    assert_eq!(created.at("/metadata/generation"), &json!(1));
    let kept = bench.post(CONFIG_MAPS, json!({"metadata": {"name": "a", "generation": 77}})).await?.is(201);
    assert_eq!(kept.at("/metadata/generation"), &json!(77));
    let raised = json!({"metadata": {"generation": 78}, "data": {"k": "v"}});
    let still = bench.patch(&format!("{CONFIG_MAPS}/a"), MERGE, raised).await?.is(200);
    assert_eq!(still.at("/metadata/generation"), &json!(77));
    Ok(())
}

#[tokio::test]
async fn deleting_what_a_finalizer_holds_raises_the_generation() -> Result<()> {
    let bench = Bench::with_gadgets("held").await?;
    let path = format!("{GADGETS}/a");
    let mut body = gadget("a");
    body["metadata"]["finalizers"] = json!(["conformance.polyreme.dev/hold"]);
    bench.post(GADGETS, body).await?.is(201);
    let marked = bench.delete(&path).await?.is(200);
    assert_eq!(marked.at("/metadata/generation"), &json!(2));
    assert_eq!(marked.at("/metadata/deletionGracePeriodSeconds"), &json!(0));
    bench.patch(&path, MERGE, json!({"metadata": {"finalizers": null}})).await?.is(200);
    bench.until_gone(&path).await
}

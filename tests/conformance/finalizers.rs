//! Finalizers without a domain.

use anyhow::Result;
use serde_json::json;

use super::support::{Answer, Bench, CONFIG_MAPS, GADGETS, MERGE, gadget};

fn warnings(answer: &Answer) -> Vec<String> {
    let all = answer.headers.get_all("warning").iter();
    all.filter_map(|value| value.to_str().ok()).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_finalizer_of_a_built_in_kind_has_a_domain() -> Result<()> {
    let bench = Bench::new("domain").await?;
    let body =
        |finalizer: &str| json!({"metadata": {"name": "a", "finalizers": ["example.com/a", finalizer]}});
    let refused = bench.post(CONFIG_MAPS, body("cleanup")).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["metadata.finalizers[1]"]);
    bench.post(CONFIG_MAPS, body("kubernetes")).await?.is(201);
    let path = format!("{CONFIG_MAPS}/a");
    let added = json!({"metadata": {"finalizers": ["cleanup"]}});
    let refused = bench.patch(&path, MERGE, added).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["metadata.finalizers[0]"]);
    bench.patch(&path, MERGE, json!({"metadata": {"finalizers": null}})).await?.is(200);
    Ok(())
}

#[tokio::test]
async fn a_finalizer_of_a_custom_resource_without_a_domain_is_warned_of_once() -> Result<()> {
    let bench = Bench::with_gadgets("warned").await?;
    let mut body = gadget("a");
    body["metadata"]["finalizers"] = json!(["cleanup"]);
    let made = bench.post(GADGETS, body).await?.is(201);
    let said = warnings(&made);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("prefer a domain-qualified finalizer name to avoid"), "{said:?}");
    let path = format!("{GADGETS}/a");
    let more = json!({"metadata": {"finalizers": ["cleanup", "example.com/a", "a.example"]}});
    let said = warnings(&bench.patch(&path, MERGE, more).await?.is(200));
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("including a path (/)"), "{said:?}");
    bench.patch(&path, MERGE, json!({"metadata": {"finalizers": null}})).await?.is(200);
    Ok(())
}

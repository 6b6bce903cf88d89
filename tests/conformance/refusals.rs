//! Rules of built-in kinds that controllers run into, and methods that do not exist.

use anyhow::Result;
use http::Method;
use serde_json::{Value, json};

use super::support::{Bench, CONFIG_MAPS, DEPLOYMENTS, JSON_PATCH, MERGE, deployment};

const SERVICES: &str = "/api/v1/namespaces/{ns}/services";

fn service(name: &str, port: Value) -> Value {
    json!({"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": [{"port": port}]}})
}

#[tokio::test]
async fn a_selector_must_match_its_template() -> Result<()> {
    let bench = Bench::new("selector").await?;
    let mut body = deployment("a", 0);
    body["spec"]["template"]["metadata"]["labels"] = json!({"app": "other"});
    let refused = bench.post(DEPLOYMENTS, body).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["spec.template.metadata.labels"]);
    assert!(refused.message().contains("`selector` does not match template `labels`"), "{}", refused.text);
    Ok(())
}

#[tokio::test]
async fn a_selector_cannot_change() -> Result<()> {
    let bench = Bench::new("immutable").await?;
    bench.post(DEPLOYMENTS, deployment("a", 0)).await?.is(201);
    let mut body = deployment("a", 0);
    body["spec"]["selector"]["matchLabels"] = json!({"app": "b"});
    body["spec"]["template"]["metadata"]["labels"] = json!({"app": "b"});
    let refused = bench.put(&format!("{DEPLOYMENTS}/a"), body).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["spec.selector"]);
    assert!(refused.message().contains("field is immutable"), "{}", refused.text);
    Ok(())
}

#[tokio::test]
async fn a_service_gets_an_address_and_keeps_it() -> Result<()> {
    let bench = Bench::new("service").await?;
    let created = bench.post(SERVICES, service("a", json!(80))).await?.is(201);
    let address = created.str("/spec/clusterIP").to_owned();
    assert!(address.starts_with("10."), "{}", created.text);
    assert_eq!(created.at("/spec/clusterIPs/0"), &json!(address));
    assert_eq!(created.str("/spec/type"), "ClusterIP");
    assert_eq!(created.str("/spec/ports/0/protocol"), "TCP");
    assert_eq!(created.at("/spec/ports/0/targetPort"), &json!(80));
    assert_eq!(created.at("/status/loadBalancer"), &json!({}));
    let replaced = bench.put(&format!("{SERVICES}/a"), service("a", json!(81))).await?.is(200);
    assert_eq!(replaced.str("/spec/clusterIP"), address);
    Ok(())
}

#[tokio::test]
async fn a_port_is_in_range() -> Result<()> {
    let bench = Bench::new("port").await?;
    let refused = bench.post(SERVICES, service("a", json!(70000))).await?.refused(422, "Invalid");
    assert!(refused.cause_fields().contains(&"spec.ports[0].port"), "{}", refused.text);
    Ok(())
}

#[tokio::test]
async fn a_toleration_makes_sense() -> Result<()> {
    let bench = Bench::new("toleration").await?;
    let cases = [
        (json!({"operator": "Exists"}), None),
        (json!({"key": "a.example/b", "value": "c", "effect": "NoSchedule"}), None),
        (json!({"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 3}), None),
        (json!({"key": "a", "effect": "NoSchedule", "tolerationSeconds": 3}), Some("effect")),
        (json!({"key": "a", "operator": "Exists", "value": "b"}), Some("operator")),
        (json!({"key": "a", "value": "not a label's"}), Some("operator")),
        (json!({"key": "a", "operator": "Like"}), Some("operator")),
        (json!({"key": "a", "effect": "Never"}), Some("effect")),
        (json!({"key": "not a label's"}), Some("key")),
        (json!({"value": "b"}), Some("operator")),
    ];
    for (index, (toleration, wrong)) in cases.iter().enumerate() {
        let mut body = deployment(&format!("a-{index}"), 0);
        body["spec"]["template"]["spec"]["tolerations"] = json!([toleration]);
        let answer = bench.post(DEPLOYMENTS, body).await?;
        match wrong {
            None => drop(answer.is(201)),
            Some(field) => {
                let field = format!("spec.template.spec.tolerations[0].{field}");
                assert_eq!(answer.refused(422, "Invalid").cause_fields(), [field.as_str()], "{toleration}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn tolerations_of_a_pod_are_added_and_stay() -> Result<()> {
    let bench = Bench::new("tolerations").await?;
    bench.until_pods_are_possible().await?;
    let pods = "/api/v1/namespaces/{ns}/pods";
    let first = json!({"key": "first", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 3});
    let body = json!({
        "metadata": {"name": "a"},
        "spec": {"containers": [{"name": "c", "image": "i"}], "tolerations": [first]},
    });
    bench.post(pods, body).await?.is(201);
    let path = format!("{pods}/a");
    let other = json!([{"op": "replace", "path": "/spec/tolerations/0/key", "value": "other"}]);
    let refused = bench.patch(&path, JSON_PATCH, other).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["spec.tolerations"], "{}", refused.text);
    let more = json!([
        {"op": "add", "path": "/spec/tolerations/-", "value": {"key": "second", "operator": "Exists"}},
        {"op": "replace", "path": "/spec/tolerations/0/tolerationSeconds", "value": 4},
    ]);
    let patched = bench.patch(&path, JSON_PATCH, more).await?.is(200);
    assert_eq!(patched.at("/spec/tolerations/0/tolerationSeconds"), &json!(4));
    Ok(())
}

#[tokio::test]
async fn an_immutable_config_map_stays() -> Result<()> {
    let bench = Bench::new("frozen").await?;
    bench
        .post(CONFIG_MAPS, json!({"metadata": {"name": "a"}, "data": {"k": "v"}, "immutable": true}))
        .await?
        .is(201);
    let path = format!("{CONFIG_MAPS}/a");
    bench.patch(&path, MERGE, json!({"data": {"k": "w"}})).await?.refused(422, "Invalid");
    bench.patch(&path, MERGE, json!({"metadata": {"labels": {"still": "possible"}}})).await?.is(200);
    Ok(())
}

#[tokio::test]
async fn a_secret_is_encoded_by_the_server() -> Result<()> {
    let bench = Bench::new("secret").await?;
    let body = json!({"metadata": {"name": "a"}, "stringData": {"user": "me"}});
    let created = bench.post("/api/v1/namespaces/{ns}/secrets", body).await?.is(201);
    assert_eq!(created.str("/data/user"), "bWU=");
    assert_eq!(created.str("/type"), "Opaque");
    assert_eq!(created.at("/stringData"), &Value::Null);
    Ok(())
}

#[tokio::test]
async fn an_owner_reference_is_complete() -> Result<()> {
    let bench = Bench::new("owner").await?;
    let body = json!({"metadata": {"name": "a", "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "b"}]}});
    let refused = bench.post(CONFIG_MAPS, body).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["metadata.ownerReferences.uid"]);
    Ok(())
}

#[tokio::test]
async fn a_method_that_does_not_exist_is_not_allowed() -> Result<()> {
    let bench = Bench::new("method").await?;
    let headers = [("content-type", "application/json")];
    let refused = bench.send(Method::POST, &format!("{CONFIG_MAPS}/a"), &headers, b"{}".to_vec()).await?;
    refused.refused(405, "MethodNotAllowed");
    Ok(())
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() -> Result<()> {
    let bench = Bench::new("large").await?;
    let body = json!({"metadata": {"name": "a"}, "data": {"k": "x".repeat(4 << 20)}});
    let refused = bench.post(CONFIG_MAPS, body).await?;
    assert_eq!(refused.code, 413, "{}", refused.text);
    Ok(())
}

#[tokio::test]
async fn a_media_type_that_nobody_reads_is_refused() -> Result<()> {
    let bench = Bench::new("media").await?;
    let headers = [("content-type", "application/xml")];
    let refused = bench.send(Method::POST, CONFIG_MAPS, &headers, b"<a/>".to_vec()).await?;
    refused.refused(415, "UnsupportedMediaType");
    Ok(())
}

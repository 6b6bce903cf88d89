//! What Services are given and what is taken back.

use anyhow::Result;
use serde_json::{Value, json};

use super::support::{Answer, Bench, JSON_PATCH, STRATEGIC};

const SERVICES: &str = "/api/v1/namespaces/{ns}/services";

fn service(name: &str, kind: &str, ports: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"type": kind, "ports": ports}})
}

fn node_port(answer: &Answer, at: usize) -> i64 {
    answer.at(&format!("/spec/ports/{at}/nodePort")).as_i64().unwrap_or_default()
}

#[tokio::test]
async fn a_node_port_is_given_and_kept() -> Result<()> {
    let bench = Bench::new("nodeport").await?;
    let made = bench.post(SERVICES, service("a", "NodePort", json!([{"port": 80}]))).await?.is(201);
    let given = node_port(&made, 0);
    assert!((30_000..=32_767).contains(&given), "{}", made.text);
    let path = format!("{SERVICES}/a");
    let replaced = bench.put(&path, service("a", "NodePort", json!([{"port": 81}]))).await?.is(200);
    assert_eq!(node_port(&replaced, 0), given);
    assert_eq!(replaced.at("/spec/clusterIP"), made.at("/spec/clusterIP"));
    assert_eq!(replaced.at("/spec/ipFamilies"), &json!(["IPv4"]));
    Ok(())
}

#[tokio::test]
async fn one_port_of_two_protocols_has_one_node_port() -> Result<()> {
    let bench = Bench::new("protocols").await?;
    let ports = json!([
        {"name": "tcp", "port": 53},
        {"name": "udp", "port": 53, "protocol": "UDP"},
        {"name": "other", "port": 54},
    ]);
    let made = bench.post(SERVICES, service("a", "LoadBalancer", ports)).await?.is(201);
    assert_eq!(node_port(&made, 0), node_port(&made, 1));
    assert_ne!(node_port(&made, 0), node_port(&made, 2));
    Ok(())
}

#[tokio::test]
async fn a_node_port_that_cannot_be_had_is_refused() -> Result<()> {
    let bench = Bench::new("taken").await?;
    let made = bench.post(SERVICES, service("a", "NodePort", json!([{"port": 80}]))).await?.is(201);
    let taken = json!([{"port": 80, "nodePort": node_port(&made, 0)}]);
    let refused = bench.post(SERVICES, service("b", "NodePort", taken)).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["spec.ports[0].nodePort"]);
    assert!(refused.message().contains("provided port is already allocated"), "{}", refused.text);
    let outside = json!([{"port": 80, "nodePort": 80}]);
    let refused = bench.post(SERVICES, service("b", "NodePort", outside)).await?.refused(422, "Invalid");
    assert!(refused.message().contains("The range of valid ports is 30000-32767"), "{}", refused.text);
    let unused = json!([{"port": 80, "nodePort": 30_777}]);
    let refused = bench.post(SERVICES, service("b", "ClusterIP", unused)).await?.refused(422, "Invalid");
    assert!(refused.message().contains("may not be used when `type` is 'ClusterIP'"), "{}", refused.text);
    Ok(())
}

#[tokio::test]
async fn another_type_takes_back_what_it_has_no_use_for() -> Result<()> {
    let bench = Bench::new("retype").await?;
    bench.post(SERVICES, service("a", "LoadBalancer", json!([{"port": 80}]))).await?.is(201);
    let path = format!("{SERVICES}/a");
    let inside = bench.patch(&path, STRATEGIC, json!({"spec": {"type": "ClusterIP"}})).await?.is(200);
    assert_eq!(node_port(&inside, 0), 0, "{}", inside.text);
    for field in ["externalTrafficPolicy", "allocateLoadBalancerNodePorts"] {
        assert_eq!(inside.at(&format!("/spec/{field}")), &Value::Null, "{}", inside.text);
    }
    let name = json!({"spec": {"type": "ExternalName", "externalName": "a.example"}});
    let named = bench.patch(&path, STRATEGIC, name).await?.is(200);
    for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"] {
        assert_eq!(named.at(&format!("/spec/{field}")), &Value::Null, "{}", named.text);
    }
    let again = bench.patch(&path, STRATEGIC, json!({"spec": {"type": "NodePort"}})).await?.is(200);
    assert!(again.str("/spec/clusterIP").starts_with("10."), "{}", again.text);
    assert_ne!(node_port(&again, 0), 0);
    Ok(())
}

#[tokio::test]
async fn nobody_owns_what_the_server_gave() -> Result<()> {
    let bench = Bench::new("given").await?;
    let made = bench.post(SERVICES, service("a", "NodePort", json!([{"port": 80}]))).await?.is(201);
    let owned = made.at("/metadata/managedFields/0/fieldsV1/f:spec");
    assert_eq!(owned["f:clusterIP"], Value::Null, "{}", made.text);
    assert_eq!(owned["f:ports"][r#"k:{"port":80,"protocol":"TCP"}"#]["f:nodePort"], Value::Null);
    assert_eq!(owned["f:type"], json!({}));
    Ok(())
}

#[tokio::test]
async fn a_cluster_address_is_one_of_the_clusters() -> Result<()> {
    let bench = Bench::new("address").await?;
    let at = |address: &str| {
        let mut body = service("a", "ClusterIP", json!([{"port": 80}]));
        body["spec"]["clusterIP"] = json!(address);
        body
    };
    let refused = bench.post(SERVICES, at("192.0.2.1")).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["spec.clusterIPs"]);
    let refused = bench.post(SERVICES, at("nonsense")).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["spec.clusterIPs[0]"]);
    bench.post(SERVICES, at("None")).await?.is(201);
    let exposed = json!([{"op": "replace", "path": "/spec/type", "value": "NodePort"}]);
    let refused = bench.patch(&format!("{SERVICES}/a"), JSON_PATCH, exposed).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["spec.clusterIPs[0]"]);
    Ok(())
}

#[tokio::test]
async fn a_port_is_served_once() -> Result<()> {
    let bench = Bench::new("twice").await?;
    let ports = json!([{"name": "a", "port": 80}, {"name": "b", "port": 80}]);
    let refused = bench.post(SERVICES, service("a", "ClusterIP", ports)).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["spec.ports[1]"]);
    Ok(())
}

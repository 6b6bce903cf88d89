//! Defaults of services and their neighbours in the network.

use serde_json::{Map, Value, json};

use super::{entries, existing, fill, member, text};

type Object = Map<String, Value>;

/// How long a client sticks to one pod when it sticks at all.
const SESSION_SECONDS: i64 = 10_800;

pub(super) fn service(map: &mut Object) {
    let spec = member(map, "spec");
    fill(spec, "type", "ClusterIP");
    fill(spec, "sessionAffinity", "None");
    session(spec);
    ports(spec);
    let kind = text(spec, "type").to_owned();
    if kind != "ExternalName" {
        fill(spec, "internalTrafficPolicy", "Cluster");
    }
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        fill(spec, "externalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        fill(spec, "allocateLoadBalancerNodePorts", true);
    }
    fill(member(map, "status"), "loadBalancer", json!({}));
}

fn session(spec: &mut Object) {
    match text(spec, "sessionAffinity") {
        "None" => {
            spec.remove("sessionAffinityConfig");
        }
        "ClientIP" => {
            let client = member(member(spec, "sessionAffinityConfig"), "clientIP");
            fill(client, "timeoutSeconds", SESSION_SECONDS);
        }
        _ => {}
    }
}

fn ports(spec: &mut Object) {
    for port in entries(spec, "ports") {
        fill(port, "protocol", "TCP");
        let number = port.get("port").cloned();
        if port.get("targetPort") == Some(&Value::from(0)) {
            port.remove("targetPort");
        }
        if let Some(number) = number {
            fill(port, "targetPort", number);
        }
    }
}

pub(super) fn endpoints(map: &mut Object) {
    for subset in entries(map, "subsets") {
        for port in entries(subset, "ports") {
            fill(port, "protocol", "TCP");
        }
    }
}

pub(super) fn endpoint_slice(map: &mut Object) {
    for port in entries(map, "ports") {
        port.entry("name").or_insert_with(|| Value::from(""));
        fill(port, "protocol", "TCP");
    }
}

pub(super) fn network_policy(map: &mut Object) {
    let Some(spec) = existing(map, "spec") else { return };
    let has_egress = spec.get("egress").and_then(Value::as_array).is_some_and(|e| !e.is_empty());
    let types = if has_egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
    fill(spec, "policyTypes", types);
    for direction in ["ingress", "egress"] {
        for rule in entries(spec, direction) {
            for port in entries(rule, "ports") {
                fill(port, "protocol", "TCP");
            }
        }
    }
}

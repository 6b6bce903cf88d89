//! Columns of services, ingresses and endpoints.

use std::collections::BTreeSet;

use serde_json::Value;

use super::workloads::selector;
use super::{Column, View, age, list_at, name, or, text_at, with_more};

pub(super) fn columns(group: &str, kind: &str) -> Option<Vec<Column>> {
    match (group, kind) {
        ("", "Service") => Some(service()),
        ("", "Endpoints") => Some(endpoints()),
        ("discovery.k8s.io", "EndpointSlice") => Some(endpoint_slice()),
        ("networking.k8s.io", "Ingress") => Some(ingress()),
        ("networking.k8s.io", "IngressClass") => Some(ingress_class()),
        ("networking.k8s.io", "NetworkPolicy") => Some(network_policy()),
        _ => None,
    }
}

fn text(column: &str, cell: fn(&View<'_>) -> Value) -> Column {
    Column::made(column, "string", 0, cell)
}

fn service() -> Vec<Column> {
    vec![
        name(),
        text("Type", |view| Value::from(view.text("/spec/type"))),
        text("Cluster-IP", |view| view.or_none("/spec/clusterIP")),
        text("External-IP", |view| Value::from(external_address(view))),
        text("Port(s)", |view| Value::from(ports(view))),
        age(),
        Column::made("Selector", "string", 1, |view| Value::from(selector(view.at("/spec/selector")))),
    ]
}

fn external_address(view: &View<'_>) -> String {
    let given = view.list("/spec/externalIPs").iter().filter_map(Value::as_str).map(str::to_owned);
    let mut addresses: Vec<String> = given.collect();
    match view.text("/spec/type") {
        "ExternalName" => view.text("/spec/externalName").to_owned(),
        "LoadBalancer" => {
            addresses.splice(0..0, balancers(view));
            or(&addresses.join(","), "<pending>").to_owned()
        }
        _ => or(&addresses.join(","), "<none>").to_owned(),
    }
}

/// Addresses of load balancers, sorted, each once.
fn balancers(view: &View<'_>) -> BTreeSet<String> {
    let entries = view.list("/status/loadBalancer/ingress").iter();
    let address = |entry: &Value| or(text_at(entry, "/ip"), text_at(entry, "/hostname")).to_owned();
    entries.map(address).filter(|address| !address.is_empty()).collect()
}

fn ports(view: &View<'_>) -> String {
    let ports: Vec<String> = view.list("/spec/ports").iter().map(port).collect();
    or(&ports.join(","), "<none>").to_owned()
}

fn port(port: &Value) -> String {
    let number = |name: &str| port.get(name).and_then(Value::as_i64).unwrap_or_default();
    let protocol = text_at(port, "/protocol");
    match number("nodePort") {
        0 => format!("{}/{protocol}", number("port")),
        node => format!("{}:{node}/{protocol}", number("port")),
    }
}

fn ingress() -> Vec<Column> {
    let addresses = |view: &View<'_>| Value::from(balancers(view).into_iter().collect::<Vec<_>>().join(","));
    let ports =
        |view: &View<'_>| Value::from(if view.list("/spec/tls").is_empty() { "80" } else { "80, 443" });
    vec![
        name(),
        text("Class", |view| view.or_none("/spec/ingressClassName")),
        text("Hosts", |view| Value::from(hosts(view))),
        text("Address", addresses),
        text("Ports", ports),
        age(),
    ]
}

fn hosts(view: &View<'_>) -> String {
    let hosts = view.list("/spec/rules").iter().map(|rule| text_at(rule, "/host").to_owned());
    let hosts: Vec<String> = hosts.filter(|host| !host.is_empty()).collect();
    if hosts.is_empty() { "*".to_owned() } else { with_more(&hosts, 3) }
}

fn ingress_class() -> Vec<Column> {
    let parameters = |view: &View<'_>| {
        let at = |field: &str| view.text(&format!("/spec/parameters/{field}")).to_owned();
        let (group, kind, name) = (at("apiGroup"), at("kind"), at("name"));
        let kind = if group.is_empty() { kind } else { format!("{kind}.{group}") };
        Value::from(if name.is_empty() { "<none>".to_owned() } else { format!("{kind}/{name}") })
    };
    vec![
        name(),
        text("Controller", |view| Value::from(view.text("/spec/controller"))),
        text("Parameters", parameters),
        age(),
    ]
}

fn network_policy() -> Vec<Column> {
    vec![name(), text("Pod-Selector", |view| Value::from(selector(view.at("/spec/podSelector")))), age()]
}

fn endpoints() -> Vec<Column> {
    vec![name(), text("Endpoints", |view| Value::from(with_more(&subset_addresses(view), 3))), age()]
}

fn subset_addresses(view: &View<'_>) -> Vec<String> {
    let mut all = Vec::new();
    for subset in view.list("/subsets") {
        let addresses = list_at(subset, "/addresses").iter().map(|address| text_at(address, "/ip"));
        let ports: Vec<i64> =
            list_at(subset, "/ports").iter().filter_map(|p| p.get("port")?.as_i64()).collect();
        for address in addresses {
            match ports.as_slice() {
                [] => all.push(address.to_owned()),
                ports => all.extend(ports.iter().map(|port| format!("{address}:{port}"))),
            }
        }
    }
    all
}

fn endpoint_slice() -> Vec<Column> {
    let ports = |view: &View<'_>| {
        let number = |port: &Value| port.get("port").map_or_else(|| "*".to_owned(), ToString::to_string);
        let all: Vec<String> = view.list("/ports").iter().map(number).collect();
        Value::from(if all.is_empty() { "<unset>".to_owned() } else { with_more(&all, 3) })
    };
    let addresses = |view: &View<'_>| {
        let each = view.list("/endpoints").iter().flat_map(|endpoint| list_at(endpoint, "/addresses"));
        let all: Vec<String> = each.filter_map(Value::as_str).map(str::to_owned).collect();
        Value::from(if all.is_empty() { "<unset>".to_owned() } else { with_more(&all, 3) })
    };
    vec![
        name(),
        text("AddressType", |view| Value::from(view.text("/addressType"))),
        text("Ports", ports),
        text("Endpoints", addresses),
        age(),
    ]
}

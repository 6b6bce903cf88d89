//! Rules of services and ingresses.

use serde_json::Value;

use super::{Place, duplicates, names};
use crate::schema::Cause;

pub(super) fn service(root: &Place<'_>, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let spec = root.child("spec");
    let kind = spec.child("type").text();
    let types = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    spec.child("type").one_of(&types, causes);
    spec.child("sessionAffinity").one_of(&["ClientIP", "None"], causes);
    let headless = spec.child("clusterIP").text() == "None";
    if kind == "ExternalName" {
        let name = spec.child("externalName");
        name.require(causes);
        if !name.is_empty() {
            name.explain(names::dns_subdomain(name.text()), causes);
        }
    } else if spec.child("ports").is_empty() && !headless {
        causes.push(Cause::required("spec.ports", ""));
    }
    super::super::metadata::labels(spec.child("selector").value, "spec.selector", causes);
    ports(&spec.child("ports"), causes);
    stable_address(&spec, old, kind, causes);
    if matches!(kind, "NodePort" | "LoadBalancer") && headless {
        let detail = format!("may not be set to 'None' for {kind} services");
        causes.push(Cause::invalid("spec.clusterIPs[0]", &Value::from("None"), &detail));
    }
    if kind == "ClusterIP" {
        no_node_ports(&spec.child("ports"), causes);
    }
    address(&spec.child("clusterIP"), causes);
}

fn no_node_ports(ports: &Place<'_>, causes: &mut Vec<Cause>) {
    let given = ports.entries().map(|port| port.child("nodePort"));
    for port in given.filter(|port| port.number().unwrap_or(0) != 0) {
        causes.push(Cause::forbidden(&port.path, "may not be used when `type` is 'ClusterIP'"));
    }
}

fn address(address: &Place<'_>, causes: &mut Vec<Cause>) {
    let text = address.text();
    if !matches!(text, "" | "None") && text.parse::<std::net::IpAddr>().is_err() {
        let detail = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
        causes.push(Cause::invalid("spec.clusterIPs[0]", &Value::from(text), detail));
    }
}

fn ports(ports: &Place<'_>, causes: &mut Vec<Cause>) {
    let named = ports.entries().count() > 1;
    for port in ports.entries() {
        let name = port.child("name");
        if !name.is_empty() {
            name.explain(names::dns_label(name.text()), causes);
        } else if named {
            causes.push(Cause::required(&name.path, ""));
        }
        let number = port.child("port");
        number.explain(names::port_number(number.number().unwrap_or(0)), causes);
        port.child("protocol").one_of(&["SCTP", "TCP", "UDP"], causes);
        target(&port.child("targetPort"), causes);
    }
    duplicates(ports.entries().map(|port| port.child("name")), causes);
    let mut seen: Vec<(&str, i64)> = Vec::new();
    for port in ports.entries() {
        let served = (port.child("protocol").text(), port.child("port").number().unwrap_or(0));
        if seen.contains(&served) {
            causes.push(Cause::duplicate(&port.path, port.shown()));
        }
        seen.push(served);
    }
}

fn target(target: &Place<'_>, causes: &mut Vec<Cause>) {
    match target.value {
        Some(Value::String(name)) => target.explain(names::port_name(name), causes),
        Some(Value::Number(number)) => {
            target.explain(names::port_number(number.as_i64().unwrap_or(0)), causes);
        }
        _ => {}
    }
}

/// Once assigned, the cluster IP stays; only services that lose it altogether may drop it.
fn stable_address(spec: &Place<'_>, old: Option<&Value>, kind: &str, causes: &mut Vec<Cause>) {
    let before = old.and_then(|old| old.pointer("/spec/clusterIP")).and_then(Value::as_str);
    let was_external = old.is_some_and(|old| old.pointer("/spec/type") == Some(&Value::from("ExternalName")));
    let address = spec.child("clusterIP");
    let changed = before.is_some_and(|before| !before.is_empty() && before != address.text());
    if changed && !was_external && kind != "ExternalName" {
        let shown = Value::from(vec![address.shown().clone()]);
        causes.push(Cause::invalid("spec.clusterIPs[0]", &shown, "may not change once set"));
    }
}

pub(super) fn ingress(root: &Place<'_>, causes: &mut Vec<Cause>) {
    let spec = root.child("spec");
    let (rules, backend) = (spec.child("rules"), spec.child("defaultBackend"));
    if rules.is_empty() && backend.value.is_none() {
        let detail = "either `defaultBackend` or `rules` must be specified";
        causes.push(Cause::invalid("spec", &Value::Null, detail));
    }
    if backend.value.is_some() {
        self::backend(&backend, causes);
    }
    for rule in rules.entries() {
        host(&rule.child("host"), causes);
        for path in rule.at("http.paths").entries() {
            self::path(&path, causes);
        }
    }
    let class = spec.child("ingressClassName");
    if class.value.is_some() {
        class.explain(names::dns_subdomain(class.text()), causes);
    }
}

fn host(host: &Place<'_>, causes: &mut Vec<Cause>) {
    let text = host.text();
    if text.parse::<std::net::IpAddr>().is_ok() {
        causes.push(host.invalid("must be a DNS name, not an IP address"));
    }
    if !text.is_empty() {
        host.explain(names::dns_subdomain(text.strip_prefix("*.").unwrap_or(text)), causes);
    }
}

fn path(place: &Place<'_>, causes: &mut Vec<Cause>) {
    let kind = place.child("pathType");
    if kind.is_empty() {
        return causes.push(Cause::required(&kind.path, "pathType must be specified"));
    }
    kind.one_of(&["Exact", "ImplementationSpecific", "Prefix"], causes);
    let path = place.child("path");
    let may_be_empty = kind.text() == "ImplementationSpecific";
    let is_missing = may_be_empty && path.is_empty();
    if !is_missing && !path.text().starts_with('/') {
        let shown = Value::from(path.text());
        causes.push(Cause::invalid(&path.path, &shown, "must be an absolute path"));
    }
    if !may_be_empty {
        no_traversal(&path, causes);
    }
    backend(&place.child("backend"), causes);
}

fn no_traversal(path: &Place<'_>, causes: &mut Vec<Cause>) {
    for sequence in ["//", "/./", "/../", "%2f", "%2F"] {
        if path.text().contains(sequence) {
            causes.push(path.invalid(&format!("must not contain '{sequence}'")));
        }
    }
    for suffix in ["/..", "/."] {
        if path.text().ends_with(suffix) {
            causes.push(path.invalid(&format!("cannot end with '{suffix}'")));
        }
    }
}

fn backend(backend: &Place<'_>, causes: &mut Vec<Cause>) {
    let (service, resource) = (backend.child("service"), backend.child("resource"));
    let whole = |detail: &str| Cause::invalid(&backend.path, &Value::from(""), detail);
    match (service.value, resource.value) {
        (Some(_), Some(_)) => causes.push(whole("cannot set both resource and service backends")),
        (None, None) => causes.push(whole("resource or service backend is required")),
        (None, Some(_)) => resource.child("name").require(causes),
        (Some(_), None) => {
            service.child("name").require(causes);
            let (name, number) = (service.at("port.name"), service.at("port.number"));
            match (name.is_empty(), number.number().unwrap_or(0)) {
                (true, 0) => causes.push(Cause::required(&backend.path, "port name or number is required")),
                (true, port) => number.explain(names::port_number(port), causes),
                (false, 0) => name.explain(names::port_name(name.text()), causes),
                (false, _) => causes.push(whole("cannot set both port name & port number")),
            }
        }
    }
}

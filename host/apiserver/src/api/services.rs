//! What Services are given: cluster addresses and node ports
//! (`k8s.io/kubernetes/pkg/registry/core/service/storage/alloc.go`), and what is taken back
//! when a change of type leaves no use for it (`dropTypeDependentFields` in `strategy.go`).
//!
//! What is taken is what the stored Services say. Two written at the same moment may get the
//! same; the real server keeps books.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::Api;
use crate::error::ApiError;
use crate::json as read;
use crate::kinds::Resource;
use crate::schema::Cause;
use crate::store::Key;

/// Service addresses come from 10.96.0.0/16, the range that kubeadm uses; .0 and .1 of the
/// first block are not given out.
const SERVICE_PREFIX: [u8; 2] = [10, 96];
const SERVICE_HOSTS: u32 = 65_534;
const FIRST_SERVICE_HOST: u32 = 10;

/// The default of `--service-node-port-range`.
const NODE_PORTS: std::ops::RangeInclusive<i64> = 30_000..=32_767;

/// Keeps what the Service was given when a client replaces it without, and takes what only
/// its old type needed.
pub(super) fn keep_allocated(old: &Value, object: &mut Value) {
    keep(old, object);
    drop_unneeded(old, object);
}

/// Gives a Service what it needs and has not: all of it when it is new or was only a name.
pub(super) fn allocate(
    api: &Api,
    resource: &Resource,
    old: Option<&Value>,
    object: &mut Value,
) -> Result<(), ApiError> {
    let taken = Taken::by_others(api, resource, object);
    if kind(object) != "ExternalName" && old.is_none_or(|old| kind(old) == "ExternalName") {
        addresses(&taken, resource, object)?;
    }
    if takes_node_ports(object) {
        refuse_node_ports(&taken, resource, old, object)?;
        node_ports(&taken, object)?;
    }
    if takes_health_port(object) && object.pointer("/spec/healthCheckNodePort").is_none() {
        let node_port = taken.free_node_port(&node_port_numbers(object))?;
        spec(object).insert("healthCheckNodePort".to_owned(), node_port.into());
    }
    Ok(())
}

fn kind(object: &Value) -> &str {
    match object.pointer("/spec/type").and_then(Value::as_str) {
        None | Some("") => "ClusterIP",
        Some(kind) => kind,
    }
}

fn takes_node_ports(object: &Value) -> bool {
    matches!(kind(object), "NodePort" | "LoadBalancer")
}

/// Health checks have a port of their own where only local endpoints are served.
fn takes_health_port(object: &Value) -> bool {
    kind(object) == "LoadBalancer" && object.pointer("/spec/externalTrafficPolicy") == Some(&json!("Local"))
}

/// Reachable from outside the cluster by more than its name.
fn is_external(object: &Value) -> bool {
    let has_addresses = !read::items(object.pointer("/spec/externalIPs")).is_empty();
    takes_node_ports(object) || (kind(object) == "ClusterIP" && has_addresses)
}

fn spec(object: &mut Value) -> &mut Map<String, Value> {
    read::map_at(object, "spec")
}

fn ports(object: &Value) -> &[Value] {
    read::items(object.pointer("/spec/ports"))
}

fn number(value: &Value, field: &str) -> i64 {
    value.get(field).and_then(Value::as_i64).unwrap_or_default()
}

fn node_port_numbers(object: &Value) -> HashSet<i64> {
    ports(object).iter().map(|port| number(port, "nodePort")).filter(|port| *port != 0).collect()
}

/// Sets `nodePort` of the port at an index.
fn set_node_port(object: &mut Value, at: usize, node_port: Option<i64>) {
    if let Some(port) = object.pointer_mut(&format!("/spec/ports/{at}")) {
        read::set(read::as_map(port), "nodePort", node_port.map(Value::from));
    }
}

/// What Services have been given.
struct Taken {
    addresses: HashSet<String>,
    node_ports: HashSet<i64>,
}

impl Taken {
    fn by_others(api: &Api, resource: &Resource, object: &Value) -> Self {
        let own = Key::new(&resource.storage, read::namespace(object), read::name(object)).path;
        let services = api.store.snapshot(&resource.storage, None).objects;
        let mut taken = Taken { addresses: HashSet::new(), node_ports: HashSet::new() };
        for (_, service) in services.iter().filter(|(path, _)| *path != own) {
            let address = service.value.pointer("/spec/clusterIP").and_then(Value::as_str);
            taken.addresses.extend(address.map(str::to_owned));
            taken.node_ports.extend(node_port_numbers(&service.value));
            taken
                .node_ports
                .extend(service.value.pointer("/spec/healthCheckNodePort").and_then(Value::as_i64));
        }
        taken
    }

    /// The first address that nobody has.
    fn free_address(&self) -> Result<String, ApiError> {
        let [a, b] = SERVICE_PREFIX;
        let address = |host: u32| format!("{a}.{b}.{}.{}", host >> 8, host & 0xff);
        let mut free =
            (FIRST_SERVICE_HOST..SERVICE_HOSTS).map(address).filter(|ip| !self.addresses.contains(ip));
        free.next().ok_or_else(|| ApiError::internal("failed to allocate a serviceIP: range is full"))
    }

    /// Why an address that a client asks for cannot be had.
    fn address_refusal(&self, address: &str) -> Option<&'static str> {
        let parsed: Option<std::net::Ipv4Addr> = address.parse().ok();
        match parsed.map(|address| address.octets()) {
            Some([a, b, ..]) if [a, b] != SERVICE_PREFIX => {
                Some("the provided network does not match the current range")
            }
            _ if self.addresses.contains(address) => Some("provided IP is already allocated"),
            _ => None,
        }
    }

    fn free_node_port(&self, own: &HashSet<i64>) -> Result<i64, ApiError> {
        let mut free = NODE_PORTS.filter(|port| !self.node_ports.contains(port) && !own.contains(port));
        free.next().ok_or_else(|| ApiError::internal("failed to allocate a nodePort: range is full"))
    }

    /// Why a node port that a client asks for cannot be had.
    fn refusal(&self, node_port: i64) -> Option<&'static str> {
        match node_port {
            port if !NODE_PORTS.contains(&port) => {
                Some("provided port is not in the valid range. The range of valid ports is 30000-32767")
            }
            port if self.node_ports.contains(&port) => Some("provided port is already allocated"),
            _ => None,
        }
    }
}

fn addresses(taken: &Taken, resource: &Resource, object: &mut Value) -> Result<(), ApiError> {
    let wanted = object.pointer("/spec/clusterIP").and_then(Value::as_str).unwrap_or_default().to_owned();
    let address = match wanted.as_str() {
        "" => taken.free_address()?,
        "None" => wanted,
        _ => match taken.address_refusal(&wanted) {
            None => wanted,
            Some(why) => {
                let why = format!("failed to allocate IP {wanted}: {why}");
                let cause = Cause::invalid("spec.clusterIPs", &json!([wanted]), &why);
                return Err(ApiError::invalid(resource.subject(), read::name(object), &[cause]));
            }
        },
    };
    let spec = spec(object);
    spec.insert("clusterIPs".to_owned(), json!([address]));
    spec.insert("clusterIP".to_owned(), address.into());
    spec.entry("ipFamilies").or_insert_with(|| json!(["IPv4"]));
    spec.entry("ipFamilyPolicy").or_insert_with(|| json!("SingleStack"));
    Ok(())
}

/// Every port gets a node port; the same port of two protocols shares one.
fn node_ports(taken: &Taken, object: &mut Value) -> Result<(), ApiError> {
    let makes_own = object.pointer("/spec/allocateLoadBalancerNodePorts") != Some(&Value::Bool(false));
    let mut own = node_port_numbers(object);
    let given = ports(object).iter().filter(|port| number(port, "nodePort") != 0);
    let mut shared: HashMap<i64, i64> =
        given.map(|port| (number(port, "port"), number(port, "nodePort"))).collect();
    let missing: Vec<(usize, i64)> = ports(object)
        .iter()
        .enumerate()
        .filter(|(_, port)| makes_own && number(port, "nodePort") == 0)
        .map(|(at, port)| (at, number(port, "port")))
        .collect();
    for (at, port) in missing {
        let node_port = match shared.get(&port) {
            Some(node_port) => *node_port,
            None => taken.free_node_port(&own)?,
        };
        own.insert(node_port);
        shared.insert(port, node_port);
        set_node_port(object, at, Some(node_port));
    }
    Ok(())
}

/// Looks at the node ports that clients ask for. Two ports of a Service may ask for the same
/// one, and get it, when they are one port of two protocols.
fn refuse_node_ports(
    taken: &Taken,
    resource: &Resource,
    old: Option<&Value>,
    object: &Value,
) -> Result<(), ApiError> {
    let before = old.map(node_port_numbers).unwrap_or_default();
    let mut asked: HashMap<i64, i64> = HashMap::new();
    for (at, port) in ports(object).iter().enumerate() {
        let node_port = number(port, "nodePort");
        if node_port == 0 || before.contains(&node_port) {
            continue;
        }
        let number = number(port, "port");
        let is_shared = *asked.entry(node_port).or_insert(number) == number;
        let twice = Some("provided port is already allocated").filter(|_| !is_shared);
        if let Some(why) = taken.refusal(node_port).or(twice) {
            let path = format!("spec.ports[{at}].nodePort");
            let cause = Cause::invalid(&path, &Value::from(node_port), why);
            return Err(ApiError::invalid(resource.subject(), read::name(object), &[cause]));
        }
    }
    Ok(())
}

/// `patchAllocatedValues` in `storage.go`.
fn keep(old: &Value, object: &mut Value) {
    if kind(old) != "ExternalName" && kind(object) != "ExternalName" {
        keep_fields(old, object, &["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]);
    }
    if takes_node_ports(old) && takes_node_ports(object) {
        keep_node_ports(old, object);
    }
    if takes_health_port(old) && takes_health_port(object) {
        keep_fields(old, object, &["healthCheckNodePort"]);
    }
}

fn keep_fields(old: &Value, object: &mut Value, fields: &[&str]) {
    let spec = spec(object);
    for field in fields {
        let is_empty = match spec.get(*field) {
            None | Some(Value::Null) => true,
            Some(Value::String(text)) => text.is_empty(),
            Some(Value::Array(list)) => list.is_empty(),
            Some(Value::Number(number)) => number.as_i64() == Some(0),
            Some(_) => false,
        };
        if is_empty {
            read::set(spec, field, old.pointer(&format!("/spec/{field}")).cloned());
        }
    }
}

/// Ports are known by their names.
fn keep_node_ports(old: &Value, object: &mut Value) {
    let in_use = node_port_numbers(object);
    let name = |port: &Value| port.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let before: HashMap<String, i64> =
        ports(old).iter().map(|port| (name(port), number(port, "nodePort"))).collect();
    let kept: Vec<(usize, i64)> = ports(object)
        .iter()
        .enumerate()
        .filter(|(_, port)| number(port, "nodePort") == 0)
        .filter_map(|(at, port)| Some((at, *before.get(&name(port))?)))
        .filter(|(_, port)| *port != 0 && !in_use.contains(port))
        .collect();
    for (at, node_port) in kept {
        set_node_port(object, at, Some(node_port));
    }
}

/// What only the old type needed goes, unless the client changed it: then validation speaks.
fn drop_unneeded(old: &Value, object: &mut Value) {
    let mut gone: Vec<&str> = Vec::new();
    if kind(old) != "ExternalName" && kind(object) == "ExternalName" {
        let same = ["clusterIP", "clusterIPs"].iter().all(|field| is_same(old, object, field));
        gone.extend(if same { &["clusterIP", "clusterIPs"][..] } else { &[] });
        gone.extend(["ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"]);
    }
    if takes_health_port(old) && !takes_health_port(object) {
        gone.push("healthCheckNodePort");
    }
    if kind(old) == "LoadBalancer" && kind(object) != "LoadBalancer" {
        gone.extend(["allocateLoadBalancerNodePorts", "loadBalancerClass"]);
        read::map_at(object, "status").insert("loadBalancer".to_owned(), json!({}));
    }
    if is_external(old) && !is_external(object) {
        gone.push("externalTrafficPolicy");
    }
    gone.retain(|field| is_same(old, object, field));
    for field in gone {
        read::set(spec(object), field, None);
    }
    let no_new_ports = node_port_numbers(object).is_subset(&node_port_numbers(old));
    if takes_node_ports(old) && !takes_node_ports(object) && no_new_ports {
        (0..ports(object).len()).for_each(|at| set_node_port(object, at, None));
    }
}

fn is_same(old: &Value, object: &Value, field: &str) -> bool {
    let pointer = format!("/spec/{field}");
    old.pointer(&pointer) == object.pointer(&pointer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(kind: &str, ports: Value) -> Value {
        json!({"spec": {"type": kind, "clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10"], "ports": ports}})
    }

    fn taken(ports: &[i64]) -> Taken {
        Taken { addresses: HashSet::new(), node_ports: ports.iter().copied().collect() }
    }

    #[test]
    fn a_node_port_stays_with_its_name() {
        let old = service("NodePort", json!([{"name": "a", "port": 1, "nodePort": 30001}]));
        let mut new = service("NodePort", json!([{"name": "b", "port": 2}, {"name": "a", "port": 3}]));
        keep(&old, &mut new);
        assert_eq!(
            new["spec"]["ports"],
            json!([{"name": "b", "port": 2}, {"name": "a", "port": 3, "nodePort": 30001}])
        );
    }

    #[test]
    fn a_free_node_port_is_one_that_nobody_has() {
        assert_eq!(taken(&[30_000]).free_node_port(&HashSet::from([30_001])).ok(), Some(30_002));
        assert!(taken(&[30_000]).refusal(30_000).is_some());
        assert!(taken(&[]).refusal(80).is_some());
        assert!(taken(&[]).refusal(32_767).is_none());
    }

    #[test]
    fn what_a_type_has_no_use_for_goes() {
        let old = service("NodePort", json!([{"port": 1, "nodePort": 30001}]));
        let mut new = old.clone();
        new["spec"]["type"] = json!("ExternalName");
        drop_unneeded(&old, &mut new);
        assert_eq!(new["spec"], json!({"type": "ExternalName", "ports": [{"port": 1}]}));
    }
}

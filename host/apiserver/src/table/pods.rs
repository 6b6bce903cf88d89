//! Columns of pods and nodes: what a pod is doing, in one word.

use serde_json::Value;

use super::{Column, View, age, list_at, name, or, text_at};

pub(super) fn columns(group: &str, kind: &str) -> Option<Vec<Column>> {
    match (group, kind) {
        ("", "Pod") => Some(pod()),
        ("", "Node") => Some(node()),
        _ => None,
    }
}

fn pod() -> Vec<Column> {
    vec![
        name(),
        Column::made("Ready", "string", 0, ready),
        Column::made("Status", "string", 0, |view| Value::from(status(view))),
        Column::made("Restarts", "string", 0, |view| Value::from(restarts(view))),
        age(),
        Column::made("IP", "string", 1, |view| view.or_none("/status/podIPs/0/ip")),
        Column::made("Node", "string", 1, |view| view.or_none("/spec/nodeName")),
        Column::made("Nominated Node", "string", 1, |view| view.or_none("/status/nominatedNodeName")),
        Column::made("Readiness Gates", "string", 1, |view| Value::from(gates(view))),
    ]
}

fn ready(view: &View<'_>) -> Value {
    let runs =
        |c: &&Value| c.get("ready") == Some(&Value::Bool(true)) && c.pointer("/state/running").is_some();
    let ready = view.list("/status/containerStatuses").iter().filter(runs).count();
    Value::from(format!("{ready}/{}", view.list("/spec/containers").len()))
}

/// The phase, or a more telling reason from a container.
fn status(view: &View<'_>) -> String {
    let phase = view.text("/status/phase");
    let mut reason = or(view.text("/status/reason"), phase).to_owned();
    let gated = |c: &Value| text_at(c, "/reason") == "SchedulingGated";
    if view.list("/status/conditions").iter().any(gated) {
        reason = "SchedulingGated".to_owned();
    }
    reason = initializing(view).or_else(|| from_containers(view)).unwrap_or(reason);
    let ended = matches!(phase, "Succeeded" | "Failed");
    match view.has("/metadata/deletionTimestamp") {
        true if view.text("/status/reason") == "NodeLost" => "Unknown".to_owned(),
        true if !ended => "Terminating".to_owned(),
        _ => reason,
    }
}

fn initializing(view: &View<'_>) -> Option<String> {
    let total = view.list("/spec/initContainers").len();
    for (at, container) in view.list("/status/initContainerStatuses").iter().enumerate() {
        let waiting = text_at(container, "/state/waiting/reason");
        match container.pointer("/state/terminated") {
            Some(done) if done.get("exitCode") == Some(&Value::from(0)) => {}
            Some(done) => return Some(format!("Init:{}", ended(done))),
            None if !matches!(waiting, "" | "PodInitializing") => return Some(format!("Init:{waiting}")),
            None => return Some(format!("Init:{at}/{total}")),
        }
    }
    None
}

fn ended(terminated: &Value) -> String {
    let number = |name: &str| terminated.get(name).and_then(Value::as_i64).unwrap_or_default();
    match (text_at(terminated, "/reason"), number("signal")) {
        ("", 0) => format!("ExitCode:{}", number("exitCode")),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn from_containers(view: &View<'_>) -> Option<String> {
    let statuses = view.list("/status/containerStatuses");
    let reason = statuses.iter().find_map(|container| {
        let waiting = text_at(container, "/state/waiting/reason");
        match container.pointer("/state/terminated") {
            _ if !waiting.is_empty() => Some(waiting.to_owned()),
            Some(done) => Some(ended(done)),
            None => None,
        }
    });
    let running = statuses.iter().any(|c| c.pointer("/state/running").is_some());
    let is_ready = |c: &Value| text_at(c, "/type") == "Ready" && text_at(c, "/status") == "True";
    match reason.as_deref() {
        Some("Completed") if running && view.list("/status/conditions").iter().any(is_ready) => {
            Some("Running".to_owned())
        }
        Some("Completed") if running => Some("NotReady".to_owned()),
        _ => reason,
    }
}

fn restarts(view: &View<'_>) -> String {
    let statuses = view.list("/status/containerStatuses");
    let count: i64 = statuses.iter().filter_map(|c| c.get("restartCount")?.as_i64()).sum();
    let last = statuses.iter().map(|c| text_at(c, "/lastState/terminated/finishedAt")).max();
    match last.filter(|time| count > 0 && !time.is_empty()) {
        Some(time) => format!("{count} ({} ago)", view.since(time, "<unknown>")),
        None => count.to_string(),
    }
}

fn gates(view: &View<'_>) -> String {
    let gates = view.list("/spec/readinessGates");
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let holds = |gate: &&Value| {
        view.list("/status/conditions").iter().any(|condition| {
            text_at(condition, "/type") == text_at(gate, "/conditionType")
                && text_at(condition, "/status") == "True"
        })
    };
    format!("{}/{}", gates.iter().filter(holds).count(), gates.len())
}

fn node() -> Vec<Column> {
    vec![
        name(),
        Column::made("Status", "string", 0, node_status),
        Column::made("Roles", "string", 0, node_roles),
        age(),
        Column::made("Version", "string", 0, |view| {
            Value::from(view.text("/status/nodeInfo/kubeletVersion"))
        }),
        Column::made("Internal-IP", "string", 1, |view| node_address(view, "InternalIP")),
        Column::made("External-IP", "string", 1, |view| node_address(view, "ExternalIP")),
        Column::made("OS-Image", "string", 1, |view| node_info(view, "osImage")),
        Column::made("Kernel-Version", "string", 1, |view| node_info(view, "kernelVersion")),
        Column::made("Container-Runtime", "string", 1, |view| node_info(view, "containerRuntimeVersion")),
    ]
}

fn node_status(view: &View<'_>) -> Value {
    let is_ready = |c: &&Value| text_at(c, "/type") == "Ready";
    let mut status = match view.list("/status/conditions").iter().find(is_ready) {
        Some(ready) if text_at(ready, "/status") == "True" => "Ready".to_owned(),
        Some(_) => "NotReady".to_owned(),
        None => "Unknown".to_owned(),
    };
    if view.at("/spec/unschedulable") == Some(&Value::Bool(true)) {
        status.push_str(",SchedulingDisabled");
    }
    Value::from(status)
}

fn node_roles(view: &View<'_>) -> Value {
    const PREFIX: &str = "node-role.kubernetes.io/";
    let labels = view.at("/metadata/labels").and_then(Value::as_object);
    let roles: Vec<&str> =
        labels.into_iter().flatten().filter_map(|(key, _)| key.strip_prefix(PREFIX)).collect();
    Value::from(or(&roles.join(","), "<none>"))
}

fn node_address(view: &View<'_>, kind: &str) -> Value {
    let addresses = list_at(view.object, "/status/addresses");
    let found = addresses.iter().find(|address| text_at(address, "/type") == kind);
    Value::from(found.map_or("<none>", |address| text_at(address, "/address")))
}

fn node_info(view: &View<'_>, field: &str) -> Value {
    Value::from(or(view.text(&format!("/status/nodeInfo/{field}")), "<unknown>"))
}

//! Defaults of pods and pod templates.

use serde_json::{Map, Value, json};

use super::{entries, existing, fill, fill_number, member, text};

type Object = Map<String, Value>;

/// Everything a pod template gets, plus what only a pod gets.
pub(super) fn pod(map: &mut Object) {
    let spec = member(map, "spec");
    pod_spec(spec);
    fill(spec, "enableServiceLinks", true);
    for list in ["containers", "initContainers"] {
        entries(spec, list).for_each(requests_from_limits);
    }
}

/// A new pod waits to be scheduled.
pub(super) fn new_status(map: &mut Object) {
    let class = quality_of_service(map);
    let status = json!({"phase": "Pending", "qosClass": class});
    map.insert("status".to_owned(), status);
}

/// `Guaranteed` when every container limits and requests the same CPU and memory,
/// `BestEffort` when none names any, `Burstable` otherwise.
fn quality_of_service(map: &Object) -> &'static str {
    let containers = map.get("spec").and_then(|spec| spec.get("containers"));
    let containers = containers.and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
    let resource =
        |c: &Value, list: &str, name: &str| c.pointer(&format!("/resources/{list}/{name}")).cloned();
    let both = ["cpu", "memory"];
    let any = |c: &Value| {
        both.iter().any(|n| resource(c, "limits", n).is_some() || resource(c, "requests", n).is_some())
    };
    let exact = |c: &Value| {
        both.iter().all(|n| {
            resource(c, "limits", n).is_some() && resource(c, "limits", n) == resource(c, "requests", n)
        })
    };
    if !containers.iter().any(any) {
        "BestEffort"
    } else if containers.iter().all(exact) {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

pub(super) fn template(template: &mut Object) {
    pod_spec(member(template, "spec"));
}

fn pod_spec(spec: &mut Object) {
    fill(spec, "dnsPolicy", "ClusterFirst");
    fill(spec, "restartPolicy", "Always");
    fill(spec, "securityContext", json!({}));
    fill(spec, "terminationGracePeriodSeconds", 30);
    fill(spec, "schedulerName", "default-scheduler");
    let account = text(spec, "serviceAccountName").to_owned();
    if !account.is_empty() {
        fill(spec, "serviceAccount", account);
    }
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        entries(spec, list).for_each(container);
    }
    entries(spec, "volumes").for_each(volume);
}

fn container(container: &mut Object) {
    let policy = pull_policy(text(container, "image"));
    fill(container, "imagePullPolicy", policy);
    fill(container, "terminationMessagePath", "/dev/termination-log");
    fill(container, "terminationMessagePolicy", "File");
    fill(container, "resources", json!({}));
    for port in entries(container, "ports") {
        fill(port, "protocol", "TCP");
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = existing(container, name) {
            self::probe(probe);
        }
    }
    for variable in entries(container, "env") {
        let source = existing(variable, "valueFrom").and_then(|from| existing(from, "fieldRef"));
        if let Some(field) = source {
            fill(field, "apiVersion", "v1");
        }
    }
    lifecycle(container);
}

fn lifecycle(container: &mut Object) {
    let Some(lifecycle) = existing(container, "lifecycle") else {
        return;
    };
    for hook in ["postStart", "preStop"] {
        if let Some(get) = existing(lifecycle, hook).and_then(|hook| existing(hook, "httpGet")) {
            http_get(get);
        }
    }
}

fn probe(probe: &mut Object) {
    fill_number(probe, "timeoutSeconds", 1);
    fill_number(probe, "periodSeconds", 10);
    fill_number(probe, "successThreshold", 1);
    fill_number(probe, "failureThreshold", 3);
    if let Some(get) = existing(probe, "httpGet") {
        http_get(get);
    }
    if let Some(call) = existing(probe, "grpc") {
        call.entry("service").or_insert_with(|| Value::from(""));
    }
}

fn http_get(get: &mut Object) {
    fill(get, "path", "/");
    fill(get, "scheme", "HTTP");
}

/// `Always` for the tag `latest`, which is also meant when there is no tag.
fn pull_policy(image: &str) -> &'static str {
    let last = image.rsplit('/').next().unwrap_or(image);
    let pinned = last.contains('@');
    let tag = last.split_once(':').map(|(_, tag)| tag);
    match tag {
        _ if pinned => "IfNotPresent",
        None | Some("latest") => "Always",
        Some(_) => "IfNotPresent",
    }
}

/// Requests default to limits, in pods only.
fn requests_from_limits(container: &mut Object) {
    let Some(resources) = existing(container, "resources") else {
        return;
    };
    let Some(limits) = existing(resources, "limits").cloned() else {
        return;
    };
    let requests = member(resources, "requests");
    for (name, amount) in limits {
        requests.entry(name).or_insert(amount);
    }
}

/// Permissions of files in volumes, 0644.
const FILE_MODE: i64 = 0o644;

fn volume(volume: &mut Object) {
    if volume.keys().all(|key| key == "name") {
        fill(volume, "emptyDir", json!({}));
    }
    for source in ["configMap", "secret", "downwardAPI", "projected"] {
        if let Some(source) = existing(volume, source) {
            fill(source, "defaultMode", FILE_MODE);
        }
    }
    if let Some(path) = existing(volume, "hostPath") {
        path.entry("type").or_insert_with(|| Value::from(""));
    }
    if let Some(projected) = existing(volume, "projected") {
        for source in entries(projected, "sources") {
            if let Some(token) = existing(source, "serviceAccountToken") {
                fill(token, "expirationSeconds", 3600);
            }
        }
    }
}

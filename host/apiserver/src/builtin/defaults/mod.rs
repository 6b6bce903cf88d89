//! Defaults of built-in kinds: what the real server fills in before it validates and stores.
//!
//! Follows the `SetDefaults_…` functions of `k8s.io/kubernetes/pkg/apis/*/v1/defaults.go`
//! v1.36, for the fields that show up in reads. They matter to controllers: an apply of a
//! child must lead to the same stored object every time, or it would never settle.

mod pods;
mod services;
mod workloads;

use serde_json::{Map, Value, json};

use crate::schema::fill_structs;

/// Fills in the defaults of an object of a built-in kind, and the structs that are always
/// there (`status: {}`). Other kinds are left alone.
///
/// # Example
/// ```
/// use polyreme_apiserver::builtin::default_object;
/// use serde_json::json;
/// let mut secret = json!({"stringData": {"user": "me"}});
/// default_object("", "Secret", &mut secret);
/// assert_eq!(secret, json!({"metadata": {}, "data": {"user": "bWU="}, "type": "Opaque"}));
/// ```
pub fn default_object(group: &str, kind: &str, object: &mut Value) {
    let resource = super::resources().iter().find(|r| r.group == group && r.kind == kind);
    if let Some(resource) = resource {
        fill_structs(&resource.schema(), object);
    }
    set_defaults(group, kind, object);
}

fn set_defaults(group: &str, kind: &str, object: &mut Value) {
    let Value::Object(map) = object else { return };
    match (group, kind) {
        ("", "Pod") => pods::pod(map),
        ("", "PodTemplate") => pods::template(member(map, "template")),
        ("", "ReplicationController") => workloads::replication_controller(map),
        ("", "Service") => services::service(map),
        ("", "Secret") => secret(map),
        ("", "Namespace") => namespace(map),
        ("", "PersistentVolumeClaim") => persistent_volume_claim(map),
        ("", "PersistentVolume") => persistent_volume(map),
        ("", "Endpoints") => services::endpoints(map),
        ("discovery.k8s.io", "EndpointSlice") => services::endpoint_slice(map),
        ("networking.k8s.io", "NetworkPolicy") => services::network_policy(map),
        ("apps", "Deployment") => workloads::deployment(map),
        ("apps", "ReplicaSet") => workloads::replica_set(map),
        ("apps", "StatefulSet") => workloads::stateful_set(map),
        ("apps", "DaemonSet") => workloads::daemon_set(map),
        ("batch", "Job") => workloads::job(map),
        ("batch", "CronJob") => workloads::cron_job(map),
        ("autoscaling", "HorizontalPodAutoscaler") => workloads::autoscaler(map),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => binding(map),
        ("storage.k8s.io", "StorageClass") => storage_class(map),
        ("scheduling.k8s.io", "PriorityClass") => fill(map, "preemptionPolicy", "PreemptLowerPriority"),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(map),
        _ => {}
    }
}

/// What the server adds when an object is created, and never afterwards. Defaults come
/// first: a Job takes its labels from its template before the template gets the Job's own.
pub fn prepare_create(group: &str, kind: &str, object: &mut Value) {
    set_defaults(group, kind, object);
    let Value::Object(map) = object else { return };
    match (group, kind) {
        ("", "Namespace") => {
            fill(member(map, "spec"), "finalizers", json!(["kubernetes"]));
            map.insert("status".to_owned(), json!({"phase": "Active"}));
        }
        ("", "Pod") => pods::new_status(map),
        ("", "PersistentVolumeClaim") => {
            map.insert("status".to_owned(), json!({"phase": "Pending"}));
        }
        ("batch", "Job") => workloads::select_own_pods(map),
        _ => {}
    }
}

/// Sets a member that is absent, `null` or the empty text.
fn fill(map: &mut Map<String, Value>, name: &str, default: impl Into<Value>) {
    let empty = map.get(name).is_none_or(|value| value.is_null() || value.as_str() == Some(""));
    if empty {
        map.insert(name.to_owned(), default.into());
    }
}

/// Sets a number that is absent or zero: Go cannot tell the two apart.
fn fill_number(map: &mut Map<String, Value>, name: &str, default: i64) {
    if map.get(name).and_then(Value::as_i64).unwrap_or(0) == 0 {
        map.insert(name.to_owned(), Value::from(default));
    }
}

/// The object under `name`, made when it is absent.
fn member<'a>(map: &'a mut Map<String, Value>, name: &str) -> &'a mut Map<String, Value> {
    let value = map.entry(name).or_insert_with(|| json!({}));
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().expect("the value was just made an object")
}

/// The object under `name`, if there is one.
fn existing<'a>(map: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    map.get_mut(name).and_then(Value::as_object_mut)
}

/// Every object in the list under `name`.
fn entries<'a>(
    map: &'a mut Map<String, Value>,
    name: &str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> + use<'a> {
    let list = map.get_mut(name).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}

fn text<'a>(map: &'a Map<String, Value>, name: &str) -> &'a str {
    map.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// `stringData` is write-only: it is encoded into `data` and goes.
fn secret(map: &mut Map<String, Value>) {
    use base64::Engine as _;
    fill(map, "type", "Opaque");
    let Some(Value::Object(plain)) = map.remove("stringData") else {
        return;
    };
    let data = member(map, "data");
    for (key, value) in plain {
        let bytes = value.as_str().unwrap_or_default();
        let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
        data.insert(key, Value::from(encoded));
    }
}

fn namespace(map: &mut Map<String, Value>) {
    let metadata = member(map, "metadata");
    let name = text(metadata, "name").to_owned();
    if !name.is_empty() {
        member(metadata, "labels").insert("kubernetes.io/metadata.name".to_owned(), Value::from(name));
    }
}

fn persistent_volume_claim(map: &mut Map<String, Value>) {
    fill(member(map, "spec"), "volumeMode", "Filesystem");
    fill(member(map, "status"), "phase", "Pending");
}

fn persistent_volume(map: &mut Map<String, Value>) {
    let spec = member(map, "spec");
    fill(spec, "persistentVolumeReclaimPolicy", "Retain");
    fill(spec, "volumeMode", "Filesystem");
    fill(member(map, "status"), "phase", "Pending");
}

fn storage_class(map: &mut Map<String, Value>) {
    fill(map, "reclaimPolicy", "Delete");
    fill(map, "volumeBindingMode", "Immediate");
}

fn binding(map: &mut Map<String, Value>) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    if let Some(role) = existing(map, "roleRef") {
        fill(role, "apiGroup", GROUP);
    }
    for subject in entries(map, "subjects") {
        if matches!(text(subject, "kind"), "User" | "Group") {
            fill(subject, "apiGroup", GROUP);
        }
    }
}

fn definition(map: &mut Map<String, Value>) {
    let spec = member(map, "spec");
    fill(member(spec, "conversion"), "strategy", "None");
    let names = member(spec, "names");
    let kind = text(names, "kind").to_owned();
    if !kind.is_empty() {
        fill(names, "singular", kind.to_lowercase());
        fill(names, "listKind", format!("{kind}List"));
    }
}

#[cfg(test)]
mod tests;

//! Columns of the remaining kinds: configuration, storage, access, events.

use serde_json::{Value, json};

use super::{Column, View, age, name, or, text_at};

pub(super) fn columns(group: &str, kind: &str) -> Option<Vec<Column>> {
    let columns = match (group, kind) {
        ("", "Namespace") => vec![name(), text("Status", |v| Value::from(v.text("/status/phase"))), age()],
        ("", "ConfigMap") => {
            vec![name(), text("Data", |v| json!(v.size("/data") + v.size("/binaryData"))), age()]
        }
        ("", "Secret") => secret(),
        ("", "ServiceAccount") => vec![name(), age()],
        ("", "Event") => event(),
        ("events.k8s.io", "Event") => event(),
        ("", "PersistentVolumeClaim") => claim(),
        ("", "PersistentVolume") => volume(),
        ("", "ResourceQuota") => quota(),
        ("coordination.k8s.io", "Lease") => {
            vec![name(), text("Holder", |v| Value::from(v.text("/spec/holderIdentity"))), age()]
        }
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => binding(),
        ("policy", "PodDisruptionBudget") => budget(),
        ("storage.k8s.io", "StorageClass") => storage_class(),
        ("scheduling.k8s.io", "PriorityClass") => priority_class(),
        ("admissionregistration.k8s.io", _) => {
            let count = |view: &View<'_>| json!(view.list("/webhooks").len());
            vec![name(), Column::made("Webhooks", "integer", 0, count), age()]
        }
        _ => return None,
    };
    Some(columns)
}

fn text(column: &str, cell: fn(&View<'_>) -> Value) -> Column {
    Column::made(column, "string", 0, cell)
}

fn secret() -> Vec<Column> {
    vec![
        name(),
        text("Type", |view| Value::from(view.text("/type"))),
        text("Data", |view| json!(view.size("/data"))),
        age(),
    ]
}

/// Members of an event, whichever of its two groups it was read through.
fn either<'a>(view: &'a View<'_>, core: &str, events: &str) -> &'a str {
    or(view.text(core), view.text(events))
}

fn event() -> Vec<Column> {
    let wide = |column: &str, cell: fn(&View<'_>) -> Value| Column::made(column, "string", 1, cell);
    vec![
        text("Last Seen", |view| Value::from(last_seen(view))),
        text("Type", |view| Value::from(view.text("/type"))),
        text("Reason", |view| Value::from(view.text("/reason"))),
        text("Object", |view| Value::from(event_object(view))),
        wide("Subobject", |view| {
            Value::from(either(view, "/involvedObject/fieldPath", "/regarding/fieldPath"))
        }),
        wide("Source", |view| Value::from(event_source(view))),
        text("Message", |view| Value::from(either(view, "/message", "/note").trim())),
        wide("First Seen", |view| Value::from(first_seen(view))),
        wide("Count", |view| json!(event_count(view))),
        wide("Name", |view| Value::from(view.text("/metadata/name"))),
    ]
}

fn first_seen(view: &View<'_>) -> String {
    let first = either(view, "/firstTimestamp", "/deprecatedFirstTimestamp");
    view.since(or(first, view.text("/eventTime")), "<unknown>")
}

fn last_seen(view: &View<'_>) -> String {
    let series = view.text("/series/lastObservedTime");
    match or(series, either(view, "/lastTimestamp", "/deprecatedLastTimestamp")) {
        "" => first_seen(view),
        time => view.since(time, "<unknown>"),
    }
}

fn event_object(view: &View<'_>) -> String {
    let kind = either(view, "/involvedObject/kind", "/regarding/kind").to_lowercase();
    match either(view, "/involvedObject/name", "/regarding/name") {
        "" => kind,
        name => format!("{kind}/{name}"),
    }
}

fn event_source(view: &View<'_>) -> String {
    let source = either(view, "/source/component", "/deprecatedSource/component");
    let component = or(source, either(view, "/reportingComponent", "/reportingController"));
    match or(either(view, "/source/host", "/deprecatedSource/host"), view.text("/reportingInstance")) {
        "" => component.to_owned(),
        instance => format!("{component}, {instance}"),
    }
}

fn event_count(view: &View<'_>) -> i64 {
    let counts = ["/series/count", "/count", "/deprecatedCount"];
    counts.iter().map(|pointer| view.number(pointer)).find(|count| *count > 0).unwrap_or(1)
}

fn access_modes(view: &View<'_>, pointer: &str) -> Value {
    let short = |mode: &Value| match mode.as_str().unwrap_or_default() {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        _ => "",
    };
    let modes: Vec<&str> = view.list(pointer).iter().map(short).collect();
    Value::from(modes.join(","))
}

fn unset(view: &View<'_>, pointer: &str) -> Value {
    Value::from(or(view.text(pointer), "<unset>"))
}

fn claim() -> Vec<Column> {
    let status = |view: &View<'_>| match view.has("/metadata/deletionTimestamp") {
        true => Value::from("Terminating"),
        false => Value::from(view.text("/status/phase")),
    };
    vec![
        name(),
        text("Status", status),
        text("Volume", |view| Value::from(view.text("/spec/volumeName"))),
        text("Capacity", |view| Value::from(view.text("/status/capacity/storage"))),
        text("Access Modes", |view| access_modes(view, "/status/accessModes")),
        text("StorageClass", |view| Value::from(view.text("/spec/storageClassName"))),
        text("VolumeAttributesClass", |view| unset(view, "/spec/volumeAttributesClassName")),
        age(),
        Column::made("VolumeMode", "string", 1, |view| unset(view, "/spec/volumeMode")),
    ]
}

fn volume() -> Vec<Column> {
    let claim = |view: &View<'_>| {
        let (namespace, name) = (view.text("/spec/claimRef/namespace"), view.text("/spec/claimRef/name"));
        Value::from(if name.is_empty() { String::new() } else { format!("{namespace}/{name}") })
    };
    vec![
        name(),
        text("Capacity", |view| Value::from(view.text("/spec/capacity/storage"))),
        text("Access Modes", |view| access_modes(view, "/spec/accessModes")),
        text("Reclaim Policy", |view| Value::from(view.text("/spec/persistentVolumeReclaimPolicy"))),
        text("Status", |view| Value::from(view.text("/status/phase"))),
        text("Claim", claim),
        text("StorageClass", |view| Value::from(view.text("/spec/storageClassName"))),
        text("VolumeAttributesClass", |view| unset(view, "/spec/volumeAttributesClassName")),
        text("Reason", |view| Value::from(view.text("/status/reason"))),
        age(),
        Column::made("VolumeMode", "string", 1, |view| unset(view, "/spec/volumeMode")),
    ]
}

fn quota() -> Vec<Column> {
    fn usage(view: &View<'_>, limits: bool) -> Value {
        let hard = view.at("/status/hard").and_then(Value::as_object);
        let parts: Vec<String> = hard
            .into_iter()
            .flatten()
            .filter(|(resource, _)| resource.starts_with("limits.") == limits)
            .map(|(resource, hard)| {
                let used = view.at("/status/used").and_then(|used| used.get(resource));
                let shown = |amount: Option<&Value>| amount.and_then(Value::as_str).unwrap_or("0").to_owned();
                format!("{resource}: {}/{}", shown(used), shown(Some(hard)))
            })
            .collect();
        Value::from(parts.join(", "))
    }
    vec![name(), text("Request", |view| usage(view, false)), text("Limit", |view| usage(view, true)), age()]
}

fn binding() -> Vec<Column> {
    fn subjects(view: &View<'_>, kind: &str) -> Value {
        let of_kind = view.list("/subjects").iter().filter(|subject| text_at(subject, "/kind") == kind);
        let names: Vec<String> = of_kind
            .map(|subject| match text_at(subject, "/namespace") {
                "" => text_at(subject, "/name").to_owned(),
                namespace => format!("{namespace}/{}", text_at(subject, "/name")),
            })
            .collect();
        Value::from(names.join(", "))
    }
    let role = |view: &View<'_>| {
        Value::from(format!("{}/{}", view.text("/roleRef/kind"), view.text("/roleRef/name")))
    };
    vec![
        name(),
        text("Role", role),
        age(),
        Column::made("Users", "string", 1, |view| subjects(view, "User")),
        Column::made("Groups", "string", 1, |view| subjects(view, "Group")),
        Column::made("ServiceAccounts", "string", 1, |view| subjects(view, "ServiceAccount")),
    ]
}

fn budget() -> Vec<Column> {
    fn limit(view: &View<'_>, pointer: &str) -> Value {
        Value::from(view.at(pointer).map_or_else(|| "N/A".to_owned(), super::printed))
    }
    let allowed = |view: &View<'_>| json!(view.number("/status/disruptionsAllowed"));
    vec![
        name(),
        text("Min Available", |view| limit(view, "/spec/minAvailable")),
        text("Max Unavailable", |view| limit(view, "/spec/maxUnavailable")),
        Column::made("Allowed Disruptions", "integer", 0, allowed),
        age(),
    ]
}

fn storage_class() -> Vec<Column> {
    let expands = |view: &View<'_>| json!(view.at("/allowVolumeExpansion") == Some(&Value::Bool(true)));
    let shown = |view: &View<'_>| {
        let is_default = "/metadata/annotations/storageclass.kubernetes.io~1is-default-class";
        let suffix = if view.text(is_default) == "true" { " (default)" } else { "" };
        Value::from(format!("{}{suffix}", view.text("/metadata/name")))
    };
    vec![
        Column::made("Name", "string", 0, shown),
        text("Provisioner", |view| Value::from(view.text("/provisioner"))),
        text("ReclaimPolicy", |view| Value::from(view.text("/reclaimPolicy"))),
        text("VolumeBindingMode", |view| Value::from(view.text("/volumeBindingMode"))),
        text("AllowVolumeExpansion", expands),
        age(),
    ]
}

fn priority_class() -> Vec<Column> {
    let default = |view: &View<'_>| json!(view.at("/globalDefault") == Some(&Value::Bool(true)));
    vec![
        name(),
        Column::made("Value", "integer", 0, |view| json!(view.number("/value"))),
        Column::made("Global-Default", "boolean", 0, default),
        age(),
        text("PreemptionPolicy", |view| Value::from(view.text("/preemptionPolicy"))),
    ]
}

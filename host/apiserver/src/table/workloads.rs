//! Columns of what makes pods.

use serde_json::{Value, json};

use super::{Column, View, age, list_at, name, text_at};

pub(super) fn columns(group: &str, kind: &str) -> Option<Vec<Column>> {
    match (group, kind) {
        ("apps", "Deployment") => Some(deployment()),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => Some(replica_set()),
        ("apps", "StatefulSet") => Some(stateful_set()),
        ("apps", "DaemonSet") => Some(daemon_set()),
        ("apps", "ControllerRevision") => Some(revision()),
        ("batch", "Job") => Some(job()),
        ("batch", "CronJob") => Some(cron_job()),
        ("", "PodTemplate") => Some(pod_template()),
        ("autoscaling", "HorizontalPodAutoscaler") => Some(autoscaler()),
        _ => None,
    }
}

fn with_containers(mut columns: Vec<Column>) -> Vec<Column> {
    columns.push(Column::made("Containers", "string", 1, |view| joined(view, "/name")));
    columns.push(Column::made("Images", "string", 1, |view| joined(view, "/image")));
    columns
}

fn with_selector(columns: Vec<Column>) -> Vec<Column> {
    let mut columns = with_containers(columns);
    columns
        .push(Column::made("Selector", "string", 1, |view| Value::from(selector(view.at("/spec/selector")))));
    columns
}

fn joined(view: &View<'_>, field: &str) -> Value {
    let paths = ["/spec/template", "/spec/jobTemplate/spec/template", "/template"];
    let containers =
        paths.iter().map(|path| view.list(&format!("{path}/spec/containers"))).find(|c| !c.is_empty());
    let texts: Vec<&str> = containers.unwrap_or_default().iter().map(|c| text_at(c, field)).collect();
    Value::from(texts.join(","))
}

/// A label selector as text; a plain map counts as `matchLabels`.
pub(super) fn selector(selector: Option<&Value>) -> String {
    let Some(selector) = selector.and_then(Value::as_object) else {
        return "<none>".to_owned();
    };
    let plain = !selector.contains_key("matchLabels") && !selector.contains_key("matchExpressions");
    let labels = if plain { Some(selector) } else { selector.get("matchLabels").and_then(Value::as_object) };
    let mut parts: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    parts.extend(expressions.into_iter().flatten().map(expression));
    parts.sort();
    if parts.is_empty() { "<none>".to_owned() } else { parts.join(",") }
}

fn expression(expression: &Value) -> String {
    let key = text_at(expression, "/key");
    let mut values: Vec<&str> = list_at(expression, "/values").iter().filter_map(Value::as_str).collect();
    values.sort_unstable();
    let values = values.join(",");
    match text_at(expression, "/operator") {
        "In" => format!("{key} in ({values})"),
        "NotIn" => format!("{key} notin ({values})"),
        "DoesNotExist" => format!("!{key}"),
        _ => key.to_owned(),
    }
}

fn number(name: &str, cell: fn(&View<'_>) -> Value) -> Column {
    Column::made(name, "integer", 0, cell)
}

fn deployment() -> Vec<Column> {
    with_selector(vec![
        name(),
        Column::made("Ready", "string", 0, ready_of_replicas),
        Column::made("Up-to-date", "string", 0, |view| json!(view.number("/status/updatedReplicas"))),
        Column::made("Available", "string", 0, |view| json!(view.number("/status/availableReplicas"))),
        age(),
    ])
}

fn ready_of_replicas(view: &View<'_>) -> Value {
    Value::from(format!("{}/{}", view.number("/status/readyReplicas"), view.number("/spec/replicas")))
}

fn replica_set() -> Vec<Column> {
    with_selector(vec![
        name(),
        number("Desired", |view| json!(view.number("/spec/replicas"))),
        number("Current", |view| json!(view.number("/status/replicas"))),
        number("Ready", |view| json!(view.number("/status/readyReplicas"))),
        age(),
    ])
}

fn stateful_set() -> Vec<Column> {
    with_containers(vec![name(), Column::made("Ready", "string", 0, ready_of_replicas), age()])
}

fn daemon_set() -> Vec<Column> {
    let nodes = |view: &View<'_>| Value::from(selector(view.at("/spec/template/spec/nodeSelector")));
    with_selector(vec![
        name(),
        number("Desired", |view| json!(view.number("/status/desiredNumberScheduled"))),
        number("Current", |view| json!(view.number("/status/currentNumberScheduled"))),
        number("Ready", |view| json!(view.number("/status/numberReady"))),
        number("Up-to-date", |view| json!(view.number("/status/updatedNumberScheduled"))),
        number("Available", |view| json!(view.number("/status/numberAvailable"))),
        Column::made("Node Selector", "string", 0, nodes),
        age(),
    ])
}

fn revision() -> Vec<Column> {
    let owner = |view: &View<'_>| {
        let owners = view.list("/metadata/ownerReferences");
        let controller = owners.iter().find(|owner| owner.get("controller") == Some(&Value::Bool(true)));
        let name =
            |owner: &Value| format!("{}/{}", text_at(owner, "/kind").to_lowercase(), text_at(owner, "/name"));
        Value::from(controller.map_or_else(|| "<none>".to_owned(), name))
    };
    vec![
        name(),
        Column::made("Controller", "string", 0, owner),
        Column::made("Revision", "string", 0, |view| json!(view.number("/revision"))),
        age(),
    ]
}

fn job() -> Vec<Column> {
    with_selector(vec![
        name(),
        Column::made("Status", "string", 0, job_status),
        Column::made("Completions", "string", 0, completions),
        Column::made("Duration", "string", 0, job_duration),
        age(),
    ])
}

fn job_status(view: &View<'_>) -> Value {
    let conditions = view.list("/status/conditions");
    let has = |kind: &str| {
        conditions.iter().any(|c| text_at(c, "/type") == kind && text_at(c, "/status") == "True")
    };
    let status = match view.has("/metadata/deletionTimestamp") {
        _ if has("Complete") => "Complete",
        _ if has("Failed") => "Failed",
        true => "Terminating",
        false if has("Suspended") => "Suspended",
        false if has("FailureTarget") => "FailureTarget",
        false if has("SuccessCriteriaMet") => "SuccessCriteriaMet",
        false => "Running",
    };
    Value::from(status)
}

fn completions(view: &View<'_>) -> Value {
    let succeeded = view.number("/status/succeeded");
    let parallelism = view.number("/spec/parallelism");
    Value::from(match view.at("/spec/completions") {
        Some(wanted) => format!("{succeeded}/{wanted}"),
        None if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        None => format!("{succeeded}/1"),
    })
}

fn job_duration(view: &View<'_>) -> Value {
    let time = |pointer: &str| chrono::DateTime::parse_from_rfc3339(view.text(pointer)).ok();
    let Some(start) = time("/status/startTime") else {
        return Value::from("");
    };
    let end = time("/status/completionTime").map_or(view.now, |end| end.to_utc());
    Value::from(super::human_duration(end.signed_duration_since(start)))
}

fn cron_job() -> Vec<Column> {
    let suspended = |view: &View<'_>| {
        Value::from(if view.at("/spec/suspend") == Some(&Value::Bool(true)) { "True" } else { "False" })
    };
    let last = |view: &View<'_>| match view.has("/status/lastScheduleTime") {
        true => Value::from(view.age_of("/status/lastScheduleTime")),
        false => Value::from("<none>"),
    };
    let mut columns = with_containers(vec![
        name(),
        Column::made("Schedule", "string", 0, |view| Value::from(view.text("/spec/schedule"))),
        Column::made("Timezone", "string", 0, |view| view.or_none("/spec/timeZone")),
        Column::made("Suspend", "boolean", 0, suspended),
        number("Active", |view| json!(view.list("/status/active").len())),
        Column::made("Last Schedule", "string", 0, last),
        age(),
    ]);
    let chosen = |view: &View<'_>| Value::from(selector(view.at("/spec/jobTemplate/spec/selector")));
    columns.push(Column::made("Selector", "string", 1, chosen));
    columns
}

fn pod_template() -> Vec<Column> {
    let labels = |view: &View<'_>| Value::from(selector(view.at("/template/metadata/labels")));
    vec![
        name(),
        Column::made("Containers", "string", 0, |view| joined(view, "/name")),
        Column::made("Images", "string", 0, |view| joined(view, "/image")),
        Column::made("Pod Labels", "string", 0, labels),
    ]
}

fn autoscaler() -> Vec<Column> {
    let target = |view: &View<'_>| {
        let (kind, name) = (view.text("/spec/scaleTargetRef/kind"), view.text("/spec/scaleTargetRef/name"));
        Value::from(format!("{kind}/{name}"))
    };
    let metrics = |view: &View<'_>| {
        let wanted = view.number("/spec/metrics/0/resource/target/averageUtilization");
        Value::from(format!("cpu: <unknown>/{wanted}%"))
    };
    vec![
        name(),
        Column::made("Reference", "string", 0, target),
        Column::made("Targets", "string", 0, metrics),
        Column::made("MinPods", "string", 0, |view| {
            Value::from(view.number("/spec/minReplicas").to_string())
        }),
        Column::made("MaxPods", "string", 0, |view| json!(view.number("/spec/maxReplicas"))),
        Column::made("Replicas", "string", 0, |view| json!(view.number("/status/currentReplicas"))),
        age(),
    ]
}

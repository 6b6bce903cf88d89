//! Defaults of what makes pods: deployments, jobs and their relatives.

use serde_json::{Map, Value, json};

use super::{entries, existing, fill, member, pods, text};

type Object = Map<String, Value>;

pub(super) fn deployment(map: &mut Object) {
    let spec = member(map, "spec");
    fill(spec, "replicas", 1);
    fill(spec, "revisionHistoryLimit", 10);
    fill(spec, "progressDeadlineSeconds", 600);
    let strategy = member(spec, "strategy");
    fill(strategy, "type", "RollingUpdate");
    if text(strategy, "type") == "RollingUpdate" {
        let rolling = member(strategy, "rollingUpdate");
        fill(rolling, "maxUnavailable", "25%");
        fill(rolling, "maxSurge", "25%");
    }
    pods::template(member(spec, "template"));
}

pub(super) fn replica_set(map: &mut Object) {
    let spec = member(map, "spec");
    fill(spec, "replicas", 1);
    if let Some(template) = existing(spec, "template") {
        pods::template(template);
    }
}

pub(super) fn replication_controller(map: &mut Object) {
    let labels = map.get("spec").and_then(|spec| spec.pointer("/template/metadata/labels"));
    if let Some(labels) = labels.cloned() {
        fill(member(map, "spec"), "selector", labels.clone());
        fill(member(map, "metadata"), "labels", labels);
    }
    replica_set(map);
}

pub(super) fn stateful_set(map: &mut Object) {
    let spec = member(map, "spec");
    fill(spec, "replicas", 1);
    fill(spec, "revisionHistoryLimit", 10);
    fill(spec, "podManagementPolicy", "OrderedReady");
    let strategy = member(spec, "updateStrategy");
    if text(strategy, "type").is_empty() {
        fill(strategy, "type", "RollingUpdate");
        fill(strategy, "rollingUpdate", json!({}));
    }
    if let (true, Some(rolling)) =
        (text(strategy, "type") == "RollingUpdate", existing(strategy, "rollingUpdate"))
    {
        fill(rolling, "partition", 0);
    }
    let retention = member(spec, "persistentVolumeClaimRetentionPolicy");
    fill(retention, "whenDeleted", "Retain");
    fill(retention, "whenScaled", "Retain");
    for claim in entries(spec, "volumeClaimTemplates") {
        fill(claim, "apiVersion", "v1");
        fill(claim, "kind", "PersistentVolumeClaim");
        super::persistent_volume_claim(claim);
    }
    pods::template(member(spec, "template"));
}

pub(super) fn daemon_set(map: &mut Object) {
    let spec = member(map, "spec");
    fill(spec, "revisionHistoryLimit", 10);
    let strategy = member(spec, "updateStrategy");
    fill(strategy, "type", "RollingUpdate");
    if text(strategy, "type") == "RollingUpdate" {
        let rolling = member(strategy, "rollingUpdate");
        fill(rolling, "maxUnavailable", 1);
        fill(rolling, "maxSurge", 0);
    }
    pods::template(member(spec, "template"));
}

pub(super) fn job(map: &mut Object) {
    let labels = map.get("spec").and_then(|spec| spec.pointer("/template/metadata/labels"));
    if let Some(labels) = labels.cloned() {
        fill(member(map, "metadata"), "labels", labels);
    }
    let spec = member(map, "spec");
    job_spec(spec);
    pods::template(member(spec, "template"));
}

fn job_spec(spec: &mut Object) {
    let given = |name: &str| spec.get(name).is_some_and(|value| !value.is_null());
    if !given("completions") && !given("parallelism") {
        fill(spec, "completions", 1);
    }
    let per_index = spec.contains_key("backoffLimitPerIndex");
    let replacement = if spec.contains_key("podFailurePolicy") { "Failed" } else { "TerminatingOrFailed" };
    fill(spec, "parallelism", 1);
    fill(spec, "backoffLimit", if per_index { i64::from(i32::MAX) } else { 6 });
    fill(spec, "completionMode", "NonIndexed");
    fill(spec, "suspend", false);
    fill(spec, "podReplacementPolicy", replacement);
    fill(spec, "manualSelector", false);
}

/// A job selects the pods that carry its own uid, unless its selector is manual. Needs
/// `metadata.uid`.
pub(super) fn select_own_pods(map: &mut Object) {
    let metadata = member(map, "metadata");
    let (uid, name) = (text(metadata, "uid").to_owned(), text(metadata, "name").to_owned());
    let spec = member(map, "spec");
    if spec.get("manualSelector") == Some(&Value::Bool(true)) || uid.is_empty() {
        return;
    }
    let labels = member(member(member(spec, "template"), "metadata"), "labels");
    for prefix in ["", "batch.kubernetes.io/"] {
        labels.insert(format!("{prefix}controller-uid"), Value::from(uid.as_str()));
        labels.insert(format!("{prefix}job-name"), Value::from(name.as_str()));
    }
    let own = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}});
    fill(spec, "selector", own);
}

pub(super) fn cron_job(map: &mut Object) {
    let spec = member(map, "spec");
    fill(spec, "concurrencyPolicy", "Allow");
    fill(spec, "suspend", false);
    fill(spec, "successfulJobsHistoryLimit", 3);
    fill(spec, "failedJobsHistoryLimit", 1);
    let template = member(member(spec, "jobTemplate"), "spec");
    pods::template(member(template, "template"));
}

pub(super) fn autoscaler(map: &mut Object) {
    let spec = member(map, "spec");
    fill(spec, "minReplicas", 1);
    let cpu = json!([{
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
    }]);
    fill(spec, "metrics", cpu);
}

//! Rules of what makes pods.

use polyreme_selector::LabelSelector;
use serde_json::Value;

use super::{Place, pods};
use crate::schema::Cause;

pub(super) fn apps(kind: &str, root: &Place<'_>, old: Option<&Value>, causes: &mut Vec<Cause>) {
    match kind {
        "Deployment" => {
            replicated("deployment", root, causes);
            deployment(&root.child("spec"), causes);
            root.at("spec.selector").immutable(old, "/spec/selector", causes);
        }
        "ReplicaSet" => {
            replicated("replica set", root, causes);
            root.at("spec.selector").immutable(old, "/spec/selector", causes);
        }
        "StatefulSet" => stateful_set(root, old, causes),
        "DaemonSet" => {
            replicated("daemonset", root, causes);
            root.at("spec.selector").immutable(old, "/spec/selector", causes);
        }
        _ => {}
    }
}

fn deployment(spec: &Place<'_>, causes: &mut Vec<Cause>) {
    let strategy = spec.child("strategy");
    strategy.child("type").one_of(&["Recreate", "RollingUpdate"], causes);
    let rolling = strategy.child("rollingUpdate");
    if strategy.child("type").text() == "Recreate" && rolling.value.is_some() {
        let detail = "may not be specified when strategy `type` is 'Recreate'";
        causes.push(Cause::forbidden(&rolling.path, detail));
    }
    spec.child("revisionHistoryLimit").not_negative(causes);
    let deadline = spec.child("progressDeadlineSeconds");
    let ready = spec.child("minReadySeconds").number().unwrap_or(0);
    if deadline.number().is_some_and(|deadline| deadline <= ready) {
        causes.push(deadline.invalid("must be greater than minReadySeconds"));
    }
}

/// Selector, template and replicas of everything that keeps pods running.
fn replicated(what: &str, root: &Place<'_>, causes: &mut Vec<Cause>) {
    let spec = root.child("spec");
    spec.child("replicas").not_negative(causes);
    spec.child("minReadySeconds").not_negative(causes);
    let selector = spec.child("selector");
    let template = spec.child("template");
    match selector.value {
        None => {
            causes.push(Cause::required(&selector.path, ""));
            causes.push(template.at("metadata.labels").invalid(NOT_SELECTED));
        }
        Some(given) if is_everything(given) => {
            causes.push(selector.invalid(&format!("empty selector is invalid for {what}")));
        }
        Some(given) => selects(given, &selector, &template, causes),
    }
    pods::template(&template, causes);
    let policy = template.at("spec.restartPolicy");
    if matches!(policy.text(), "OnFailure" | "Never") {
        causes.push(Cause::not_supported(&policy.path, policy.shown(), &["Always".to_owned()]));
    }
}

const NOT_SELECTED: &str = "`selector` does not match template `labels`";

fn is_everything(selector: &Value) -> bool {
    let empty = |pointer: &str| {
        selector.pointer(pointer).is_none_or(|part| match part {
            Value::Object(map) => map.is_empty(),
            Value::Array(list) => list.is_empty(),
            _ => true,
        })
    };
    empty("/matchLabels") && empty("/matchExpressions")
}

fn selects(given: &Value, selector: &Place<'_>, template: &Place<'_>, causes: &mut Vec<Cause>) {
    super::super::metadata::labels(given.get("matchLabels"), &selector.at("matchLabels").path, causes);
    let text = crate::table::selector_text(given);
    let Ok(parsed) = LabelSelector::parse(&text) else {
        return causes.push(selector.invalid("invalid label selector"));
    };
    let labels = template.at("metadata.labels");
    let label = |key: &str| labels.value?.get(key)?.as_str();
    if !parsed.matches(label) {
        causes.push(labels.invalid(NOT_SELECTED));
    }
}

fn stateful_set(root: &Place<'_>, old: Option<&Value>, causes: &mut Vec<Cause>) {
    replicated("statefulset", root, causes);
    root.at("spec.podManagementPolicy").one_of(&["OrderedReady", "Parallel"], causes);
    let Some(old) = old else { return };
    const MUTABLE: [&str; 7] = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    let frozen = |spec: Option<&Value>| {
        let mut spec = spec.and_then(Value::as_object).cloned().unwrap_or_default();
        spec.retain(|field, _| !MUTABLE.contains(&field.as_str()));
        spec
    };
    if frozen(root.child("spec").value) != frozen(old.get("spec")) {
        let detail = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        causes.push(Cause::forbidden("spec", detail));
    }
}

pub(super) fn job(root: &Place<'_>, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let spec = root.child("spec");
    for field in
        ["parallelism", "completions", "backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"]
    {
        spec.child(field).not_negative(causes);
    }
    job_template(&spec.child("template"), causes);
    let is_suspended = old.is_some_and(|old| old.pointer("/spec/suspend") == Some(&Value::Bool(true)));
    for field in ["selector", "completionMode", "template"] {
        if field != "template" || !is_suspended {
            spec.child(field).immutable(old, &format!("/spec/{field}"), causes);
        }
    }
}

fn job_template(template: &Place<'_>, causes: &mut Vec<Cause>) {
    pods::template(template, causes);
    let policy = template.at("spec.restartPolicy");
    if policy.text() == "Always" {
        let allowed = ["OnFailure".to_owned(), "Never".to_owned()];
        causes.push(Cause { message: required_policy(&allowed), ..Cause::required(&policy.path, "") });
    }
}

/// A job must choose; the default of templates does not count.
fn required_policy(allowed: &[String]) -> String {
    let quoted: Vec<String> = allowed.iter().map(|name| format!("{name:?}")).collect();
    format!("Required value: valid values: {}", quoted.join(", "))
}

pub(super) fn cron_job(root: &Place<'_>, causes: &mut Vec<Cause>) {
    let spec = root.child("spec");
    schedule(&spec.child("schedule"), causes);
    spec.child("concurrencyPolicy").one_of(&["Allow", "Forbid", "Replace"], causes);
    job_template(&spec.at("jobTemplate.spec.template"), causes);
}

/// Five fields, or a word such as `@daily`; what is in the fields is not looked at.
fn schedule(schedule: &Place<'_>, causes: &mut Vec<Cause>) {
    schedule.require(causes);
    let text = schedule.text();
    let fields: Vec<&str> = text.split_whitespace().collect();
    if !text.is_empty() && !text.starts_with('@') && fields.len() != 5 {
        let found = fields.len();
        let detail = format!("expected exactly 5 fields, found {found}: [{}]", fields.join(" "));
        causes.push(schedule.invalid(&detail));
    }
}

pub(super) fn autoscaler(root: &Place<'_>, causes: &mut Vec<Cause>) {
    let spec = root.child("spec");
    spec.at("scaleTargetRef.kind").require(causes);
    spec.at("scaleTargetRef.name").require(causes);
    let (least, most) = (spec.child("minReplicas"), spec.child("maxReplicas"));
    let limit = most.number().unwrap_or(0);
    if limit < 1 {
        causes.push(most.invalid("must be greater than 0"));
    }
    if least.number().is_some_and(|least| least > limit) {
        causes.push(most.invalid("must be greater than or equal to `minReplicas`"));
    }
}

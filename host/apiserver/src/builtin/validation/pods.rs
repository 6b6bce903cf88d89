//! Rules of pods and pod templates.

use serde_json::Value;

use super::{Place, containers, duplicates, names};
use crate::schema::Cause;

pub(super) fn pod(root: &Place<'_>, old: Option<&Value>, causes: &mut Vec<Cause>) {
    spec(&root.child("spec"), causes);
    if let Some(old) = old {
        mostly_immutable(root, old, causes);
    }
}

pub(super) fn template(template: &Place<'_>, causes: &mut Vec<Cause>) {
    let metadata = template.child("metadata");
    if let Some(value) = metadata.value {
        super::super::metadata::check_metadata(value, &metadata.path, causes);
    }
    spec(&template.child("spec"), causes);
}

fn spec(spec: &Place<'_>, causes: &mut Vec<Cause>) {
    let volumes = spec.child("volumes");
    for volume in volumes.entries() {
        let name = volume.child("name");
        name.require(causes);
        if !name.is_empty() {
            name.explain(names::dns_label(name.text()), causes);
        }
        containers::volume(&volume, causes);
    }
    duplicates(volumes.entries().map(|volume| volume.child("name")), causes);
    spec.child("containers").require(causes);
    let known: Vec<&str> = volumes.entries().map(|volume| volume.child("name").text()).collect();
    let both = ["initContainers", "containers"];
    for container in both.iter().flat_map(|list| spec.child(list).entries()) {
        self::container(&container, &known, causes);
    }
    let all = both.iter().flat_map(|list| spec.child(list).entries());
    duplicates(all.map(|container| container.child("name")), causes);
    spec.child("restartPolicy").one_of(&["Always", "OnFailure", "Never"], causes);
    spec.child("dnsPolicy").one_of(&["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"], causes);
    spec.child("terminationGracePeriodSeconds").not_negative(causes);
    spec.child("tolerations").entries().for_each(|toleration| self::toleration(&toleration, causes));
}

fn toleration(toleration: &Place<'_>, causes: &mut Vec<Cause>) {
    let (key, operator) = (toleration.child("key"), toleration.child("operator"));
    let (value, effect) = (toleration.child("value").text(), toleration.child("effect"));
    let refused = |place: &Place<'_>, value: &str, detail: &str| {
        Cause::invalid(&place.path, &Value::from(value), detail)
    };
    if key.is_empty() && operator.text() != "Exists" {
        let detail =
            "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        causes.push(refused(&operator, operator.text(), detail));
    } else if !key.is_empty() {
        key.explain(names::label_key(key.text()), causes);
    }
    if toleration.child("tolerationSeconds").value.is_some() && effect.text() != "NoExecute" {
        let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        causes.push(refused(&effect, effect.text(), detail));
    }
    match operator.text() {
        "" | "Equal" => {
            let problems = names::label_value(value);
            if !problems.is_empty() {
                causes.push(refused(&operator, value, &problems.join(";")));
            }
        }
        "Exists" if !value.is_empty() => {
            causes.push(refused(&operator, value, "value must be empty when `operator` is 'Exists'"));
        }
        _ => operator.one_of(&["Equal", "Exists"], causes),
    }
    if !effect.is_empty() {
        effect.one_of(&["NoSchedule", "PreferNoSchedule", "NoExecute"], causes);
    }
}

fn container(container: &Place<'_>, volumes: &[&str], causes: &mut Vec<Cause>) {
    let name = container.child("name");
    name.require(causes);
    if !name.is_empty() {
        name.explain(names::dns_label(name.text()), causes);
    }
    container.child("image").require(causes);
    container.child("imagePullPolicy").one_of(&["Always", "IfNotPresent", "Never"], causes);
    for port in container.child("ports").entries() {
        self::port(&port, causes);
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        containers::probe(&container.child(name), causes);
    }
    containers::resources(&container.child("resources"), causes);
    for variable in container.child("env").entries() {
        self::variable(&variable, causes);
    }
    for mount in container.child("volumeMounts").entries() {
        self::mount(&mount, volumes, causes);
    }
    let paths = container.child("volumeMounts").entries().map(|mount| mount.child("mountPath"));
    let mut repeated = Vec::new();
    duplicates(paths, &mut repeated);
    let unique = |cause: &Cause| {
        Cause::invalid(&cause.field, &Value::from(last_quoted(&cause.message)), "must be unique")
    };
    causes.extend(repeated.iter().map(unique));
}

/// The value out of `Duplicate value: "x"`.
fn last_quoted(message: &str) -> &str {
    message.split('"').nth(1).unwrap_or_default()
}

fn port(port: &Place<'_>, causes: &mut Vec<Cause>) {
    let number = port.child("containerPort");
    match number.number() {
        None | Some(0) => causes.push(Cause::required(&number.path, "")),
        Some(value) => number.explain(names::port_number(value), causes),
    }
    let name = port.child("name");
    if !name.is_empty() {
        name.explain(names::port_name(name.text()), causes);
    }
    port.child("protocol").one_of(&["SCTP", "TCP", "UDP"], causes);
}

fn variable(variable: &Place<'_>, causes: &mut Vec<Cause>) {
    let name = variable.child("name");
    name.require(causes);
    if name.text().contains('=') {
        let detail = "a valid environment variable name must consist only of printable ASCII characters other than '='";
        causes.push(name.invalid(detail));
    }
    let source = variable.child("valueFrom");
    if source.value.is_some() && !variable.child("value").is_empty() {
        let detail = "may not be specified when `value` is not empty";
        causes.push(Cause::invalid(&source.path, &Value::from(""), detail));
    }
}

fn mount(mount: &Place<'_>, volumes: &[&str], causes: &mut Vec<Cause>) {
    let name = mount.child("name");
    name.require(causes);
    if !name.is_empty() && !volumes.contains(&name.text()) {
        let head = format!("Not found: {:?}", name.text());
        causes.push(Cause { field: name.path.clone(), reason: "FieldValueNotFound", message: head });
    }
    mount.child("mountPath").require(causes);
}

/// What may change in a pod: images, tolerations added, the deadline, the grace period when
/// negative. Everything else is refused as one field.
fn mostly_immutable(root: &Place<'_>, old: &Value, causes: &mut Vec<Cause>) {
    let frozen = |spec: Option<&Value>| {
        let mut spec = spec.cloned().unwrap_or_default();
        for list in ["containers", "initContainers"] {
            let entries = spec.get_mut(list).and_then(Value::as_array_mut);
            for container in entries.into_iter().flatten().filter_map(Value::as_object_mut) {
                container.remove("image");
                container.remove("resources");
            }
        }
        if let Some(map) = spec.as_object_mut() {
            for field in [
                "tolerations",
                "activeDeadlineSeconds",
                "terminationGracePeriodSeconds",
                "nodeName",
                "schedulingGates",
                "ephemeralContainers",
            ] {
                map.remove(field);
            }
        }
        spec
    };
    let without_seconds = |toleration: &Value| {
        let mut toleration = toleration.clone();
        toleration.as_object_mut().and_then(|map| map.remove("tolerationSeconds"));
        toleration
    };
    let tolerations = root.at("spec.tolerations");
    let kept: Vec<Value> =
        tolerations.entries().filter_map(|entry| entry.value).map(without_seconds).collect();
    let before = old.pointer("/spec/tolerations").and_then(Value::as_array);
    if !before.into_iter().flatten().all(|old| kept.contains(&without_seconds(old))) {
        let detail = "existing toleration can not be modified except its tolerationSeconds";
        causes.push(Cause::forbidden(&tolerations.path, detail));
    }
    if frozen(root.child("spec").value) != frozen(old.get("spec")) {
        let detail = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
        causes.push(Cause::forbidden("spec", detail));
    }
}

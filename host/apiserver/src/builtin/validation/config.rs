//! Rules of kinds that hold data: configuration, leases, bindings, claims.

use serde_json::Value;

use super::{Place, names};
use crate::schema::{Cause, key};

/// A ConfigMap or Secret may hold this much, in bytes.
const MOST_DATA: usize = 1024 * 1024;

const IMMUTABLE: &str = "field is immutable when `immutable` is set";

pub(super) fn config_map(root: &Place<'_>, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let (data, binary) = (root.child("data"), root.child("binaryData"));
    let mut size = 0;
    for place in [&data, &binary] {
        size += keys(place, causes);
    }
    for (name, _) in data.members() {
        if binary.child(name).value.is_some() {
            let detail = "duplicate of key present in binaryData";
            causes.push(Cause::invalid(&key("data", name), &Value::from(name.as_str()), detail));
        }
    }
    if size > MOST_DATA {
        causes.push(Cause::too_long("", MOST_DATA as u64));
    }
    frozen(root, old, &["data", "binaryData"], causes);
}

/// Checks the keys of a data map and returns the size of its values.
fn keys(place: &Place<'_>, causes: &mut Vec<Cause>) -> usize {
    let mut size = 0;
    for (name, value) in place.members() {
        size += value.as_str().map_or(0, str::len);
        for problem in names::config_key(name) {
            causes.push(Cause::invalid(&key(&place.path, name), &Value::from(name.as_str()), &problem));
        }
    }
    size
}

/// Once `immutable` is set, nothing of it changes any more.
fn frozen(root: &Place<'_>, old: Option<&Value>, fields: &[&str], causes: &mut Vec<Cause>) {
    let Some(old) = old.filter(|old| old.get("immutable") == Some(&Value::Bool(true))) else {
        return;
    };
    if root.child("immutable").value != Some(&Value::Bool(true)) {
        causes.push(Cause::forbidden("immutable", IMMUTABLE));
    }
    for field in fields {
        if root.child(field).value != old.get(*field).filter(|value| !value.is_null()) {
            causes.push(Cause::forbidden(field, IMMUTABLE));
        }
    }
}

pub(super) fn secret(root: &Place<'_>, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let data = root.child("data");
    // Values are base64: four characters for three bytes.
    if keys(&data, causes) / 4 * 3 > MOST_DATA {
        causes.push(Cause::too_long("data", MOST_DATA as u64));
    }
    let needed: &[&str] = match root.child("type").text() {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        _ => &[],
    };
    for name in needed.iter().filter(|name| data.child(name).value.is_none()) {
        causes.push(Cause::required(&key("data", name), ""));
    }
    root.child("type").immutable(old, "/type", causes);
    frozen(root, old, &["data"], causes);
}

pub(super) fn lease(root: &Place<'_>, causes: &mut Vec<Cause>) {
    let duration = root.at("spec.leaseDurationSeconds");
    if duration.number().is_some_and(|seconds| seconds <= 0) {
        causes.push(duration.invalid("must be greater than 0"));
    }
    root.at("spec.leaseTransitions").not_negative(causes);
    let holder = root.at("spec.preferredHolder");
    if !holder.is_empty() && root.at("spec.strategy").is_empty() {
        let detail = "may only be specified if `strategy` is defined";
        causes.push(Cause::forbidden(&holder.path, detail));
    }
}

pub(super) fn binding(root: &Place<'_>, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let role = root.child("roleRef");
    role.child("apiGroup").one_of(&["rbac.authorization.k8s.io"], causes);
    let kinds: &[&str] = match root.child("kind").text() {
        "ClusterRoleBinding" => &["ClusterRole"],
        _ => &["Role", "ClusterRole"],
    };
    role.child("kind").one_of(kinds, causes);
    role.child("name").require(causes);
    for subject in root.child("subjects").entries() {
        subject.child("kind").one_of(&["ServiceAccount", "User", "Group"], causes);
        subject.child("name").require(causes);
        if subject.child("kind").text() == "ServiceAccount" {
            subject.child("namespace").require(causes);
        }
    }
    if old.is_some_and(|old| old.get("roleRef") != role.value) {
        causes.push(role.invalid("cannot change roleRef"));
    }
}

pub(super) fn claim(root: &Place<'_>, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let spec = root.child("spec");
    if spec.child("accessModes").is_empty() {
        let detail = "at least 1 access mode is required";
        causes.push(Cause::required("spec.accessModes", detail));
    }
    if spec.at("resources.requests.storage").is_empty() {
        causes.push(Cause::required("spec.resources[storage]", ""));
    }
    for field in ["accessModes", "selector", "storageClassName", "volumeMode"] {
        let unset = old.is_some_and(|old| old.pointer(&format!("/spec/{field}")).is_none());
        if !unset && old.is_some() {
            spec.child(field).immutable(old, &format!("/spec/{field}"), causes);
        }
    }
}

pub(super) fn budget(root: &Place<'_>, causes: &mut Vec<Cause>) {
    let spec = root.child("spec");
    if spec.child("minAvailable").value.is_some() && spec.child("maxUnavailable").value.is_some() {
        let detail = "minAvailable and maxUnavailable cannot be both set";
        causes.push(Cause::invalid("spec", spec.shown(), detail));
    }
}

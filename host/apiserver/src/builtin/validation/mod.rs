//! Rules of built-in kinds beyond their schemas: what a person or a controller is told when
//! an object of a known kind makes no sense.
//!
//! Follows `k8s.io/kubernetes/pkg/apis/*/validation` for the rules that clients meet; names
//! and metadata are checked apart. Works on defaulted objects.

mod config;
mod containers;
mod events;
mod network;
mod pods;
mod workloads;

pub use events::EVENT_FIELDS;

use serde_json::{Map, Value};

use super::names;
use crate::schema::{Cause, child, index};

/// What is wrong with an object of a built-in kind, or with the step from `old` to it.
///
/// # Example
/// ```
/// use polyreme_apiserver::builtin::validate;
/// use serde_json::json;
/// let lease = json!({"spec": {"leaseDurationSeconds": 0}});
/// let causes = validate("coordination.k8s.io", "Lease", &lease, None);
/// assert_eq!(
///     causes[0].to_string(),
///     "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
/// );
/// ```
#[must_use]
pub fn validate(group: &str, kind: &str, object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let root = Place { value: Some(object), path: String::new() };
    match (group, kind) {
        ("", "ConfigMap") => config::config_map(&root, old, &mut causes),
        ("", "Secret") => config::secret(&root, old, &mut causes),
        ("" | "events.k8s.io", "Event") => events::event(group, &root, old, &mut causes),
        ("", "PersistentVolumeClaim") => config::claim(&root, old, &mut causes),
        ("coordination.k8s.io", "Lease") => config::lease(&root, &mut causes),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            config::binding(&root, old, &mut causes);
        }
        ("policy", "PodDisruptionBudget") => config::budget(&root, &mut causes),
        ("", "Pod") => pods::pod(&root, old, &mut causes),
        ("", "Service") => network::service(&root, old, &mut causes),
        ("networking.k8s.io", "Ingress") => network::ingress(&root, &mut causes),
        ("apps", _) => workloads::apps(kind, &root, old, &mut causes),
        ("batch", "Job") => workloads::job(&root, old, &mut causes),
        ("batch", "CronJob") => workloads::cron_job(&root, &mut causes),
        ("autoscaling", "HorizontalPodAutoscaler") => workloads::autoscaler(&root, &mut causes),
        _ => {}
    }
    causes
}

/// A value that may be absent, and where it is.
struct Place<'a> {
    value: Option<&'a Value>,
    path: String,
}

impl<'a> Place<'a> {
    fn child(&self, name: &str) -> Place<'a> {
        let value = self.value.and_then(|value| value.get(name)).filter(|value| !value.is_null());
        Place { value, path: child(&self.path, name) }
    }

    /// `child` of `child`: `spec.template`.
    fn at(&self, path: &str) -> Place<'a> {
        let here = Place { value: self.value, path: self.path.clone() };
        path.split('.').fold(here, |place, name| place.child(name))
    }

    fn entries(&self) -> impl Iterator<Item = Place<'a>> + use<'a> {
        let path = self.path.clone();
        let list = self.value.and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
        let place = move |(at, value)| Place { value: Some(value), path: index(&path, at) };
        list.iter().enumerate().map(place)
    }

    fn members(&self) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
        self.value.and_then(Value::as_object).into_iter().flat_map(Map::iter)
    }

    fn text(&self) -> &'a str {
        self.value.and_then(Value::as_str).unwrap_or_default()
    }

    fn number(&self) -> Option<i64> {
        self.value.and_then(Value::as_i64)
    }

    fn is_empty(&self) -> bool {
        match self.value {
            None => true,
            Some(Value::String(text)) => text.is_empty(),
            Some(Value::Array(list)) => list.is_empty(),
            Some(Value::Object(map)) => map.is_empty(),
            Some(_) => false,
        }
    }

    fn shown(&self) -> &'a Value {
        self.value.unwrap_or(&Value::Null)
    }

    fn invalid(&self, detail: &str) -> Cause {
        Cause::invalid(&self.path, self.shown(), detail)
    }

    /// A cause for each problem with a text.
    fn explain(&self, problems: Vec<String>, causes: &mut Vec<Cause>) {
        causes.extend(problems.iter().map(|problem| self.invalid(problem)));
    }

    fn require(&self, causes: &mut Vec<Cause>) {
        if self.is_empty() {
            causes.push(Cause::required(&self.path, ""));
        }
    }

    fn not_negative(&self, causes: &mut Vec<Cause>) {
        if self.number().is_some_and(|number| number < 0) {
            causes.push(self.invalid("must be greater than or equal to 0"));
        }
    }

    fn one_of(&self, allowed: &[&str], causes: &mut Vec<Cause>) {
        if self.value.is_some() && !allowed.contains(&self.text()) {
            let allowed: Vec<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
            causes.push(Cause::not_supported(&self.path, self.shown(), &allowed));
        }
    }

    /// Refuses any change of this member between `old` and the object.
    fn immutable(&self, old: Option<&Value>, pointer: &str, causes: &mut Vec<Cause>) {
        let Some(old) = old else { return };
        let before = old.pointer(pointer).filter(|value| !value.is_null());
        if before != self.value {
            causes.push(self.invalid("field is immutable"));
        }
    }
}

/// Reports every text that appeared before, in order.
fn duplicates<'a>(texts: impl Iterator<Item = Place<'a>>, causes: &mut Vec<Cause>) {
    let mut seen: Vec<&str> = Vec::new();
    for place in texts.filter(|place| !place.is_empty()) {
        if seen.contains(&place.text()) {
            causes.push(Cause::duplicate(&place.path, place.shown()));
        }
        seen.push(place.text());
    }
}

#[cfg(test)]
mod tests;

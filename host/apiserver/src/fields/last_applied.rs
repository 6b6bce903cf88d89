//! From client-side to server-side apply without conflicts.
//!
//! `kubectl apply` used to keep what it applied in an annotation. When the same object is
//! then applied on the server by the manager `kubectl`, fields that the annotation names and
//! that have not changed since are not in conflict, and the annotation is kept up to date.
//! Follows `lastappliedmanager.go` and `lastappliedupdater.go`.

use serde_json::Value;

use super::apply::Contested;
use super::set::Set;
use super::typed::{compare, field_set};
use super::{Request, comparable};
use crate::schema::Schema;

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The only manager this is done for.
const KUBECTL: &str = "kubectl";

fn annotation(object: &Value) -> Option<&str> {
    let annotations = object.pointer("/metadata/annotations")?;
    annotations.get(ANNOTATION)?.as_str().filter(|text| !text.is_empty())
}

/// The conflicts that remain when those that client-side apply explains are taken out.
pub(super) fn without_allowed(
    schema: &Schema,
    live: Option<&Value>,
    conflicts: Contested,
    request: &Request<'_>,
) -> Contested {
    let allowed = match live {
        Some(live) if request.manager == KUBECTL => allowed(schema, live, request),
        _ => None,
    };
    let Some(allowed) = allowed else {
        return conflicts;
    };
    let rest = conflicts.into_iter().map(|(manager, set)| (manager, set.difference(&allowed)));
    rest.filter(|(_, set)| !set.is_empty()).collect()
}

/// Fields that were applied and still are as they were applied.
fn allowed(schema: &Schema, live: &Value, request: &Request<'_>) -> Option<Set> {
    let last: Value = serde_json::from_str(annotation(live)?).ok()?;
    if last.get("apiVersion").and_then(Value::as_str) != Some(request.api_version) {
        return None;
    }
    let changes = compare(schema, &last, &comparable(schema, Some(live)));
    let kept = field_set(schema, &last).difference(&changes.modified);
    Some(kept.difference(&changes.added).difference(&changes.removed))
}

/// Writes what was applied into the annotation, if the object has one.
pub(super) fn refresh(object: &mut Value, applied: &Value, request: &Request<'_>) {
    if request.manager != KUBECTL || annotation(object).is_none() {
        return;
    }
    let mut applied = applied.clone();
    if let Some(annotations) = applied.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(ANNOTATION);
    }
    if let Some(written) = object.pointer_mut("/metadata/annotations").and_then(|a| a.get_mut(ANNOTATION)) {
        *written = Value::from(format!("{applied}\n"));
    }
}

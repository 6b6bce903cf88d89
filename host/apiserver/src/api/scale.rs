//! `/scale`: replicas of anything that has them, in the one shape that `kubectl scale` and
//! autoscalers know (`autoscaling/v1` `Scale`).

use serde_json::{Value, json};

use super::update::{Proposal, check_preconditions};
use super::{Api, At, PatchType, WriteOptions, Written, in_version, meta};
use crate::error::ApiError;
use crate::json as read;
use crate::kinds::ScalePaths;
use crate::patch;
use crate::schema::{Cause, Schema};

/// `.spec.replicas` as a JSON pointer.
fn pointer(path: &str) -> String {
    path.replace('.', "/")
}

fn paths(at: &At) -> Result<&ScalePaths, ApiError> {
    at.resource.scale.as_ref().ok_or_else(ApiError::no_such_resource)
}

/// The `Scale` of an object.
pub(crate) fn scale_of(paths: &ScalePaths, object: &Value) -> Value {
    let number = |path: &str| object.pointer(&pointer(path)).and_then(Value::as_i64).unwrap_or_default();
    let meta = |field: &str| object.pointer(&format!("/metadata/{field}")).cloned();
    let mut metadata = json!({});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        read::set(read::as_map(&mut metadata), field, meta(field));
    }
    let mut scale = json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
        "spec": {},
        "status": {"replicas": number(&paths.status)},
    });
    // Go leaves a zero out.
    let replicas = Some(number(&paths.spec)).filter(|n| *n != 0).map(Value::from);
    read::set(read::map_at(&mut scale, "spec"), "replicas", replicas);
    let selector = paths.selector.as_deref().and_then(|p| object.pointer(&pointer(p)));
    if let Some(text) = selector.map(selector_text) {
        read::map_at(&mut scale, "status").insert("selector".to_owned(), text.into());
    }
    scale
}

/// A label selector as text; text stays as it is.
fn selector_text(selector: &Value) -> String {
    if let Some(text) = selector.as_str() {
        return text.to_owned();
    }
    let labels = selector.get("matchLabels").and_then(Value::as_object);
    let equals = labels.into_iter().flatten().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default()));
    let expressions = read::items(selector.get("matchExpressions")).iter().map(expression);
    equals.chain(expressions).collect::<Vec<_>>().join(",")
}

fn expression(expression: &Value) -> String {
    let key = expression.get("key").and_then(Value::as_str).unwrap_or_default();
    let values = read::strings(expression.get("values")).join(",");
    match expression.get("operator").and_then(Value::as_str) {
        Some("In") => format!("{key} in ({values})"),
        Some("NotIn") => format!("{key} notin ({values})"),
        Some("DoesNotExist") => format!("!{key}"),
        _ => key.to_owned(),
    }
}

impl Api {
    /// GET `/scale`.
    pub(crate) fn get_scale(&self, at: &At) -> Result<Value, ApiError> {
        let object = self.get(at)?;
        Ok(scale_of(paths(at)?, &in_version(&at.resource, &object)))
    }

    /// PUT `/scale`.
    pub(crate) fn update_scale(
        &self,
        at: &At,
        body: &Value,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        let mut scale = body.clone();
        meta::check_name(at, &mut scale)?;
        self.set_scale(at, options, |_| Ok(scale.clone()))
    }

    /// PATCH `/scale`.
    pub(crate) fn patch_scale(
        &self,
        at: &At,
        kind: PatchType,
        body: &Value,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        let anything = Schema::anything();
        self.set_scale(at, options, |scale| {
            let done = match kind {
                PatchType::Json => patch::json_patch(scale, body, &anything),
                _ => patch::merge_patch(scale, body, &anything),
            };
            let mut scale = done.map_err(|error| ApiError::bad_request(error.to_string()))?;
            meta::check_name(at, &mut scale)?;
            Ok(scale)
        })
    }

    fn set_scale(
        &self,
        at: &At,
        options: &WriteOptions,
        change: impl Fn(&Value) -> Result<Value, ApiError>,
    ) -> Result<Written, ApiError> {
        let paths = paths(at)?;
        self.change(at, options, false, |live| {
            let scale = change(&scale_of(paths, live))?;
            check_preconditions(at, live, &scale, false)?;
            let replicas = wanted(at, &scale)?;
            let mut object = live.clone();
            put(&mut object, &paths.spec, replicas);
            Ok(Proposal { object, tracked: false, warnings: Vec::new() })
        })
    }
}

fn wanted(at: &At, scale: &Value) -> Result<i64, ApiError> {
    let replicas = scale.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or_default();
    if replicas >= 0 {
        return Ok(replicas);
    }
    let why = "must be greater than or equal to 0";
    let cause = Cause::invalid("spec.replicas", &Value::from(replicas), why);
    let subject = crate::error::Subject { group: "autoscaling", plural: "", kind: "Scale" };
    Err(ApiError::invalid(subject, &at.name, &[cause]))
}

fn put(object: &mut Value, path: &str, replicas: i64) {
    let mut keys: Vec<&str> = path.trim_start_matches('.').split('.').collect();
    let Some(last) = keys.pop() else { return };
    let parent = keys
        .into_iter()
        .fold(object, |value, key| read::as_map(value).entry(key).or_insert_with(|| json!({})));
    read::as_map(parent).insert(last.to_owned(), replicas.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_shows_replicas_and_the_selector_as_text() {
        let paths = ScalePaths {
            spec: ".spec.replicas".into(),
            status: ".status.replicas".into(),
            selector: Some(".spec.selector".into()),
        };
        let mut object = json!({
            "metadata": {"name": "web"},
            "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}},
        });
        let scale = scale_of(&paths, &object);
        assert_eq!(scale.pointer("/spec/replicas"), Some(&json!(3)));
        assert_eq!(scale.pointer("/status/selector"), Some(&json!("app=web")));
        put(&mut object, &paths.spec, 5);
        assert_eq!(object.pointer("/spec/replicas"), Some(&json!(5)));
    }
}

//! Answers: objects, lists, tables, metadata and Statuses as JSON or YAML.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::Call;
use super::accept::{Encoding, Form};
use super::tables::{self, Include};
use crate::api::{Listed, from_stored, in_version};
use crate::error::ApiError;
use crate::json as read;
use crate::kinds::Resource;
use crate::store::Object;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const YAML: HeaderValue = HeaderValue::from_static("application/yaml");

/// A JSON answer.
pub(super) fn json(status: StatusCode, value: &Value) -> Response {
    text(status, serde_json::to_vec(value).unwrap_or_default(), JSON)
}

fn text(status: StatusCode, bytes: impl Into<Body>, content_type: HeaderValue) -> Response {
    (status, [(header::CONTENT_TYPE, content_type)], bytes.into()).into_response()
}

fn encoded(encoding: Encoding, status: StatusCode, value: &Value) -> Result<Response, ApiError> {
    match encoding {
        Encoding::Json => Ok(json(status, value)),
        Encoding::Yaml => {
            let yaml = serde_saphyr::to_string(value)
                .map_err(|e| ApiError::internal(format!("failed to write YAML: {e}")))?;
            Ok(text(status, yaml, YAML))
        }
    }
}

/// A refusal.
pub(super) fn error(error: &ApiError) -> Response {
    let status = StatusCode::from_u16(error.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json(status, &error.status());
    if let Some(seconds) = error.retry_after() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// One object in the form that was asked for.
pub(super) fn object(
    call: &Call,
    resource: &Resource,
    status: StatusCode,
    object: &Object,
    warnings: &[String],
) -> Result<Response, ApiError> {
    let value = from_stored(resource, object);
    let encoding = call.accept.encoding;
    let mut response = match call.accept.form {
        Form::Table => {
            let include = Include::of(&call.query)?;
            let table = tables::table(resource, &[value.into_owned()], json!({}), include);
            encoded(encoding, status, &table)?
        }
        Form::Metadata => encoded(encoding, status, &metadata_of(&value))?,
        _ => encoded(encoding, status, &value)?,
    };
    warn(&mut response, warnings);
    Ok(response)
}

/// `Warning` headers (RFC 7234, code 299) that kubectl prints.
fn warn(response: &mut Response, warnings: &[String]) {
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
}

/// An object reduced to its metadata.
pub(super) fn metadata_of(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
        "metadata": object.get("metadata").cloned().unwrap_or_default(),
    })
}

/// A page of a list.
pub(super) fn list(call: &Call, resource: &Resource, listed: &Listed) -> Result<Response, ApiError> {
    let mut metadata = json!({"resourceVersion": listed.revision.to_string()});
    let map = read::as_map(&mut metadata);
    // Lists of custom resources always have the field.
    let next = listed.continue_.as_deref().or(resource.is_custom().then_some(""));
    read::set(map, "continue", next.map(Value::from));
    read::set(map, "remainingItemCount", listed.remaining.map(Value::from));
    shaped(call, resource, &listed.objects, metadata)
}

/// Objects as a list without pages.
pub(super) fn list_of(
    call: &Call,
    resource: &Resource,
    objects: &[Arc<Object>],
    revision: u64,
) -> Result<Response, ApiError> {
    shaped(call, resource, objects, json!({"resourceVersion": revision.to_string()}))
}

fn shaped(
    call: &Call,
    resource: &Resource,
    objects: &[Arc<Object>],
    metadata: Value,
) -> Result<Response, ApiError> {
    let values = objects.iter().map(|o| in_version(resource, o));
    let list = match call.accept.form {
        Form::Table => {
            let values: Vec<Value> = values.collect();
            tables::table(resource, &values, metadata, Include::of(&call.query)?)
        }
        Form::Metadata => json!({
            "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata, "items": values.map(|v| metadata_of(&v)).collect::<Vec<_>>(),
        }),
        _ => json!({
            "kind": resource.list_kind, "apiVersion": resource.api_version(),
            "metadata": metadata, "items": values.map(|v| item(resource, v)).collect::<Vec<_>>(),
        }),
    };
    encoded(call.accept.encoding, StatusCode::OK, &list)
}

/// Items of typed lists do not repeat their type; custom resources do.
fn item(resource: &Resource, mut value: Value) -> Value {
    if !resource.is_custom() {
        let map = read::as_map(&mut value);
        map.remove("apiVersion");
        map.remove("kind");
    }
    value
}

/// The Status that tells of a deletion.
pub(super) fn deleted(resource: &Resource, object: &Value) -> Response {
    let mut details = json!({
        "name": read::name(object), "group": resource.group, "kind": resource.plural, "uid": read::uid(object),
    });
    read::as_map(&mut details).retain(|_, v| v.as_str() != Some(""));
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
    });
    json(StatusCode::OK, &status)
}

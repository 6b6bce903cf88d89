//! Is it an object of this kind at all, and what about fields that nobody knows.

use serde_json::Value;

use super::Api;
use crate::error::ApiError;
use crate::json;
use crate::kinds::Resource;
use crate::rest::query::FieldValidation;
use crate::schema::Cause;

/// Where an object comes from: the real server words its refusals accordingly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The body of a request.
    Body,
    /// A patch applied to the live object.
    Patch,
}

impl Source {
    /// An object that cannot be decoded: 400 in a body, 422 after a patch.
    fn undecodable(self, resource: &Resource, object: &Value, why: &str) -> ApiError {
        match self {
            Source::Body => {
                let kind = object.get("kind").and_then(Value::as_str).unwrap_or(&resource.kind);
                let version = object.get("apiVersion").and_then(Value::as_str);
                let version = version.and_then(|v| v.rsplit('/').next()).unwrap_or(&resource.version);
                ApiError::bad_request(format!(
                    "{kind} in version \"{version}\" cannot be handled as a {}: {why}",
                    resource.kind
                ))
            }
            Source::Patch => {
                let shown = Value::from(object.to_string());
                ApiError::invalid_patch(&[Cause::invalid("patch", &shown, why)])
            }
        }
    }
}

impl Api {
    /// Checks the type of an object from a request and drops unknown fields; answers the
    /// warnings about them, or refuses them when validation is strict.
    pub(super) fn intake(
        resource: &Resource,
        object: &mut Value,
        validation: FieldValidation,
        source: Source,
    ) -> Result<Vec<String>, ApiError> {
        check_type_meta(resource, object, source)?;
        resource.check_types(object).map_err(|why| source.undecodable(resource, object, &why))?;
        let sent = (validation == FieldValidation::Strict).then(|| object.clone());
        let unknown = resource.prune(object);
        let said: Vec<String> = unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
        match validation {
            FieldValidation::Ignore => Ok(Vec::new()),
            FieldValidation::Strict if !said.is_empty() => {
                let why = format!("strict decoding error: {}", said.join(", "));
                Err(source.undecodable(resource, &sent.unwrap_or_default(), &why))
            }
            FieldValidation::Warn | FieldValidation::Strict => Ok(said),
        }
    }
}

/// `apiVersion` and `kind` must be the resource's; built-in kinds may leave them out.
fn check_type_meta(resource: &Resource, object: &mut Value, source: Source) -> Result<(), ApiError> {
    if !object.is_object() {
        let why = "couldn't get version/kind; json parse error: json: cannot unmarshal into an object";
        return Err(unrecognized(resource, why, object));
    }
    if object.get("metadata").is_some_and(|m| !m.is_object() && !m.is_null()) {
        let why = format!(
            "json: cannot unmarshal into Go struct field {}.metadata of type v1.ObjectMeta",
            resource.kind
        );
        return Err(source.undecodable(resource, object, &why));
    }
    let expected = resource.api_version();
    let said = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    let (version, kind) = (said("apiVersion"), said("kind"));
    match resource.is_custom() {
        true => check_custom(resource, object, version, kind)?,
        false if [&expected, ""].contains(&version) && [&resource.kind, ""].contains(&kind) => {}
        false => {
            let why = format!(
                "no kind \"{kind}\" is registered for version \"{version}\" in scheme \"pkg/runtime/scheme.go:111\""
            );
            return Err(source.undecodable(resource, object, &why));
        }
    }
    let map = json::as_map(object);
    map.insert("apiVersion".to_owned(), expected.into());
    map.insert("kind".to_owned(), resource.kind.clone().into());
    Ok(())
}

fn check_custom(resource: &Resource, object: &Value, version: &str, kind: &str) -> Result<(), ApiError> {
    let expected = resource.api_version();
    if kind.is_empty() {
        return Err(unrecognized(resource, &format!("Object 'Kind' is missing in '{object}'"), object));
    }
    if version.is_empty() {
        return Err(unrecognized(resource, &format!("Object 'apiVersion' is missing in '{object}'"), object));
    }
    if version != expected {
        return Err(ApiError::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version ({expected})"
        )));
    }
    if kind == resource.kind {
        return Ok(());
    }
    let why = format!("must be {}", resource.kind);
    let subject = crate::error::Subject { kind, ..resource.subject() };
    Err(ApiError::invalid(subject, json::name(object), &[Cause::invalid("kind", &Value::from(kind), &why)]))
}

fn unrecognized(resource: &Resource, why: &str, object: &Value) -> ApiError {
    ApiError::bad_request(format!(
        "the object provided is unrecognized (must be of type {}): {why} ({object})",
        resource.kind
    ))
}

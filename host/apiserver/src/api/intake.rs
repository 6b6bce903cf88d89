//! Is it an object of this kind at all, and what about fields that nobody knows.

use serde_json::Value;

use super::Api;
use crate::error::ApiError;
use crate::json;
use crate::kinds::Resource;
use crate::rest::query::FieldValidation;

impl Api {
    /// Checks the type of an object from a request and drops unknown fields; answers the
    /// warnings about them, or refuses them when validation is strict.
    pub(super) fn intake(
        resource: &Resource,
        object: &mut Value,
        validation: FieldValidation,
    ) -> Result<Vec<String>, ApiError> {
        check_type_meta(resource, object)?;
        resource.check_types(object)?;
        let unknown = resource.prune(object);
        let said = unknown.iter().map(|path| format!("unknown field \"{path}\""));
        match validation {
            FieldValidation::Ignore => Ok(Vec::new()),
            FieldValidation::Warn => Ok(said.collect()),
            FieldValidation::Strict if unknown.is_empty() => Ok(Vec::new()),
            FieldValidation::Strict => {
                let said: Vec<String> = said.collect();
                let message = format!("strict decoding error: {}", said.join(", "));
                Err(ApiError::bad_request(format!("{}{message}", strict_prefix(resource))))
            }
        }
    }
}

/// Built-in kinds say which struct could not be decoded, custom resources do not.
fn strict_prefix(resource: &Resource) -> String {
    if resource.is_custom() {
        return String::new();
    }
    let (kind, version) = (&resource.kind, &resource.version);
    format!("{kind} in version \"{version}\" cannot be handled as a {kind}: ")
}

/// `apiVersion` and `kind` must be the resource's; built-in kinds may leave them out.
fn check_type_meta(resource: &Resource, object: &mut Value) -> Result<(), ApiError> {
    if !object.is_object() {
        return Err(ApiError::bad_request("the request body must be an object"));
    }
    if object.get("metadata").is_some_and(|m| !m.is_object() && !m.is_null()) {
        return Err(ApiError::bad_request("metadata must be an object"));
    }
    let expected = resource.api_version();
    for (field, expected) in [("kind", &resource.kind), ("apiVersion", &expected)] {
        match object.get(field).and_then(Value::as_str).unwrap_or_default() {
            "" if resource.is_custom() => return Err(missing(field)),
            "" => {}
            found if found == expected => {}
            found => return Err(mismatch(resource, field, found, expected)),
        }
    }
    let map = json::as_map(object);
    map.insert("apiVersion".to_owned(), expected.into());
    map.insert("kind".to_owned(), resource.kind.clone().into());
    Ok(())
}

fn missing(field: &str) -> ApiError {
    let field = if field == "kind" { "Kind" } else { field };
    ApiError::bad_request(format!("Object '{field}' is missing in the request body"))
}

fn mismatch(resource: &Resource, field: &str, found: &str, expected: &str) -> ApiError {
    if field == "apiVersion" {
        return ApiError::bad_request(format!(
            "the API version in the data ({found}) does not match the expected API version ({expected})"
        ));
    }
    let (kind, version) = (&resource.kind, &resource.version);
    ApiError::bad_request(format!(
        "{found} in version \"{version}\" cannot be handled as a {kind}: the kind in the data ({found}) does not match the expected kind ({kind})"
    ))
}

//! OpenAPI v3: an index of documents by group and version, each found by its hash.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::{Map, json};

use super::query::Query;
use super::{no_page, respond};
use crate::error::ApiError;
use crate::kinds::Registry;

/// `/openapi/v3` and `/openapi/v3/PATH`.
pub(super) fn v3(registry: &Registry, document: &str, query: &Query) -> Result<Response, ApiError> {
    if document.is_empty() {
        return Ok(index(registry));
    }
    let found = registry.groups().into_iter().find_map(|(group, versions)| {
        let mut versions = versions.into_iter();
        versions.find(|v| path(&group, v) == document).map(|v| (group, v))
    });
    let Some((group, version)) = found else { return Ok(no_page()) };
    let found = registry.document(&group, &version);
    match query.get("hash") {
        Some(asked) if asked != found.hash => {
            let location = format!("/openapi/v3/{document}?hash={}", found.hash);
            Ok((StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, location)]).into_response())
        }
        _ => Ok(([(header::CONTENT_TYPE, "application/json")], found.bytes.clone()).into_response()),
    }
}

fn path(group: &str, version: &str) -> String {
    match group {
        "" => format!("api/{version}"),
        group => format!("apis/{group}/{version}"),
    }
}

fn index(registry: &Registry) -> Response {
    let mut paths = Map::new();
    for (group, versions) in registry.groups() {
        for version in versions {
            let path = path(&group, &version);
            let hash = &registry.document(&group, &version).hash;
            let url = format!("/openapi/v3/{path}?hash={hash}");
            paths.insert(path, json!({"serverRelativeURL": url}));
        }
    }
    respond::json(StatusCode::OK, &json!({"paths": paths}))
}

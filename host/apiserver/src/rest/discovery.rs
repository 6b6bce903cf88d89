//! Discovery: which groups, versions and resources there are, in the old form of one
//! document per version and in the aggregated form (`apidiscovery.k8s.io/v2`).

use std::sync::Arc;

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::accept::Form;
use super::{Call, no_page, respond};
use crate::error::ApiError;
use crate::kinds::{Registry, Resource, api_version};

const AGGREGATED: HeaderValue =
    HeaderValue::from_static("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");

/// `/api`.
pub(super) fn core_versions(call: &Call, registry: &Registry) -> Response {
    if call.accept.form == Form::Discovery {
        return aggregated(registry, true);
    }
    let versions = json!({
        "kind": "APIVersions", "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}],
    });
    respond::json(StatusCode::OK, &versions)
}

/// `/apis`.
pub(super) fn groups(call: &Call, registry: &Registry) -> Response {
    if call.accept.form == Form::Discovery {
        return aggregated(registry, false);
    }
    let groups = registry.groups();
    let named = groups.iter().filter(|(group, _)| !group.is_empty());
    let groups: Vec<Value> = named.map(|(group, versions)| group_value(group, versions)).collect();
    respond::json(StatusCode::OK, &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
}

fn group_value(group: &str, versions: &[String]) -> Value {
    let version = |v: &String| json!({"groupVersion": api_version(group, v), "version": v});
    json!({
        "name": group,
        "versions": versions.iter().map(version).collect::<Vec<_>>(),
        "preferredVersion": versions.first().map(version),
    })
}

/// `/apis/GROUP`.
pub(super) fn group(registry: &Registry, group: &str) -> Result<Response, ApiError> {
    let groups = registry.groups();
    let Some((_, versions)) = groups.iter().find(|(name, _)| name == group && !name.is_empty()) else {
        return Ok(no_page());
    };
    let mut value = group_value(group, versions);
    let map = crate::json::as_map(&mut value);
    map.insert("kind".to_owned(), "APIGroup".into());
    map.insert("apiVersion".to_owned(), "v1".into());
    Ok(respond::json(StatusCode::OK, &value))
}

/// `/api/v1`, `/apis/GROUP/VERSION`.
pub(super) fn resources(registry: &Registry, group: &str, version: &str) -> Option<Response> {
    let resources = registry.in_version(group, version);
    if resources.is_empty() {
        return None;
    }
    let list: Vec<Value> = resources.iter().flat_map(|r| entries(r)).collect();
    let document = json!({
        "kind": "APIResourceList", "apiVersion": "v1",
        "groupVersion": api_version(group, version), "resources": list,
    });
    Some(respond::json(StatusCode::OK, &document))
}

/// A resource and its subresources.
fn entries(resource: &Resource) -> Vec<Value> {
    let mut main = json!({
        "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
        "kind": resource.kind, "verbs": resource.verbs,
    });
    let map = crate::json::as_map(&mut main);
    if !resource.short_names.is_empty() {
        map.insert("shortNames".to_owned(), json!(resource.short_names));
    }
    if !resource.categories.is_empty() {
        map.insert("categories".to_owned(), json!(resource.categories));
    }
    let subresources = resource.subresources.iter().map(|name| {
        let (group, version, kind, verbs) = subresource(resource, name);
        let mut entry = json!({
            "name": format!("{}/{name}", resource.plural), "singularName": "",
            "namespaced": resource.namespaced, "kind": kind, "verbs": verbs,
        });
        if kind != resource.kind {
            let map = crate::json::as_map(&mut entry);
            map.insert("group".to_owned(), group.into());
            map.insert("version".to_owned(), version.into());
        }
        entry
    });
    std::iter::once(main).chain(subresources).collect()
}

/// Group, version, kind and verbs of a subresource.
fn subresource<'a>(
    resource: &'a Resource,
    name: &str,
) -> (&'a str, &'a str, &'a str, &'static [&'static str]) {
    const CHANGED: &[&str] = &["get", "patch", "update"];
    match name {
        "scale" => ("autoscaling", "v1", "Scale", CHANGED),
        "token" => ("authentication.k8s.io", "v1", "TokenRequest", &["create"]),
        "finalize" => (&resource.group, &resource.version, &resource.kind, &["update"]),
        _ => (&resource.group, &resource.version, &resource.kind, CHANGED),
    }
}

/// `apidiscovery.k8s.io/v2`, of the core group or of all others.
fn aggregated(registry: &Registry, core: bool) -> Response {
    let groups = registry.groups();
    let wanted = groups.iter().filter(|(group, _)| group.is_empty() == core);
    let items: Vec<Value> =
        wanted.map(|(group, versions)| aggregated_group(registry, group, versions)).collect();
    let document = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items,
    });
    let mut response = respond::json(StatusCode::OK, &document);
    response.headers_mut().insert(header::CONTENT_TYPE, AGGREGATED);
    response
}

fn aggregated_group(registry: &Registry, group: &str, versions: &[String]) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| {
            let resources = registry.in_version(group, version);
            let resources: Vec<Value> = resources.iter().map(aggregated_resource).collect();
            json!({"version": version, "resources": resources, "freshness": "Current"})
        })
        .collect();
    json!({"metadata": {"name": group, "creationTimestamp": null}, "versions": versions})
}

fn aggregated_resource(resource: &Arc<Resource>) -> Value {
    let kind =
        |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let subresources: Vec<Value> = resource
        .subresources
        .iter()
        .map(|name| {
            let (group, version, sub_kind, verbs) = subresource(resource, name);
            json!({"subresource": name, "responseKind": kind(group, version, sub_kind), "verbs": verbs})
        })
        .collect();
    let scope = if resource.namespaced { "Namespaced" } else { "Cluster" };
    let mut value = json!({
        "resource": resource.plural, "responseKind": kind(&resource.group, &resource.version, &resource.kind),
        "scope": scope, "singularResource": resource.singular, "verbs": resource.verbs,
        "shortNames": resource.short_names, "categories": resource.categories, "subresources": subresources,
    });
    crate::json::as_map(&mut value).retain(|_, v| v.as_array().is_none_or(|list| !list.is_empty()));
    value
}

/// `/`: where to go from here.
pub(super) fn root(registry: &Registry) -> Response {
    let mut paths = vec!["/api".to_owned(), "/api/v1".to_owned(), "/apis".to_owned()];
    for (group, versions) in registry.groups().iter().filter(|(group, _)| !group.is_empty()) {
        paths.push(format!("/apis/{group}"));
        paths.extend(versions.iter().map(|version| format!("/apis/{group}/{version}")));
    }
    paths.extend(["/healthz", "/livez", "/openapi/v3", "/readyz", "/version"].map(str::to_owned));
    respond::json(StatusCode::OK, &json!({"paths": paths}))
}

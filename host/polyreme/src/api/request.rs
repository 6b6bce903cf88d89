//! HTTP requests to the API server, built by hand: bodies are the guest's own bytes.

use http::{Method, Request, header};
use kube::api::DynamicObject;
use kube::core::Resource as _;
use polyreme_runtime::wit::kubernetes::{ListQuery, PatchType, WriteOptions};
use polyreme_runtime::wit::types::Error;

use super::bad_request;
use crate::cache::Resource;
use crate::object::ObjectKey;

/// Content type of server-side apply.
const APPLY: &str = "application/apply-patch+yaml";

/// One request in the making. Names were checked before they come here.
pub(super) struct Builder {
    method: Method,
    path: String,
    query: form_urlencoded::Serializer<'static, String>,
    content_type: &'static str,
    body: Vec<u8>,
}

impl Builder {
    fn new(method: Method, path: String) -> Self {
        let query = form_urlencoded::Serializer::new(String::new());
        Self { method, path, query, content_type: "application/json", body: Vec::new() }
    }

    fn object(method: Method, resource: &Resource, key: &ObjectKey, subresource: Option<&str>) -> Self {
        let base = DynamicObject::url_path(&resource.api, key.namespace.as_deref());
        let suffix = subresource.map(|name| format!("/{name}")).unwrap_or_default();
        Self::new(method, format!("{base}/{}{suffix}", key.name))
    }

    fn options(mut self, options: &WriteOptions, default_manager: &str) -> Self {
        let manager = options.field_manager.as_deref().unwrap_or(default_manager);
        self.query.append_pair("fieldManager", manager);
        if options.dry_run {
            self.query.append_pair("dryRun", "All");
        }
        self
    }

    fn body(mut self, content_type: &'static str, body: String) -> Self {
        self.content_type = content_type;
        self.body = body.into_bytes();
        self
    }

    fn finish(mut self) -> Result<Request<Vec<u8>>, Error> {
        let query = self.query.finish();
        let uri = if query.is_empty() { self.path } else { format!("{}?{query}", self.path) };
        let request =
            Request::builder().method(self.method).uri(uri).header(header::ACCEPT, "application/json");
        let request = request.header(header::CONTENT_TYPE, self.content_type).body(self.body);
        request.map_err(|error| bad_request(format!("failed to build request: {error}")))
    }
}

pub(super) fn get(resource: &Resource, key: &ObjectKey) -> Result<Request<Vec<u8>>, Error> {
    Builder::object(Method::GET, resource, key, None).finish()
}

pub(super) fn list(resource: &Resource, query: &ListQuery) -> Result<Request<Vec<u8>>, Error> {
    let mut builder =
        Builder::new(Method::GET, DynamicObject::url_path(&resource.api, query.namespace.as_deref()));
    let limit = (query.limit > 0).then(|| query.limit.to_string());
    let pairs = [
        ("labelSelector", Some(&query.label_selector).filter(|text| !text.is_empty())),
        ("fieldSelector", Some(&query.field_selector).filter(|text| !text.is_empty())),
        ("limit", limit.as_ref()),
        ("continue", query.continue_.as_ref()),
    ];
    for (key, value) in pairs {
        value.iter().for_each(|value| {
            builder.query.append_pair(key, value);
        });
    }
    builder.finish()
}

pub(super) fn create(
    resource: &Resource,
    key: &ObjectKey,
    object: String,
    options: &WriteOptions,
    manager: &str,
) -> Result<Request<Vec<u8>>, Error> {
    let path = DynamicObject::url_path(&resource.api, key.namespace.as_deref());
    Builder::new(Method::POST, path).options(options, manager).body("application/json", object).finish()
}

pub(super) fn update(
    resource: &Resource,
    key: &ObjectKey,
    object: String,
    options: &WriteOptions,
    manager: &str,
) -> Result<Request<Vec<u8>>, Error> {
    let builder = Builder::object(Method::PUT, resource, key, options.subresource.as_deref());
    builder.options(options, manager).body("application/json", object).finish()
}

pub(super) fn apply(
    resource: &Resource,
    key: &ObjectKey,
    object: String,
    options: &WriteOptions,
    manager: &str,
) -> Result<Request<Vec<u8>>, Error> {
    let builder = Builder::object(Method::PATCH, resource, key, options.subresource.as_deref());
    let mut builder = builder.options(options, manager).body(APPLY, object);
    builder.query.append_pair("force", if options.force { "true" } else { "false" });
    builder.finish()
}

pub(super) fn patch(
    resource: &Resource,
    key: &ObjectKey,
    patch_type: PatchType,
    patch: String,
    options: &WriteOptions,
    manager: &str,
) -> Result<Request<Vec<u8>>, Error> {
    let content_type = match patch_type {
        PatchType::Merge => "application/merge-patch+json",
        PatchType::JsonPatch => "application/json-patch+json",
        PatchType::Strategic => "application/strategic-merge-patch+json",
    };
    let builder = Builder::object(Method::PATCH, resource, key, options.subresource.as_deref());
    builder.options(options, manager).body(content_type, patch).finish()
}

pub(super) fn delete(resource: &Resource, key: &ObjectKey, body: String) -> Result<Request<Vec<u8>>, Error> {
    Builder::object(Method::DELETE, resource, key, None).body("application/json", body).finish()
}

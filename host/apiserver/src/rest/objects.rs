//! Requests about objects: which verb, on what, and the answer.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::Value;

use super::path::Target;
use super::{Call, body, deadline, no_page, options, resource_of, respond, stream};
use crate::api::{Api, At, Part, PatchType, Revision, Watch, Written, in_version};
use crate::builtin;
use crate::error::ApiError;
use crate::kinds::Resource;
use crate::store::Object;

/// A request about objects.
pub(super) async fn handle(
    api: &Arc<Api>,
    call: &Call,
    target: Target,
    body: Body,
) -> Result<Response, ApiError> {
    let Some(resource) = resource_of(api, &target) else {
        return unknown(&target.group);
    };
    if is_misplaced(&call.method, &resource, &target) {
        return unknown(&target.group);
    }
    let wants_watch = target.watch || call.query.flag("watch");
    if call.method == Method::GET && wants_watch && target.subresource.is_none() {
        return watch(api, call, &resource, &target).await;
    }
    let deadline = deadline::of(call)?;
    let bytes = body::read(body).await?;
    deadline::check(deadline)?;
    let request = Request { api, call, resource: &resource, target: &target, bytes };
    match (&target.name, target.subresource.as_deref()) {
        (None, _) => request.collection().await,
        (Some(name), None) => request.object(name, Part::Main),
        (Some(name), Some("status")) if resource.has("status") => request.object(name, Part::Status),
        (Some(name), Some("finalize")) if resource.has("finalize") => request.object(name, Part::Finalize),
        (Some(name), Some("scale")) if resource.scale.is_some() => request.scale(name),
        (Some(name), Some("token")) if resource.has("token") => request.token(name),
        (Some(name), Some(_)) if resource.is_custom() => Err(ApiError::not_found(resource.subject(), name)),
        (Some(_), Some(_)) => Err(ApiError::no_such_resource()),
    }
}

/// Whether a path has a namespace that its resource has not, or lacks one. All namespaces at
/// once can be read; what else is asked of them, a built-in kind refuses and a custom one does
/// not know (`ServeHTTP` in `apiextensions-apiserver/pkg/apiserver/customresource_handler.go`).
fn is_misplaced(method: &Method, resource: &Resource, target: &Target) -> bool {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match target.namespace {
        Some(_) => !resource.namespaced,
        None if !resource.namespaced || target.watch => false,
        None => target.name.is_some() || (resource.is_custom() && !reads),
    }
}

/// Groups of the real server's own answer with a Status, everything else with plain text.
pub(super) fn unknown(group: &str) -> Result<Response, ApiError> {
    if builtin::resources().iter().any(|r| r.group == group) {
        return Err(ApiError::no_such_resource());
    }
    Ok(no_page())
}

async fn watch(
    api: &Arc<Api>,
    call: &Call,
    resource: &Arc<Resource>,
    target: &Target,
) -> Result<Response, ApiError> {
    allow(resource, "watch")?;
    let query = options::watch(call, target)?;
    if let (true, Some(revision)) = (query.initial, query.from) {
        api.await_revision(revision).await?;
    }
    let include = super::tables::Include::of(&call.query)?;
    Ok(stream::response(Watch::begin(api, resource, query)?, call.accept, include))
}

fn allow(resource: &Resource, verb: &str) -> Result<(), ApiError> {
    if resource.verbs.iter().any(|v| v == verb) {
        return Ok(());
    }
    Err(ApiError::method_not_allowed())
}

struct Request<'a> {
    api: &'a Arc<Api>,
    call: &'a Call,
    resource: &'a Arc<Resource>,
    target: &'a Target,
    bytes: Bytes,
}

impl Request<'_> {
    fn at(&self, name: &str, part: Part) -> At {
        At {
            resource: self.resource.clone(),
            namespace: self.target.namespace.clone().unwrap_or_default(),
            name: name.to_owned(),
            part,
        }
    }

    fn body(&self) -> Result<Value, ApiError> {
        body::object(body::media_type(&self.call.headers), &self.bytes)
    }

    /// Of all namespaces at once only `list` and `watch` exist (`registerResourceHandlers` in
    /// `apiserver/pkg/endpoints/installer.go`).
    async fn collection(&self) -> Result<Response, ApiError> {
        let is_everywhere = self.resource.namespaced && self.target.namespace.is_none();
        match self.call.method {
            Method::GET => self.list().await,
            _ if is_everywhere => Err(ApiError::method_not_allowed()),
            Method::POST => self.create(),
            Method::DELETE => self.delete_collection(),
            _ => Err(ApiError::method_not_allowed()),
        }
    }

    async fn list(&self) -> Result<Response, ApiError> {
        allow(self.resource, "list")?;
        let query = options::list(self.call, self.target)?;
        if let Revision::NotOlderThan(revision) | Revision::Exact(revision) = query.revision {
            self.api.await_revision(revision).await?;
        }
        let listed = self.api.list(self.resource, &query)?;
        respond::list(self.call, self.resource, &listed)
    }

    fn create(&self) -> Result<Response, ApiError> {
        allow(self.resource, "create")?;
        let body = self.body()?;
        if let Some(review) = self.api.review(self.resource, body.clone(), &self.call.account) {
            return Ok(respond::json(StatusCode::CREATED, &review));
        }
        let namespace = self.target.namespace.as_deref().unwrap_or_default();
        let options = options::write(self.call)?;
        let written = self.api.create(self.resource, namespace, body, &options)?;
        self.written(written)
    }

    fn delete_collection(&self) -> Result<Response, ApiError> {
        allow(self.resource, "deletecollection")?;
        let query = options::list(self.call, self.target)?;
        let options = options::delete(self.call, &self.bytes)?;
        let objects = self.api.delete_collection(self.resource, &query, &options)?;
        self.after_change();
        respond::list_of(self.call, self.resource, &objects, self.api.store.revision())
    }

    fn object(&self, name: &str, part: Part) -> Result<Response, ApiError> {
        let at = self.at(name, part);
        match self.call.method {
            Method::GET if part == Part::Finalize => Err(ApiError::method_not_allowed()),
            Method::GET => self.get(&at),
            Method::PUT => {
                allow(self.resource, "update")?;
                let written = self.api.update(&at, self.body()?, &options::write(self.call)?)?;
                self.written(written)
            }
            Method::PATCH => {
                allow(self.resource, "patch")?;
                let (kind, body) = self.patch_body()?;
                let written = self.api.patch(&at, kind, &body, &options::write(self.call)?)?;
                self.written(written)
            }
            Method::DELETE if part == Part::Main => self.delete(&at),
            _ => Err(ApiError::method_not_allowed()),
        }
    }

    fn get(&self, at: &At) -> Result<Response, ApiError> {
        allow(self.resource, "get")?;
        if let Some(version) = self.call.query.get("resourceVersion")
            && version.parse::<u64>().is_err()
        {
            return Err(ApiError::unforeseen(format!(
                "resourceVersion: Invalid value: \"{version}\": strconv.ParseUint: parsing \"{version}\": invalid syntax"
            )));
        }
        respond::object(self.call, self.resource, StatusCode::OK, &*self.api.get(at)?, &[])
    }

    fn patch_body(&self) -> Result<(PatchType, Value), ApiError> {
        let media_type = body::media_type(&self.call.headers);
        let kind = PatchType::of(media_type, self.resource.is_custom())?;
        let body = match kind {
            PatchType::Apply => body::yaml(&self.bytes)?,
            _ => body::patch(&self.bytes)?,
        };
        Ok((kind, body))
    }

    fn delete(&self, at: &At) -> Result<Response, ApiError> {
        allow(self.resource, "delete")?;
        let options = options::delete(self.call, &self.bytes)?;
        let deleted = self.api.delete(at, &options)?;
        self.after_change();
        if deleted.gone && !self.resource.traits.returns_deleted {
            return Ok(respond::deleted(self.resource, &deleted.object.value));
        }
        respond::object(self.call, self.resource, StatusCode::OK, &deleted.object, &[])
    }

    fn scale(&self, name: &str) -> Result<Response, ApiError> {
        let at = self.at(name, Part::Main);
        let options = options::write(self.call)?;
        let written = match self.call.method {
            Method::GET => return Ok(respond::json(StatusCode::OK, &self.api.get_scale(&at)?)),
            Method::PUT => self.api.update_scale(&at, &self.body()?, &options)?,
            Method::PATCH => {
                let (kind, body) = self.patch_body()?;
                self.api.patch_scale(&at, kind, &body, &options)?
            }
            _ => return Err(ApiError::method_not_allowed()),
        };
        let paths = self.resource.scale.as_ref().ok_or_else(ApiError::no_such_resource)?;
        let scale = crate::api::scale_of(paths, &in_version(self.resource, &written.object));
        Ok(respond::json(StatusCode::OK, &scale))
    }

    fn token(&self, name: &str) -> Result<Response, ApiError> {
        if self.call.method != Method::POST {
            return Err(ApiError::method_not_allowed());
        }
        let token = self.api.request_token(&self.at(name, Part::Main), self.body()?)?;
        Ok(respond::json(StatusCode::CREATED, &token))
    }

    fn written(&self, written: Written) -> Result<Response, ApiError> {
        self.after_change();
        let status = if written.created { StatusCode::CREATED } else { StatusCode::OK };
        let object: &Object = &written.object;
        respond::object(self.call, self.resource, status, object, &written.warnings)
    }

    /// A changed definition takes effect before its client hears of it.
    fn after_change(&self) {
        if self.resource.is_definition() {
            self.api.reload_definitions();
        }
    }
}

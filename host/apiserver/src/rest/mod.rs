//! HTTP: from a request to a verb, and from its outcome to bytes.

mod accept;
mod body;
mod deadline;
mod discovery;
mod objects;
mod openapi;
mod options;
mod path;
pub(crate) mod query;
mod respond;
mod stream;
mod tables;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, Request, StatusCode, header};
use serde_json::{Value, json};
use tokio::time::Instant;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::Predicate;

use crate::api::Api;
use crate::error::ApiError;
use crate::server::Account;
use accept::Accept;
use path::{Path, Target};
use query::Query;

/// The version that the server says it is: clients choose features by it.
pub(crate) const GIT_VERSION: &str = "v1.36.3+polyreme";

/// Answers smaller than this are not compressed, as in kube-apiserver.
const COMPRESS_ABOVE_BYTES: u64 = 128 * 1024;

/// One request, as far as every handler needs it.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) query: Query,
    pub(crate) accept: Accept,
    pub(crate) headers: HeaderMap,
    pub(crate) account: Account,
    pub(crate) received: Instant,
}

/// The whole HTTP interface.
pub(crate) fn router(api: Arc<Api>) -> Router {
    Router::new()
        .fallback(handle)
        .layer(CompressionLayer::new().gzip(true).compress_when(Compressible))
        .with_state(api)
}

/// Large answers are compressed, watches never: their lines must not wait in a buffer.
#[derive(Debug, Clone, Copy)]
struct Compressible;

impl Predicate for Compressible {
    fn should_compress<B>(&self, response: &http::Response<B>) -> bool
    where
        B: axum::body::HttpBody,
    {
        let size = response.body().size_hint().exact();
        size.is_some_and(|size| size > COMPRESS_ABOVE_BYTES)
    }
}

async fn handle(State(api): State<Arc<Api>>, request: Request<Body>) -> Response {
    let received = Instant::now();
    let (parts, body) = request.into_parts();
    let path = Path::parse(parts.uri.path());
    if let Some(open) = open_to_all(&path) {
        return open;
    }
    let Some(account) = authenticate(&api, &parts.headers) else {
        return respond::error(&ApiError::unauthorized());
    };
    let accept = match accept(&path, &parts.headers) {
        Ok(accept) => accept,
        Err(error) => return respond::error(&error),
    };
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let call = Call { method: parts.method, query, accept, headers: parts.headers, account, received };
    let answer = dispatch(&api, &call, path, body).await;
    answer.unwrap_or_else(|error| respond::error(&error))
}

/// Only objects come in several forms; OpenAPI clients list types that they can do without.
fn accept(path: &Path, headers: &HeaderMap) -> Result<Accept, ApiError> {
    let header = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok());
    match path {
        Path::OpenApiV3(_) | Path::OpenApiV2 | Path::Metrics | Path::Unknown => Ok(Accept::default()),
        _ => Accept::parse(header),
    }
}

/// What anybody may ask: is it alive, and what is it.
fn open_to_all(path: &Path) -> Option<Response> {
    match path {
        Path::Health(_) => Some("ok".into_response()),
        Path::Version => Some(respond::json(StatusCode::OK, &version())),
        _ => None,
    }
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "36", "gitVersion": GIT_VERSION, "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

fn authenticate(api: &Api, headers: &HeaderMap) -> Option<Account> {
    let header = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let token = header.strip_prefix("Bearer ")?;
    api.tokens.read().account(token.trim()).cloned()
}

async fn dispatch(api: &Arc<Api>, call: &Call, path: Path, body: Body) -> Result<Response, ApiError> {
    if let Path::Objects(target) = path {
        return objects::handle(api, call, target, body).await;
    }
    if call.method != Method::GET {
        return Ok(no_page());
    }
    let registry = api.registry();
    match path {
        Path::CoreVersions => Ok(discovery::core_versions(call, &registry)),
        Path::Groups => Ok(discovery::groups(call, &registry)),
        Path::Group(group) => discovery::group(&registry, &group),
        Path::Resources { group, version } => {
            discovery::resources(&registry, &group, &version).map_or_else(|| objects::unknown(&group), Ok)
        }
        Path::OpenApiV3(document) => openapi::v3(&registry, &document, &call.query),
        Path::Root => Ok(discovery::root(&registry)),
        _ => Ok(no_page()),
    }
}

/// Unknown paths, versions and kinds: plain text, as Go's HTTP server answers.
pub(crate) fn no_page() -> Response {
    (StatusCode::NOT_FOUND, "404 page not found\n").into_response()
}

/// Resolves a target to a resource, if there is one.
fn resource_of(api: &Api, target: &Target) -> Option<Arc<crate::kinds::Resource>> {
    api.registry().find(&target.group, &target.version, &target.plural)
}

//! The admin endpoints: `/metrics`, `/healthz` and `/readyz`.
//!
//! Plain HTTP on the configured address, loopback unless told otherwise. Everything here
//! is bounded: connections, the time a client may take to send its request, and the life
//! of a connection; a slow or hostile reader cannot take memory or file descriptors from
//! the controllers. The server never writes anything and knows no secrets.
//!
//! After the shutdown signal the endpoints go on answering, `/readyz` with "shutting
//! down", so that probes see a draining host and not a dead one; the server ends when its
//! future is dropped.

mod health;
mod server;

use std::future::Future;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use health::Readiness;

use crate::metrics::{Format, Metrics};

/// Why the admin endpoints are not there.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Somebody else has the address, or it is not this machine's.
    #[error(
        "failed to serve the admin endpoints on {address}; free it, or set another `admin.address` in the configuration (port 0 takes any free one)"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
}

#[derive(Clone)]
struct Endpoints {
    metrics: Metrics,
    readiness: Readiness,
}

/// Takes the address; the future that comes back serves it until it is dropped.
///
/// # Errors
///
/// When the address cannot be had.
pub async fn serve(
    address: SocketAddr,
    metrics: Metrics,
    readiness: Readiness,
    shutdown: CancellationToken,
) -> Result<impl Future<Output = ()> + Send + 'static, AdminError> {
    let failed = |source| AdminError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tracing::info!(%address, "admin endpoints: /metrics /healthz /readyz");
    let router = router(Endpoints { metrics, readiness: readiness.clone() });
    Ok(async move {
        tokio::select! {
            () = server::accept(listener, router) => (),
            () = announce(readiness, shutdown) => (),
        }
    })
}

/// Makes `/readyz` say that the host is shutting down; never ends.
async fn announce(readiness: Readiness, shutdown: CancellationToken) {
    shutdown.cancelled().await;
    readiness.shutting_down();
    std::future::pending().await
}

fn router(endpoints: Endpoints) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/livez", get(healthz))
        .route("/readyz", get(readyz))
        .fallback(unknown)
        .with_state(endpoints)
}

async fn metrics(State(endpoints): State<Endpoints>, headers: HeaderMap) -> Response {
    let format = Format::accepted(accept(&headers));
    let text = endpoints.metrics.encode(format);
    ([(header::CONTENT_TYPE, format.content_type())], text).into_response()
}

/// Alive is whoever answers: a process whose executor hangs does not come this far.
async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(endpoints): State<Endpoints>, headers: HeaderMap) -> Response {
    let report = endpoints.readiness.report();
    let ready = report.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if accept(&headers).is_some_and(|types| types.contains("application/json")) {
        return (status, axum::Json(report)).into_response();
    }
    (status, report.to_string()).into_response()
}

async fn unknown() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "not found; there are /metrics, /healthz and /readyz\n")
}

fn accept(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ACCEPT)?.to_str().ok()
}

#[cfg(test)]
mod tests;

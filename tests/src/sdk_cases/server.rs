//! The server outside of Kubernetes that the cases of `http` ask.

use std::future::pending;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// More than `limits.payload` by default.
const LARGE_BYTES: usize = 4 << 20;
/// Bodies of a case that must not arrive are larger than what axum takes by default.
const MAX_BODY_BYTES: usize = 16 << 20;

/// Answers until it is dropped.
pub(super) struct OutsideServer {
    at: SocketAddr,
    _task: JoinSet<()>,
}

impl OutsideServer {
    pub(super) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("failed to listen on loopback")?;
        let at = listener.local_addr().context("failed to read the address of a listener")?;
        let mut task = JoinSet::new();
        task.spawn(async move {
            if let Err(failure) = axum::serve(listener, router()).await {
                eprintln!("the server of the cases ended: {failure}");
            }
        });
        Ok(Self { at, _task: task })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    pub(super) fn port(&self) -> u16 {
        self.at.port()
    }
}

fn router() -> Router {
    Router::new()
        .route("/colour", get(|| async { ([("x-note", "from the server")], "blue") }))
        .route("/echo", post(echo))
        .route("/away", get(|| async { Redirect::temporary("/colour") }))
        .route("/large", get(|| async { vec![b'x'; LARGE_BYTES] }))
        .route("/slow", get(pending::<()>))
        .layer(axum::extract::DefaultBodyLimit::max(MAX_BODY_BYTES))
}

/// 201 with the same body, `content-type` and `x-note`.
async fn echo(headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    let same = |name: &str| headers.get(name).cloned().unwrap_or_else(|| HeaderValue::from_static("none"));
    let answered = [("content-type", same("content-type")), ("x-note", same("x-note"))];
    (StatusCode::CREATED, answered, body)
}

//! An HTTP/1 server for few and short requests, bounded in every direction.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Connections at a time: Prometheus, a kubelet and a few people; the rest waits.
const MAX_CONNECTIONS: usize = 32;

/// Time to send a request's head, so that idle connections do not fill the places.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Life of one connection: longer than a usual scrape interval, so that it is kept.
const CONNECTION_LIFE: Duration = Duration::from_secs(300);

/// Pause after a failed accept, which means that file descriptors have run out.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Serves until dropped, and with it every connection.
pub(super) async fn accept(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= MAX_CONNECTIONS {
            connections.join_next().await;
        }
        tokio::select! {
            Some(_) = connections.join_next() => (),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(timeout(CONNECTION_LIFE, connection(stream, router.clone())));
                }
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection to the admin endpoints");
                    sleep(ACCEPT_RETRY).await;
                }
            },
        }
    }
}

/// A client that misbehaves or goes away is not worth a line in the log.
async fn connection(stream: TcpStream, router: Router) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let service = TowerToHyperService::new(router);
    _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

//! Reads are retried below every caller, changes are sent once.
//!
//! kube's own retry sends any request again on 429, 503 and 504, as it was. For a change that is wrong
//! twice: after a 504 it may have been carried out, and its timeout and preconditions speak of the moment
//! when it was first sent. Who sends a change knows when it may be sent again (`api::gate` does).

use http::{Method, Request, Response};
use kube::client::Body;
use kube::client::retry::RetryPolicy;
use tower::BoxError;
use tower::retry::{Policy, RetryLayer};

/// Requests that wait for the connection: as many as kube lets wait before its own service.
pub(super) const WAITING: usize = 1024;

/// kube's policy for GET, none for anything else.
#[derive(Clone)]
pub(super) struct Reads(RetryPolicy);

pub(super) fn reads() -> RetryLayer<Reads> {
    RetryLayer::new(Reads(RetryPolicy::server_retry()))
}

impl<B> Policy<Request<Body>, Response<B>, BoxError> for Reads {
    type Future = tokio::time::Sleep;

    fn retry(
        &mut self,
        request: &mut Request<Body>,
        result: &mut Result<Response<B>, BoxError>,
    ) -> Option<Self::Future> {
        self.0.retry(request, result)
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        let reads = request.method() == Method::GET;
        let policy: &mut dyn Policy<_, Response<B>, BoxError, Future = _> = &mut self.0;
        reads.then(|| policy.clone_request(request)).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http_body_util::Full;
    use hyper_util::client::legacy::connect::capture_connection;
    use kube::Client;
    use tower::Layer as _;

    /// A client of a server that is never there, and how often it was asked.
    fn client() -> (Client, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let service = tower::service_fn(move |_: Request<Body>| {
            count.fetch_add(1, Ordering::Relaxed);
            let answer = Response::builder().status(504).body(Full::new(bytes::Bytes::new())).unwrap();
            std::future::ready(Ok::<_, BoxError>(answer))
        });
        (Client::new(reads().layer(service), "default"), asked)
    }

    fn request(method: &Method) -> Request<Vec<u8>> {
        Request::builder().method(method).uri("/api/v1/nodes").body(Vec::new()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn reads_are_sent_again_and_changes_are_not() {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::GET] {
            let (client, asked) = client();
            client.request_text(request(&method)).await.unwrap_err();
            let again = asked.load(Ordering::Relaxed) > 1;
            assert_eq!(again, method == Method::GET, "{method}");
        }
    }

    /// The gate relies on it: see `api::gate`.
    #[tokio::test]
    async fn the_hosts_client_tells_whether_a_request_found_a_connection() {
        let server = polyreme_apiserver::Server::start(polyreme_apiserver::ServerConfig::default());
        let server = server.await.unwrap();
        let file = kube::config::Kubeconfig::from_yaml(&server.kubeconfig()).unwrap();
        let config = kube::Config::from_custom_kubeconfig(file, &Default::default()).await.unwrap();
        let client = super::super::connect(config, &crate::metrics::Metrics::new()).await.unwrap();
        let send = async || {
            let mut request = request(&Method::POST);
            let connection = capture_connection(&mut request);
            client.request_text(request).await.unwrap_err();
            connection.connection_metadata().is_some()
        };
        assert!(send().await, "refused by the server");
        server.shutdown().await;
        assert!(!send().await, "refused by the system");
    }
}

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

//! `rest_client_requests_total{code,method,host}`: every answer of the API server.
//!
//! A tower layer around kube's client counts them. It sees what the caller sees: retries
//! of reads that are made below it on 429, 503 and 504 are counted as one request. A request
//! without an answer has the code `<error>`, as in client-go.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tower::{Layer, Service};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub(super) struct RequestLabels {
    code: String,
    method: String,
    host: String,
}

pub(super) type Requests = Family<RequestLabels, Counter>;

pub(super) fn register(registry: &mut Registry) -> Requests {
    let requests = Requests::default();
    let help = "Requests to the API server by code, method and host";
    registry.register("rest_client_requests", help, requests.clone());
    requests
}

pub(super) fn count(requests: &Requests, code: &str, method: &str, host: &str) {
    let labels = RequestLabels { code: code.to_owned(), method: method.to_owned(), host: host.to_owned() };
    requests.get_or_create_owned(&labels).inc();
}

/// Puts [`RecordRequests`] around a client's service.
///
/// # Example
///
/// ```no_run
/// # use polyreme::metrics::Metrics;
/// # async fn client(config: kube::Config) -> Result<kube::Client, kube::Error> {
/// let layer = Metrics::new().client_layer("127.0.0.1:6443");
/// Ok(kube::client::ClientBuilder::try_from(config)?.with_layer(&layer).build())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RecordRequestsLayer {
    requests: Requests,
    host: String,
}

impl RecordRequestsLayer {
    pub(super) fn new(requests: Requests, host: String) -> Self {
        Self { requests, host }
    }
}

impl<S> Layer<S> for RecordRequestsLayer {
    type Service = RecordRequests<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RecordRequests { inner, layer: self.clone() }
    }
}

/// Counts the answers of the service inside.
#[derive(Clone, Debug)]
pub struct RecordRequests<S> {
    inner: S,
    layer: RecordRequestsLayer,
}

impl<S, A, B> Service<Request<A>> for RecordRequests<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    B: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let method = request.method().clone();
        let layer = self.layer.clone();
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            let status = answer.as_ref().map(Response::status);
            let code = status.as_ref().map_or("<error>", |status| status.as_str());
            count(&layer.requests, code, method.as_str(), &layer.host);
            answer
        })
    }
}

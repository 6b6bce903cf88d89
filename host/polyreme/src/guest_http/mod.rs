//! Outside servers as one reconcile may use them: what stands behind the guest's `http` import.
//!
//! Every request goes the same way: read what the guest sent ([`request`]), ask the policy ([`policy`]), wait for
//! a place among the module's requests, pass the ownership gate, connect where the address may be connected to
//! ([`connect`], [`address`]), and wait for the whole response. Nothing is sent twice and no redirect is followed.
//!
//! A request runs in a task of its own, like a write to Kubernetes: once it is begun it is waited for until its
//! response came or its time is over, also when the guest is interrupted. Until then the slot is not given to
//! another host. What an outside server does with a request after that nobody here can know; that is what
//! idempotency keys and the epoch are for.

pub mod address;
mod connect;
pub mod policy;
mod request;

use std::error::Error as StdError;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use polyreme_runtime::Http;
use polyreme_runtime::wit::http::{Error, Header, Reason, Request, Response};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, debug};

use crate::config::Limits;
use crate::explain;
use crate::metrics::ModuleMetrics;
use crate::ownership::Permit;
use connect::{Client, ConnectError};
use policy::{HttpPolicy, Target};
use request::Checked;

/// Shortest window that a request is begun in: with less the likeliest outcome is one that nobody knows. The same
/// as for writes to Kubernetes.
const MIN_WINDOW: Duration = Duration::from_millis(100);

/// The function's name in metrics.
const FUNCTION: &str = "http";

/// What all reconciles of one controller share.
pub struct GuestHttp {
    policy: Arc<HttpPolicy>,
    /// Made when the first request is sent: most controllers send none.
    client: OnceLock<Client>,
    in_flight: Semaphore,
    connections: usize,
    timeout: Duration,
    /// Of a response's body, in bytes.
    payload: usize,
    metrics: ModuleMetrics,
}

impl GuestHttp {
    /// Outside servers as far as `policy` grants them, within `limits`. Opens nothing yet.
    #[must_use]
    pub fn new(policy: HttpPolicy, limits: &Limits, metrics: ModuleMetrics) -> Self {
        let connections = usize::try_from(limits.http_requests_in_flight).unwrap_or(usize::MAX);
        Self {
            policy: Arc::new(policy),
            client: OnceLock::new(),
            in_flight: Semaphore::new(connections.min(Semaphore::MAX_PERMITS)),
            connections,
            timeout: limits.http_timeout,
            payload: usize::try_from(limits.payload.bytes()).unwrap_or(usize::MAX),
            metrics,
        }
    }

    fn client(&self) -> &Client {
        let client = || connect::client(Arc::clone(&self.policy), self.connections, connect::tls());
        self.client.get_or_init(client)
    }

    fn denied(&self, why: String) -> Error {
        self.metrics.denied(FUNCTION);
        Error::new(Reason::NotGranted, why)
    }
}

/// Outside servers for one reconcile. See the module's story.
pub struct ReconcileHttp {
    /// Shared with the controller's other reconciles.
    pub shared: Arc<GuestHttp>,
    /// The right to act.
    pub permit: Permit,
    /// Requests that were begun and may still take effect.
    pub outstanding: TaskTracker,
}

#[async_trait]
impl Http for ReconcileHttp {
    async fn send(&self, request: Request) -> Result<Response, Error> {
        let started = Instant::now();
        let answer = self.pass(request).await;
        self.shared.metrics.host_call(FUNCTION, started.elapsed());
        answer
    }
}

impl ReconcileHttp {
    /// Sends a request. Dropping this future begins nothing more, but what was begun is still waited for.
    async fn pass(&self, request: Request) -> Result<Response, Error> {
        let request = Checked::new(request)?;
        let granted = self.shared.policy.decide(&request.method, &request.target);
        let pattern = granted.map_err(|why| self.shared.denied(why))?.to_string();
        let (shared, permit) = (Arc::clone(&self.shared), self.permit.clone());
        let (guest, reply) = oneshot::channel();
        let flight = Flight { shared, permit, request, pattern };
        self.outstanding.spawn(flight.run(guest).in_current_span());
        reply.await.unwrap_or_else(|_| Err(Error::new(Reason::Other, "a request was lost")))
    }
}

/// One request on its way.
struct Flight {
    shared: Arc<GuestHttp>,
    permit: Permit,
    request: Checked,
    /// Of the grant that allows it: what metrics call the server.
    pattern: String,
}

impl Flight {
    async fn run(self, guest: oneshot::Sender<Result<Response, Error>>) {
        let shared = Arc::clone(&self.shared);
        let place = shared.in_flight.acquire().await;
        if guest.is_closed() {
            return;
        }
        let answer = match self.window() {
            Ok(window) => self.send(Instant::now() + window).await,
            Err(refused) => Err(refused),
        };
        drop(place);
        // It may have been interrupted meanwhile.
        let _ = guest.send(answer);
    }

    /// How long the request may take, if it may be sent at all.
    fn window(&self) -> Result<Duration, Error> {
        let window = self.permit.write_window().ok_or_else(not_owner)?;
        if window < MIN_WINDOW {
            return Err(too_late());
        }
        let asked = self.request.timeout.unwrap_or(self.shared.timeout);
        Ok(asked.min(self.shared.timeout).min(window))
    }

    async fn send(self, deadline: Instant) -> Result<Response, Error> {
        let Self { shared, request, pattern, .. } = self;
        let (method, target) = (request.method.clone(), request.target.clone());
        let started = Instant::now();
        let exchange = exchange(&shared, request);
        let answer =
            timeout_at(deadline, exchange).await.unwrap_or_else(|_| Err(timed_out(&target, started)));
        let (took, status) = (started.elapsed(), answer.as_ref().ok().map(|response| response.status));
        shared.metrics.http_request(&pattern, method.as_str(), status, took);
        let failure = answer.as_ref().err().map(|error| error.message.as_str());
        debug!(%method, %target, status, ?took, failure, "request to an outside server");
        answer
    }
}

/// One request and its whole response.
async fn exchange(shared: &GuestHttp, request: Checked) -> Result<Response, Error> {
    let target = request.target.clone();
    let sent = shared.client().request(request.into_http()).await;
    let response = sent.map_err(|failure| not_answered(shared, &target, &failure))?;
    let (head, body) = response.into_parts();
    let headers = head.headers.iter().map(|(name, value)| Header {
        name: name.as_str().to_owned(),
        value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
    });
    let (status, headers) = (head.status.as_u16(), headers.collect());
    Ok(Response { status, headers, body: read(body, shared.payload, &target).await? })
}

async fn read(body: Incoming, limit: usize, target: &Target) -> Result<Vec<u8>, Error> {
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes().into()),
        Err(failure) if failure.is::<LengthLimitError>() => Err(Error::new(
            Reason::TooLarge,
            format!(
                "the response of {target} is larger than {limit} bytes; ask for less at once, or raise limits.payload"
            ),
        )),
        Err(failure) => Err(broken(target, failure.as_ref())),
    }
}

/// Why there is no response at all.
fn not_answered(shared: &GuestHttp, target: &Target, failure: &legacy::Error) -> Error {
    match explain::causes(failure).find_map(|cause| cause.downcast_ref::<ConnectError>()) {
        Some(ConnectError::NotGranted(why)) => shared.denied(why.clone()),
        Some(failure @ (ConnectError::Nowhere(_) | ConnectError::Resolve { .. })) => {
            Error::new(Reason::Dns, explain::chain(failure))
        }
        Some(failure @ ConnectError::Connect { .. }) => Error::new(Reason::Connect, explain::chain(failure)),
        None if failure.is_connect() => {
            let cause = explain::chain(failure.source().unwrap_or(failure));
            Error::new(Reason::Tls, format!("failed to speak TLS with {target}: {cause}"))
        }
        None => broken(target, failure),
    }
}

fn broken(target: &Target, failure: &(dyn StdError + 'static)) -> Error {
    let message = format!(
        "failed to get a whole response from {target}: {}; the request may have been carried out",
        explain::chain(failure)
    );
    Error::new(Reason::Broken, message)
}

fn timed_out(target: &Target, started: Instant) -> Error {
    let message = format!(
        "{target} did not answer within {:?}; the request may still be carried out",
        started.elapsed()
    );
    Error::new(Reason::Timeout, message)
}

fn not_owner() -> Error {
    let message = "this host no longer owns the object under reconcile; return without retrying";
    Error::new(Reason::NotOwner, message)
}

/// Ownership is about to lapse unless a renewal gets through: not lost, and not to be relied on.
fn too_late() -> Error {
    let message = "this host's ownership was not renewed in time to begin a request; nothing was sent";
    Error::new(Reason::Unavailable, message)
}

#[cfg(test)]
mod tests;

//! `http`: requests to servers outside of Kubernetes, through whatever the session puts in front of them.
//!
//! This file counts and bounds, like [`super::kubernetes`]; grants, ownership and connections are behind the
//! [`Http`] trait.

use async_trait::async_trait;

use crate::call::Call;
use crate::wit::bindings::polyreme::controller::http::Host;
use crate::wit::http::{Error, Reason, Request, Response};

/// Outside servers as one call may use them.
///
/// Futures are dropped when the call ends early; see [`crate::Session`].
#[async_trait]
pub trait Http: Send + Sync {
    /// Sends one request; the body of the response is at most the module's payload limit.
    async fn send(&self, request: Request) -> Result<Response, Error>;
}

impl Host for Call {
    async fn send(&mut self, request: Request) -> Result<Response, Error> {
        let refused = self.admit("http.send", payload(&request));
        refused.map_err(|refusal| Error::new(Reason::LimitExceeded, refusal.message))?;
        let answer = self.session.http.send(request);
        self.usage.outside("http.send", answer).await
    }
}

/// Bytes that a request brings from the guest.
fn payload(request: &Request) -> usize {
    let headers = request.headers.iter().map(|header| header.name.len() + header.value.len());
    let body = request.body.as_ref().map_or(0, Vec::len);
    request.method.len() + request.url.len() + headers.sum::<usize>() + body
}

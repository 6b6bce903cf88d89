//! Requests to servers outside of Kubernetes: a cloud, a name service.
//!
//! The host sends them, so nothing is reached that its configuration does not grant (`http` of the controller).
//! It never sends one twice, follows no redirect, and waits for what was sent before another host may begin.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::polyreme::controller::http as contract;
use crate::bindings::polyreme::controller::http::Header;
use crate::context::Context;
use crate::error::Error;
use crate::host::Host as _;
use crate::place;

pub use crate::bindings::polyreme::controller::http::Reason as HttpReason;

/// A request in the making.
///
/// # Example
/// ```
/// use polyreme_sdk::{Context, Error, HttpRequest};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Machine { name: String }
///
/// fn create(ctx: &Context, uid: &str, name: &str) -> Result<Machine, Error> {
///     let machine = Machine { name: name.to_owned() };
///     // The server makes one machine for each key, however often it is asked.
///     let request = HttpRequest::post("https://cloud.example/v1/machines").header("idempotency-key", uid);
///     ctx.http(&request.json(&machine)?)?.success()?.json()
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    pub(crate) raw: contract::Request,
}

impl HttpRequest {
    /// A request with a method in capitals, as the grant has it.
    #[must_use]
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        let method = method.to_owned();
        let raw =
            contract::Request { method, url: url.into(), headers: Vec::new(), body: None, timeout_ms: None };
        Self { raw }
    }

    /// Reads.
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// Makes, or does.
    #[must_use]
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// Replaces.
    #[must_use]
    pub fn put(url: impl Into<String>) -> Self {
        Self::new("PUT", url)
    }

    /// Deletes.
    #[must_use]
    pub fn delete(url: impl Into<String>) -> Self {
        Self::new("DELETE", url)
    }

    /// Adds a header. Those that concern the connection, `host` and `content-length` are the host's. There is one
    /// `content-type`: another takes the place of the first, and of that of [`HttpRequest::json`].
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        if name.eq_ignore_ascii_case(CONTENT_TYPE) {
            self.raw.headers.retain(|header| !header.name.eq_ignore_ascii_case(CONTENT_TYPE));
        }
        self.raw.headers.push(Header { name: name.to_owned(), value: value.into() });
        self
    }

    /// The body, as it is.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.raw.body = Some(body.into());
        self
    }

    /// A body of JSON, and the header that says so unless there is another `content-type`.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn json(self, body: &impl Serialize) -> Result<Self, Error> {
        let encoded = serde_json::to_vec(body);
        let encoded = encoded.map_err(|source| Error::Encode { object: self.place(), source })?;
        let typed = self.header_value(CONTENT_TYPE).is_some();
        let request = if typed { self } else { self.header(CONTENT_TYPE, "application/json") };
        Ok(request.body(encoded))
    }

    /// How long to wait for the whole response; at most `limits.httpTimeout` of the configuration, which is also
    /// the default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.raw.timeout_ms = Some(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.raw.method
    }

    /// The URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.raw.url
    }

    /// The first header of a name, in whatever case.
    #[must_use]
    pub fn header_value(&self, name: &str) -> Option<&str> {
        find(&self.raw.headers, name)
    }

    /// The body; empty when there is none.
    #[must_use]
    pub fn body_bytes(&self) -> &[u8] {
        self.raw.body.as_deref().unwrap_or_default()
    }

    /// Method and URL for messages. A query may hold secrets, so it is left out.
    fn place(&self) -> String {
        let url = self.raw.url.split('?').next().unwrap_or_default();
        format!("{} {url}", self.raw.method)
    }
}

/// Equal to its text: `POST https://cloud.example/v1/machines`.
impl PartialEq<&str> for HttpRequest {
    fn eq(&self, text: &&str) -> bool {
        let own = format!("{} {}", self.raw.method, self.raw.url);
        own == *text
    }
}

/// What came back, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// 200, 404, …
    pub status: u16,
    /// Names in lower case; one may be there several times.
    pub headers: Vec<(String, String)>,
    /// As it came.
    pub body: Vec<u8>,
    /// What was asked, for messages.
    place: String,
}

impl HttpResponse {
    /// A response for tests, without headers.
    #[must_use]
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), place: String::new() }
    }

    /// Whether the status is 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The response, when its status is 2xx.
    ///
    /// # Errors
    /// [`Error::Retry`] with status and the beginning of the body.
    pub fn success(self) -> Result<Self, Error> {
        if self.is_success() {
            return Ok(self);
        }
        let said: String = self.text().chars().take(SHOWN).collect();
        Err(Error::retry(format!("{} answered {}: {said}", self.place, self.status)))
    }

    /// The first header of a name, in whatever case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`Error::Response`] names the field that does not fit.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let text = self.text();
        serde_json::from_str(&text).map_err(|source| {
            let path = place::path(&text, &source);
            Error::Response { request: self.place.clone(), path, source }
        })
    }
}

/// Characters of an unexpected response that an error repeats.
const SHOWN: usize = 200;

const CONTENT_TYPE: &str = "content-type";

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpError {
    /// What code can match on.
    pub reason: HttpReason,
    /// The host's words, with the remedy.
    pub message: String,
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for HttpError {}

impl Context {
    /// Sends a request to a server outside of Kubernetes and waits for the whole response.
    ///
    /// Whatever the status, a response is a success here: see [`HttpResponse::success`]. A redirect is a response
    /// too. A server may act on a request whose time is over: give what must happen only once a key made of
    /// what does not change, such as the object's uid. ([`Context::idempotency_key`] changes with every
    /// generation of the object.)
    ///
    /// # Errors
    /// [`Error::Http`], when there is no response.
    pub fn http(&self, request: &HttpRequest) -> Result<HttpResponse, Error> {
        match self.host.send(&request.raw) {
            Ok(contract::Response { status, headers, body }) => {
                let headers = headers.into_iter().map(|header| (header.name, header.value)).collect();
                Ok(HttpResponse { status, headers, body, place: request.place() })
            }
            Err(contract::Error { reason, message }) => {
                let source = Box::new(HttpError { reason, message });
                Err(Error::Http { request: request.place(), source })
            }
        }
    }
}

fn find<'a>(headers: &'a [Header], name: &str) -> Option<&'a str> {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value.as_str())
}

//! What can go wrong in a reconcile, and what the host does about it.
//!
//! A reconcile returns [`Error`]; `?` works on every call of [`crate::Context`]. The host
//! retries with growing delays unless the error is terminal: then it waits until the
//! object changes. Conflicts, time-outs and refusals of the API server are retried.

use std::fmt;
use std::time::Duration;

use crate::bindings::polyreme::controller::types::{self, Reason};
use crate::http::{HttpError, HttpReason};

/// Why a reconcile failed.
///
/// # Example
/// ```
/// use polyreme_sdk::Error;
///
/// fn port(text: &str) -> Result<u16, Error> {
///     // Trying again cannot help before somebody edits the object.
///     text.parse().map_err(|cause| Error::terminal(format!("spec.port {text:?}: {cause}")))
/// }
/// assert!(port("eighty").unwrap_err().is_terminal());
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The API server or the host did not carry out a request.
    #[error("failed to {verb} {object}")]
    Api {
        /// `get`, `list`, `apply`, …
        verb: &'static str,
        /// Kind, namespace and name.
        object: String,
        /// The answer.
        source: Box<ApiError>,
    },
    /// `settings:` of this controller does not fit its type. Terminal.
    #[error("failed to read `settings` of this controller at `{path}`")]
    Settings {
        /// Where: `ingress.hosts[0]`, or `.` for the whole.
        path: String,
        /// What was expected there.
        source: serde_json::Error,
    },
    /// An object does not have the form of its Rust type. Terminal.
    #[error("failed to decode {object} at `{path}`")]
    Decode {
        /// Kind, namespace and name.
        object: String,
        /// Where: `spec.replicas`, or `.` for the whole.
        path: String,
        /// What was expected there.
        source: serde_json::Error,
    },
    /// An object could not be written as JSON. Terminal.
    #[error("failed to encode {object}")]
    Encode {
        /// Kind, namespace and name.
        object: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A request to a server outside of Kubernetes has no response.
    #[error("failed to {request}")]
    Http {
        /// Method and URL, without the query.
        request: String,
        /// Why.
        source: Box<HttpError>,
    },
    /// The response of an outside server does not have the form of its Rust type. Tried again: servers change.
    #[error("failed to read the response to {request} at `{path}`")]
    Response {
        /// Method and URL, without the query.
        request: String,
        /// Where: `items[0].name`, or `.` for the whole.
        path: String,
        /// What was expected there.
        source: serde_json::Error,
    },
    /// The controller gave up for now.
    #[error("{0}")]
    Retry(String),
    /// The controller gave up until the object changes.
    #[error("{0}")]
    Terminal(String),
}

impl Error {
    /// Try again with backoff.
    pub fn retry(message: impl fmt::Display) -> Self {
        Self::Retry(message.to_string())
    }

    /// Do not try again until the object changes.
    pub fn terminal(message: impl fmt::Display) -> Self {
        Self::Terminal(message.to_string())
    }

    /// Whether the host waits for a change instead of trying again.
    ///
    /// Besides [`Error::terminal`]: what only a change of the object, of the settings or of
    /// the program can mend. A missing grant is terminal too, since every object
    /// is reconciled again when the configuration changes.
    pub fn is_terminal(&self) -> bool {
        match self {
            Self::Settings { .. } | Self::Decode { .. } | Self::Encode { .. } | Self::Terminal(_) => true,
            Self::Api { source, .. } => {
                matches!(source.reason, Reason::NotGranted | Reason::BadRequest)
            }
            Self::Http { source, .. } => {
                matches!(source.reason, HttpReason::NotGranted | HttpReason::BadRequest)
            }
            Self::Response { .. } | Self::Retry(_) => false,
        }
    }

    /// The answer of the API server or the refusal of the host, when it was one.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Api { source, .. } => Some(source.reason),
            _ => None,
        }
    }

    /// Why a request to an outside server has no response, when it was one.
    pub fn http_reason(&self) -> Option<HttpReason> {
        match self {
            Self::Http { source, .. } => Some(source.reason),
            _ => None,
        }
    }

    /// The object does not exist.
    pub fn is_not_found(&self) -> bool {
        self.reason() == Some(Reason::NotFound)
    }

    /// The object exists already.
    pub fn is_already_exists(&self) -> bool {
        self.reason() == Some(Reason::AlreadyExists)
    }

    /// Somebody else changed the object, or owns a field of it.
    pub fn is_conflict(&self) -> bool {
        self.reason() == Some(Reason::Conflict)
    }

    /// The object breaks its schema or a validation rule.
    pub fn is_invalid(&self) -> bool {
        self.reason() == Some(Reason::Invalid)
    }

    /// The configuration does not grant the request, or the API server forbids it.
    pub fn is_refused(&self) -> bool {
        matches!(self.reason(), Some(Reason::NotGranted | Reason::Forbidden))
            || self.http_reason() == Some(HttpReason::NotGranted)
    }

    /// This host no longer owns the object under reconcile: return without another write or request.
    pub fn is_not_owner(&self) -> bool {
        self.reason() == Some(Reason::NotOwner) || self.http_reason() == Some(HttpReason::NotOwner)
    }

    /// The message with all its causes, as the host's log shows it.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        text
    }
}

/// The answer to a request that was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// What code can match on.
    pub reason: Reason,
    /// The server's or the host's own words.
    pub message: String,
    /// When the server asked to wait.
    pub retry_after: Option<Duration>,
    /// Field paths and messages of an invalid object.
    pub causes: Vec<String>,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = reason_text(self.reason);
        match self.message.as_str() {
            "" => f.write_str(reason)?,
            // A server's message usually has the reason in it.
            message if message.contains(reason) => f.write_str(message)?,
            message => write!(f, "{reason}: {message}")?,
        }
        // And its causes.
        let unsaid = |cause: &&String| !self.message.contains(cause.as_str());
        for cause in self.causes.iter().filter(unsaid) {
            write!(f, "; {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ApiError {}

impl From<types::Error> for ApiError {
    fn from(error: types::Error) -> Self {
        Self {
            reason: error.reason,
            message: error.message,
            retry_after: error.retry_after_ms.map(Duration::from_millis),
            causes: error.causes,
        }
    }
}

fn reason_text(reason: Reason) -> &'static str {
    match reason {
        Reason::NotFound => "not found",
        Reason::AlreadyExists => "already exists",
        Reason::Conflict => "conflict",
        Reason::Invalid => "invalid",
        Reason::Forbidden => "forbidden",
        Reason::TooManyRequests => "too many requests",
        Reason::Gone => "gone",
        Reason::NotGranted => "not granted",
        Reason::NotOwner => "not the owner any more",
        Reason::LimitExceeded => "limit exceeded",
        Reason::BadRequest => "bad request",
        Reason::Timeout => "timed out",
        Reason::Unavailable => "unavailable",
        Reason::Other => "failed",
    }
}

//! The one place where this crate reads the wall clock, and the two ways Kubernetes writes
//! a time.

use chrono::{DateTime, SecondsFormat, Utc};

/// The time now.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the crate's clock module: objects carry wall-clock times"
)]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

/// `metav1.Time`: whole seconds, `2026-01-02T03:04:05Z`.
pub(crate) fn seconds(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

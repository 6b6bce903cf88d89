//! Standard conditions: `status.conditions` as `kubectl wait --for=condition=Ready` reads
//! them. `lastTransitionTime` moves only when `status` changes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use crate::resource::Object;

/// Sets the condition `kind` of an object's list, and leaves the others alone.
///
/// `reason` is CamelCase and must not be empty, or the API server refuses it.
///
/// # Example
/// ```
/// use polyreme_sdk::conditions::{self, Verdict};
/// use polyreme_sdk::k8s_openapi::api::core::v1::ConfigMap;
/// use polyreme_sdk::k8s_openapi::jiff::Timestamp;
///
/// let mut all = Vec::new();
/// let (noon, later) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
/// let pending = Verdict::no("Waiting", "0 of 1 replicas");
/// conditions::set(&mut all, &ConfigMap::default(), "Ready", pending, noon);
/// let waiting = Verdict::no("StillWaiting", "0 of 1 replicas");
/// conditions::set(&mut all, &ConfigMap::default(), "Ready", waiting, later);
///
/// assert_eq!(all[0].reason, "StillWaiting");
/// assert_eq!(all[0].last_transition_time.0, noon);
/// ```
pub fn set<T: Object>(all: &mut Vec<Condition>, object: &T, kind: &str, verdict: Verdict, now: Timestamp) {
    let wanted = Condition {
        type_: kind.into(),
        status: verdict.status.into(),
        reason: verdict.reason,
        message: verdict.message,
        observed_generation: object.metadata().generation,
        last_transition_time: Time(now),
    };
    match all.iter_mut().find(|one| one.type_ == kind) {
        Some(held) if held.status == wanted.status => {
            let last_transition_time = held.last_transition_time.clone();
            *held = Condition { last_transition_time, ..wanted };
        }
        Some(held) => *held = wanted,
        None => all.push(wanted),
    }
}

/// Whether the condition `kind` is True.
pub fn is_true(all: &[Condition], kind: &str) -> bool {
    all.iter().any(|one| one.type_ == kind && one.status == "True")
}

/// What a condition says: True, False or Unknown, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    status: &'static str,
    reason: String,
    message: String,
}

impl Verdict {
    /// `status: "True"`.
    pub fn yes(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new("True", reason.into(), message.into())
    }

    /// `status: "False"`.
    pub fn no(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new("False", reason.into(), message.into())
    }

    /// `status: "Unknown"`.
    pub fn unknown(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new("Unknown", reason.into(), message.into())
    }

    fn new(status: &'static str, reason: String, message: String) -> Self {
        Self { status, reason, message }
    }
}

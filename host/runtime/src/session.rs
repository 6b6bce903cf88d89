//! The capabilities of one call.
//!
//! A guest reaches nothing that is not in its session. The host makes a new one for each
//! reconcile, so that permission checks, the ownership gate and log context belong to
//! that reconcile and end with it.

use std::sync::Arc;

use crate::describe::DescribeOnly;
use crate::{Clock, Events, Http, Kubernetes, Log, Metrics, Random};

/// Everything that one call may use.
///
/// Futures of [`Kubernetes`] and [`Http`] are dropped when the call ends early (wall deadline, or the
/// caller dropped it): an implementation that must see the end of a write it has sent
/// has to keep that write in a task of its own.
#[derive(Clone)]
pub struct Session {
    /// The Kubernetes API, already checked for permission and ownership.
    pub kubernetes: Arc<dyn Kubernetes>,
    /// Servers outside of it, already checked for grants and ownership.
    pub http: Arc<dyn Http>,
    /// Where events go.
    pub events: Arc<dyn Events>,
    /// Where log lines go; the host adds controller, object and reconcile id.
    pub log: Arc<dyn Log>,
    /// The module's own metrics.
    pub metrics: Arc<dyn Metrics>,
    /// JSON text of this controller's `settings`.
    pub settings: Arc<str>,
    /// Time as the guest sees it.
    pub clock: Arc<dyn Clock>,
    /// Randomness as the guest sees it.
    pub random: Arc<dyn Random>,
}

impl Session {
    /// A session for [`crate::Module::describe`]: settings and log, and nothing else.
    ///
    /// What a module is must not depend on the cluster or on when it is asked, so the
    /// Kubernetes API and HTTP are refused with `not-granted`, events and metrics go nowhere, the
    /// clock stands still and random bytes are always the same ones.
    #[must_use]
    pub fn for_describe(settings: Arc<str>, log: Arc<dyn Log>) -> Self {
        Self { log, settings, ..Self::nothing() }
    }

    /// The session of an instance between two calls, none of whose code runs.
    pub(crate) fn nothing() -> Self {
        let nothing = Arc::new(DescribeOnly);
        Self {
            kubernetes: nothing.clone(),
            http: nothing.clone(),
            events: nothing.clone(),
            log: nothing.clone(),
            metrics: nothing.clone(),
            settings: Arc::from("{}"),
            clock: nothing.clone(),
            random: nothing,
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

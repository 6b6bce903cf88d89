//! `events`: what `kubectl describe` shows.
//!
//! An event never fails and never waits: past the quota of host calls it is dropped.

use crate::call::Call;
use crate::wit::bindings::polyreme::controller::events::Host;
use crate::wit::events::Severity;
use crate::wit::types::ObjectRef;

/// Where events go. Must not block.
pub trait Events: Send + Sync {
    /// Records one event about `regarding`; repeated ones may be counted together.
    fn emit(&self, regarding: ObjectRef, severity: Severity, reason: String, action: String, note: String);
}

impl Host for Call {
    fn emit(
        &mut self,
        regarding: ObjectRef,
        severity: Severity,
        reason: String,
        action: String,
        note: String,
    ) {
        let ObjectRef { api_version, kind, namespace, name } = &regarding;
        let about = [api_version, kind, name].into_iter().chain(namespace);
        let payload = [&reason, &action, &note].into_iter().chain(about).map(String::len).sum();
        if self.admit("events.emit", payload).is_ok() {
            self.session.events.emit(regarding, severity, reason, action, note);
        }
    }
}

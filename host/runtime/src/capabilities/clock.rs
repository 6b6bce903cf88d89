//! `clock`: time from the host, so that a reconcile can be recorded and replayed.

use crate::call::Call;
use crate::wit::bindings::polyreme::controller::clock::Host;

/// Time as a guest sees it.
pub trait Clock: Send + Sync {
    /// Nanoseconds since the Unix epoch.
    fn now(&self) -> u64;
    /// Nanoseconds since an arbitrary start; never goes back.
    fn monotonic(&self) -> u64;
}

impl Host for Call {
    fn now(&mut self) -> u64 {
        self.session.clock.now()
    }

    fn monotonic(&mut self) -> u64 {
        self.session.clock.monotonic()
    }
}

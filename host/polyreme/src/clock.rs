//! The only place of the host that reads the wall clock.
//!
//! Everything else takes `now` as a parameter or uses `tokio::time::Instant`, which tests
//! can pause. Guests get their time through [`HostClock`], so that a reconcile can later be
//! recorded and replayed.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Nanoseconds since the Unix epoch; 0 on a machine whose clock stands before 1970.
#[must_use]
pub fn unix_nanos() -> u64 {
    #[allow(clippy::disallowed_methods, reason = "this is the clock module")]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The clock that guests see.
///
/// # Example
///
/// ```
/// use polyreme::clock::HostClock;
/// use polyreme_runtime::Clock;
/// let clock = HostClock::new();
/// assert!(clock.monotonic() <= clock.monotonic());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct HostClock {
    start: Instant,
}

impl HostClock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for HostClock {
    fn default() -> Self {
        Self::new()
    }
}

impl polyreme_runtime::Clock for HostClock {
    fn now(&self) -> u64 {
        unix_nanos()
    }

    fn monotonic(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

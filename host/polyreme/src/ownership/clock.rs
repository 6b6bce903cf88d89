//! The clock of the ownership protocol: it never goes back, and counts on while the machine sleeps.
//!
//! Linux's monotonic clock stands still during suspend; a host that wakes up would believe that its
//! Lease is still fresh. The time of suspends is the difference of `CLOCK_BOOTTIME` and
//! `CLOCK_MONOTONIC`; everything else is tokio's clock, which tests can pause.

use std::time::Duration;

use tokio::time::Instant;

/// Time since this clock was made.
#[derive(Clone, Copy, Debug)]
pub struct RingClock {
    start: Instant,
    suspended_before: Duration,
}

impl RingClock {
    /// A clock that starts at zero.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now(), suspended_before: suspended() }
    }

    /// Time since it was made, suspends included.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.start.elapsed() + suspended().saturating_sub(self.suspended_before)
    }

    /// When this clock shows `time`, as far as nobody suspends the machine until then.
    #[must_use]
    pub fn instant(&self, time: Duration) -> Instant {
        Instant::now() + time.saturating_sub(self.now())
    }
}

impl Default for RingClock {
    fn default() -> Self {
        Self::new()
    }
}

/// How long the machine has been suspended since it started, to the millisecond: the two clocks are not
/// read at the same instant.
#[cfg(target_os = "linux")]
fn suspended() -> Duration {
    let asleep = read(libc::CLOCK_BOOTTIME).saturating_sub(read(libc::CLOCK_MONOTONIC));
    Duration::from_millis(u64::try_from(asleep.as_millis()).unwrap_or(0))
}

/// Other systems' monotonic clocks are all there is; hosts run on Linux.
#[cfg(not(target_os = "linux"))]
fn suspended() -> Duration {
    Duration::ZERO
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "the standard library has no clock that counts through a suspend")]
fn read(clock: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid, exclusively borrowed timespec for the whole call.
    let status = unsafe { libc::clock_gettime(clock, &raw mut time) };
    if status != 0 {
        return Duration::ZERO;
    }
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_follows_the_clock_of_the_tests() {
        let clock = RingClock::new();
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(clock.now().as_secs(), 7);
        assert_eq!((clock.instant(Duration::from_secs(9)) - Instant::now()).as_secs(), 2);
    }
}

//! When a request may be sent, so that no more than so many are in a second. Pure; the caller brings the time.
//!
//! A token bucket, kept as the one moment at which it would be full again (the "generic cell rate
//! algorithm" of ATM): taking a token moves that moment, and a request may be sent as soon as the moment is no
//! further away than the whole bucket. Tokens are given out in advance, in the order of asking, so whoever
//! asked knows how long to wait and nobody is overtaken.

use std::time::Duration;

/// Seconds' worth of requests that may be sent at once after a rest.
const BURST_SECONDS: u32 = 2;

/// See the module's story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    /// From one request to the next.
    interval: Duration,
    full_at: Duration,
}

impl Rate {
    /// A full bucket.
    pub(super) fn per_second(requests: u32) -> Self {
        Self { interval: Duration::from_secs(1) / requests.max(1), full_at: Duration::ZERO }
    }

    /// Takes a token; what comes back is how long from `now` it has to be waited for.
    pub(super) fn take(&mut self, now: Duration) -> Duration {
        self.full_at = self.full_at.max(now) + self.interval;
        self.full_at.saturating_sub(now + Duration::from_secs(u64::from(BURST_SECONDS)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(rate: &mut Rate, requests: usize, now: Duration) -> Vec<Duration> {
        (0..requests).map(|_| rate.take(now)).collect()
    }

    #[test]
    fn two_seconds_worth_goes_at_once_and_then_the_rate_holds() {
        let mut rate = Rate::per_second(100);
        let waits = waits(&mut rate, 203, Duration::from_secs(9));
        let (burst, late) = waits.split_at(200);
        assert!(burst.iter().all(Duration::is_zero), "{burst:?}");
        assert_eq!(late, [10, 20, 30].map(Duration::from_millis));
    }

    #[test]
    fn a_rest_fills_the_bucket_and_no_more_than_that() {
        let mut rate = Rate::per_second(10);
        waits(&mut rate, 20, Duration::ZERO);
        assert!(!rate.take(Duration::from_millis(50)).is_zero());
        let waits = waits(&mut rate, 25, Duration::from_secs(3_600));
        assert_eq!(waits.iter().filter(|wait| wait.is_zero()).count(), 20);
    }

    #[test]
    fn requests_at_the_rate_never_wait() {
        let mut rate = Rate::per_second(50);
        for request in 0..1_000 {
            assert_eq!(rate.take(Duration::from_millis(20) * request), Duration::ZERO);
        }
    }
}

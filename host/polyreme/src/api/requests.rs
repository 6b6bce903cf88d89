//! How many requests one controller sends to the API server: at a time, and in a second.
//!
//! What would be too many waits here; it is not refused. Reads from the cache and writes that change nothing
//! send nothing, so they do not come here.

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::rate::Rate;
use crate::config::Limits;
use crate::metrics::ModuleMetrics;

/// Shared by all reconciles of a controller.
#[derive(Debug)]
pub struct Requests {
    /// `limits.apiCallsInFlight`.
    in_flight: Semaphore,
    /// `limits.apiCallsPerSecond`.
    rate: Mutex<Rate>,
    started: Instant,
    /// Counts those that waited for the rate.
    metrics: ModuleMetrics,
}

impl Requests {
    /// None was sent so far.
    #[must_use]
    pub fn new(limits: &Limits, metrics: ModuleMetrics) -> Self {
        let in_flight = usize::try_from(limits.api_calls_in_flight).unwrap_or(usize::MAX);
        Self {
            in_flight: Semaphore::new(in_flight.min(Semaphore::MAX_PERMITS)),
            rate: Mutex::new(Rate::per_second(limits.api_calls_per_second)),
            started: Instant::now(),
            metrics,
        }
    }

    /// Waits until one more may be sent; it is under way until what comes back is dropped. Who gives up
    /// waiting has used up its place in the second all the same: no more than may be under way at a time do.
    pub(super) async fn admit(&self) -> SemaphorePermit<'_> {
        let place = self.in_flight.acquire().await;
        let place = place.expect("the semaphore is never closed: nobody does");
        let wait = self.rate.lock().take(self.started.elapsed());
        if !wait.is_zero() {
            self.metrics.api_call_waited();
            tokio::time::sleep(wait).await;
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::metrics::{Format, Metrics};

    #[tokio::test(start_paused = true)]
    async fn what_is_over_the_rate_waits_and_is_counted() {
        let metrics = Metrics::new();
        let limits = Limits { api_calls_per_second: 10, ..Limits::default() };
        let requests = Requests::new(&limits, metrics.module("website"));
        for _ in 0..30 {
            drop(requests.admit().await);
        }
        assert!(
            (Duration::from_millis(990)..Duration::from_millis(1_100)).contains(&requests.started.elapsed())
        );
        let text = metrics.encode(Format::Prometheus);
        assert!(text.contains("polyreme_api_call_waits_total{controller=\"website\"} 10\n"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_under_way_than_may_be() {
        let limits = Limits { api_calls_in_flight: 1, ..Limits::default() };
        let requests = Requests::new(&limits, Metrics::new().module("website"));
        let first = requests.admit().await;
        let second = requests.admit();
        tokio::pin!(second);
        assert!(futures::poll!(&mut second).is_pending());
        drop(first);
        drop(second.await);
    }
}

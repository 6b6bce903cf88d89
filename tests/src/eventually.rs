//! Waiting for a state with a deadline.
//!
//! The one place of the harness that sleeps. A state is looked at until it holds; what it
//! was when time ran out is part of the error, because that is what one wants to know.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::jiff::Timestamp;
use tokio::time::{Instant, sleep};

const LOOK_EVERY: Duration = Duration::from_millis(40);

/// Looks until `state` is `Ok`.
///
/// An `Err` means "not yet, because …": use `anyhow::ensure!` to say why.
///
/// # Errors
/// Names `what` and the last reason when `limit` passed.
///
/// # Example
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> anyhow::Result<()> {
/// use polyreme_tests::eventually;
///
/// let mut looks = 0;
/// eventually("the third look", std::time::Duration::from_secs(5), async || {
///     looks += 1;
///     anyhow::ensure!(looks == 3, "this is look {looks}");
///     Ok(())
/// })
/// .await
/// # }
/// ```
pub async fn eventually<T>(
    what: &str,
    limit: Duration,
    mut state: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let clock = Stopwatch::start();
    loop {
        match state().await {
            Ok(value) => return Ok(value),
            Err(reason) if clock.elapsed() > limit => {
                return Err(reason).with_context(|| format!("{what} did not happen within {limit:?}"));
            }
            Err(_) => sleep(LOOK_EVERY).await,
        }
    }
}

/// The wall clock, to be compared with the times of an audit log.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Lets time pass before the next try of something that goes on until it is told to stop.
pub(crate) async fn pause() {
    sleep(LOOK_EVERY).await;
}

/// Lets time pass under load: for what must hold over a time, such as "nothing is written".
/// Never a substitute for waiting for a state.
pub async fn for_a_while(time: Duration) {
    sleep(time).await;
}

/// How long something took.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts counting.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_last_reason_is_part_of_the_error() {
        let outcome = eventually("peace", Duration::from_secs(1), async || -> Result<()> {
            anyhow::bail!("still at war")
        });
        let error = format!("{:#}", outcome.await.unwrap_err());
        assert_eq!(error, "peace did not happen within 1s: still at war");
    }
}

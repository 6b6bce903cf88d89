//! Waiting for a state, with a deadline and a way out.
//!
//! The only place of xtask that sleeps or reads a clock. Nothing here waits for a fixed
//! time: a state is looked at until it holds, the deadline passes or the user interrupts.

use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::stop;

/// Short enough that nobody notices, long enough to cost nothing.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long something took.
#[derive(Clone, Copy)]
#[allow(clippy::disallowed_types, reason = "xtask has no tokio, and its clock is never paused")]
pub(crate) struct Stopwatch(std::time::Instant);

#[allow(clippy::disallowed_types, reason = "xtask has no tokio, and its clock is never paused")]
impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(std::time::Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Looks until `state` returns a value.
///
/// # Errors
/// Names `what` when `limit` passed first; whatever `state` returns as an error ends the
/// wait at once.
pub(crate) fn until<T>(
    what: &str,
    limit: Duration,
    mut state: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let clock = Stopwatch::start();
    loop {
        stop::check()?;
        if let Some(value) = state()? {
            return Ok(value);
        }
        if clock.elapsed() > limit {
            bail!("{what} did not happen within {} s", limit.as_secs());
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// The same without errors and without a look at Ctrl-C: for shutting down.
pub(crate) fn quietly(limit: Duration, mut state: impl FnMut() -> bool) -> bool {
    let clock = Stopwatch::start();
    while !state() {
        if clock.elapsed() > limit {
            return false;
        }
        thread::sleep(LOOK_EVERY);
    }
    true
}

/// `61.5` s as `1 min 2 s`, and short times with one decimal.
pub(crate) fn human(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    format!("{} min {} s", whole / 60, whole % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_holds_ends_the_wait_at_once() {
        let found = until("the answer", Duration::from_secs(5), || Ok(Some(42)));
        assert_eq!(found.unwrap(), 42);
    }

    #[test]
    fn a_state_that_never_holds_is_named_in_the_error() {
        let missed = until::<()>("the answer", Duration::ZERO, || Ok(None));
        assert!(missed.unwrap_err().to_string().starts_with("the answer did not happen"));
    }

    #[test]
    fn durations_read_as_people_say_them() {
        assert_eq!(human(Duration::from_millis(3_440)), "3.4 s");
        assert_eq!(human(Duration::from_secs(96)), "1 min 36 s");
    }
}

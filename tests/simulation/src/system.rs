//! What a thread of the simulation gets when it asks the system for the time or for random bytes.
//!
//! This program defines `getrandom` and `clock_gettime` itself, which the linker prefers to libc's. So the
//! hash keys of the standard library, the choices of tokio's `select!`, uuids, jitter and every time of
//! day come from here without any of that code knowing, in the product and in its libraries alike.
//! Threads that are not part of a simulation (those that compile modules) get what the kernel says.
//!
//! Only simulated machines' clocks differ: who runs next is [`enter`]ed first.

#![allow(unsafe_code, reason = "two functions of C are defined here, and their originals called")]

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::random::Random;

/// The clocks of one machine, as its kernel shows them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clocks {
    /// `CLOCK_MONOTONIC`: stands still while the machine is suspended.
    pub(crate) monotonic: Duration,
    /// `CLOCK_BOOTTIME`: does not.
    pub(crate) boottime: Duration,
    /// `CLOCK_REALTIME`.
    pub(crate) realtime: Duration,
    /// Which host's machine it is; none for the server's.
    pub(crate) host: Option<usize>,
    /// The server's time, for logs.
    pub(crate) now: Duration,
}

thread_local! {
    static CLOCKS: Cell<Option<Clocks>> = const { Cell::new(None) };
    static RANDOM: Cell<Option<Random>> = const { Cell::new(None) };
}

/// From now on this thread gets simulated randomness and time. Once in a thread's life: what the standard
/// library asked for before stays what it is.
pub(crate) fn simulate(seed: u64) {
    RANDOM.set(Some(Random::new(seed)));
    enter(Clocks::default());
}

/// Whoever runs next on this thread has these clocks.
pub(crate) fn enter(clocks: Clocks) {
    CLOCKS.set(Some(clocks));
}

/// Prefix of a host's own log lines: the server's time, and whose machine it is.
pub(crate) struct Prefix;

impl FormatTime for Prefix {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let Clocks { host, now, .. } = CLOCKS.get().unwrap_or_default();
        let now = now.as_secs_f64();
        match host {
            Some(host) => write!(writer, "{now:>10.3} host-{host}"),
            None => write!(writer, "{now:>10.3} server"),
        }
    }
}

/// Fills the buffer from the thread's own generator; nothing if it has none.
fn simulated(buffer: &mut [u8]) -> Option<()> {
    let mut random = RANDOM.get()?;
    for chunk in buffer.chunks_mut(8) {
        let bytes = random.next().to_le_bytes();
        chunk.copy_from_slice(bytes.get(..chunk.len()).unwrap_or_default());
    }
    RANDOM.set(Some(random));
    Some(())
}

/// getrandom(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(
    buffer: *mut libc::c_void,
    length: libc::size_t,
    flags: libc::c_uint,
) -> libc::ssize_t {
    if length > 0 {
        // SAFETY: the caller passes a buffer of this length to write into, as the C function demands.
        let bytes = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
        if simulated(bytes).is_some() {
            return length.cast_signed();
        }
    }
    // SAFETY: the arguments are those of the system call.
    let written = unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) };
    libc::ssize_t::try_from(written).unwrap_or(-1)
}

/// clock_gettime(2). Clocks of CPU time stand still in a simulation.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> libc::c_int {
    let Some(clocks) = CLOCKS.get() else {
        // SAFETY: the arguments are those of the system call.
        let outcome = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) };
        return libc::c_int::try_from(outcome).unwrap_or(-1);
    };
    let shown = match clock {
        libc::CLOCK_MONOTONIC | libc::CLOCK_MONOTONIC_RAW | libc::CLOCK_MONOTONIC_COARSE => clocks.monotonic,
        libc::CLOCK_BOOTTIME => clocks.boottime,
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE => clocks.realtime,
        _ => Duration::ZERO,
    };
    let seconds = libc::time_t::try_from(shown.as_secs()).unwrap_or(libc::time_t::MAX);
    // SAFETY: the caller passes a place for the time, as the C function demands.
    unsafe { time.write(libc::timespec { tv_sec: seconds, tv_nsec: shown.subsec_nanos().into() }) };
    0
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, RandomState};
    use std::thread;

    use super::*;

    /// A number from each source, on a thread of its own.
    fn draw(seed: u64) -> (u64, String, Duration) {
        let drawn = thread::spawn(move || {
            simulate(seed);
            enter(Clocks { realtime: Duration::from_secs(77), ..Clocks::default() });
            let hash = RandomState::new().hash_one(1);
            let bytes = polyreme_runtime::Random::bytes(&polyreme::random::HostRandom, 11);
            (hash, format!("{bytes:?}"), Duration::from_nanos(polyreme::clock::unix_nanos()))
        });
        drawn.join().unwrap()
    }

    #[test]
    fn what_a_thread_draws_follows_from_its_seed() {
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1).0, draw(2).0);
        assert_ne!(draw(1).1, draw(2).1);
        assert_eq!(draw(1).2, Duration::from_secs(77));
    }

    #[test]
    fn other_threads_have_the_real_clock() {
        draw(1);
        assert!(polyreme::clock::unix_nanos() > 77_000_000_000);
    }
}

//! Memory of code that nobody runs.
//!
//! Machine code is mapped from the cache's files. `describe` alone touches most of a Rust module's, since the
//! kernel maps 64 KiB around each page that is touched: over 1 MiB for each module that a host was given,
//! however seldom it has something to do. So code that was not called for [`IDLE`] is given back. The kernel
//! reads it again from the file when it is called; nothing that was written is lost (`MADV_PAGEOUT`).

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Well above the time between two reconciles of a module that has work or is retrying, so that only code of
/// modules with nothing to do is read from the disk again (about 1 MiB for one in Rust).
const IDLE: Duration = Duration::from_secs(30);

/// Whether the code of one module is in use.
#[derive(Debug, Default)]
pub(crate) struct Residency {
    calls: AtomicU64,
    seen: Mutex<Option<Seen>>,
}

/// What the last look saw.
#[derive(Clone, Copy, Debug)]
struct Seen {
    calls: u64,
    /// The first look that saw as many calls.
    since: Instant,
    is_released: bool,
}

impl Residency {
    /// A call begins.
    pub(crate) fn called(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the code is to be given back now: once for each time without calls.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let calls = self.calls.load(Ordering::Relaxed);
        let mut seen = self.seen.lock();
        match seen.as_mut().filter(|seen| seen.calls == calls) {
            None => {
                *seen = Some(Seen { calls, since: now, is_released: false });
                false
            }
            Some(seen) => {
                let is_due = !seen.is_released && now.duration_since(seen.since) >= IDLE;
                seen.is_released |= is_due;
                is_due
            }
        }
    }
}

/// Gives memory that is mapped from a file back to the kernel. A kernel that cannot do that (before Linux
/// 5.4) keeps it, which is as good for all but the memory.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "a system call on memory")]
pub(crate) fn give_back(code: &Range<*const u8>) {
    let bytes = code.end.addr().saturating_sub(code.start.addr());
    // SAFETY: MADV_PAGEOUT changes where pages are, never what they hold; a wrong range is an error.
    let status = unsafe { libc::madvise(code.start.cast_mut().cast(), bytes, libc::MADV_PAGEOUT) };
    if status != 0 {
        let error = std::io::Error::last_os_error();
        tracing::debug!(%error, "failed to give back the memory of code that is not in use");
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn give_back(_: &Range<*const u8>) {}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(500);

    #[tokio::test(start_paused = true)]
    async fn code_is_given_back_once_for_each_time_without_calls() {
        let (residency, start) = (Residency::default(), Instant::now());
        residency.called();
        assert!(!residency.is_due(start));
        assert!(!residency.is_due(start + IDLE - MOMENT));
        assert!(residency.is_due(start + IDLE));
        assert!(!residency.is_due(start + IDLE * 2));

        residency.called();
        assert!(!residency.is_due(start + IDLE * 3));
        assert!(residency.is_due(start + IDLE * 4));
    }

    #[tokio::test(start_paused = true)]
    async fn code_that_is_called_stays() {
        let (residency, start) = (Residency::default(), Instant::now());
        for look in 0..100 {
            residency.called();
            assert!(!residency.is_due(start + IDLE * look));
        }
    }

    #[test]
    fn what_was_given_back_is_still_there() {
        let bytes = vec![7_u8; 1 << 20];
        let start = bytes.as_ptr().map_addr(|address| address.next_multiple_of(4_096));
        give_back(&(start..bytes.as_ptr_range().end));
        assert!(bytes.iter().all(|byte| *byte == 7));
    }
}

//! What one call of a module may use. Every limit is on by default.
//!
//! The field a user sets in the host's configuration is named in each doc comment and
//! again in the error that reports the limit, so that the remedy is one search away.

use std::time::Duration;

/// Bounds of one `describe` or `reconcile`.
///
/// # Example
/// ```
/// use polyreme_runtime::Limits;
/// let limits = Limits { memory_bytes: 128 << 20, ..Limits::default() };
/// assert_eq!(limits.log_lines, 200);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `limits.memory`: linear memory of the instance, all memories together.
    pub memory_bytes: u64,
    /// `limits.cpuTime`: time on a CPU inside the guest. Waiting for a host call, for
    /// a CPU or for another guest does not count. Checked every few milliseconds.
    pub cpu_time: Duration,
    /// `limits.wallTime`: from start to end, host calls included.
    pub wall_time: Duration,
    /// `limits.payload`: what the guest may pass in one host call, or return.
    pub payload_bytes: u32,
    /// `limits.logLines`: log lines of one call; further ones are counted and dropped.
    pub log_lines: u32,
    /// `limits.logBytes`: bytes of those lines, fields included.
    pub log_bytes: u32,
    /// `limits.hostCalls`: calls of `kubernetes`, `http`, `events` and `metrics` together.
    pub host_calls: u32,
}

impl Limits {
    /// 64 MiB: a Rust or Go controller needs 1 to 16, Python and JavaScript less than 32.
    pub const DEFAULT_MEMORY_BYTES: u64 = 64 << 20;
    /// One second: a thousand times what a reconcile of an ordinary object takes.
    pub const DEFAULT_CPU_TIME: Duration = Duration::from_secs(1);
    /// One minute: longer than the slowest API request (the API server gives up after 60 s).
    pub const DEFAULT_WALL_TIME: Duration = Duration::from_secs(60);
    /// 3 MiB: what an API server accepts as a request body.
    pub const DEFAULT_PAYLOAD_BYTES: u32 = 3 << 20;
    /// 200 lines tell what one reconcile did; more hides it.
    pub const DEFAULT_LOG_LINES: u32 = 200;
    /// 64 KiB: 200 lines of 300 bytes.
    pub const DEFAULT_LOG_BYTES: u32 = 64 << 10;
    /// 10 000: a reconcile that needs more is a loop.
    pub const DEFAULT_HOST_CALLS: u32 = 10_000;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: Self::DEFAULT_MEMORY_BYTES,
            cpu_time: Self::DEFAULT_CPU_TIME,
            wall_time: Self::DEFAULT_WALL_TIME,
            payload_bytes: Self::DEFAULT_PAYLOAD_BYTES,
            log_lines: Self::DEFAULT_LOG_LINES,
            log_bytes: Self::DEFAULT_LOG_BYTES,
            host_calls: Self::DEFAULT_HOST_CALLS,
        }
    }
}

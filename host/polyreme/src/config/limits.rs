//! What a module may use, and how far the configuration may move it.
//!
//! Every limit is on by default. A bound has three values: what applies when the file
//! says nothing, the least that can work, and the most that one module may be given
//! before it endangers the host; each says why that number.

use std::fmt::Display;
use std::time::Duration;

use super::{DurationText, HTTP_REQUESTS_IN_FLIGHT, HTTP_TIMEOUT_MILLIS, Quantity};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Default, least and most of a configurable number.
#[derive(Clone, Copy, Debug)]
pub struct Bound<T> {
    /// When the file says nothing.
    pub default: T,
    /// The least accepted.
    pub min: T,
    /// The most accepted.
    pub max: T,
}

impl<T: Copy + PartialOrd + Display> Bound<T> {
    /// `Err` says what would be accepted.
    pub(super) fn check(&self, value: T) -> Result<T, String> {
        if value < self.min || value > self.max {
            return Err(format!("{value} is outside {} to {}", self.min, self.max));
        }
        Ok(value)
    }
}

/// Linear memory of one instance. 64 MiB holds any controller of the SDKs with a
/// thousand objects in hand; Go needs at least 16 MiB; 4 GiB is all of wasm32.
pub const MEMORY: Bound<Quantity> = Bound {
    default: Quantity::from_bytes(64 * MIB),
    min: Quantity::from_bytes(MIB),
    max: Quantity::from_bytes(4096 * MIB),
};

/// Guest instructions of one reconcile, in CPU time, host calls not counted. A reconcile
/// costs well under a millisecond in Rust and a few in Python: one second is a loop.
pub const CPU_TIME_MILLIS: Bound<u64> = Bound { default: 1_000, min: 10, max: 600_000 };

/// One reconcile from start to end, host calls included. Longer than the 30 s after which
/// API requests time out, so that a slow API server shows as its own error first.
pub const WALL_TIME_MILLIS: Bound<u64> = Bound { default: 60_000, min: 100, max: 3_600_000 };

/// One object or string that crosses between guest and host. The API server refuses
/// requests above 3 MiB.
pub const PAYLOAD: Bound<Quantity> = Bound {
    default: Quantity::from_bytes(3 * MIB),
    min: Quantity::from_bytes(4 * KIB),
    max: Quantity::from_bytes(64 * MIB),
};

/// Requests to the API server that one module has outstanding at a time, over all its
/// workers. 16 keeps one module from filling the connection.
pub const API_CALLS_IN_FLIGHT: Bound<u32> = Bound { default: 16, min: 1, max: 1_024 };

/// Requests to the API server that one module sends in a second, over all its workers; twice as many at once
/// after a rest. Far above what controllers need when nothing is wrong (controller-runtime's own default is
/// 20), so that it stops a loop of writes and not the first look at ten thousand objects.
pub const API_CALLS_PER_SECOND: Bound<u32> = Bound { default: 1_000, min: 1, max: 100_000 };

/// Host calls of one reconcile. A controller with ten children makes about 20.
pub const HOST_CALLS: Bound<u32> = Bound { default: 10_000, min: 1, max: 10_000_000 };

/// Log lines of one reconcile; the rest is dropped and one line says so.
pub const LOG_LINES: Bound<u32> = Bound { default: 200, min: 0, max: 100_000 };

/// Bytes of log text of one reconcile: 200 lines of a few hundred characters.
pub const LOG_BYTES: Bound<Quantity> = Bound {
    default: Quantity::from_bytes(64 * KIB),
    min: Quantity::from_bytes(0),
    max: Quantity::from_bytes(64 * MIB),
};

/// What one controller's module may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of one instance (`limits.memory`).
    pub memory: Quantity,
    /// CPU time of one call (`limits.cpuTime`).
    pub cpu_time: Duration,
    /// Wall time of one call, host calls included (`limits.wallTime`).
    pub wall_time: Duration,
    /// Size of one payload (`limits.payload`).
    pub payload: Quantity,
    /// Concurrent API requests of all workers (`limits.apiCallsInFlight`).
    pub api_calls_in_flight: u32,
    /// API requests of all workers in a second (`limits.apiCallsPerSecond`).
    pub api_calls_per_second: u32,
    /// Concurrent requests to outside servers of all workers (`limits.httpRequestsInFlight`).
    pub http_requests_in_flight: u32,
    /// One request to an outside server (`limits.httpTimeout`).
    pub http_timeout: Duration,
    /// Host calls of one call (`limits.hostCalls`).
    pub host_calls: u32,
    /// Log lines of one call (`limits.logLines`).
    pub log_lines: u32,
    /// Log bytes of one call (`limits.logBytes`).
    pub log_bytes: Quantity,
}

impl Limits {
    /// The part that the runtime enforces; requests in flight and their time are the host's.
    #[must_use]
    pub fn for_runtime(&self) -> polyreme_runtime::Limits {
        polyreme_runtime::Limits {
            memory_bytes: self.memory.bytes(),
            cpu_time: self.cpu_time,
            wall_time: self.wall_time,
            payload_bytes: saturated(self.payload),
            log_lines: self.log_lines,
            log_bytes: saturated(self.log_bytes),
            host_calls: self.host_calls,
        }
    }
}

/// The bounds above stay far below `u32::MAX`, so nothing is cut in practice.
fn saturated(quantity: Quantity) -> u32 {
    u32::try_from(quantity.bytes()).unwrap_or(u32::MAX)
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: MEMORY.default,
            cpu_time: Duration::from_millis(CPU_TIME_MILLIS.default),
            wall_time: Duration::from_millis(WALL_TIME_MILLIS.default),
            payload: PAYLOAD.default,
            api_calls_in_flight: API_CALLS_IN_FLIGHT.default,
            api_calls_per_second: API_CALLS_PER_SECOND.default,
            http_requests_in_flight: HTTP_REQUESTS_IN_FLIGHT.default,
            http_timeout: Duration::from_millis(HTTP_TIMEOUT_MILLIS.default),
            host_calls: HOST_CALLS.default,
            log_lines: LOG_LINES.default,
            log_bytes: LOG_BYTES.default,
        }
    }
}

/// A bound in milliseconds as one of durations, so that errors print `10ms` and `1m`.
pub(super) fn durations(bound: Bound<u64>) -> Bound<DurationText> {
    let text = |millis| DurationText::from(Duration::from_millis(millis));
    Bound { default: text(bound.default), min: text(bound.min), max: text(bound.max) }
}

//! `log`: lines of the guest, bounded per call.
//!
//! A loop that logs must not fill a disk, so lines and bytes are counted. The line that
//! would pass the quota is replaced by one that says so; what follows is only counted.
//! The last error line is remembered even then: it is what a panic hook writes just
//! before the guest traps, and the fault quotes it.

use std::sync::atomic::Ordering;

use crate::call::{Call, text_bytes};
use crate::wit::bindings::polyreme::controller::log::Host;
use crate::wit::log::Level;

/// How much of the last error line a fault quotes.
const QUOTED_BYTES: usize = 2048;

/// Where log lines go. Must not block.
pub trait Log: Send + Sync {
    /// Writes one line; controller, object and reconcile id are the implementation's.
    fn log(&self, level: Level, message: &str, fields: &[(String, String)]);
    /// Whether a line of this level would be written.
    fn enabled(&self, level: Level) -> bool;
}

/// What is left of the quota.
pub(crate) struct LogQuota {
    lines_left: u32,
    bytes_left: usize,
    exhausted: bool,
}

impl LogQuota {
    pub(crate) fn new(lines: u32, bytes: u32) -> Self {
        Self { lines_left: lines, bytes_left: bytes as usize, exhausted: false }
    }

    /// Takes one line of `bytes` from the quota, or closes it for good.
    fn take(&mut self, bytes: usize) -> bool {
        let enough = !self.exhausted && self.lines_left > 0 && bytes <= self.bytes_left;
        if enough {
            self.lines_left -= 1;
            self.bytes_left -= bytes;
        }
        enough
    }
}

impl Host for Call {
    fn log(&mut self, level: Level, message: String, fields: Vec<(String, String)>) {
        if level == Level::Error {
            self.last_error = Some(shortened(&message, QUOTED_BYTES).to_owned());
        }
        if self.log_quota.take(text_bytes(&message, &fields)) {
            self.usage.log_lines.fetch_add(1, Ordering::Relaxed);
            self.session.log.log(level, &message, &fields);
            return;
        }
        self.usage.log_lines_dropped.fetch_add(1, Ordering::Relaxed);
        if !std::mem::replace(&mut self.log_quota.exhausted, true) {
            self.report_log_quota();
        }
    }

    fn enabled(&mut self, level: Level) -> bool {
        !self.log_quota.exhausted && self.session.log.enabled(level)
    }
}

impl Call {
    fn report_log_quota(&self) {
        let note = format!(
            "module {} reached its log quota for this call ({} lines, {} bytes): further \
             lines are dropped; log less, or raise `limits.logLines` or `limits.logBytes`",
            self.module, self.limits.log_lines, self.limits.log_bytes
        );
        self.session.log.log(Level::Warn, &note, &[]);
    }
}

/// The longest beginning of `text` that has at most `bytes` and ends at a character.
pub(crate) fn shortened(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

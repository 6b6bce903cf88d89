//! What guests log, as `tracing` events inside the span of their call.
//!
//! The span (`reconcile` or `describe`) carries controller, object and reconcile id. The target is `polyreme::guest`, so that a filter can treat guests apart from the host
//! (`--log-level info,polyreme::guest=debug`). The number and size of lines is bounded
//! before they come here, by the runtime's quota of one call; here only line breaks are
//! made visible, since one log call is one line.

use std::borrow::Cow;
use std::fmt;

use polyreme_runtime::wit::log::Level;

/// Bytes of a verdict that are logged: a long error with its causes.
const MAX_VERDICT_BYTES: usize = 8 << 10;

/// Where the log lines of one call go.
///
/// # Example
///
/// ```
/// use polyreme::guest_log::GuestLog;
/// use polyreme_runtime::{Log, wit::log::Level};
/// GuestLog.log(Level::Info, "hello", &[("answer".into(), "42".into())]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct GuestLog;

impl polyreme_runtime::Log for GuestLog {
    fn log(&self, level: Level, message: &str, fields: &[(String, String)]) {
        let line = Line { message, fields };
        // The level of a `tracing` event is a constant, hence a line for each.
        match level {
            Level::Trace => tracing::trace!(target: "polyreme::guest", "{line}"),
            Level::Debug => tracing::debug!(target: "polyreme::guest", "{line}"),
            Level::Info => tracing::info!(target: "polyreme::guest", "{line}"),
            Level::Warn => tracing::warn!(target: "polyreme::guest", "{line}"),
            Level::Error => tracing::error!(target: "polyreme::guest", "{line}"),
        }
    }

    fn enabled(&self, level: Level) -> bool {
        match level {
            Level::Trace => tracing::enabled!(target: "polyreme::guest", tracing::Level::TRACE),
            Level::Debug => tracing::enabled!(target: "polyreme::guest", tracing::Level::DEBUG),
            Level::Info => tracing::enabled!(target: "polyreme::guest", tracing::Level::INFO),
            Level::Warn => tracing::enabled!(target: "polyreme::guest", tracing::Level::WARN),
            Level::Error => tracing::enabled!(target: "polyreme::guest", tracing::Level::ERROR),
        }
    }
}

/// A message with the guest's fields behind it, on one line.
struct Line<'a> {
    message: &'a str,
    fields: &'a [(String, String)],
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(self.message))?;
        for (name, value) in self.fields {
            write!(f, " {}={:?}", one_line(name), value)?;
        }
        Ok(())
    }
}

/// What a guest says of its reconcile, as it goes into the host's own log line: on one line, and cut where no
/// person reads on, because no quota of lines counts it.
pub(crate) fn verdict(text: &str) -> Cow<'_, str> {
    one_line(text.get(..text.floor_char_boundary(MAX_VERDICT_BYTES)).unwrap_or(text))
}

/// Control characters escaped, as a guest must not forge lines or move the cursor.
fn one_line(text: &str) -> Cow<'_, str> {
    if text.chars().any(char::is_control) {
        text.chars().flat_map(escaped).collect::<String>().into()
    } else {
        text.into()
    }
}

fn escaped(c: char) -> Box<dyn Iterator<Item = char>> {
    if c.is_control() { Box::new(c.escape_default()) } else { Box::new(std::iter::once(c)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_one_line_and_cut() {
        assert_eq!(verdict("no\nINFO forged"), "no\\nINFO forged");
        assert_eq!(verdict(&"ä".repeat(MAX_VERDICT_BYTES)).len(), MAX_VERDICT_BYTES);
    }

    #[test]
    fn a_line_stays_one_line() {
        let fields = [("theme".to_owned(), "a\nb".to_owned())];
        let line = Line { message: "first\nsecond\u{1b}[2J", fields: &fields };
        assert_eq!(line.to_string(), r#"first\nsecond\u{1b}[2J theme="a\nb""#);
    }
}

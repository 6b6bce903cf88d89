//! What guests log, as `tracing` events with controller, object and reconcile id.
//!
//! The target is `polyreme::guest`, so that a filter can treat guests apart from the host
//! (`--log-level info,polyreme::guest=debug`). The number and size of lines is bounded
//! before they come here, by the runtime's quota of one call; here only line breaks are
//! made visible, since one log call is one line.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use polyreme_runtime::wit::log::Level;
use polyreme_runtime::wit::types::ObjectRef;

/// Where the log lines of one call go.
///
/// # Example
///
/// ```
/// use polyreme::guest_log::GuestLog;
/// use polyreme_runtime::{Log, wit::log::Level};
/// let log = GuestLog::for_describe("website");
/// log.log(Level::Info, "hello", &[("answer".into(), "42".into())]);
/// ```
#[derive(Clone, Debug)]
pub struct GuestLog {
    controller: Arc<str>,
    object: String,
    reconcile_id: String,
}

impl GuestLog {
    /// For the reconcile `id` of `object`.
    #[must_use]
    pub fn new(controller: &str, object: &ObjectRef, id: &str) -> Self {
        Self { controller: Arc::from(controller), object: object_name(object), reconcile_id: id.to_owned() }
    }

    /// For `describe`, which has no object.
    #[must_use]
    pub fn for_describe(controller: &str) -> Self {
        Self { controller: Arc::from(controller), object: String::new(), reconcile_id: String::new() }
    }
}

impl polyreme_runtime::Log for GuestLog {
    fn log(&self, level: Level, message: &str, fields: &[(String, String)]) {
        let line = Line { message, fields };
        match level {
            Level::Trace => self.trace(&line),
            Level::Debug => self.debug(&line),
            Level::Info => self.info(&line),
            Level::Warn => self.warn(&line),
            Level::Error => self.error(&line),
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

/// One method for each level, because the level of a `tracing` event is a constant.
macro_rules! levels {
    ($($method:ident $level:ident)*) => {$(
        fn $method(&self, line: &Line<'_>) {
            tracing::event!(
                target: "polyreme::guest", tracing::Level::$level,
                controller = %self.controller, object = %self.object,
                reconcile_id = %self.reconcile_id, "{line}"
            );
        }
    )*};
}

impl GuestLog {
    levels! { trace TRACE debug DEBUG info INFO warn WARN error ERROR }
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

/// `Website project-foo/kubecon`.
fn object_name(object: &ObjectRef) -> String {
    let ObjectRef { kind, namespace, name, .. } = object;
    match namespace {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line() {
        let fields = [("theme".to_owned(), "a\nb".to_owned())];
        let line = Line { message: "first\nsecond\u{1b}[2J", fields: &fields };
        assert_eq!(line.to_string(), r#"first\nsecond\u{1b}[2J theme="a\nb""#);
    }

    #[test]
    fn objects_are_named_as_kubectl_does() {
        let object = ObjectRef {
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: Some("default".into()),
            name: "site".into(),
        };
        assert_eq!(object_name(&object), "ConfigMap default/site");
    }
}

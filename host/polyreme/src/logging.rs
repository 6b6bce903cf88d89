//! Log lines of the process: text for people, JSON for collectors, both on stderr.
//!
//! stdout belongs to what a command prints as its result. The filter is the one of
//! `tracing-subscriber` (`info,polyreme::guest=debug`); a filter that does not parse is an
//! error, not a silent default.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::FmtSpan;

/// What is logged unless told.
pub const DEFAULT_FILTER: &str = "info";

/// What a bare level says of everything but the host: what is wrong, and of kube's client
/// and watcher nothing, since whoever called them reports their errors with advice.
const LIBRARIES: &str = "warn,kube_client::client::builder=off,kube_runtime::watcher=off";

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people, coloured on a terminal.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// A filter was given that is none.
#[derive(Debug, thiserror::Error)]
#[error(
    "failed to read the log filter \"{filter}\"; write a level such as info, or targets such as info,polyreme::guest=debug"
)]
pub struct FilterError {
    filter: String,
    source: ParseError,
}

/// Sends everything that is logged from here on to stderr. Call it once, at start.
///
/// A bare level (`debug`) means the host at that level and libraries at `warn`, because a
/// debug log of HTTP/2 frames helps nobody.
///
/// # Errors
///
/// When `filter` is none.
pub fn start(format: LogFormat, filter: &str) -> Result<(), FilterError> {
    let filter = parse(filter)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE)
        .with_target(true);
    match format {
        LogFormat::Text => builder.with_ansi(coloured()).init(),
        LogFormat::Json => builder.json().flatten_event(true).with_ansi(false).init(),
    }
    Ok(())
}

fn parse(filter: &str) -> Result<EnvFilter, FilterError> {
    let level = ["off", "error", "warn", "info", "debug", "trace"].contains(&filter);
    let text = if level { format!("{LIBRARIES},polyreme={filter}") } else { filter.to_owned() };
    let failed = |source| FilterError { filter: filter.to_owned(), source };
    EnvFilter::try_new(text).map_err(failed)
}

/// <https://no-color.org>
fn coloured() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_level_is_the_hosts() {
        let text = parse("debug").unwrap().to_string();
        assert!(text.contains("polyreme=debug") && text.contains("warn"), "{text}");
    }

    #[test]
    fn a_filter_that_is_none_is_an_error() {
        let error = parse("polyreme=loud=very").unwrap_err();
        assert!(error.to_string().contains("info,polyreme::guest=debug"), "{error}");
    }
}

//! The text of a scrape, in the format that the reader asked for.
//!
//! prometheus-client writes OpenMetrics 1.0, which Prometheus reads when it is named in the
//! content type. Readers that do not ask for it (`curl`, older agents) get the classic
//! format 0.0.4, in which the metadata of a counter names the series itself
//! (`# TYPE x_total counter`), there is no type `info`, and no end marker.

use std::fmt::Write;

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

/// A text format for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus text 0.0.4.
    Prometheus,
}

impl Format {
    /// The format for a request with this `Accept` header.
    #[must_use]
    pub fn accepted(accept: Option<&str>) -> Self {
        let asks = accept.is_some_and(|accept| accept.contains("application/openmetrics-text"));
        if asks { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The `Content-Type` of the answer.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

pub(super) fn encode(registry: &Registry, format: Format) -> String {
    let mut openmetrics = String::new();
    text::encode(&mut openmetrics, registry).expect("writing to a String does not fail");
    match format {
        Format::OpenMetrics => openmetrics,
        Format::Prometheus => classic(&openmetrics),
    }
}

/// Renames counters in `# HELP` and `# TYPE` lines and drops `# EOF`.
fn classic(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len());
    let mut lines = openmetrics.lines().peekable();
    while let Some(line) = lines.next() {
        match line.strip_prefix("# HELP ") {
            Some(help) => write_metadata(&mut text, help, lines.next().unwrap_or_default()),
            None if line == "# EOF" => {}
            None => push_line(&mut text, line),
        }
    }
    text
}

/// Writes a pair of `# HELP` and `# TYPE`; the encoder always puts them in this order.
fn write_metadata(text: &mut String, help: &str, type_line: &str) {
    let (name, help) = help.split_once(' ').unwrap_or((help, ""));
    let (suffix, kind) = match type_line.rsplit(' ').next().unwrap_or_default() {
        "counter" => ("_total", "counter"),
        "info" => ("_info", "gauge"),
        "unknown" => ("", "untyped"),
        kind => ("", kind),
    };
    writeln!(text, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}")
        .expect("writing to a String does not fail");
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

//! Metrics of the modules' own: `polyreme_module_<name>`, with the controller as a label.
//!
//! A guest chooses names and labels while it runs, so everything it could make grow has a
//! bound: series of one controller, labels of one series, length of a label's value.
//! What passes a bound, or makes no sense (a counter that falls, one name used as counter
//! and gauge), is dropped: metrics never fail a reconcile. Each controller's first such
//! drop is logged with the reason, all are counted in
//! `polyreme_module_metrics_dropped_total`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

/// Series that one controller may have: ten metrics of ten label values.
const MAX_SERIES: usize = 100;

/// Labels that one series may have, besides the controller.
const MAX_LABELS: usize = 8;

/// Longest name or label value in bytes, longer ones being data and not a label.
const MAX_TEXT_BYTES: usize = 128;

/// The label that the host adds; `le` belongs to histograms.
const RESERVED_LABELS: [&str; 2] = ["controller", "le"];

const PREFIX: &str = "polyreme_module_";

/// Buckets of every histogram: 1 ms to 524 s, since most things observed are seconds.
fn buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 20))
}

/// Why a measurement was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Dropped {
    #[error("the module has {MAX_SERIES} series already: use fewer names or label values")]
    TooManySeries,
    #[error("metric names are [a-zA-Z_][a-zA-Z0-9_]*, at most {MAX_TEXT_BYTES} bytes")]
    BadName,
    #[error(
        "a series has at most {MAX_LABELS} labels, each once, named [a-zA-Z_][a-zA-Z0-9_]* and \
         neither \"controller\" nor \"le\", with values of at most {MAX_TEXT_BYTES} bytes"
    )]
    BadLabels,
    #[error("a counter grows by a finite number that is not negative")]
    NotACount,
    #[error("the name is in use for another type of metric")]
    OtherType,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

#[derive(Debug)]
enum Value {
    Number(f64),
    Histogram(Histogram),
}

type Labels = Vec<(String, String)>;

#[derive(Debug)]
struct Family {
    kind: Kind,
    series: BTreeMap<Labels, Value>,
}

#[derive(Debug, Default)]
struct Store {
    families: BTreeMap<String, Family>,
    /// Series and drops by controller.
    usage: BTreeMap<String, Usage>,
}

#[derive(Debug, Default)]
struct Usage {
    series: usize,
    dropped: u64,
}

/// The series of all modules of this host.
#[derive(Debug, Default)]
pub(crate) struct GuestSeries {
    store: Mutex<Store>,
}

/// What the guest of one controller writes its metrics to.
///
/// # Example
///
/// ```
/// use polyreme::metrics::{Format, Metrics};
/// use polyreme_runtime::Metrics as _;
/// let metrics = Metrics::new();
/// metrics.guest("website").add_counter("sites_total", 1.0, &[]);
/// let text = metrics.encode(Format::Prometheus);
/// assert!(text.contains("polyreme_module_sites_total{controller=\"website\"} 1"));
/// ```
#[derive(Clone, Debug)]
pub struct GuestMetrics {
    series: Arc<GuestSeries>,
    controller: Arc<str>,
}

impl GuestMetrics {
    pub(crate) fn new(series: Arc<GuestSeries>, controller: &str) -> Self {
        series.store.lock().usage.entry(controller.to_owned()).or_default();
        Self { series, controller: Arc::from(controller) }
    }

    fn record(&self, kind: Kind, name: &str, value: f64, labels: &[(String, String)]) {
        let mut store = self.series.store.lock();
        if let Err(reason) = store.record(&self.controller, kind, name, value, labels) {
            let first = store.count_drop(&self.controller);
            drop(store);
            if first {
                self.warn(name, reason);
            }
        }
    }

    fn warn(&self, name: &str, reason: Dropped) {
        tracing::warn!(
            controller = %self.controller, metric = name, %reason,
            "dropped a measurement of the module; further ones are only counted"
        );
    }
}

impl polyreme_runtime::Metrics for GuestMetrics {
    fn add_counter(&self, name: &str, value: f64, labels: &[(String, String)]) {
        let name = name.strip_suffix("_total").unwrap_or(name);
        self.record(Kind::Counter, name, value, labels);
    }

    fn set_gauge(&self, name: &str, value: f64, labels: &[(String, String)]) {
        self.record(Kind::Gauge, name, value, labels);
    }

    fn observe(&self, name: &str, value: f64, labels: &[(String, String)]) {
        self.record(Kind::Histogram, name, value, labels);
    }
}

impl Store {
    fn record(
        &mut self,
        controller: &str,
        kind: Kind,
        name: &str,
        value: f64,
        labels: &[(String, String)],
    ) -> Result<(), Dropped> {
        if !is_name(name) {
            return Err(Dropped::BadName);
        }
        if kind == Kind::Counter && !(value.is_finite() && value >= 0.0) {
            return Err(Dropped::NotACount);
        }
        let labels = series_labels(controller, labels)?;
        self.series(controller, kind, name, labels)?.record(kind, value);
        Ok(())
    }

    /// The series, made when it is new and the quota allows.
    fn series(
        &mut self,
        controller: &str,
        kind: Kind,
        name: &str,
        labels: Labels,
    ) -> Result<&mut Value, Dropped> {
        let known = self.families.get(name);
        if known.is_some_and(|family| family.kind != kind) {
            return Err(Dropped::OtherType);
        }
        if !known.is_some_and(|family| family.series.contains_key(&labels)) {
            let usage = self.usage.entry(controller.to_owned()).or_default();
            if usage.series >= MAX_SERIES {
                return Err(Dropped::TooManySeries);
            }
            usage.series += 1;
        }
        let new = || Family { kind, series: BTreeMap::new() };
        let family = self.families.entry(name.to_owned()).or_insert_with(new);
        Ok(family.series.entry(labels).or_insert_with(|| Value::new(kind)))
    }

    /// True for the controller's first.
    fn count_drop(&mut self, controller: &str) -> bool {
        let usage = self.usage.entry(controller.to_owned()).or_default();
        usage.dropped += 1;
        usage.dropped == 1
    }
}

impl Value {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Counter | Kind::Gauge => Self::Number(0.0),
            Kind::Histogram => Self::Histogram(buckets()),
        }
    }

    fn record(&mut self, kind: Kind, value: f64) {
        match self {
            Self::Number(number) if kind == Kind::Counter => *number += value,
            Self::Number(number) => *number = value,
            Self::Histogram(histogram) => histogram.observe(value),
        }
    }

    fn encode(&self, kind: Kind, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Number(number) if kind == Kind::Counter => {
                encoder.encode_counter::<NoLabelSet, _, f64>(number, None)
            }
            Self::Number(number) => encoder.encode_gauge(number),
            Self::Histogram(histogram) => histogram.encode(encoder),
        }
    }
}

impl Kind {
    fn metric_type(self) -> MetricType {
        match self {
            Self::Counter => MetricType::Counter,
            Self::Gauge => MetricType::Gauge,
            Self::Histogram => MetricType::Histogram,
        }
    }
}

impl Collector for GuestSeries {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let store = self.store.lock();
        encode_drops(&store, &mut encoder)?;
        for (name, family) in &store.families {
            let name = format!("{PREFIX}{name}");
            let kind = family.kind;
            let help = "A metric of the module's own";
            let mut metric = encoder.encode_descriptor(&name, help, None, kind.metric_type())?;
            for (labels, value) in &family.series {
                value.encode(kind, metric.encode_family(labels)?)?;
            }
        }
        Ok(())
    }
}

fn encode_drops(store: &Store, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let name = "polyreme_module_metrics_dropped";
    let help = "Measurements of the module that were dropped, by its quota or as nonsense";
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (controller, usage) in &store.usage {
        let labels = [("controller", controller.as_str())];
        metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&usage.dropped, None)?;
    }
    Ok(())
}

/// The guest's labels in order, with the controller's in front.
fn series_labels(controller: &str, labels: &[(String, String)]) -> Result<Labels, Dropped> {
    let fits = |(name, value): &(String, String)| {
        is_name(name) && !RESERVED_LABELS.contains(&name.as_str()) && value.len() <= MAX_TEXT_BYTES
    };
    if labels.len() > MAX_LABELS || !labels.iter().all(fits) {
        return Err(Dropped::BadLabels);
    }
    let mut sorted = labels.to_vec();
    sorted.sort();
    let repeated = sorted.windows(2).any(|pair| matches!(pair, [a, b] if a.0 == b.0));
    if repeated {
        return Err(Dropped::BadLabels);
    }
    sorted.insert(0, ("controller".to_owned(), controller.to_owned()));
    Ok(sorted)
}

fn is_name(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty()
        && text.len() <= MAX_TEXT_BYTES
        && text.chars().all(inner)
        && !text.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use polyreme_runtime::Metrics as _;

    use crate::metrics::{Format, Metrics};

    fn label(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    fn scrape(metrics: &Metrics) -> String {
        metrics.encode(Format::Prometheus)
    }

    #[test]
    fn each_type_is_exposed_with_the_controller_as_label() {
        let metrics = Metrics::new();
        let guest = metrics.guest("website");
        guest.add_counter("renders_total", 2.0, &[label("theme", "lame")]);
        guest.set_gauge("sites", 3.5, &[]);
        guest.observe("render_seconds", 0.003, &[]);
        let text = scrape(&metrics);
        for line in [
            "polyreme_module_renders_total{controller=\"website\",theme=\"lame\"} 2.0",
            "polyreme_module_sites{controller=\"website\"} 3.5",
            "polyreme_module_render_seconds_count{controller=\"website\"} 1",
        ] {
            assert!(text.contains(line), "missing {line} in:\n{text}");
        }
    }

    #[test]
    fn two_controllers_share_a_name_without_mixing() {
        let metrics = Metrics::new();
        metrics.guest("a").set_gauge("sites", 1.0, &[]);
        metrics.guest("b").set_gauge("sites", 2.0, &[]);
        let text = scrape(&metrics);
        assert!(text.contains("polyreme_module_sites{controller=\"a\"} 1.0"), "{text}");
        assert!(text.contains("polyreme_module_sites{controller=\"b\"} 2.0"), "{text}");
    }

    #[test]
    fn label_values_beyond_the_quota_are_counted_and_dropped() {
        let metrics = Metrics::new();
        let guest = metrics.guest("website");
        for site in 0..super::MAX_SERIES + 5 {
            guest.set_gauge("site", 1.0, &[label("name", &site.to_string())]);
        }
        let text = scrape(&metrics);
        let series = text.lines().filter(|line| line.starts_with("polyreme_module_site{")).count();
        assert_eq!(series, super::MAX_SERIES);
        assert!(text.contains("metrics_dropped_total{controller=\"website\"} 5"), "{text}");
    }

    #[test]
    fn nonsense_is_dropped() {
        let metrics = Metrics::new();
        let guest = metrics.guest("website");
        guest.add_counter("falls", -1.0, &[]);
        guest.add_counter("nan", f64::NAN, &[]);
        guest.set_gauge("no spaces", 1.0, &[]);
        guest.set_gauge("site", 1.0, &[label("controller", "other")]);
        guest.set_gauge("site", 1.0, &[label("a", "1"), label("a", "2")]);
        guest.set_gauge("twice", 1.0, &[]);
        guest.add_counter("twice", 1.0, &[]);
        let text = scrape(&metrics);
        assert!(text.contains("metrics_dropped_total{controller=\"website\"} 6"), "{text}");
    }

    #[test]
    fn labels_in_another_order_are_the_same_series() {
        let metrics = Metrics::new();
        let guest = metrics.guest("website");
        guest.add_counter("n", 1.0, &[label("a", "1"), label("b", "2")]);
        guest.add_counter("n", 1.0, &[label("b", "2"), label("a", "1")]);
        let line = "polyreme_module_n_total{controller=\"website\",a=\"1\",b=\"2\"} 2.0";
        assert!(scrape(&metrics).contains(line));
    }
}

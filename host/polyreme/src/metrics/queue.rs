//! `workqueue_*`: what waits, for how long, and what is being worked on.
//!
//! Names, labels and buckets are those of controller-runtime v0.24 (`pkg/metrics`), where
//! `name` and `controller` are both the controller's name. The two gauges about work under
//! way (`unfinished_work_seconds`, `longest_running_processor_seconds`) cannot be kept
//! current by events; they are computed when somebody scrapes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use tokio::time::Instant;

/// The priority of fresh changes, whose depth is shown from the start.
const DEFAULT_PRIORITY: i32 = 0;

/// `ExponentialBuckets(10e-9, 10, 12)` of controller-runtime: 10 ns to 1000 s.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(10e-9, 10.0, 12))
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct QueueLabels {
    name: String,
    controller: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DepthLabels {
    name: String,
    controller: String,
    priority: i32,
}

type Counters = Family<QueueLabels, Counter>;
type Seconds = Family<QueueLabels, Histogram, fn() -> Histogram>;

#[derive(Debug)]
pub(super) struct Families {
    depth: Family<DepthLabels, Gauge>,
    adds: Counters,
    retries: Counters,
    waited: Seconds,
    worked: Seconds,
    working: Arc<Working>,
}

impl Families {
    pub(super) fn register(registry: &mut Registry) -> Arc<Self> {
        let families = Self {
            depth: Family::default(),
            adds: Family::default(),
            retries: Family::default(),
            waited: Family::new_with_constructor(seconds),
            worked: Family::new_with_constructor(seconds),
            working: Arc::default(),
        };
        families.register_all(registry);
        Arc::new(families)
    }

    fn register_all(&self, registry: &mut Registry) {
        let help = "Keys waiting in the work queue";
        registry.register("workqueue_depth", help, self.depth.clone());
        let help = "Keys added to the work queue";
        registry.register("workqueue_adds", help, self.adds.clone());
        let help = "Keys added again with backoff";
        registry.register("workqueue_retries", help, self.retries.clone());
        let help = "Seconds that a key waits before it is taken";
        registry.register("workqueue_queue_duration_seconds", help, self.waited.clone());
        let help = "Seconds from taking a key to being done with it";
        registry.register("workqueue_work_duration_seconds", help, self.worked.clone());
        registry.register_collector(Box::new(Arc::clone(&self.working)));
    }

    pub(super) fn queue(families: &Arc<Self>, controller: &str) -> QueueMetrics {
        let labels = QueueLabels { name: controller.to_owned(), controller: controller.to_owned() };
        let queue = QueueMetrics {
            adds: families.adds.get_or_create_owned(&labels),
            retries: families.retries.get_or_create_owned(&labels),
            waited: families.waited.get_or_create_owned(&labels),
            worked: families.worked.get_or_create_owned(&labels),
            underway: families.working.queue(&labels),
            depth: families.depth.clone(),
            labels,
        };
        queue.set_depth(DEFAULT_PRIORITY, 0);
        queue
    }
}

/// Handles of one work queue.
///
/// # Example
///
/// ```
/// # use polyreme::metrics::Metrics;
/// # use std::time::Duration;
/// let queue = Metrics::new().queue("website");
/// queue.added();
/// queue.set_depth(0, 1);
/// let work = queue.taken(Duration::from_millis(3));
/// queue.set_depth(0, 0);
/// drop(work); // the key is done: its work duration is recorded
/// ```
#[derive(Clone, Debug)]
pub struct QueueMetrics {
    labels: QueueLabels,
    depth: Family<DepthLabels, Gauge>,
    adds: Counter,
    retries: Counter,
    waited: Histogram,
    worked: Histogram,
    underway: Arc<Underway>,
}

impl QueueMetrics {
    /// A key was added. One that was queued already is not added again.
    pub fn added(&self) {
        self.adds.inc();
    }

    /// A key was added again after a failure.
    pub fn retried(&self) {
        self.retries.inc();
    }

    /// So many keys of this priority are waiting.
    pub fn set_depth(&self, priority: i32, keys: usize) {
        let QueueLabels { name, controller } = self.labels.clone();
        let labels = DepthLabels { name, controller, priority };
        let keys = i64::try_from(keys).unwrap_or(i64::MAX);
        self.depth.get_or_create_owned(&labels).set(keys);
    }

    /// A key was taken after having waited; it is worked on until the guard is dropped.
    #[must_use = "the key counts as done once the guard is dropped"]
    pub fn taken(&self, waited: Duration) -> WorkGuard {
        self.waited.observe(waited.as_secs_f64());
        let underway = Arc::clone(&self.underway);
        let (id, started) = underway.begin();
        WorkGuard { underway, worked: self.worked.clone(), id, started }
    }
}

/// One key being worked on.
#[derive(Debug)]
pub struct WorkGuard {
    underway: Arc<Underway>,
    worked: Histogram,
    id: u64,
    started: Instant,
}

impl Drop for WorkGuard {
    fn drop(&mut self) {
        self.worked.observe(self.started.elapsed().as_secs_f64());
        self.underway.keys.lock().starts.remove(&self.id);
    }
}

/// Start times of the keys of one queue that are being worked on; as many as workers.
#[derive(Debug, Default)]
struct Underway {
    keys: Mutex<Starts>,
}

#[derive(Debug, Default)]
struct Starts {
    next: u64,
    starts: BTreeMap<u64, Instant>,
}

impl Underway {
    fn begin(&self) -> (u64, Instant) {
        let now = Instant::now();
        let mut keys = self.keys.lock();
        let id = keys.next;
        keys.next += 1;
        keys.starts.insert(id, now);
        (id, now)
    }

    /// Sum and maximum of the seconds spent so far.
    fn spent(&self) -> (f64, f64) {
        let now = Instant::now();
        let keys = self.keys.lock();
        let each = keys.starts.values().map(|start| (now - *start).as_secs_f64());
        each.fold((0.0, 0.0), |(sum, longest), s: f64| (sum + s, f64::max(longest, s)))
    }
}

/// All queues, for the two gauges computed at scrape time.
#[derive(Debug, Default)]
struct Working {
    queues: Mutex<BTreeMap<String, (QueueLabels, Arc<Underway>)>>,
}

impl Working {
    fn queue(&self, labels: &QueueLabels) -> Arc<Underway> {
        let mut queues = self.queues.lock();
        let entry = queues.entry(labels.name.clone());
        Arc::clone(&entry.or_insert_with(|| (labels.clone(), Arc::default())).1)
    }
}

impl Collector for Working {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let queues = self.queues.lock();
        let spent: Vec<_> = queues.values().map(|(l, underway)| (l, underway.spent())).collect();
        let name = "workqueue_unfinished_work_seconds";
        let help = "Seconds of work under way that work_duration has not seen yet";
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, (sum, _)) in &spent {
            metric.encode_family(*labels)?.encode_gauge(sum)?;
        }
        let name = "workqueue_longest_running_processor_seconds";
        let help = "Seconds that the longest running work has taken so far";
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, (_, longest)) in &spent {
            metric.encode_family(*labels)?.encode_gauge(longest)?;
        }
        Ok(())
    }
}

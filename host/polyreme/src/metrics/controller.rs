//! `controller_runtime_*`: how reconciles of a controller end and how long they take.
//!
//! Names, results and buckets are those of controller-runtime v0.24
//! (`pkg/internal/controller/metrics`). Where it counts panics we count guest traps, and
//! its timeouts are our wall deadline.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::ControllerLabel;

/// Buckets of controller-runtime, in seconds.
const RECONCILE_BUCKETS: [f64; 40] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25,
    1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0,
    50.0, 60.0,
];

/// How a reconcile ended. The last three are errors too, and are counted as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconcileResult {
    /// Done until something changes.
    Success,
    /// To be tried again at once.
    Requeue,
    /// To be tried again after the guest's delay.
    RequeueAfter,
    /// To be tried again with backoff.
    Error,
    /// Not to be tried again until the object changes.
    TerminalError,
    /// The guest trapped (or used up memory or CPU time).
    Panic,
    /// The wall deadline passed.
    Timeout,
}

impl ReconcileResult {
    /// The label value that controller-runtime uses.
    fn label(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Requeue => "requeue",
            Self::RequeueAfter => "requeue_after",
            Self::Error | Self::TerminalError | Self::Panic | Self::Timeout => "error",
        }
    }
}

/// Labels of `controller_runtime_reconcile_total`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabels {
    controller: String,
    result: &'static str,
}

type Counters = Family<ControllerLabel, Counter>;
type Gauges = Family<ControllerLabel, Gauge>;
type Seconds = Family<ControllerLabel, Histogram, fn() -> Histogram>;

#[derive(Debug)]
pub(super) struct Families {
    results: Family<ResultLabels, Counter>,
    errors: Counters,
    terminal: Counters,
    panics: Counters,
    timeouts: Counters,
    seconds: Seconds,
    max_concurrent: Gauges,
    active: Gauges,
}

impl Families {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            results: Family::default(),
            errors: Family::default(),
            terminal: Family::default(),
            panics: Family::default(),
            timeouts: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(RECONCILE_BUCKETS)),
            max_concurrent: Family::default(),
            active: Family::default(),
        };
        families.register_counters(registry);
        families.register_rest(registry);
        families
    }

    /// The encoder adds `_total` to the names of counters.
    fn register_counters(&self, registry: &mut Registry) {
        let help = "Reconciles per controller and result";
        registry.register("controller_runtime_reconcile", help, self.results.clone());
        for (name, help, family) in [
            ("reconcile_errors", "Reconciles that failed", &self.errors),
            ("terminal_reconcile_errors", "Reconciles that failed for good", &self.terminal),
            ("reconcile_panics", "Reconciles in which the guest trapped", &self.panics),
            ("reconcile_timeouts", "Reconciles that met their wall deadline", &self.timeouts),
        ] {
            registry.register(format!("controller_runtime_{name}"), help, family.clone());
        }
    }

    fn register_rest(&self, registry: &mut Registry) {
        let help = "Length of reconciles in seconds";
        registry.register("controller_runtime_reconcile_time_seconds", help, self.seconds.clone());
        let help = "Reconciles that may run at the same time";
        let name = "controller_runtime_max_concurrent_reconciles";
        registry.register(name, help, self.max_concurrent.clone());
        let help = "Reconciles that are running";
        registry.register("controller_runtime_active_workers", help, self.active.clone());
    }

    pub(super) fn controller(&self, name: &str, workers: u32) -> ControllerMetrics {
        let label = ControllerLabel::new(name);
        let result = |result: ReconcileResult| {
            let controller = name.to_owned();
            self.results.get_or_create_owned(&ResultLabels { controller, result: result.label() })
        };
        self.max_concurrent.get_or_create_owned(&label).set(i64::from(workers));
        ControllerMetrics {
            success: result(ReconcileResult::Success),
            requeue: result(ReconcileResult::Requeue),
            requeue_after: result(ReconcileResult::RequeueAfter),
            error: result(ReconcileResult::Error),
            errors: self.errors.get_or_create_owned(&label),
            terminal: self.terminal.get_or_create_owned(&label),
            panics: self.panics.get_or_create_owned(&label),
            timeouts: self.timeouts.get_or_create_owned(&label),
            seconds: self.seconds.get_or_create_owned(&label),
            active: self.active.get_or_create_owned(&label),
        }
    }
}

/// Handles of one controller.
#[derive(Clone, Debug)]
pub struct ControllerMetrics {
    success: Counter,
    requeue: Counter,
    requeue_after: Counter,
    error: Counter,
    errors: Counter,
    terminal: Counter,
    panics: Counter,
    timeouts: Counter,
    seconds: Histogram,
    active: Gauge,
}

impl ControllerMetrics {
    /// Counts a reconcile that took `seconds`.
    pub fn reconcile_done(&self, result: ReconcileResult, seconds: f64) {
        self.seconds.observe(seconds);
        match result {
            ReconcileResult::Success => self.success.inc(),
            ReconcileResult::Requeue => self.requeue.inc(),
            ReconcileResult::RequeueAfter => self.requeue_after.inc(),
            failed => self.failed(failed),
        };
    }

    /// One worker is busy for as long as the guard lives.
    #[must_use = "the worker counts as idle once the guard is dropped"]
    pub fn active_worker(&self) -> ActiveWorker {
        self.active.inc();
        ActiveWorker { gauge: self.active.clone() }
    }

    fn failed(&self, result: ReconcileResult) -> u64 {
        match result {
            ReconcileResult::TerminalError => _ = self.terminal.inc(),
            ReconcileResult::Panic => _ = self.panics.inc(),
            ReconcileResult::Timeout => _ = self.timeouts.inc(),
            _ => {}
        }
        self.error.inc();
        self.errors.inc()
    }
}

/// Counts one busy worker while it lives.
#[derive(Debug)]
pub struct ActiveWorker {
    gauge: Gauge,
}

impl Drop for ActiveWorker {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

//! What a host measures, under the names that dashboards for controllers already know.
//!
//! The names of `controller_runtime_*`, `workqueue_*`, `rest_client_*` and
//! `leader_election_*` are exactly those of controller-runtime and client-go, labels and
//! buckets included; what they have no name for begins with `polyreme_`. Metrics of a
//! module's own are `polyreme_module_*` (see [`crate::guest_metrics`]).
//!
//! [`Metrics`] is made once and cloned everywhere. Its methods return small handles
//! ([`ControllerMetrics`], [`QueueMetrics`], …) whose counters are plain atomics: get the
//! handle once, not once per reconcile. Nothing here reads a clock except the two gauges
//! of the work queue that describe work under way, which are computed when scraped.
//!
//! Series are bounded by the configuration (controllers) and by the kinds watched; only
//! guests could add more, and they have a quota.

mod cache;
mod client;
mod controller;
mod instances;
mod module;
mod ownership;
mod process;
mod queue;
mod reload;
mod text;

use std::sync::Arc;

use polyreme_runtime::InstanceCounters;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

pub use cache::{CacheMetrics, WatchMetrics};
pub use client::{RecordRequests, RecordRequestsLayer};
pub use controller::{ActiveWorker, ControllerMetrics, ReconcileResult};
pub use module::{ModuleMetrics, TrapKind};
pub use ownership::{MemberCounts, RingMetrics};
pub use queue::{QueueMetrics, WorkGuard};
pub use reload::ReloadMetrics;
pub use text::Format;

use crate::guest_metrics::{GuestMetrics, GuestSeries};

/// Label of everything that belongs to one controller.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ControllerLabel {
    controller: String,
}

impl ControllerLabel {
    fn new(controller: &str) -> Self {
        Self { controller: controller.to_owned() }
    }
}

/// Label of `leader_election_master_status`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct NameLabel {
    name: String,
}

/// All metrics of one host.
///
/// # Example
///
/// ```
/// use polyreme::metrics::{Format, Metrics, ReconcileResult};
/// let metrics = Metrics::new();
/// let website = metrics.controller("website", 4);
/// website.reconcile_done(ReconcileResult::Success, 0.002);
/// let text = metrics.encode(Format::Prometheus);
/// assert!(text.contains(
///     "controller_runtime_reconcile_total{controller=\"website\",result=\"success\"} 1"
/// ));
/// ```
#[derive(Clone, Debug)]
pub struct Metrics {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    registry: Registry,
    controllers: controller::Families,
    queues: Arc<queue::Families>,
    modules: module::Families,
    caches: cache::Families,
    requests: client::Requests,
    rings: ownership::Families,
    reloads: ReloadMetrics,
    leading: Family<NameLabel, Gauge>,
    guests: Arc<GuestSeries>,
    instances: Arc<instances::InstanceSeries>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let leading = Family::default();
        let help = "Whether this process leads (1) or stands by (0)";
        registry.register("leader_election_master_status", help, leading.clone());
        registry.register_collector(Box::new(process::ProcessCollector::new()));
        let guests = Arc::new(GuestSeries::default());
        registry.register_collector(Box::new(Arc::clone(&guests)));
        let instances = Arc::new(instances::InstanceSeries::default());
        registry.register_collector(Box::new(Arc::clone(&instances)));
        let inner = Inner {
            controllers: controller::Families::register(&mut registry),
            queues: queue::Families::register(&mut registry),
            modules: module::Families::register(&mut registry),
            caches: cache::Families::register(&mut registry),
            requests: client::register(&mut registry),
            rings: ownership::Families::register(&mut registry),
            reloads: ReloadMetrics::register(&mut registry),
            leading,
            guests,
            instances,
            registry,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Handles of one controller with `workers` concurrent reconciles; all its series
    /// appear at once, at zero.
    #[must_use]
    pub fn controller(&self, name: &str, workers: u32) -> ControllerMetrics {
        self.inner.controllers.controller(name, workers)
    }

    /// Handles of one controller's work queue.
    #[must_use]
    pub fn queue(&self, controller: &str) -> QueueMetrics {
        queue::Families::queue(&self.inner.queues, controller)
    }

    /// Handles of one controller's module.
    #[must_use]
    pub fn module(&self, controller: &str) -> ModuleMetrics {
        self.inner.modules.module(controller)
    }

    /// Shows what the runtime counts of the instances of one controller's module.
    pub fn instances(&self, controller: &str, counters: Arc<InstanceCounters>) {
        self.inner.instances.add(controller, counters);
    }

    /// A controller is gone. What was counted of it stays until the process ends, as with every client
    /// library; what is measured of it now does not.
    pub fn forget_controller(&self, name: &str) {
        self.inner.instances.remove(name);
        self.inner.reloads.forget(name);
    }

    /// What becomes of changes to the configuration.
    #[must_use]
    pub fn reloads(&self) -> &ReloadMetrics {
        &self.inner.reloads
    }

    /// Handles of the cache of one kind.
    #[must_use]
    pub fn cache(&self, api_version: &str, kind: &str) -> CacheMetrics {
        self.inner.caches.cache(api_version, kind)
    }

    /// Handles of the watch of one kind.
    #[must_use]
    pub fn watch(&self, api_version: &str, kind: &str) -> WatchMetrics {
        self.inner.caches.watch(api_version, kind)
    }

    /// The metrics that the guest of `controller` may write to.
    #[must_use]
    pub fn guest(&self, controller: &str) -> GuestMetrics {
        GuestMetrics::new(Arc::clone(&self.inner.guests), controller)
    }

    /// Handles of one ring; all its series but those of controllers appear at once, at zero.
    #[must_use]
    pub fn ring(&self, name: &str) -> RingMetrics {
        let label = NameLabel { name: name.to_owned() };
        self.inner.rings.ring(name, self.inner.leading.get_or_create_owned(&label))
    }

    /// Counts one answer of the API server, or `<error>` where there was none.
    pub fn rest_client_request(&self, code: &str, method: &str, host: &str) {
        client::count(&self.inner.requests, code, method, host);
    }

    /// A layer for kube's client that counts every request to `host` (`10.0.0.1:6443`).
    #[must_use]
    pub fn client_layer(&self, host: impl Into<String>) -> RecordRequestsLayer {
        RecordRequestsLayer::new(self.inner.requests.clone(), host.into())
    }

    /// Says whether this process leads the ring `name`.
    pub fn leading(&self, name: &str, leads: bool) {
        let label = NameLabel { name: name.to_owned() };
        self.inner.leading.get_or_create_owned(&label).set(i64::from(leads));
    }

    /// The text of a scrape.
    #[must_use]
    pub fn encode(&self, format: Format) -> String {
        text::encode(&self.inner.registry, format)
    }
}

#[cfg(test)]
mod tests;

//! `polyreme_guest_*` and neighbours: what each module costs and how it misbehaves.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::ControllerLabel;

/// Why an instance was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrapKind {
    /// The guest executed a trap: a panic, an abort, a bad memory access.
    Trap,
    /// `limits.cpuTime`.
    CpuTime,
    /// `limits.wallTime`.
    WallTime,
    /// `limits.memory`.
    Memory,
    /// Anything else, such as a result that is none.
    Other,
}

impl TrapKind {
    const ALL: [Self; 5] = [Self::Trap, Self::CpuTime, Self::WallTime, Self::Memory, Self::Other];

    fn label(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::CpuTime => "cpu_time",
            Self::WallTime => "wall_time",
            Self::Memory => "memory",
            Self::Other => "other",
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TrapLabels {
    controller: String,
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FunctionLabels {
    controller: String,
    function: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct HttpLabels {
    controller: String,
    /// The pattern of the grant: URLs would be without number.
    host: String,
    method: String,
    code: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ServerLabels {
    controller: String,
    host: String,
}

type SecondsCounter = Counter<f64, AtomicU64>;
type HostCalls = Family<FunctionLabels, Histogram, fn() -> Histogram>;
type HttpSeconds = Family<ServerLabels, Histogram, fn() -> Histogram>;

/// 1 µs, where a cached read is, to 4 s and beyond, where a slow API request is.
fn host_call_seconds() -> Histogram {
    Histogram::new(exponential_buckets(1e-6, 4.0, 12))
}

/// 1 ms, where a server next door is, to 16 s and beyond, where `limits.httpTimeout` ends most.
fn http_seconds() -> Histogram {
    Histogram::new(exponential_buckets(1e-3, 2.0, 15))
}

#[derive(Debug)]
pub(super) struct Families {
    traps: Family<TrapLabels, Counter>,
    cpu: Family<ControllerLabel, SecondsCounter>,
    memory: Family<ControllerLabel, Gauge>,
    host_calls: HostCalls,
    http_requests: Family<HttpLabels, Counter>,
    http_seconds: HttpSeconds,
    denied: Family<FunctionLabels, Counter>,
    elided: Family<ControllerLabel, Counter>,
    api_call_waits: Family<ControllerLabel, Counter>,
    events_dropped: Family<ControllerLabel, Counter>,
}

impl Families {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            traps: Family::default(),
            cpu: Family::default(),
            memory: Family::default(),
            host_calls: Family::new_with_constructor(host_call_seconds),
            http_requests: Family::default(),
            http_seconds: Family::new_with_constructor(http_seconds),
            denied: Family::default(),
            elided: Family::default(),
            api_call_waits: Family::default(),
            events_dropped: Family::default(),
        };
        families.register_guest(registry);
        families.register_calls(registry);
        families
    }

    fn register_guest(&self, registry: &mut Registry) {
        let help = "Instances lost to a trap or to a limit";
        registry.register("polyreme_guest_traps", help, self.traps.clone());
        let help = "Seconds of CPU spent in the module's code";
        registry.register("polyreme_guest_cpu_seconds", help, self.cpu.clone());
        let help = "Most linear memory that one instance of the module has used";
        registry.register("polyreme_guest_memory_high_water_bytes", help, self.memory.clone());
    }

    fn register_calls(&self, registry: &mut Registry) {
        let help = "Seconds that the module waited for the host, by function";
        registry.register("polyreme_host_call_seconds", help, self.host_calls.clone());
        let help = "Requests of the module to outside servers, by grant, method and code";
        registry.register("polyreme_guest_http_requests", help, self.http_requests.clone());
        let help = "Seconds that requests of the module to outside servers took";
        registry.register("polyreme_guest_http_request_seconds", help, self.http_seconds.clone());
        let help = "Host calls refused because the configuration does not grant them";
        registry.register("polyreme_denied_calls", help, self.denied.clone());
        let help = "Writes that were not sent because the object already was as asked";
        registry.register("polyreme_elided_writes", help, self.elided.clone());
        let help = "Requests of the module to the API server that waited for limits.apiCallsPerSecond";
        registry.register("polyreme_api_call_waits", help, self.api_call_waits.clone());
        let help = "Events of the module that were dropped because too many were waiting";
        registry.register("polyreme_events_dropped", help, self.events_dropped.clone());
    }

    pub(super) fn module(&self, controller: &str) -> ModuleMetrics {
        let label = ControllerLabel::new(controller);
        let trap = |kind: TrapKind| {
            let controller = controller.to_owned();
            self.traps.get_or_create_owned(&TrapLabels { controller, kind: kind.label() })
        };
        ModuleMetrics {
            controller: controller.to_owned(),
            traps: TrapKind::ALL.map(trap),
            cpu: self.cpu.get_or_create_owned(&label),
            memory: self.memory.get_or_create_owned(&label),
            host_calls: self.host_calls.clone(),
            http_requests: self.http_requests.clone(),
            http_seconds: self.http_seconds.clone(),
            denied: self.denied.clone(),
            elided: self.elided.get_or_create_owned(&label),
            api_call_waits: self.api_call_waits.get_or_create_owned(&label),
            events_dropped: self.events_dropped.get_or_create_owned(&label),
        }
    }
}

/// Handles of one controller's module.
#[derive(Clone, Debug)]
pub struct ModuleMetrics {
    controller: String,
    traps: [Counter; TrapKind::ALL.len()],
    cpu: SecondsCounter,
    memory: Gauge,
    host_calls: HostCalls,
    http_requests: Family<HttpLabels, Counter>,
    http_seconds: HttpSeconds,
    denied: Family<FunctionLabels, Counter>,
    elided: Counter,
    api_call_waits: Counter,
    events_dropped: Counter,
}

impl ModuleMetrics {
    /// An instance was lost.
    pub fn trapped(&self, kind: TrapKind) {
        for (known, counter) in TrapKind::ALL.iter().zip(&self.traps) {
            if *known == kind {
                counter.inc();
            }
        }
    }

    /// A call spent this much CPU time in the guest.
    pub fn cpu(&self, spent: Duration) {
        self.cpu.inc_by(spent.as_secs_f64());
    }

    /// A call used this much linear memory; only the highest is kept.
    pub fn memory_high_water(&self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.memory.inner().fetch_max(bytes, Ordering::Relaxed);
    }

    /// The guest waited this long for the host in `function`.
    pub fn host_call(&self, function: &'static str, took: Duration) {
        self.host_calls.get_or_create_owned(&self.labels(function)).observe(took.as_secs_f64());
    }

    /// A request went to a server that the grant calls `host`. Without a response its code is `<error>`.
    pub fn http_request(&self, host: &str, method: &str, status: Option<u16>, took: Duration) {
        let (controller, host) = (self.controller.clone(), host.to_owned());
        let server = ServerLabels { controller: controller.clone(), host: host.clone() };
        self.http_seconds.get_or_create_owned(&server).observe(took.as_secs_f64());
        let code = status.map_or_else(|| "<error>".to_owned(), |status| status.to_string());
        let labels = HttpLabels { controller, host, method: method.to_owned(), code };
        self.http_requests.get_or_create_owned(&labels).inc();
    }

    /// A call of `function` was refused as not granted.
    pub fn denied(&self, function: &'static str) {
        self.denied.get_or_create_owned(&self.labels(function)).inc();
    }

    /// A write was not sent because it would have changed nothing.
    pub fn elided(&self) {
        self.elided.inc();
    }

    /// A request to the API server waited for `limits.apiCallsPerSecond`.
    pub fn api_call_waited(&self) {
        self.api_call_waits.inc();
    }

    /// An event was dropped because too many were waiting.
    pub fn event_dropped(&self) {
        self.events_dropped.inc();
    }

    fn labels(&self, function: &'static str) -> FunctionLabels {
        FunctionLabels { controller: self.controller.clone(), function }
    }
}

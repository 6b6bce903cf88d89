//! `polyreme_cache_*` and `polyreme_watch_*`: what each watched kind costs in memory, and
//! how steady its watch is.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KindLabels {
    api_version: String,
    kind: String,
}

impl KindLabels {
    fn new(api_version: &str, kind: &str) -> Self {
        Self { api_version: api_version.to_owned(), kind: kind.to_owned() }
    }
}

#[derive(Debug)]
pub(super) struct Families {
    objects: Family<KindLabels, Gauge>,
    bytes: Family<KindLabels, Gauge>,
    restarts: Family<KindLabels, Counter>,
    errors: Family<KindLabels, Counter>,
}

impl Families {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            objects: Family::default(),
            bytes: Family::default(),
            restarts: Family::default(),
            errors: Family::default(),
        };
        let help = "Objects held in the cache";
        registry.register("polyreme_cache_objects", help, families.objects.clone());
        let help = "Bytes of the objects held in the cache";
        registry.register("polyreme_cache_bytes", help, families.bytes.clone());
        let help = "Times that a watch listed everything again";
        registry.register("polyreme_watch_restarts", help, families.restarts.clone());
        let help = "Errors of a watch, each followed by a retry";
        registry.register("polyreme_watch_errors", help, families.errors.clone());
        families
    }

    pub(super) fn cache(&self, api_version: &str, kind: &str) -> CacheMetrics {
        let labels = KindLabels::new(api_version, kind);
        CacheMetrics {
            objects: self.objects.get_or_create_owned(&labels),
            bytes: self.bytes.get_or_create_owned(&labels),
        }
    }

    pub(super) fn watch(&self, api_version: &str, kind: &str) -> WatchMetrics {
        let labels = KindLabels::new(api_version, kind);
        WatchMetrics {
            restarts: self.restarts.get_or_create_owned(&labels),
            errors: self.errors.get_or_create_owned(&labels),
        }
    }
}

/// Handles of the cache of one kind.
#[derive(Clone, Debug)]
pub struct CacheMetrics {
    objects: Gauge,
    bytes: Gauge,
}

impl CacheMetrics {
    /// The cache now holds this much.
    pub fn set(&self, objects: usize, bytes: usize) {
        self.objects.set(i64::try_from(objects).unwrap_or(i64::MAX));
        self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

/// Handles of the watch of one kind.
#[derive(Clone, Debug)]
pub struct WatchMetrics {
    restarts: Counter,
    errors: Counter,
}

impl WatchMetrics {
    /// The watch listed everything again (not counting its first list).
    pub fn restarted(&self) {
        self.restarts.inc();
    }

    /// The watch failed and will be retried.
    pub fn failed(&self) {
        self.errors.inc();
    }
}

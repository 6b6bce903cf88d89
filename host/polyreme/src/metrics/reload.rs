//! `polyreme_config_*` and `polyreme_controller_info`: whether what runs is what the configuration says.
//!
//! The names of the first three follow Prometheus's own (`prometheus_config_last_reload_successful`), so
//! that one alert serves both.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct UpdateLabels {
    controller: String,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct InfoLabels {
    controller: String,
    module: String,
    version: String,
    digest: String,
}

/// Handles of what becomes of changes to the configuration.
#[derive(Clone, Debug)]
pub struct ReloadMetrics {
    reloads: Family<ResultLabel, Counter>,
    successful: Gauge,
    succeeded_at: Gauge<f64, AtomicU64>,
    updates: Family<UpdateLabels, Counter>,
    infos: Family<InfoLabels, Gauge>,
    /// What each controller's info says now.
    running: Arc<Mutex<Vec<InfoLabels>>>,
}

impl ReloadMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            reloads: Family::default(),
            successful: Gauge::default(),
            succeeded_at: Gauge::default(),
            updates: Family::default(),
            infos: Family::default(),
            running: Arc::default(),
        };
        let help = "Changed configuration files, by whether they could be used";
        registry.register("polyreme_config_reloads", help, metrics.reloads.clone());
        let help = "Whether the newest configuration file is the one in force (1) or not (0)";
        registry.register("polyreme_config_last_reload_successful", help, metrics.successful.clone());
        let help = "When the configuration in force was read, in seconds since the epoch";
        registry.register(
            "polyreme_config_last_reload_success_timestamp_seconds",
            help,
            metrics.succeeded_at.clone(),
        );
        let help = "Changes of a running controller's module or settings, by whether they could be used";
        registry.register("polyreme_controller_updates", help, metrics.updates.clone());
        let help = "1 for the module that a controller runs";
        registry.register("polyreme_controller_info", help, metrics.infos.clone());
        metrics
    }

    /// A configuration is in force; `at` is the time since the epoch.
    pub fn applied(&self, at: Duration) {
        self.reloads.get_or_create_owned(&ResultLabel { result: "applied" }).inc();
        self.in_force(at);
    }

    /// The configuration that the host started with, or went back to, is in force.
    pub fn in_force(&self, at: Duration) {
        self.successful.set(1);
        self.succeeded_at.set(at.as_secs_f64());
    }

    /// A configuration could not be used.
    pub fn refused(&self) {
        self.reloads.get_or_create_owned(&ResultLabel { result: "refused" }).inc();
        self.successful.set(0);
    }

    /// A running controller goes on with another module, other settings, or both.
    pub fn updated(&self, controller: &str) {
        self.update(controller, "applied");
    }

    /// A running controller goes on as before, because what it was to become cannot be used.
    pub fn update_refused(&self, controller: &str) {
        self.update(controller, "refused");
    }

    fn update(&self, controller: &str, result: &'static str) {
        self.updates.get_or_create_owned(&UpdateLabels { controller: controller.to_owned(), result }).inc();
    }

    /// What a controller runs from now on.
    pub fn runs(&self, controller: &str, module: &str, version: &str, digest: &str) {
        let labels = InfoLabels {
            controller: controller.to_owned(),
            module: module.to_owned(),
            version: version.to_owned(),
            digest: digest.to_owned(),
        };
        self.forget(controller);
        self.infos.get_or_create_owned(&labels).set(1);
        self.running.lock().push(labels);
    }

    pub(super) fn forget(&self, controller: &str) {
        let mut running = self.running.lock();
        for ended in running.extract_if(.., |labels| labels.controller == controller) {
            self.infos.remove(&ended);
        }
    }
}

//! Says what becomes of changes to the configuration: in the log, in `/readyz`, in metrics and as Events.
//!
//! A host that runs something else than its file says is not ready: it would not come back after a
//! restart as it is. What it runs goes on meanwhile.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use polyreme_runtime::wit::events::Severity;
use tracing::{error, info, warn};

use super::load::Loaded;
use crate::admin::Readiness;
use crate::clock::unix_nanos;
use crate::config::{HostConfig, Place, Strategy};
use crate::events::EventSink;
use crate::identity::Identity;
use crate::metrics::Metrics;
use crate::ownership::names::table_lease;

/// The check of `/readyz` that is about the whole file.
const CONFIG_CHECK: &str = "config";

/// See the module's story.
pub(super) struct News {
    readiness: Readiness,
    metrics: Metrics,
    events: EventSink,
    regarding: ObjectReference,
}

impl News {
    pub(super) fn new(
        config: &HostConfig,
        namespace: &str,
        events: &EventSink,
        metrics: &Metrics,
        readiness: &Readiness,
    ) -> Self {
        let news = Self {
            readiness: readiness.clone(),
            metrics: metrics.clone(),
            events: events.clone(),
            regarding: regarding(config, namespace),
        };
        news.metrics.reloads().in_force(Duration::from_nanos(unix_nanos()));
        news
    }

    /// The file is as it was when the host started, or was changed and is in force.
    pub(super) fn applied(&self, is_new: bool, restart_needed: &[&str]) {
        let now = Duration::from_nanos(unix_nanos());
        self.readiness.remove(CONFIG_CHECK);
        if !is_new {
            return self.metrics.reloads().in_force(now);
        }
        self.metrics.reloads().applied(now);
        if restart_needed.is_empty() {
            info!("the changed configuration is in force");
        } else {
            let fields = restart_needed.join(", ");
            warn!("the changed configuration is in force, except for {fields}: restart the host for that");
            self.emit(
                Severity::Warning,
                "RestartNeeded",
                format!("changes of {fields} take effect when the host is restarted"),
            );
        }
    }

    /// The file cannot be used.
    pub(super) fn refused(&self, why: &str) {
        self.metrics.reloads().refused();
        self.readiness.set(CONFIG_CHECK, Err(format!("the one before stays in force: {why}")));
        error!("the changed configuration is not used, the one before stays in force: {why}");
        self.emit(Severity::Warning, "ConfigurationRefused", why.to_owned());
    }

    /// A module that did not run is there.
    pub(super) fn loaded(&self, loaded: &Loaded) {
        let Loaded { config, manifest, module, .. } = loaded;
        info!(
            controller = config.name,
            module = manifest.name,
            version = manifest.version,
            digest = module.digest(),
            "module loaded"
        );
    }

    /// A controller that does not run cannot be started.
    pub(super) fn not_started(&self, name: &str, place: &Place, why: &str) {
        self.readiness.set(name, Err(why.to_owned()));
        error!(controller = name, %place, "{why}");
        self.emit(Severity::Warning, "ControllerNotStarted", format!("{name}: {why}"));
    }

    /// A controller that runs is to become what cannot run.
    pub(super) fn update_refused(&self, running: &Loaded, place: &Place, why: &str) {
        let name = &running.config.name;
        let goes_on = format!("version {} goes on", running.manifest.version);
        self.metrics.reloads().update_refused(name);
        self.readiness.set(&update_check(name), Err(format!("{goes_on}: {why}")));
        error!(controller = name, %place, "failed to update the controller, {goes_on}: {why}");
        self.emit(Severity::Warning, "UpdateRefused", format!("{name}: {goes_on}: {why}"));
    }

    /// A controller goes on as something else.
    pub(super) fn updated(&self, before: &Loaded, after: &Loaded) {
        let (name, from, to) = (&after.config.name, &before.manifest.version, &after.manifest.version);
        self.metrics.reloads().updated(name);
        self.settled(name);
        let note = if before.module.digest() == after.module.digest() {
            format!("{name}: another configuration of version {to}")
        } else {
            format!("{name}: from version {from} to {to} ({})", after.module.digest())
        };
        self.emit(Severity::Normal, "ControllerUpdated", note);
    }

    /// What a controller runs is what the configuration says.
    pub(super) fn settled(&self, name: &str) {
        self.readiness.remove(&update_check(name));
    }

    /// A controller is no longer in the configuration.
    pub(super) fn removed(&self, name: &str) {
        self.settled(name);
        self.readiness.remove(name);
        self.emit(Severity::Normal, "ControllerRemoved", name.to_owned());
    }

    fn emit(&self, severity: Severity, reason: &str, note: String) {
        self.events.emit("polyreme", self.regarding.clone(), severity, reason, note);
    }
}

fn update_check(controller: &str) -> String {
    format!("{controller}/update")
}

/// What Events of the host are about: its pod, or, outside a cluster, the table of its ring.
fn regarding(config: &HostConfig, namespace: &str) -> ObjectReference {
    let Identity { name, pod, pod_uid, namespace: of_pod, .. } = &config.identity;
    if let (false, Some(of_pod)) = (pod.is_empty(), of_pod) {
        // `kubectl describe` asks for Events by uid.
        let uid = Some(pod_uid.clone()).filter(|uid| !uid.is_empty());
        return ObjectReference { uid, ..reference("v1", "Pod", of_pod, pod) };
    }
    let namespace = config.ownership.namespace.as_deref().unwrap_or(namespace);
    let lease = match config.ownership.strategy {
        Strategy::Label => name.clone(),
        _ => table_lease(&config.ownership.ring),
    };
    reference("coordination.k8s.io/v1", "Lease", namespace, &lease)
}

fn reference(api_version: &str, kind: &str, namespace: &str, name: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some(api_version.to_owned()),
        kind: Some(kind.to_owned()),
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        ..ObjectReference::default()
    }
}

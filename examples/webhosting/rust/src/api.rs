//! The kinds of `webhosting.polyreme.dev/v1alpha1`, as `crds/` defines them, and the little
//! that is read of a Deployment.

use polyreme_sdk::k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime};
use serde::{Deserialize, Serialize};

/// Sites with this label run no Pods, and their Ingress is nobody's: for load experiments.
pub const SKIP_WORKLOAD: &str = "webhosting.polyreme.dev/skip-workload";

/// How websites look.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThemeSpec {
    /// Background colour, as CSS writes it.
    pub color: String,
    /// First choice of font.
    pub font_family: String,
}

polyreme_sdk::resource! {
    /// How websites look; cluster-scoped.
    pub struct Theme {
        api_version: "webhosting.polyreme.dev/v1alpha1",
        plural: "themes",
        scope: Cluster,
        spec: ThemeSpec,
    }
}

/// What a site is to be.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct WebsiteSpec {
    /// Name of the Theme; empty is allowed by the schema and refused by the controller.
    #[serde(default)]
    pub theme: String,
}

/// Where a site stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Its Deployment is not available yet.
    #[default]
    Pending,
    /// It is served in its latest version.
    Ready,
    /// The last reconcile failed.
    Error,
    /// It waits to be deleted.
    Terminating,
}

/// What was observed of a site.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebsiteStatus {
    /// The generation this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where it stands.
    #[serde(default)]
    pub phase: Phase,
    /// When anything in this status changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<MicroTime>,
    /// `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

polyreme_sdk::resource! {
    /// A site that is to be served.
    pub struct Website {
        api_version: "webhosting.polyreme.dev/v1alpha1",
        plural: "websites",
        scope: Namespaced,
        spec: WebsiteSpec,
        status: WebsiteStatus,
    }
}

/// A part of an object that is passed over when it is read.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Unread {}

/// What a Deployment says of its roll-out.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStatus {
    /// The generation this status speaks of.
    #[serde(default)]
    pub observed_generation: i64,
    /// `Available`, `Progressing`.
    #[serde(default)]
    pub conditions: Vec<RolloutCondition>,
}

/// One condition of a Deployment.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RolloutCondition {
    /// `Available`, `Progressing`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False`, `Unknown`.
    pub status: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

polyreme_sdk::resource! {
    /// A Deployment as far as its roll-out goes: reading all of it would cost a fresh
    /// instance more than the rest of the reconcile.
    pub struct Rollout {
        api_version: "apps/v1",
        kind: "Deployment",
        plural: "deployments",
        scope: Namespaced,
        spec: Unread,
        status: RolloutStatus,
    }
}

impl Rollout {
    /// Whether its latest version is what runs.
    pub fn is_complete(&self) -> bool {
        let Some(status) = &self.status else {
            return false;
        };
        let holds = |kind: &str, reason: Option<&str>| {
            let mut all = status.conditions.iter();
            all.any(|one| one.kind == kind && one.status == "True" && reason.is_none_or(|r| r == one.reason))
        };
        status.observed_generation >= self.metadata.generation.unwrap_or_default()
            && holds("Available", None)
            && holds("Progressing", Some("NewReplicaSetAvailable"))
    }
}

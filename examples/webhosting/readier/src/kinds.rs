//! Deployments and Pods, as far as a kubelet's word on them goes.

use polyreme_sdk::k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

/// How many Pods are wished for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct DeploymentSpec {
    /// 1 when absent, as the API server's default is.
    #[serde(default)]
    pub(crate) replicas: Option<i32>,
}

/// What a Deployment controller reports. A count of none is absent, as it is there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeploymentStatus {
    /// The generation this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) observed_generation: Option<i64>,
    /// Pods that exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replicas: Option<i32>,
    /// Pods of the latest version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) updated_replicas: Option<i32>,
    /// Pods that are ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ready_replicas: Option<i32>,
    /// Pods that have been ready for long enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) available_replicas: Option<i32>,
    /// `Available`, `Progressing`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) conditions: Vec<WorkloadCondition>,
}

polyreme_sdk::resource! {
    /// A Deployment.
    pub(crate) struct Deployment {
        api_version: "apps/v1",
        plural: "deployments",
        scope: Namespaced,
        spec: DeploymentSpec,
        status: DeploymentStatus,
    }
}

/// The containers of a Pod.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct PodSpec {
    /// Those that are to run.
    #[serde(default)]
    pub(crate) containers: Vec<Container>,
}

/// A container that is to run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Container {
    /// Unique in its Pod.
    pub(crate) name: String,
    /// What it runs.
    #[serde(default)]
    pub(crate) image: String,
}

/// What a kubelet reports.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PodStatus {
    /// `Pending`, `Running`, …
    #[serde(default)]
    pub(crate) phase: String,
    /// When the kubelet took it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) start_time: Option<Time>,
    /// `PodScheduled`, `Initialized`, `ContainersReady`, `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) conditions: Vec<WorkloadCondition>,
    /// One for each container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) container_statuses: Vec<ContainerStatus>,
}

polyreme_sdk::resource! {
    /// A Pod.
    pub(crate) struct Pod {
        api_version: "v1",
        plural: "pods",
        scope: Namespaced,
        spec: PodSpec,
        status: PodStatus,
    }
}

/// How a container fares.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContainerStatus {
    /// Of the container.
    pub(crate) name: String,
    /// What it runs.
    #[serde(default)]
    pub(crate) image: String,
    /// Digest of what it runs; required by the schema.
    #[serde(default, rename = "imageID")]
    pub(crate) image_id: String,
    /// Whether it serves.
    #[serde(default)]
    pub(crate) ready: bool,
    /// Whether it has started; what `kubectl get` counts as ready needs this and `state`.
    #[serde(default)]
    pub(crate) started: bool,
    /// What it does now.
    #[serde(default)]
    pub(crate) state: ContainerState,
    /// How often it was started again.
    #[serde(default)]
    pub(crate) restart_count: i32,
}

/// What a container does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ContainerState {
    /// It runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) running: Option<Running>,
}

/// A container that runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Running {
    /// Since when.
    #[serde(default)]
    pub(crate) started_at: Option<Time>,
}

/// A condition of a Deployment or a Pod: older than the standard one, with other fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkloadCondition {
    /// `Available`, `Ready`, …
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// `True`, `False`, `Unknown`.
    pub(crate) status: String,
    /// Why; Pods often say nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// The same for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// When `status` changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_transition_time: Option<Time>,
    /// When anything was said last; Deployments only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_update_time: Option<Time>,
}

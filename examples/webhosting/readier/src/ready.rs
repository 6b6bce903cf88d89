//! What a status says once everything runs. Pure.

use polyreme_sdk::k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use polyreme_sdk::k8s_openapi::jiff::Timestamp;

use crate::kinds::{
    Container, ContainerState, ContainerStatus, Deployment, DeploymentStatus, Pod, PodStatus, Running,
    WorkloadCondition,
};

/// Replicas of a Deployment that names none.
const DEFAULT_REPLICAS: i32 = 1;

/// What a kubelet says of a Pod that runs.
const POD_CONDITIONS: [&str; 4] = ["PodScheduled", "Initialized", "ContainersReady", "Ready"];

/// The status of a finished roll-out; times move only with what they are of.
pub(crate) fn deployment(deployment: &Deployment, now: Timestamp) -> DeploymentStatus {
    let old = deployment.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let replicas = deployment.spec.replicas.unwrap_or(DEFAULT_REPLICAS);
    let count = Some(replicas).filter(|count| *count > 0);
    let available = ("Available", "MinimumReplicasAvailable", "Deployment has minimum availability.");
    let progressing = ("Progressing", "NewReplicaSetAvailable", "The roll-out has finished.");
    DeploymentStatus {
        observed_generation: deployment.metadata.generation,
        replicas: count,
        updated_replicas: count,
        ready_replicas: count,
        available_replicas: count,
        conditions: [available, progressing].map(|said| condition(old, said, now)).into(),
    }
}

fn condition(
    old: &[WorkloadCondition],
    (kind, reason, message): (&str, &str, &str),
    now: Timestamp,
) -> WorkloadCondition {
    let same = |one: &&WorkloadCondition| {
        one.kind == kind && one.status == "True" && one.reason.as_deref() == Some(reason)
    };
    if let Some(held) = old.iter().find(same) {
        return held.clone();
    }
    WorkloadCondition {
        kind: kind.into(),
        status: "True".into(),
        reason: Some(reason.into()),
        message: Some(message.into()),
        last_transition_time: Some(Time(now)),
        last_update_time: Some(Time(now)),
    }
}

/// Whether a Pod counts as ready.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().any(|one| one.kind == "Ready" && one.status == "True")
}

/// The status of a Pod whose containers all run.
pub(crate) fn pod(pod: &Pod, now: Timestamp) -> PodStatus {
    let condition = |kind: &str| WorkloadCondition {
        kind: kind.into(),
        status: "True".into(),
        last_transition_time: Some(Time(now)),
        ..WorkloadCondition::default()
    };
    let container = |container: &Container| ContainerStatus {
        name: container.name.clone(),
        image: container.image.clone(),
        ready: true,
        started: true,
        state: ContainerState { running: Some(Running { started_at: Some(Time(now)) }) },
        ..ContainerStatus::default()
    };
    PodStatus {
        phase: "Running".into(),
        start_time: Some(Time(now)),
        conditions: POD_CONDITIONS.map(condition).into(),
        container_statuses: pod.spec.containers.iter().map(container).collect(),
    }
}

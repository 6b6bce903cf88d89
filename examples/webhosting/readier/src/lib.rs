//! Marks workloads available where no kubelet runs, as a kubelet would.
//!
//! Local clusters have no nodes: a Deployment made there never becomes available by itself.
//! What is missing depends on the cluster, so the setting `mark` says it:
//!
//! - `deployments` (default): nobody else writes the status of Deployments, as on the local
//!   API server. The status is set to that of a finished roll-out.
//! - `pods`: a kube-controller-manager makes ReplicaSets and Pods and counts ready Pods, but
//!   no kubelet makes them ready. Each Pod is set to running and ready; its Deployment
//!   becomes available through the real controllers, which nobody fights with.
//!
//! Only Deployments labelled `managed-by=webhosting-operator` are touched. A tool for
//! tests and demonstrations: a cluster with nodes has no use for it.

mod kinds;
mod ready;

use polyreme_sdk::{Action, Context, Controller, Error, Manifest, Mapping, Object, Query, info};
use serde::Deserialize;

use kinds::{Deployment, Pod};

/// Which workloads are touched.
const SELECTOR: &str = "managed-by=webhosting-operator";

/// The label of a Pod that holds the name of its Deployment.
const DEPLOYMENT_LABEL: &str = "server";

/// The controller of Deployments without kubelet.
struct Readier;

/// `settings:` of this controller.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    mark: Mark,
}

/// What a kubelet is missing for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mark {
    #[default]
    Deployments,
    Pods,
}

impl Controller for Readier {
    type Primary = Deployment;

    fn manifest() -> Manifest {
        Manifest::new("deployment-readier")
            .selects(SELECTOR)
            .watches_selected::<Pod>(Mapping::Label(DEPLOYMENT_LABEL), SELECTOR)
            .asks::<Pod>(&["status"])
            .settings_schema(include_str!("settings.schema.json"))
    }

    fn reconcile(ctx: &Context, deployment: Deployment) -> Result<Action, Error> {
        if !deployment.is_deleting() {
            match ctx.settings::<Settings>()?.mark {
                Mark::Deployments => mark_deployment(ctx, &deployment)?,
                Mark::Pods => mark_pods(ctx, &deployment)?,
            }
        }
        Ok(Action::Done)
    }
}

polyreme_sdk::controller!(Readier);

fn mark_deployment(ctx: &Context, deployment: &Deployment) -> Result<(), Error> {
    let status = ready::deployment(deployment, ctx.now());
    if ctx.patch_status(deployment, &status)? {
        info!(ctx, generation = deployment.generation(); "marked available");
    }
    Ok(())
}

fn mark_pods(ctx: &Context, deployment: &Deployment) -> Result<(), Error> {
    let of_deployment = format!("{SELECTOR},{DEPLOYMENT_LABEL}={}", deployment.name());
    let query = Query::in_namespace(deployment.namespace().unwrap_or_default()).labels(&of_deployment);
    let pods: Vec<Pod> = ctx.list(&query)?;
    for pod in pods.iter().filter(|pod| !pod.is_deleting() && !ready::is_ready(pod)) {
        ctx.patch_status(pod, &ready::pod(pod, ctx.now()))?;
        info!(ctx, pod = pod.name(); "marked ready");
    }
    Ok(())
}

#[cfg(test)]
mod tests;

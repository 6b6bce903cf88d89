//! What a Website's status says. Pure: from what was observed, the old status and the time.

use polyreme_sdk::conditions::{self, Verdict};
use polyreme_sdk::k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use polyreme_sdk::k8s_openapi::jiff::Timestamp;

use crate::api::{Phase, Website, WebsiteStatus};

/// The type of the one condition.
const READY: &str = "Ready";

/// The next status; `lastTransitionTime` moves when anything else in it does.
pub fn next(website: &Website, phase: Phase, message: &str, now: Timestamp) -> WebsiteStatus {
    let old = website.status.clone().unwrap_or_default();
    let mut new = WebsiteStatus { observed_generation: website.metadata.generation, phase, ..old.clone() };
    conditions::set(&mut new.conditions, website, READY, verdict(phase, message), now);
    if new != old || new.last_transition_time.is_none() {
        new.last_transition_time = Some(MicroTime(now));
    }
    new
}

fn verdict(phase: Phase, message: &str) -> Verdict {
    match phase {
        Phase::Ready => Verdict::yes("DeploymentAvailable", message),
        Phase::Pending => Verdict::no("DeploymentProgressing", message),
        Phase::Error => Verdict::no("ReconcileFailed", message),
        Phase::Terminating => Verdict::no("Terminating", message),
    }
}

//! What differs between built-in kinds beyond their schemas: the answers that each kind's
//! strategy in `k8s.io/kubernetes/pkg/registry` gives.

use serde_json::{Value, json};

/// How a kind behaves on writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traits {
    /// A PUT without resourceVersion replaces whatever is there.
    pub(crate) unconditional_update: bool,
    /// A PUT of an object that is not there creates it.
    pub(crate) create_on_update: bool,
    /// DELETE answers the object instead of a Status.
    pub(crate) returns_deleted: bool,
    /// What `metadata.generation` says.
    pub(crate) generation: Generation,
    /// DELETE without a policy leaves dependents alone.
    pub(crate) orphans_by_default: bool,
}

/// When the server raises `metadata.generation`, which begins with 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    /// The server gives none.
    Absent,
    /// Never.
    Constant,
    /// With every change outside metadata and status.
    Content,
    /// Also with a change of this field of metadata.
    ContentAnd(&'static str),
}

impl Traits {
    /// Custom resources.
    pub(crate) const CUSTOM: Traits = Traits {
        unconditional_update: false,
        create_on_update: false,
        returns_deleted: false,
        generation: Generation::Content,
        orphans_by_default: false,
    };

    /// The traits of a built-in resource.
    pub(crate) fn built_in(group: &str, plural: &str) -> Traits {
        Traits {
            unconditional_update: !is_conditional(group, plural),
            create_on_update: creates_on_update(group, plural),
            returns_deleted: returns_deleted(group, plural),
            generation: generation(group, plural),
            orphans_by_default: matches!((group, plural), ("batch", "jobs") | ("", "replicationcontrollers")),
        }
    }
}

fn is_conditional(group: &str, plural: &str) -> bool {
    matches!(
        (group, plural),
        ("policy", "poddisruptionbudgets")
            | ("coordination.k8s.io" | "apiextensions.k8s.io" | "admissionregistration.k8s.io", _)
    )
}

fn creates_on_update(group: &str, plural: &str) -> bool {
    matches!(
        (group, plural),
        ("", "events" | "services" | "endpoints" | "limitranges")
            | ("events.k8s.io" | "coordination.k8s.io" | "rbac.authorization.k8s.io", _)
    )
}

fn returns_deleted(group: &str, plural: &str) -> bool {
    matches!(
        (group, plural),
        ("", "pods" | "podtemplates" | "services" | "serviceaccounts" | "resourcequotas")
            | ("", "persistentvolumes" | "persistentvolumeclaims")
            | ("storage.k8s.io", _)
    )
}

/// Annotations of a Deployment go to its ReplicaSets, and labels of an EndpointSlice say whose
/// it is: their changes count.
fn generation(group: &str, plural: &str) -> Generation {
    match (group, plural) {
        ("apps", "deployments") => Generation::ContentAnd("annotations"),
        ("discovery.k8s.io", _) => Generation::ContentAnd("labels"),
        ("scheduling.k8s.io", _) => Generation::Constant,
        ("", "pods" | "podtemplates" | "replicationcontrollers")
        | ("apps", "replicasets" | "statefulsets" | "daemonsets")
        | ("networking.k8s.io", "ingresses" | "networkpolicies" | "ingressclasses")
        | ("batch" | "policy" | "apiextensions.k8s.io" | "admissionregistration.k8s.io", _) => {
            Generation::Content
        }
        _ => Generation::Absent,
    }
}

/// The status that a new built-in object has, `None` for kinds that have none.
pub(crate) fn initial_status(group: &str, plural: &str) -> Option<Value> {
    Some(match (group, plural) {
        ("", "pods") => json!({"phase": "Pending", "qosClass": "BestEffort"}),
        ("", "namespaces") => json!({"phase": "Active"}),
        ("", "persistentvolumeclaims") => json!({"phase": "Pending"}),
        ("", "services") | ("networking.k8s.io", "ingresses") => json!({"loadBalancer": {}}),
        ("apps", "replicasets") => json!({"replicas": 0}),
        ("apps", "statefulsets") => json!({"replicas": 0, "availableReplicas": 0}),
        ("apps", "daemonsets") => json!({
            "currentNumberScheduled": 0, "desiredNumberScheduled": 0,
            "numberMisscheduled": 0, "numberReady": 0,
        }),
        ("policy", "poddisruptionbudgets") => json!({
            "currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0,
        }),
        ("", "nodes") | ("apps", "deployments") | ("batch", _) => json!({}),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_created_by_put_and_replaced_only_by_version() {
        let lease = Traits::built_in("coordination.k8s.io", "leases");
        assert!(lease.create_on_update && !lease.unconditional_update);
        let config = Traits::built_in("", "configmaps");
        assert!(!config.create_on_update && config.unconditional_update);
    }

    #[test]
    fn a_service_account_is_replaced_without_a_version_and_a_webhook_is_not() {
        assert!(Traits::built_in("", "serviceaccounts").unconditional_update);
        let group = "admissionregistration.k8s.io";
        assert!(!Traits::built_in(group, "mutatingwebhookconfigurations").unconditional_update);
        assert!(!Traits::built_in("", "resourcequotas").create_on_update);
        assert!(Traits::built_in("", "replicationcontrollers").orphans_by_default);
    }

    #[test]
    fn a_service_account_is_answered_when_deleted() {
        assert!(Traits::built_in("", "serviceaccounts").returns_deleted);
        assert!(!Traits::built_in("", "configmaps").returns_deleted);
    }
}

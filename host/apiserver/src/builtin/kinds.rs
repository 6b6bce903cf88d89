//! The built-in kinds: names, scope, verbs and subresources, one line each.
//!
//! Follows discovery of kube-apiserver v1.36. Kinds without storage (reviews) only have
//! `create`. What is missing here does not exist for clients: they get a 404.

use std::sync::Arc;

use k8s_openapi::api::{
    admissionregistration, apps, authentication, authorization, autoscaling, batch, coordination, core,
    discovery, events, networking, policy, rbac, scheduling, storage,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions;
use k8s_openapi::apimachinery::pkg::apis::meta;
use schemars::{JsonSchema, SchemaGenerator};

use super::definitions::DEFINITIONS;
use crate::schema::Schema;

/// One built-in resource as discovery describes it.
#[derive(Debug, Clone, Copy)]
pub struct BuiltinResource {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// API version.
    pub version: &'static str,
    /// Kind, for example `Deployment`.
    pub kind: &'static str,
    /// Name in paths, for example `deployments`.
    pub plural: &'static str,
    /// Lower-case singular.
    pub singular: &'static str,
    /// What kubectl also accepts.
    pub short_names: &'static [&'static str],
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Groups of kinds such as `all`.
    pub categories: &'static [&'static str],
    /// What can be done with it.
    pub verbs: &'static [&'static str],
    /// `status`, `scale`, …
    pub subresources: &'static [&'static str],
    /// Name of the definition in OpenAPI documents.
    pub definition: &'static str,
    /// Adds the definition and what it reaches to a generator.
    pub(super) register: fn(&mut SchemaGenerator),
}

impl BuiltinResource {
    /// The schema of its objects; shared, built once.
    ///
    /// # Example
    /// ```
    /// let deployments = polyreme_apiserver::builtin::find("apps", "v1", "deployments")
    ///     .expect("deployments are built in");
    /// assert!(deployments.schema().properties.contains_key("spec"));
    /// ```
    #[must_use]
    pub fn schema(&self) -> Arc<Schema> {
        DEFINITIONS.get(self.definition)
    }

    /// `DeploymentList` for `Deployment`.
    #[must_use]
    pub fn list_kind(&self) -> String {
        format!("{}List", self.kind)
    }

    /// `apps/v1`, or just `v1` for the core group.
    #[must_use]
    pub fn api_version(&self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// Whether objects are stored, or only answered.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        self.verbs.contains(&"get")
    }
}

/// Every built-in resource, in the order of discovery.
#[must_use]
pub fn resources() -> &'static [BuiltinResource] {
    RESOURCES
}

/// The resource at a path.
#[must_use]
pub fn find(group: &str, version: &str, plural: &str) -> Option<&'static BuiltinResource> {
    RESOURCES.iter().find(|r| r.group == group && r.version == version && r.plural == plural)
}

/// The resource of a kind.
#[must_use]
pub fn find_kind(group: &str, version: &str, kind: &str) -> Option<&'static BuiltinResource> {
    RESOURCES.iter().find(|r| r.group == group && r.version == version && r.kind == kind)
}

/// Definitions that no resource reaches but documents refer to.
pub(super) fn register_extra(generator: &mut SchemaGenerator) {
    register::<meta::v1::ObjectMeta>(generator);
    register::<meta::v1::DeleteOptions>(generator);
    register::<meta::v1::Status>(generator);
    register::<meta::v1::ListMeta>(generator);
    register::<autoscaling::v1::Scale>(generator);
}

fn register<T: JsonSchema>(generator: &mut SchemaGenerator) {
    generator.subschema_for::<T>();
}

const STORED: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const NO_COLLECTION: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];
const REVIEW: &[&str] = &["create"];
const ALL: &[&str] = &["all"];
const NONE: &[&str] = &[];
const STATUS: &[&str] = &["status"];
const WORKLOAD: &[&str] = &["status", "scale"];
const NAMESPACED: bool = true;
const CLUSTER: bool = false;

macro_rules! resources {
    ($($group:literal $version:literal $type:ty, $kind:literal $singular:literal $plural:literal $short:expr,
       $scope:expr, $categories:expr, $verbs:expr, $sub:expr, $definition:literal;)*) => {
        &[$(BuiltinResource {
            group: $group,
            version: $version,
            kind: $kind,
            plural: $plural,
            singular: $singular,
            short_names: &$short,
            namespaced: $scope,
            categories: $categories,
            verbs: $verbs,
            subresources: $sub,
            definition: $definition,
            register: register::<$type>,
        }),*]
    };
}

#[rustfmt::skip]
static RESOURCES: &[BuiltinResource] = resources! {
    "" "v1" core::v1::Binding, "Binding" "binding" "bindings" [],
        NAMESPACED, NONE, REVIEW, NONE, "io.k8s.api.core.v1.Binding";
    "" "v1" core::v1::ConfigMap, "ConfigMap" "configmap" "configmaps" ["cm"],
        NAMESPACED, NONE, STORED, NONE, "io.k8s.api.core.v1.ConfigMap";
    "" "v1" core::v1::Endpoints, "Endpoints" "endpoints" "endpoints" ["ep"],
        NAMESPACED, NONE, STORED, NONE, "io.k8s.api.core.v1.Endpoints";
    "" "v1" core::v1::Event, "Event" "event" "events" ["ev"],
        NAMESPACED, NONE, STORED, NONE, "io.k8s.api.core.v1.Event";
    "" "v1" core::v1::LimitRange, "LimitRange" "limitrange" "limitranges" ["limits"],
        NAMESPACED, NONE, STORED, NONE, "io.k8s.api.core.v1.LimitRange";
    "" "v1" core::v1::Namespace, "Namespace" "namespace" "namespaces" ["ns"],
        CLUSTER, NONE, NO_COLLECTION, &["status", "finalize"], "io.k8s.api.core.v1.Namespace";
    "" "v1" core::v1::Node, "Node" "node" "nodes" ["no"],
        CLUSTER, NONE, STORED, STATUS, "io.k8s.api.core.v1.Node";
    "" "v1" core::v1::PersistentVolume, "PersistentVolume" "persistentvolume" "persistentvolumes" ["pv"],
        CLUSTER, NONE, STORED, STATUS, "io.k8s.api.core.v1.PersistentVolume";
    "" "v1" core::v1::PersistentVolumeClaim, "PersistentVolumeClaim" "persistentvolumeclaim" "persistentvolumeclaims" ["pvc"],
        NAMESPACED, NONE, STORED, STATUS, "io.k8s.api.core.v1.PersistentVolumeClaim";
    "" "v1" core::v1::Pod, "Pod" "pod" "pods" ["po"],
        NAMESPACED, ALL, STORED, &["status", "binding", "eviction"], "io.k8s.api.core.v1.Pod";
    "" "v1" core::v1::PodTemplate, "PodTemplate" "podtemplate" "podtemplates" [],
        NAMESPACED, NONE, STORED, NONE, "io.k8s.api.core.v1.PodTemplate";
    "" "v1" core::v1::ReplicationController, "ReplicationController" "replicationcontroller" "replicationcontrollers" ["rc"],
        NAMESPACED, ALL, STORED, WORKLOAD, "io.k8s.api.core.v1.ReplicationController";
    "" "v1" core::v1::ResourceQuota, "ResourceQuota" "resourcequota" "resourcequotas" ["quota"],
        NAMESPACED, NONE, STORED, STATUS, "io.k8s.api.core.v1.ResourceQuota";
    "" "v1" core::v1::Secret, "Secret" "secret" "secrets" [],
        NAMESPACED, NONE, STORED, NONE, "io.k8s.api.core.v1.Secret";
    "" "v1" core::v1::Service, "Service" "service" "services" ["svc"],
        NAMESPACED, ALL, STORED, STATUS, "io.k8s.api.core.v1.Service";
    "" "v1" core::v1::ServiceAccount, "ServiceAccount" "serviceaccount" "serviceaccounts" ["sa"],
        NAMESPACED, NONE, STORED, &["token"], "io.k8s.api.core.v1.ServiceAccount";
    "apps" "v1" apps::v1::ControllerRevision, "ControllerRevision" "controllerrevision" "controllerrevisions" [],
        NAMESPACED, NONE, STORED, NONE, "io.k8s.api.apps.v1.ControllerRevision";
    "apps" "v1" apps::v1::DaemonSet, "DaemonSet" "daemonset" "daemonsets" ["ds"],
        NAMESPACED, ALL, STORED, STATUS, "io.k8s.api.apps.v1.DaemonSet";
    "apps" "v1" apps::v1::Deployment, "Deployment" "deployment" "deployments" ["deploy"],
        NAMESPACED, ALL, STORED, WORKLOAD, "io.k8s.api.apps.v1.Deployment";
    "apps" "v1" apps::v1::ReplicaSet, "ReplicaSet" "replicaset" "replicasets" ["rs"],
        NAMESPACED, ALL, STORED, WORKLOAD, "io.k8s.api.apps.v1.ReplicaSet";
    "apps" "v1" apps::v1::StatefulSet, "StatefulSet" "statefulset" "statefulsets" ["sts"],
        NAMESPACED, ALL, STORED, WORKLOAD, "io.k8s.api.apps.v1.StatefulSet";
    "events.k8s.io" "v1" events::v1::Event, "Event" "event" "events" ["ev"],
        NAMESPACED, NONE, STORED, NONE, "io.k8s.api.events.v1.Event";
    "authentication.k8s.io" "v1" authentication::v1::SelfSubjectReview, "SelfSubjectReview" "selfsubjectreview" "selfsubjectreviews" [],
        CLUSTER, NONE, REVIEW, NONE, "io.k8s.api.authentication.v1.SelfSubjectReview";
    "authentication.k8s.io" "v1" authentication::v1::TokenReview, "TokenReview" "tokenreview" "tokenreviews" [],
        CLUSTER, NONE, REVIEW, NONE, "io.k8s.api.authentication.v1.TokenReview";
    "authorization.k8s.io" "v1" authorization::v1::LocalSubjectAccessReview, "LocalSubjectAccessReview" "localsubjectaccessreview" "localsubjectaccessreviews" [],
        NAMESPACED, NONE, REVIEW, NONE, "io.k8s.api.authorization.v1.LocalSubjectAccessReview";
    "authorization.k8s.io" "v1" authorization::v1::SelfSubjectAccessReview, "SelfSubjectAccessReview" "selfsubjectaccessreview" "selfsubjectaccessreviews" [],
        CLUSTER, NONE, REVIEW, NONE, "io.k8s.api.authorization.v1.SelfSubjectAccessReview";
    "authorization.k8s.io" "v1" authorization::v1::SelfSubjectRulesReview, "SelfSubjectRulesReview" "selfsubjectrulesreview" "selfsubjectrulesreviews" [],
        CLUSTER, NONE, REVIEW, NONE, "io.k8s.api.authorization.v1.SelfSubjectRulesReview";
    "authorization.k8s.io" "v1" authorization::v1::SubjectAccessReview, "SubjectAccessReview" "subjectaccessreview" "subjectaccessreviews" [],
        CLUSTER, NONE, REVIEW, NONE, "io.k8s.api.authorization.v1.SubjectAccessReview";
    "autoscaling" "v2" autoscaling::v2::HorizontalPodAutoscaler, "HorizontalPodAutoscaler" "horizontalpodautoscaler" "horizontalpodautoscalers" ["hpa"],
        NAMESPACED, ALL, STORED, STATUS, "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler";
    "batch" "v1" batch::v1::CronJob, "CronJob" "cronjob" "cronjobs" ["cj"],
        NAMESPACED, ALL, STORED, STATUS, "io.k8s.api.batch.v1.CronJob";
    "batch" "v1" batch::v1::Job, "Job" "job" "jobs" [],
        NAMESPACED, ALL, STORED, STATUS, "io.k8s.api.batch.v1.Job";
    "networking.k8s.io" "v1" networking::v1::IngressClass, "IngressClass" "ingressclass" "ingressclasses" [],
        CLUSTER, NONE, STORED, NONE, "io.k8s.api.networking.v1.IngressClass";
    "networking.k8s.io" "v1" networking::v1::Ingress, "Ingress" "ingress" "ingresses" ["ing"],
        NAMESPACED, NONE, STORED, STATUS, "io.k8s.api.networking.v1.Ingress";
    "networking.k8s.io" "v1" networking::v1::NetworkPolicy, "NetworkPolicy" "networkpolicy" "networkpolicies" ["netpol"],
        NAMESPACED, NONE, STORED, NONE, "io.k8s.api.networking.v1.NetworkPolicy";
    "policy" "v1" policy::v1::PodDisruptionBudget, "PodDisruptionBudget" "poddisruptionbudget" "poddisruptionbudgets" ["pdb"],
        NAMESPACED, NONE, STORED, STATUS, "io.k8s.api.policy.v1.PodDisruptionBudget";
    "rbac.authorization.k8s.io" "v1" rbac::v1::ClusterRoleBinding, "ClusterRoleBinding" "clusterrolebinding" "clusterrolebindings" [],
        CLUSTER, NONE, STORED, NONE, "io.k8s.api.rbac.v1.ClusterRoleBinding";
    "rbac.authorization.k8s.io" "v1" rbac::v1::ClusterRole, "ClusterRole" "clusterrole" "clusterroles" [],
        CLUSTER, NONE, STORED, NONE, "io.k8s.api.rbac.v1.ClusterRole";
    "rbac.authorization.k8s.io" "v1" rbac::v1::RoleBinding, "RoleBinding" "rolebinding" "rolebindings" [],
        NAMESPACED, NONE, STORED, NONE, "io.k8s.api.rbac.v1.RoleBinding";
    "rbac.authorization.k8s.io" "v1" rbac::v1::Role, "Role" "role" "roles" [],
        NAMESPACED, NONE, STORED, NONE, "io.k8s.api.rbac.v1.Role";
    "storage.k8s.io" "v1" storage::v1::StorageClass, "StorageClass" "storageclass" "storageclasses" ["sc"],
        CLUSTER, NONE, STORED, NONE, "io.k8s.api.storage.v1.StorageClass";
    "admissionregistration.k8s.io" "v1" admissionregistration::v1::MutatingWebhookConfiguration, "MutatingWebhookConfiguration" "mutatingwebhookconfiguration" "mutatingwebhookconfigurations" [],
        CLUSTER, &["api-extensions"], STORED, NONE, "io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration";
    "admissionregistration.k8s.io" "v1" admissionregistration::v1::ValidatingWebhookConfiguration, "ValidatingWebhookConfiguration" "validatingwebhookconfiguration" "validatingwebhookconfigurations" [],
        CLUSTER, &["api-extensions"], STORED, NONE, "io.k8s.api.admissionregistration.v1.ValidatingWebhookConfiguration";
    "apiextensions.k8s.io" "v1" apiextensions::v1::CustomResourceDefinition, "CustomResourceDefinition" "customresourcedefinition" "customresourcedefinitions" ["crd", "crds"],
        CLUSTER, &["api-extensions"], STORED, STATUS, "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition";
    "scheduling.k8s.io" "v1" scheduling::v1::PriorityClass, "PriorityClass" "priorityclass" "priorityclasses" ["pc"],
        CLUSTER, NONE, STORED, NONE, "io.k8s.api.scheduling.v1.PriorityClass";
    "coordination.k8s.io" "v1" coordination::v1::Lease, "Lease" "lease" "leases" [],
        NAMESPACED, NONE, STORED, NONE, "io.k8s.api.coordination.v1.Lease";
    "discovery.k8s.io" "v1" discovery::v1::EndpointSlice, "EndpointSlice" "endpointslice" "endpointslices" [],
        NAMESPACED, NONE, STORED, NONE, "io.k8s.api.discovery.v1.EndpointSlice";
};

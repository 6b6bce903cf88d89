//! Rules as objects to be applied: a role for each scope, bound to one account.

use k8s_openapi::Resource;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde_json::Value;

use super::rules::{Rules, Scope};

/// A service account.
pub(super) struct Account {
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Account {
    pub(super) fn manifest(&self) -> Value {
        let metadata = metadata(&self.name, Some(&self.namespace));
        value(&ServiceAccount { metadata, ..ServiceAccount::default() })
    }

    fn subject(&self) -> Subject {
        Subject {
            kind: ServiceAccount::KIND.to_owned(),
            name: self.name.clone(),
            namespace: Some(self.namespace.clone()),
            ..Subject::default()
        }
    }
}

/// Roles of this name and their bindings.
pub(super) fn bound(account: &Account, name: &str, rules: &Rules) -> Vec<Value> {
    rules.by_scope().flat_map(|(scope, rules)| in_scope(account, name, scope, rules)).collect()
}

fn in_scope(account: &Account, name: &str, scope: &Scope, rules: Vec<PolicyRule>) -> [Value; 2] {
    let (rules, subjects) = (Some(rules), Some(vec![account.subject()]));
    match scope {
        Scope::Cluster => {
            let metadata = metadata(name, None);
            let role_ref = role_ref(ClusterRole::KIND, name);
            let role = ClusterRole { metadata: metadata.clone(), rules, ..ClusterRole::default() };
            [value(&role), value(&ClusterRoleBinding { metadata, role_ref, subjects })]
        }
        Scope::Namespace(namespace) => {
            let metadata = metadata(name, Some(namespace));
            let role_ref = role_ref(Role::KIND, name);
            let role = Role { metadata: metadata.clone(), rules };
            [value(&role), value(&RoleBinding { metadata, role_ref, subjects })]
        }
    }
}

fn role_ref(kind: &str, name: &str) -> RoleRef {
    RoleRef { api_group: Some(Role::GROUP.to_owned()), kind: kind.to_owned(), name: name.to_owned() }
}

fn metadata(name: &str, namespace: Option<&str>) -> ObjectMeta {
    let namespace = namespace.map(str::to_owned);
    ObjectMeta { name: Some(name.to_owned()), namespace, ..ObjectMeta::default() }
}

fn value(object: &impl Serialize) -> Value {
    serde_json::to_value(object).expect("these objects have string keys and no failing serializer")
}

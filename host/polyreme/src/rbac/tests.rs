//! Manifests and grants in, roles out.

use std::path::Path;

use polyreme_runtime::wit::reconciler::{Manifest, Mapping, Permission, Watch};
use polyreme_runtime::wit::types::Kind as WitKind;
use serde_json::json;

use super::*;

fn kind(api_version: &str, kind: &str) -> WitKind {
    WitKind { api_version: api_version.into(), kind: kind.into() }
}

fn manifest() -> Manifest {
    Manifest {
        name: "website".into(),
        version: "1".into(),
        primary: kind("h/v1", "Website"),
        label_selector: String::new(),
        owns: vec![kind("v1", "ConfigMap"), kind("v1", "Secret")],
        watches: vec![Watch {
            kind: kind("h/v1", "Theme"),
            mapping: Mapping::Field("spec.theme".into()),
            label_selector: String::new(),
        }],
        indexes: vec![],
        permissions: vec![Permission {
            api_version: "v1".into(),
            kinds: vec!["Pod".into(), "Node".into()],
            verbs: vec!["get".into(), "apply".into(), "status".into()],
        }],
        settings_schema: None,
    }
}

fn config(rest: &str) -> HostConfig {
    let text = format!(
        "apiVersion: polyreme.dev/v1alpha1\nkind: HostConfiguration\nownership: {{namespace: rings}}\ncontrollers:\n- name: site\n  module: file:a.wasm\n{rest}"
    );
    HostConfig::parse(&text, Path::new("p.yaml")).unwrap()
}

fn served(kind: &Kind) -> Served {
    let resource = format!("{}s", kind.kind.to_lowercase());
    Served { resource, namespaced: *kind.kind != *"Node" }
}

fn printed(rest: &str) -> Vec<Value> {
    let (config, manifest) = (config(rest), manifest());
    let installation = Installation { account: "polyreme-host".into(), namespace: "system".into() };
    let described = [Described { config: &config.controllers[0], manifest: &manifest }];
    manifests(&config, &installation, &described, served)
}

fn find<'a>(all: &'a [Value], kind: &str, name: &str) -> &'a Value {
    all.iter().find(|one| one["kind"] == kind && one["metadata"]["name"] == name).unwrap()
}

/// Verbs on a resource of a role, by name if asked.
fn verbs(role: &Value, resource: &str, name: Option<&str>) -> Vec<String> {
    let rules = role["rules"].as_array().unwrap();
    let of = |rule: &&Value| {
        rule["resources"].as_array().unwrap().contains(&json!(resource))
            && rule["resourceNames"][0].as_str() == name
    };
    let verbs = rules.iter().filter(of).flat_map(|rule| rule["verbs"].as_array().unwrap());
    verbs.map(|verb| verb.as_str().unwrap().to_owned()).collect()
}

#[test]
fn without_grants_a_module_gets_its_kind_and_its_children() {
    let all = printed("");
    let role = find(&all, "ClusterRole", "polyreme-site");
    assert_eq!(verbs(role, "websites", None), ["get", "list", "watch", "update", "patch"]);
    assert_eq!(verbs(role, "websites/status", None), ["update", "patch"]);
    assert_eq!(verbs(role, "configmaps", None), CHILD);
    assert_eq!(verbs(role, "themes", None), READ);
    assert_eq!(verbs(role, "secrets", None), READ, "watched because owned, written only when granted");
    assert!(verbs(role, "pods", None).is_empty());
    assert_eq!(find(&all, "Role", "polyreme-host")["metadata"]["namespace"], "rings");
    let bound_to = &find(&all, "ClusterRoleBinding", "polyreme-site")["subjects"][0];
    assert_eq!(
        *bound_to,
        json!({ "kind": "ServiceAccount", "name": "polyreme-host", "namespace": "system" })
    );
}

#[test]
fn what_is_granted_but_not_asked_for_gives_no_right() {
    let all = printed("  grants:\n  - {apiVersion: v1, kinds: [Pod], verbs: [delete, get]}\n");
    assert_eq!(verbs(find(&all, "ClusterRole", "polyreme-site"), "pods", None), ["get"]);
}

#[test]
fn a_grant_for_namespaces_is_a_role_in_each_except_for_cluster_scoped_kinds() {
    let all =
        printed("  grants:\n  - {apiVersion: v1, kinds: [Pod, Node], verbs: [get], namespaces: [a, b]}\n");
    let roles: Vec<_> = all
        .iter()
        .filter(|one| one["kind"] == "Role" && one["metadata"]["name"] == "polyreme-site")
        .map(|role| role["metadata"]["namespace"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["a", "b"]);
    let cluster = find(&all, "ClusterRole", "polyreme-site");
    assert_eq!(verbs(cluster, "nodes", None), ["get"]);
    assert!(verbs(cluster, "pods", None).is_empty());
}

#[test]
fn names_limit_what_rbac_can_limit_by_name() {
    let all =
        printed("  grants:\n  - {apiVersion: v1, kinds: [Pod], verbs: [apply, status], names: [web]}\n");
    let role = find(&all, "ClusterRole", "polyreme-site");
    assert_eq!(verbs(role, "pods", Some("web")), ["get", "patch"]);
    assert_eq!(verbs(role, "pods", None), ["create"]);
    assert_eq!(verbs(role, "pods/status", Some("web")), ["update", "patch"]);
}

#[test]
fn a_controller_with_an_account_of_its_own_acts_as_that_and_the_host_only_watches() {
    let all = printed("  serviceAccount: apps/site\n");
    let host = find(&all, "ClusterRole", "polyreme-site-host");
    assert_eq!(verbs(host, "websites", None), READ);
    assert_eq!(verbs(host, "configmaps", None), READ);
    let own = find(&all, "ClusterRole", "polyreme-site");
    assert_eq!(verbs(own, "configmaps", None), CHILD);
    assert!(verbs(own, "themes", None).is_empty());
    assert_eq!(find(&all, "ClusterRoleBinding", "polyreme-site")["subjects"][0]["namespace"], "apps");
    let impersonation = find(&all, "Role", "polyreme-site-host");
    assert_eq!(verbs(impersonation, "serviceaccounts", Some("site")), ["impersonate"]);
    assert_eq!(impersonation["metadata"]["namespace"], "apps");
    assert_eq!(find(&all, "ServiceAccount", "site")["metadata"]["namespace"], "apps");
}

#[test]
fn every_kind_that_matters_is_named() {
    let config = config("  grants:\n  - {apiVersion: v1, kinds: [Pod, Event], verbs: [get]}\n");
    let manifest = manifest();
    let described = [Described { config: &config.controllers[0], manifest: &manifest }];
    let kinds: Vec<_> = kinds(&described).into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, ["Theme", "Website", "ConfigMap", "Pod", "Secret"]);
}

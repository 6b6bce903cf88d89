//! Configurations and clusters that a host cannot work with: it ends, or waits, with an
//! error that names the place and the remedy.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use kube::Client;
use polyreme_tests::{Host, Kind, Webhosting, apply_objects, exclusive_server, server};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);
/// Exit code of `polyreme` for a usage or configuration error.
const CONFIGURATION_ERROR: i32 = 2;

const HEAD: &str = "apiVersion: polyreme.dev/v1alpha1\nkind: HostConfiguration\n";

/// The host ends at once with the configuration's exit code and all of these words.
async fn ensure_refused(body: &str, words: &[&str]) -> Result<()> {
    let server = server().await?;
    let mut host = Host::launch_text(server.kubeconfig(), &format!("{HEAD}{body}"))?;
    let status = host.exit().await?;
    let log = host.log();
    ensure!(status.code() == Some(CONFIGURATION_ERROR), "it ended with {status}: {log}");
    ensure_contains(&log, words)
}

fn ensure_contains(log: &str, words: &[&str]) -> Result<()> {
    for word in words {
        ensure!(log.contains(word), "{word:?} is not in: {log}");
    }
    Ok(())
}

#[tokio::test]
async fn an_unknown_field_is_named_with_its_line_and_the_nearest_known_one() -> Result<()> {
    let body = "controllers:\n- name: website\n  module: file:website.wasm\n  worker: 4\n";
    ensure_refused(body, &["polyreme.yaml:6", "worker", "workers"]).await
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_named_with_its_line() -> Result<()> {
    let body = "controllers:\n- name: website\n  module: file:website.wasm\n  workers: many\n";
    ensure_refused(body, &["polyreme.yaml:6", "many", "whole number"]).await
}

#[tokio::test]
async fn a_file_of_another_kind_is_refused() -> Result<()> {
    let server = server().await?;
    let mut host =
        Host::launch_text(server.kubeconfig(), "apiVersion: v1\nkind: ConfigMap\ncontrollers: []\n")?;
    let status = host.exit().await?;
    ensure!(status.code() == Some(CONFIGURATION_ERROR), "it ended with {status}");
    ensure_contains(&host.log(), &["HostConfiguration"])
}

#[tokio::test]
async fn a_kind_that_the_cluster_does_not_know_is_named() -> Result<()> {
    let server = exclusive_server().await?;
    let sites = Webhosting::prepare(&server).await?;
    let mut configuration = sites.host_configuration()?;
    let hello = format!("file:{}", polyreme_tests::guests_dir().join("hello.wasm").display());
    let unknown = json!({ "name": "hello", "module": hello });
    configuration["controllers"].as_array_mut().into_iter().for_each(|all| all.push(unknown.clone()));

    let host = Host::launch(&server, &configuration)?;
    host.wait_for_log("Hello", LIMIT).await?;
    sites.create_theme("exciting", "darkcyan", "Futura").await?;
    sites.create_site("museum", "exciting").await?;
    sites.wait_until_ready("museum").await
}

#[tokio::test]
async fn a_cluster_that_cannot_be_reached_is_named_with_its_address() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let kubeconfig = unreachable(dir.path())?;
    let sites = polyreme_tests::example_configuration()?;
    let host = Host::launch_as(&kubeconfig, None, &sites)?;
    host.wait_for_log("127.0.0.1:1", LIMIT).await
}

/// A kubeconfig for a port where nobody listens.
fn unreachable(dir: &Path) -> Result<PathBuf> {
    let path = dir.join("kubeconfig");
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "nobody",
        "clusters": [{ "name": "nobody", "cluster": { "server": "https://127.0.0.1:1" } }],
        "users": [{ "name": "nobody", "user": { "token": "x" } }],
        "contexts": [{ "name": "nobody", "context": { "cluster": "nobody", "user": "nobody" } }],
    });
    fs::write(&path, config.to_string())?;
    Ok(path)
}

/// Only the real server has RBAC.
#[tokio::test]
async fn a_missing_permission_is_named_with_the_rule_to_add() -> Result<()> {
    let server = exclusive_server().await?;
    if server.kind() == Kind::Local {
        return Ok(());
    }
    let sites = Webhosting::prepare(&server).await?;
    let host = Host::launch_as(server.kubeconfig(), Some("restricted"), &sites.host_configuration()?)?;
    for word in ["leases", "coordination.k8s.io", "restricted", "get, list, watch, create, update, delete"] {
        host.wait_for_log(word, LIMIT).await?;
    }
    allow_leases(sites.client()).await?;
    for word in ["websites", "webhosting.polyreme.dev"] {
        host.wait_for_log(word, LIMIT).await?;
    }
    Ok(())
}

/// Lets the user `restricted` take part in a ring, and do nothing else.
async fn allow_leases(client: &Client) -> Result<()> {
    let meta = json!({ "name": "restricted-leases" });
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": meta,
        "rules": [{
            "apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
            "verbs": ["get", "list", "watch", "create", "update", "delete"],
        }],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": meta,
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "restricted-leases" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "restricted" }],
    });
    apply_objects(client, &[role, binding]).await.map(drop)
}

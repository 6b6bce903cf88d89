//! What `polyreme rbac` prints is enough, and no more than that is given here. Only the real server has RBAC.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::config::Kubeconfig;
use kube::{Api, Client};
use polyreme_tests::{
    Host, Kind, Server, Webhosting, apply_objects, eventually, exclusive_server, polyreme_binary, repository,
};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);
const HOST_ACCOUNT: &str = "polyreme-host";
/// Of a token, in seconds: longer than the test.
const TOKEN_SECONDS: i64 = 3_600;

/// The objects that `polyreme rbac` prints for a configuration.
fn printed(config: &Path, namespace: &str) -> Result<Vec<Value>> {
    let crds = repository().join("examples/webhosting/crds");
    let mut command = Command::new(polyreme_binary()?);
    command.arg("rbac").arg("--config").arg(config).arg("--crds").arg(crds).args(["--namespace", namespace]);
    let output = command.output().context("failed to run polyreme rbac")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    serde_saphyr::from_multiple(&text).context("failed to parse what polyreme rbac prints")
}

/// A kubeconfig that is the server's, with a service account in the place of its user.
async fn kubeconfig_of(server: &Server, client: &Client, namespace: &str, dir: &Path) -> Result<PathBuf> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let spec = TokenRequestSpec { expiration_seconds: Some(TOKEN_SECONDS), ..TokenRequestSpec::default() };
    let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
    let answer = accounts.create_token_request(HOST_ACCOUNT, &PostParams::default(), &request).await?;
    let token = answer.status.context("the server gave no token")?.token;
    let admin = serde_json::to_value(Kubeconfig::read_from(server.kubeconfig())?)?;
    let own = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "host",
        "clusters": [{ "name": "it", "cluster": admin["clusters"][0]["cluster"] }],
        "users": [{ "name": "host", "user": { "token": token } }],
        "contexts": [{ "name": "host", "context": { "cluster": "it", "user": "host", "namespace": namespace } }],
    });
    let path = dir.join("kubeconfig");
    fs::write(&path, own.to_string())?;
    Ok(path)
}

/// A host that runs under exactly these rights makes a site Ready, and is refused nothing.
async fn suffices(change: impl FnOnce(&mut Value)) -> Result<()> {
    let server = exclusive_server().await?;
    if server.kind() == Kind::Local {
        return Ok(());
    }
    let sites = Webhosting::prepare(&server).await?;
    let namespace = server.namespace("rights").await?;
    let mut configuration = sites.host_configuration()?;
    configuration["ownership"] =
        json!({ "ring": server.ring(), "namespace": namespace.name(), "timing": "fast" });
    change(&mut configuration);
    let dir = tempfile::tempdir()?;
    let config = dir.path().join("polyreme.yaml");
    fs::write(&config, configuration.to_string())?;
    apply_objects(sites.client(), &printed(&config, namespace.name())?).await?;

    let kubeconfig = kubeconfig_of(&server, sites.client(), namespace.name(), dir.path()).await?;
    let mut host = Host::launch_as(&kubeconfig, None, &configuration)?;
    host.wait_until_ready().await?;
    sites.create_theme("exciting", "darkcyan", "Futura").await?;
    sites.create_site("museum", "exciting").await?;
    sites.wait_until_ready("museum").await?;
    eventually("slots in the member Lease", LIMIT, async || {
        ensure!(host.metrics().await?.sum("polyreme_slots_owned", &[]) > 0.0);
        Ok(())
    })
    .await?;
    ensure!(!host.log().contains("forbidden"), "something was refused");
    Ok(())
}

#[tokio::test]
async fn a_host_runs_under_exactly_the_rights_that_are_printed_for_it() -> Result<()> {
    suffices(|_| ()).await
}

/// The host's own account has no right to write children then, so whoever wrote them was the other one.
#[tokio::test]
async fn a_controller_acts_as_its_own_account_under_exactly_the_rights_that_are_printed() -> Result<()> {
    suffices(|configuration| {
        for entry in configuration["controllers"].as_array_mut().into_iter().flatten() {
            entry["serviceAccount"] = entry["name"].clone();
        }
    })
    .await
}

//! Writes in the name of others, and to what keeps the ring together.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};

use super::{LIMIT, Stage, a_host_with, a_host_with_a_hostile_module};

const FORGER: &str = "the-hostile-guest";

#[tokio::test]
async fn fields_are_not_applied_in_the_name_of_another_controller() -> Result<()> {
    let stage = a_host_with_a_hostile_module().await?;
    stage.ensure_only_this_fails("manager", &["field manager", "\"website\"", "hostile/"]).await?;
    let config_maps: Api<ConfigMap> = stage.config_maps().await?;
    ensure!(config_maps.get_opt("manager-forged").await?.is_none(), "the child was made");
    Ok(())
}

#[tokio::test]
async fn an_event_of_another_controller_is_not_granted() -> Result<()> {
    let stage = a_host_with_a_hostile_module().await?;
    stage.ensure_only_this_fails("event", &["may not apply Event", "permissions"]).await
}

#[tokio::test]
async fn a_lease_of_the_ring_is_not_granted() -> Result<()> {
    a_lease_stays_the_hosts(&a_host_with_a_hostile_module().await?).await
}

/// Only a grant that names the very object would do.
#[tokio::test]
async fn a_grant_of_leases_without_names_does_not_hold_for_those_of_the_ring() -> Result<()> {
    let grant = json!([{
        "apiVersion": "coordination.k8s.io/v1", "kinds": ["Lease"],
        "verbs": ["create", "update", "patch", "apply", "delete"],
    }]);
    let stage = a_host_with(|_, module| module["grants"] = grant).await?;
    a_lease_stays_the_hosts(&stage).await
}

async fn a_lease_stays_the_hosts(stage: &Stage) -> Result<()> {
    let leases: Api<Lease> = Api::namespaced(stage.server.client().await?, "default");
    let ours = format!("polyreme-{}", stage.server.ring());
    let all = leases.list(&ListParams::default()).await?;
    let mut names = all.into_iter().filter_map(|lease| lease.metadata.name);
    let name = names.find(|name| name.starts_with(&ours)).context("the ring has no Lease")?;
    let where_it_is: Value = json!({ "namespace": "default", "name": name });
    stage.provoke_with("lease", &where_it_is).await?;
    let to_add = format!("names: [{name}]");
    stage.host.wait_for_log(&to_add, LIMIT).await?;
    stage.ensure_only_this_failed(&["may not apply Lease", "not granted", &to_add]).await?;
    let holder = leases.get(&name).await?.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
    ensure!(holder != FORGER, "the Lease is held by the guest");
    Ok(())
}

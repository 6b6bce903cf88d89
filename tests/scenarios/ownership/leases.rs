//! The ring's own objects: what they look like, and what happens when they are deleted by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use polyreme_tests::{Churn, Hosts, RING, eventually};
use serde_json::{Value, json};

use super::Stage;

/// The annotation of the table Lease that says who owns what.
const TABLE: &str = "polyreme.dev/table";
const PROBES: usize = 60;
const CHANGES_PER_SECOND: u32 = 60;
/// A ring made anew, by members that wait for the old one's owners.
const RECOVERY_LIMIT: Duration = Duration::from_secs(45);

/// The Leases of the ring of the tests.
pub(in crate::scenarios) struct Ring {
    leases: Api<Lease>,
}

impl Ring {
    pub(in crate::scenarios) fn of(stage: &Stage) -> Self {
        let client = stage.probes.client().clone();
        Self { leases: Api::namespaced(client, stage.probes.namespace()) }
    }

    /// The one that says who owns what.
    pub(in crate::scenarios) async fn table(&self) -> Result<Lease> {
        let mut found = self.with_role("table").await?;
        ensure!(found.len() == 1, "{} tables", found.len());
        found.pop().context("no table")
    }

    /// The table's text, once no slot waits for an owner of before.
    pub(in crate::scenarios) async fn settled_table(&self) -> Result<String> {
        eventually("a table without moves", RECOVERY_LIMIT, async || {
            let mut annotations = self.table().await?.metadata.annotations.unwrap_or_default();
            let table = annotations.remove(TABLE).context("the table Lease has no table")?;
            let owners: Value = serde_json::from_str(&table)?;
            let moving =
                owners["lanes"].as_array().into_iter().flatten().any(|lane| lane.get("preds").is_some());
            ensure!(!moving, "it is {table}");
            Ok(table)
        })
        .await
    }

    /// Names of the member Leases of each host.
    async fn members(&self) -> Result<BTreeMap<String, BTreeSet<String>>> {
        let mut members: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for lease in self.with_role("member").await? {
            let holder = lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
            members.entry(holder).or_default().extend(lease.metadata.name);
        }
        Ok(members)
    }

    async fn with_role(&self, role: &str) -> Result<Vec<Lease>> {
        let selector = format!("polyreme.dev/ring={RING},polyreme.dev/role={role}");
        Ok(self.leases.list(&ListParams::default().labels(&selector)).await?.items)
    }

    async fn delete(&self, name: &str) -> Result<()> {
        self.leases.delete(name, &DeleteParams::default()).await?;
        Ok(())
    }

    /// Waits until each of these hosts has a member Lease of a name that is not among `old`.
    async fn wait_for_new_members(&self, hosts: &[usize], old: &BTreeSet<String>) -> Result<()> {
        eventually("members under new names", RECOVERY_LIMIT, async || {
            let members = self.members().await?;
            let is_new = |index: &usize| {
                members
                    .get(&Hosts::name(*index))
                    .is_some_and(|names| names.iter().any(|name| !old.contains(name)))
            };
            ensure!(hosts.iter().all(is_new), "there are {members:?}, and old {old:?}");
            Ok(())
        })
        .await
    }

    async fn wait_for_new_table(&self, old: &Lease) -> Result<()> {
        eventually("another table", RECOVERY_LIMIT, async || {
            let table = self.table().await?;
            ensure!(table.metadata.uid != old.metadata.uid, "it is the old one");
            Ok(())
        })
        .await
    }
}

#[tokio::test]
async fn a_ring_is_one_table_and_one_lease_for_each_member() -> Result<()> {
    let stage = Stage::with_hosts(2, 4, &json!({})).await?;
    let ring = Ring::of(&stage);
    let table = ring.table().await?;
    ensure!(
        table.metadata.name.as_deref() == Some("polyreme-probes"),
        "it is called {:?}",
        table.metadata.name
    );
    let members = ring.members().await?;
    for index in 0..2 {
        let host = Hosts::name(index);
        let prefix = format!("polyreme-{RING}-{host}-");
        let names = members.get(&host).with_context(|| format!("no member Lease of {host}: {members:?}"))?;
        ensure!(
            names.len() == 1 && names.iter().all(|name| name.starts_with(&prefix)),
            "{host} has {names:?}"
        );
    }
    Ok(())
}

/// A ring under load whose Leases somebody deletes, and the proof that it recovered.
async fn ring_under_load() -> Result<(Stage, Churn, Ring)> {
    let stage = Stage::with_hosts(3, PROBES, &json!({})).await?;
    let churn = Churn::start(&stage.probes, CHANGES_PER_SECOND).await?;
    churn.wait_for(PROBES as u64).await?;
    let ring = Ring::of(&stage);
    Ok((stage, churn, ring))
}

async fn ensure_recovered(mut stage: Stage, churn: Churn) -> Result<()> {
    stage.hosts.wait_for_division().await?;
    churn.wait_for(2 * PROBES as u64).await?;
    stage.settle(churn).await?;
    stage.evidence().await?.ensure_clean()
}

#[tokio::test]
async fn a_deleted_member_lease_costs_its_host_what_it_owned_and_nothing_else() -> Result<()> {
    let (stage, churn, ring) = ring_under_load().await?;
    let old = ring.members().await?.remove(&Hosts::name(1)).context("no member Lease of host-1")?;
    for name in &old {
        ring.delete(name).await?;
    }
    ring.wait_for_new_members(&[1], &old).await?;
    ensure_recovered(stage, churn).await
}

#[tokio::test]
async fn a_deleted_table_is_made_anew() -> Result<()> {
    let (stage, churn, ring) = ring_under_load().await?;
    let old = ring.table().await?;
    ring.delete(old.metadata.name.as_deref().unwrap_or_default()).await?;
    ring.wait_for_new_table(&old).await?;
    ensure_recovered(stage, churn).await
}

#[tokio::test]
async fn a_table_that_somebody_damaged_is_made_anew() -> Result<()> {
    let (stage, churn, ring) = ring_under_load().await?;
    let old = ring.table().await?;
    let damage = json!({"metadata": {"annotations": {TABLE: "{"}}});
    let name = old.metadata.name.as_deref().unwrap_or_default();
    ring.leases.patch(name, &PatchParams::default(), &Patch::Merge(damage)).await?;
    eventually("a table that can be read", RECOVERY_LIMIT, async || {
        let table = ring.table().await?;
        let text = table.metadata.annotations.unwrap_or_default().remove(TABLE);
        ensure!(text.as_deref() != Some("{"), "it is the damaged one");
        Ok(())
    })
    .await?;
    ensure_recovered(stage, churn).await
}

#[tokio::test]
async fn a_ring_recovers_from_the_loss_of_all_its_leases() -> Result<()> {
    let (stage, churn, ring) = ring_under_load().await?;
    let (table, members) = (ring.table().await?, ring.members().await?);
    let old: BTreeSet<String> = members.into_values().flatten().collect();
    ring.delete(table.metadata.name.as_deref().unwrap_or_default()).await?;
    for name in &old {
        ring.delete(name).await?;
    }
    ring.wait_for_new_table(&table).await?;
    ring.wait_for_new_members(&[0, 1, 2], &old).await?;
    ensure_recovered(stage, churn).await
}

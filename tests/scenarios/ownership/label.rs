//! Strategy `label`: the test is the sharder, hosts do what its labels say.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use polyreme_tests::{Hosts, eventually};
use serde_json::{Value, json};

use super::{DONE_LIMIT, Stage};

const SHARD: &str = "shard.alpha.sharding.timebertt.dev/web";
const DRAIN: &str = "drain.alpha.sharding.timebertt.dev/web";
const RING: &str = "alpha.sharding.timebertt.dev/controllerring";

async fn label(stage: &Stage, probe: &str, labels: Value) -> Result<()> {
    let patch = json!({ "metadata": { "labels": labels } });
    let labelled = stage.probes.api().patch(probe, &PatchParams::default(), &Patch::Merge(&patch)).await;
    labelled.map(drop).context("failed to label a probe")
}

async fn get(stage: &Stage, probe: &str) -> Result<DynamicObject> {
    stage.probes.api().get(probe).await.context("failed to get a probe")
}

/// Waits until a host has done everything that a probe asks for.
async fn wait_for(stage: &Stage, probe: &str, host: usize) -> Result<()> {
    eventually("the shard reconciling its probe", DONE_LIMIT, async || {
        let found = get(stage, probe).await?;
        let (status, spec) = (&found.data["status"], &found.data["spec"]);
        ensure!(status["done"] == spec["seq"], "it is not done: {status}");
        ensure!(status["mark"]["host"] == Hosts::name(host), "somebody else did it: {status}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_external_sharder_says_which_host_reconciles_what() -> Result<()> {
    let mut stage = Stage::set(3, &json!({ "strategy": "label", "ring": "web" })).await?;
    stage.hosts.start_ready(0..2).await?;
    let leases: Api<Lease> = Api::namespaced(stage.probes.client().clone(), stage.probes.namespace());
    for shard in [0, 1].map(Hosts::name) {
        let lease = leases.get(&shard).await.context("a shard has no Lease")?;
        ensure!(lease.spec.and_then(|spec| spec.holder_identity) == Some(shard), "the holder is another");
        ensure!(
            lease.metadata.labels.is_some_and(|labels| labels.get(RING).is_some_and(|ring| ring == "web"))
        );
    }
    label(&stage, "p-0", json!({ SHARD: "host-0" })).await?;
    label(&stage, "p-1", json!({ SHARD: "host-1" })).await?;
    wait_for(&stage, "p-0", 0).await?;
    wait_for(&stage, "p-1", 1).await?;
    let unassigned = get(&stage, "p-2").await?;
    ensure!(unassigned.data.get("status").is_none(), "nobody's probe was reconciled: {:?}", unassigned.data);

    label(&stage, "p-0", json!({ DRAIN: "true" })).await?;
    eventually("the shard acknowledging the drain", DONE_LIMIT, async || {
        let labels = get(&stage, "p-0").await?.metadata.labels.unwrap_or_default();
        ensure!(!labels.contains_key(SHARD) && !labels.contains_key(DRAIN), "it has {labels:?}");
        Ok(())
    })
    .await?;
    label(&stage, "p-0", json!({ SHARD: "host-1" })).await?;
    stage.probes.change("p-0", &json!({ "seq": 2 })).await?;
    wait_for(&stage, "p-0", 1).await?;

    stage.hosts.leave(1).await?;
    let released = leases.get("host-1").await.context("the Lease is gone")?;
    let holder = released.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
    ensure!(holder.is_empty(), "a shard that left still holds its Lease: {holder}");
    Ok(())
}

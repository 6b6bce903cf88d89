//! The judge itself, tried on hosts: it sees what one host does in both tellings alike, and it
//! catches two hosts that share nothing.

use anyhow::{Result, ensure};
use polyreme_tests::judge::rules::{overlaps, overwrites};
use polyreme_tests::{Churn, Host, Hosts, Kind, eventually};
use serde_json::json;

use super::{DONE_LIMIT, Stage};

/// A host alone in a ring of its own, where it owns everything.
async fn a_loner(stage: &Stage, index: usize) -> Result<Host> {
    let name = Hosts::name(index);
    let context = (stage.server.kind() == Kind::Real).then_some(name.as_str());
    let configuration = json!({
        "apiVersion": "polyreme.dev/v1alpha1",
        "kind": "HostConfiguration",
        "ownership": {
            "ring": format!("alone-{index}"), "namespace": stage.probes.namespace(), "timing": "fast",
        },
        "controllers": [stage.probes.scope().entry(&name)?],
    });
    let mut host = Host::launch_member(stage.server.kubeconfig(), context, &name, &configuration)?;
    host.wait_until_ready().await?;
    Ok(host)
}

#[tokio::test]
async fn the_watch_and_the_audit_log_tell_the_same_history_of_one_host() -> Result<()> {
    let stage = Stage::set(20, &json!({})).await?;
    let _host = a_loner(&stage, 0).await?;
    let churn = Churn::start(&stage.probes, 100).await?;
    churn.wait_for(100).await?;
    stage.settle(churn).await?;

    let evidence = stage.evidence().await?;
    evidence.ensure_clean()?;
    let Some(audited) = &evidence.audited else { return Ok(()) };
    let of_history = |history: &polyreme_tests::judge::History| {
        history.writes.iter().map(|write| (write.order, write.deed.clone())).collect::<Vec<_>>()
    };
    let (seen, logged) = (of_history(&evidence.watched), of_history(audited));
    ensure!(seen == logged, "a watch saw {} writes, the log has {}", seen.len(), logged.len());
    Ok(())
}

#[tokio::test]
async fn two_hosts_that_share_nothing_are_caught() -> Result<()> {
    let stage = Stage::set(1, &json!({})).await?;
    let _hosts = [a_loner(&stage, 0).await?, a_loner(&stage, 1).await?];
    let mut seq = 1;
    eventually("an overlap", DONE_LIMIT, async || {
        seq += 1;
        stage.probes.change("p-0", &json!({ "seq": seq, "holdMillis": 300 })).await?;
        stage.probes.wait_until_done(DONE_LIMIT).await?;
        let evidence = stage.evidence().await?;
        ensure!(!overlaps(&evidence.watched).is_empty(), "none seen");
        ensure!(!overwrites(&evidence.watched).is_empty(), "no overwrite seen");
        let logged = evidence.audited.as_ref().map(|audited| overlaps(audited).len());
        ensure!(logged != Some(0), "none in the audit log");
        ensure!(evidence.ensure_clean().is_err(), "the judge lets it pass");
        Ok(())
    })
    .await
}

//! Hosts that die or are stopped, and an API server that is away.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use polyreme_tests::judge::figures::{Spread, takeovers};
use polyreme_tests::judge::{Phase, TraceKind};
use polyreme_tests::{Churn, Hosts, Kind, eventually, now};
use serde_json::json;

use super::leases::Ring;
use super::{DONE_LIMIT, Stage};

const PROBES: usize = 120;
/// Each probe is changed every 2 s.
const CHANGES_PER_SECOND: u32 = 60;
/// Twice what is published for the timing `fast`, which `ownership_figures` measures: a busy machine gets time.
const TAKEOVER_LIMIT: Duration = Duration::from_secs(15);
/// Objects that something was asked of within this show when their slot was taken over.
const GRACE: Duration = Duration::from_secs(1);
/// `holdFor` of the timing `default`.
const DEFAULT_HOLD: Duration = Duration::from_secs(10);
/// `holdFor` of the timing `fast` is 4 s; a busy machine gets time.
const STOPPED_LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn the_objects_of_a_killed_host_are_taken_over_in_time() -> Result<()> {
    let mut stage = Stage::with_hosts(3, PROBES, &json!({})).await?;
    let taken = Spread::of(takeovers_of_killed(&mut stage, 1).await?);
    println!("takeover after SIGKILL: {taken}");
    ensure!(taken.max <= TAKEOVER_LIMIT, "{taken}");
    Ok(())
}

/// Kills a host while objects change, and tells how long each of its objects waited for another; at least one did.
async fn takeovers_of_killed(stage: &mut Stage, host: usize) -> Result<Vec<Duration>> {
    let churn = Churn::start(&stage.probes, CHANGES_PER_SECOND).await?;
    churn.wait_for(PROBES as u64).await?;

    let death = stage.hosts.kill(host).await?;
    stage.hosts.wait_for_division().await?;
    churn.wait_for(2 * PROBES as u64).await?;
    stage.settle(churn).await?;

    let evidence = stage.evidence().await?;
    evidence.ensure_clean()?;
    let taken = takeovers(evidence.timed(), &Hosts::name(host), death, GRACE);
    ensure!(!taken.is_empty(), "nothing of the dead host was waited for");
    Ok(taken)
}

/// The configuration is changed to shorter durations, host by host, and the last one with the longer dies.
#[tokio::test]
async fn during_a_change_of_timing_a_host_is_waited_for_as_long_as_it_may_act() -> Result<()> {
    let mut stage = Stage::with_hosts(3, PROBES, &json!({ "timing": "default" })).await?;
    stage.hosts.configure("timing", json!("fast"));
    for host in [1, 2] {
        stage.hosts.leave(host).await?;
        stage.hosts.start(host)?;
        stage.hosts.wait_for_division().await?;
    }
    let taken = takeovers_of_killed(&mut stage, 0).await?;
    println!("takeover after SIGKILL, of the only host with longer durations: {}", Spread::of(taken.clone()));
    let early = taken.iter().find(|after| **after < DEFAULT_HOLD);
    ensure!(early.is_none(), "it may have acted when it was replaced, after {early:?}");
    Ok(())
}

/// Stopped between its begin and its end mark, longer than the others wait for it. It goes on
/// in the middle of the guest's call, whose next step is the end mark; the guest does not take
/// no for an answer.
#[tokio::test]
async fn a_host_stopped_in_the_middle_of_a_reconcile_writes_nothing_over_its_successor() -> Result<()> {
    let mut stage = Stage::with_hosts(3, 12, &json!({})).await?;
    stage.probes.change("p-0", &json!({ "seq": 2, "holdMillis": 3_000 })).await?;
    let stopped = host_in_the_middle_of(&stage, "p-0", 2).await?;
    stage.hosts.host(stopped)?.pause()?;

    eventually("the successor's end", DONE_LIMIT, async || {
        let history = stage.recorder.history().await?;
        let mut last =
            history.reconciles().into_values().flatten().filter(|one| one.object.0.ends_with("/p-0"));
        let last = last.next_back().context("no reconcile")?;
        ensure!(last.by != Hosts::name(stopped) && last.ended, "the last is {last:?}");
        Ok(())
    })
    .await?;
    stage.hosts.host(stopped)?.resume()?;
    stage.hosts.wait_for_division().await?;
    let churn = Churn::start(&stage.probes, CHANGES_PER_SECOND).await?;
    churn.wait_for(48).await?;
    stage.settle(churn).await?;

    let evidence = stage.evidence().await?;
    evidence.ensure_clean_after_a_stop()?;
    let traces = evidence.audited.iter().flat_map(|history| &history.traces);
    let refused = traces.filter(|trace| trace.kind == TraceKind::Refused).count();
    println!("{refused} writes were sent in vain");
    Ok(())
}

/// The host whose reconcile of this change has begun and not ended.
pub(in crate::scenarios) async fn host_in_the_middle_of(
    stage: &Stage,
    probe: &str,
    seq: i64,
) -> Result<usize> {
    let mark = eventually("a begin mark", DONE_LIMIT, async || {
        let probe = stage.probes.api().get(probe).await?;
        let mark: polyreme_tests::judge::Mark = serde_json::from_value(probe.data["status"]["mark"].clone())?;
        ensure!(mark.seq == seq && mark.phase == Phase::Begin, "the last mark is {mark:?}");
        Ok(mark)
    })
    .await?;
    let index = mark.host.strip_prefix("host-").context("a host of another name")?;
    index.parse().context("a host of another name")
}

#[tokio::test]
async fn without_an_api_server_all_stop_and_afterwards_nothing_has_moved() -> Result<()> {
    let mut stage = Stage::with_hosts(3, PROBES, &json!({})).await?;
    let ring = Ring::of(&stage);
    let churn = Churn::start(&stage.probes, CHANGES_PER_SECOND).await?;
    // Every object has shown where it is.
    churn.wait_for(2 * PROBES as u64).await?;
    let before = ring.settled_table().await?;

    let down = now();
    let outage = stage.server.take_down()?;
    stage.hosts.wait_until_nobody_owns(STOPPED_LIMIT).await?;
    outage.end().await?;
    stage.hosts.wait_for_division().await?;
    let up = now();
    churn.wait_for(2 * PROBES as u64).await?;
    stage.settle(churn).await?;

    let after = ring.settled_table().await?;
    ensure!(before == after, "the table was {before} and is {after}");
    if stage.server.kind() == Kind::Local {
        // It forgets its history when it stops, so only the real server can tell what happened meanwhile.
        return Ok(());
    }
    let evidence = stage.evidence().await?;
    evidence.ensure_clean()?;
    let (owners, later) = (evidence.owners(down), evidence.owners(now()));
    let moved: Vec<_> = owners.iter().filter(|(object, host)| later.get(**object) != Some(*host)).collect();
    ensure!(moved.is_empty(), "{} objects moved: {moved:?}", moved.len());
    println!(
        "the API server was away for {:.1} s",
        polyreme_tests::judge::figures::between(down, up).as_secs_f64()
    );
    Ok(())
}

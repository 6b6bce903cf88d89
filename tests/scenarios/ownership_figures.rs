//! What sharing costs: the figures, and all rules of the judge over the whole run.
//!
//! `cargo xtask e2e ownership_figures -- --nocapture` runs it at full size (2,000 probes, timing
//! `default` and `fast`, a stop and an outage of 60 s) and prints a table; in a run of the whole
//! suite it is small.

use std::env;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::jiff::Timestamp;
use polyreme_tests::judge::figures::{
    Handover, Spread, Tally, between, handovers, response_times, takeovers,
};
use polyreme_tests::judge::rules::{Faults, Proof, repeats};
use polyreme_tests::{Churn, Hosts, for_a_while, now};
use serde_json::json;

use super::ownership::leases::Ring;
use super::ownership::mishaps::host_in_the_middle_of;
use super::ownership::{Evidence, Stage};

const THIS: &str = "ownership_figures";
const DONE_LIMIT: Duration = Duration::from_secs(180);
/// A change that waited this long before its object changed hands shows the time without owner.
const GRACE: Duration = Duration::from_secs(1);

/// How much is done.
struct Size {
    probes: usize,
    changes_per_second: u32,
    /// Joins and leaves.
    cycles: usize,
    /// How long a host is stopped, and the API server away.
    absence: Duration,
}

// Each change is three writes and as many lines with bodies in the audit log: two cores carry twice
// that rate only while nothing else runs on them.
const FULL: Size =
    Size { probes: 2_000, changes_per_second: 60, cycles: 2, absence: Duration::from_secs(60) };
const SMALL: Size = Size { probes: 60, changes_per_second: 60, cycles: 1, absence: Duration::ZERO };

/// Full when asked for by name: it takes minutes.
fn size() -> Size {
    if env::args().any(|argument| argument.contains(THIS)) { FULL } else { SMALL }
}

/// A span of time. Of a change of membership: from when it was asked for until everything had
/// an owner again.
#[derive(Clone, Copy)]
struct Change {
    from: Timestamp,
    to: Timestamp,
}

struct Run {
    stage: Stage,
    size: Size,
    timing: &'static str,
    steady: Change,
    joins: Vec<Change>,
    leaves: Vec<Change>,
    deaths: Vec<(String, Change)>,
    /// Before and after the API server was away.
    tables: Option<[String; 2]>,
}

impl Run {
    async fn start(timing: &'static str, size: Size) -> Result<Self> {
        let mut stage = Stage::set(size.probes, &json!({ "timing": timing })).await?;
        stage.hosts.start_all(0..3).await?;
        stage.probes.wait_until_done(DONE_LIMIT).await?;
        let steady = Change { from: now(), to: now() };
        Ok(Self {
            stage,
            size,
            timing,
            steady,
            joins: Vec::new(),
            leaves: Vec::new(),
            deaths: Vec::new(),
            tables: None,
        })
    }

    /// Changes, of which every object has seen one.
    async fn churn(&mut self) -> Result<Churn> {
        let from = now();
        let churn = Churn::start(&self.stage.probes, self.size.changes_per_second).await?;
        churn.wait_for(self.a_round()).await?;
        self.steady = Change { from, to: now() };
        Ok(churn)
    }

    /// Changes that reach every object: it then has shown where it is.
    fn a_round(&self) -> u64 {
        (self.size.probes + self.size.probes / 5) as u64
    }

    async fn join(&mut self, index: usize) -> Result<Change> {
        let from = self.stage.hosts.start(index)?;
        self.stage.hosts.start_all([]).await?;
        Ok(Change { from, to: now() })
    }

    async fn leave(&mut self, index: usize) -> Result<Change> {
        let from = self.stage.hosts.leave(index).await?;
        self.stage.hosts.wait_for_division().await?;
        Ok(Change { from, to: now() })
    }

    /// Three, four, three hosts, as often as the size says.
    async fn come_and_go(&mut self, churn: &Churn) -> Result<()> {
        for _ in 0..self.size.cycles {
            let joined = self.join(3).await?;
            self.joins.push(joined);
            churn.wait_for(self.a_round()).await?;
            let left = self.leave(3).await?;
            self.leaves.push(left);
            churn.wait_for(self.a_round()).await?;
        }
        Ok(())
    }

    async fn die(&mut self, index: usize, churn: &Churn) -> Result<()> {
        let from = self.stage.hosts.kill(index).await?;
        self.stage.hosts.wait_for_division().await?;
        self.deaths.push((Hosts::name(index), Change { from, to: now() }));
        churn.wait_for(self.a_round()).await?;
        self.join(index).await.map(drop)
    }

    /// In the middle of a reconcile, and longer than anybody waits for it.
    async fn stop_a_host(&mut self) -> Result<()> {
        let probe = "stopped";
        self.stage.probes.change(probe, &json!({ "seq": 1, "holdMillis": 3_000 })).await?;
        let stopped = host_in_the_middle_of(&self.stage, probe, 1).await?;
        self.stage.hosts.host(stopped)?.pause()?;
        for_a_while(self.size.absence).await;
        self.stage.hosts.host(stopped)?.resume()?;
        self.stage.hosts.wait_for_division().await
    }

    async fn take_the_api_server_away(&mut self) -> Result<()> {
        let ring = Ring::of(&self.stage);
        let before = ring.settled_table().await?;
        let outage = self.stage.server.take_down()?;
        self.stage.hosts.wait_until_nobody_owns(self.size.absence).await?;
        for_a_while(self.size.absence).await;
        outage.end().await?;
        self.stage.hosts.wait_for_division().await?;
        self.tables = Some([before, ring.settled_table().await?]);
        Ok(())
    }

    async fn settle(&self, churn: Churn) -> Result<u64> {
        let changes = churn.stop().await;
        self.stage.probes.wait_until_done(DONE_LIMIT).await?;
        Ok(changes)
    }
}

/// What the run shows, as lines of a table.
#[derive(Default)]
struct Table(String);

impl Table {
    fn line(&mut self, what: &str, value: impl std::fmt::Display) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "| {what} | {value} |");
    }

    fn rules(&mut self, evidence: &Evidence, reconciles: usize) {
        let watched = Faults::of(&evidence.watched);
        let audited = evidence.audited.as_ref().map(Faults::of).unwrap_or_default();
        let overlaps = watched.overlaps.iter().chain(&audited.overlaps);
        let with_effect = overlaps.filter(|overlap| overlap.proof == Proof::Write).count();
        self.line("reconciles", reconciles);
        self.line("overlapping reconciles of one object", with_effect);
        self.line(
            "signs of life of a reconcile after its successor's begin",
            audited.overlaps.len() - audited.overlaps.iter().filter(|one| one.proof == Proof::Write).count(),
        );
        self.line(
            "writes by a host that had lost the object",
            watched.overwrites.len() + audited.overwrites.len(),
        );
        self.line("lost changes", watched.lost.len());
        self.line("object writes that no change explains", watched.needless.len());
        self.line("epochs that did not grow with a change of hands", watched.stale_epochs.len());
        self.line("reconciles begun again because the first was cut short", repeats(&evidence.watched).len());
    }

    fn handovers(&mut self, what: &str, evidence: &Evidence, changes: &[Change]) -> Spread {
        let moved = changes.iter().flat_map(|change| moved(evidence, *change));
        let gaps = Spread::of(moved.map(|one| one.gap()).collect());
        self.line(&format!("{what}: time that a change waited for the new owner"), gaps);
        let took: Vec<_> = changes.iter().map(|change| between(change.from, change.to)).collect();
        self.line(&format!("{what}: until all slots have an owner again"), Spread::of(took));
        gaps
    }

    fn requests(&mut self, what: &str, evidence: &Evidence, changes: &[Change]) {
        for change in changes {
            let tally: Tally = evidence.requests(change.from, change.to);
            let seconds = between(change.from, change.to).as_secs_f64();
            self.line(&format!("{what}: API requests of all hosts in {seconds:.1} s"), tally);
        }
    }
}

/// Objects that had something to do while the change was under way.
fn moved(evidence: &Evidence, change: Change) -> impl Iterator<Item = Handover> {
    let all = handovers(evidence.timed(), change.from).into_iter();
    all.filter(move |one| one.waiting_since <= change.to)
}

fn report(run: &Run, evidence: &Evidence, changes: u64) -> (Table, Spread, Spread) {
    let mut table = Table::default();
    table.line("timing", run.timing);
    table.line("probes", run.size.probes);
    table.line("changes", changes);
    let reconciles = evidence.watched.reconciles().values().map(Vec::len).sum();
    table.rules(evidence, reconciles);
    let steady = response_times(evidence.timed(), run.steady.from, run.steady.to);
    table.line("with three hosts at rest: from a change to its reconcile", Spread::of(steady));
    let joins = table.handovers("a join", evidence, &run.joins);
    let leaves = table.handovers("a leave by SIGTERM", evidence, &run.leaves);
    let planned = if joins.p99 > leaves.p99 { joins } else { leaves };
    // From the watch: the audit log does not say that a write was carried out whose sender was killed
    // before the answer, and such an object would seem to wait until its next change.
    let of_deaths = run.deaths.iter();
    let taken = of_deaths.flat_map(|(name, change)| takeovers(&evidence.watched, name, change.from, GRACE));
    let taken = Spread::of(taken.collect());
    table.line("takeover after SIGKILL", taken);
    (table, planned, taken)
}

/// A rebalance with nothing to do: what it asks of the API server, and that it writes no object.
async fn rebalance_in_peace(run: &mut Run) -> Result<[Change; 2]> {
    Ok([run.join(3).await?, run.leave(3).await?])
}

fn ensure_goals(timing: &str, planned: Spread, taken: Spread) -> Result<()> {
    let goal = Duration::from_millis(if timing == "fast" { 7_500 } else { 16_500 });
    ensure!(planned.count > 0 && taken.count > 0, "nothing was measured");
    ensure!(planned.p99 <= Duration::from_secs(1), "planned handover: {planned}");
    ensure!(taken.p99 <= goal, "takeover: {taken}, and the goal is {goal:?}");
    Ok(())
}

async fn measure(timing: &'static str, size: Size) -> Result<()> {
    let is_full = size.absence > Duration::ZERO;
    let mut run = Run::start(timing, size).await?;
    let churn = run.churn().await?;
    run.come_and_go(&churn).await?;
    run.die(1, &churn).await?;
    if is_full && timing == "default" {
        run.stop_a_host().await?;
        run.take_the_api_server_away().await?;
    }
    let changes = run.settle(churn).await?;
    let quiet = now();
    let peaceful = rebalance_in_peace(&mut run).await?;

    let evidence = run.stage.evidence().await?;
    let (mut table, planned, taken) = report(&run, &evidence, changes);
    let written = evidence.watched.host_writes(quiet, now()).count();
    table.line("object writes of a join and a leave with nothing to do", written);
    table.requests("a join with nothing to do", &evidence, &peaceful[..1]);
    table.requests("a leave with nothing to do", &evidence, &peaceful[1..]);
    println!("{}", table.0);
    if let Some([before, after]) = &run.tables {
        ensure!(before == after, "while the API server was away the table changed from {before} to {after}");
    }
    evidence.ensure_clean_after_a_stop()?;
    ensure!(written == 0, "{written} writes without a change");
    if is_full { ensure_goals(timing, planned, taken) } else { Ok(()) }
}

#[tokio::test]
async fn sharing_with_the_default_timing() -> Result<()> {
    // The rules of the default timing are those of `fast`, only slower.
    let size = size();
    if size.absence.is_zero() {
        return Ok(());
    }
    measure("default", size).await
}

#[tokio::test]
async fn sharing_with_the_fast_timing() -> Result<()> {
    measure("fast", size()).await
}

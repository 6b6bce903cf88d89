//! Many seeds, each in a process of its own, and what is printed of each.

use std::io::Read as _;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::Instant;

use crate::{Cli, Outcome};

/// Exit code of a simulation that broke a rule, as opposed to one that could not be run.
pub(crate) const FAULT: u8 = 3;

/// A simulation under way.
struct Run {
    started: Instant,
    process: Child,
}

/// Runs all seeds that are asked for; fails if one does.
pub(crate) fn run(cli: &Cli) -> Result<ExitCode> {
    let started = Instant::now();
    let mut waiting = cli.first..cli.first + cli.seeds;
    let mut running: Vec<Run> = Vec::new();
    let (mut done, mut failed) = (0_u64, 0_u64);
    loop {
        while running.len() < cli.jobs.max(1)
            && !(cli.until_fault && failed > 0)
            && let Some(seed) = waiting.next()
        {
            running.push(start(cli, seed)?);
        }
        if running.is_empty() {
            break;
        }
        // In the order of seeds: the next one is seldom much later.
        failed += u64::from(!finish(running.remove(0))?);
        done += 1;
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{done} simulations, {failed} failed, {seconds:.1} s");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAULT) })
}

fn start(cli: &Cli, seed: u64) -> Result<Run> {
    let program = std::env::current_exe().context("failed to find this program's own path")?;
    let mut command = Command::new(program);
    command.arg("--seed").arg(seed.to_string()).arg("--seconds").arg(cli.seconds.to_string());
    if let Some(mutant) = &cli.mutant {
        command.arg("--mutant").arg(mutant);
    }
    let process = command.stdout(Stdio::piped()).spawn().context("failed to start a simulation")?;
    Ok(Run { started: Instant::now(), process })
}

/// Prints what it printed; whether it was good.
fn finish(mut run: Run) -> Result<bool> {
    let mut text = String::new();
    if let Some(output) = &mut run.process.stdout {
        output.read_to_string(&mut text).context("failed to read what a simulation prints")?;
    }
    let status = run.process.wait().context("failed to wait for a simulation")?;
    let wall = Duration::from_millis(u64::try_from(run.started.elapsed().as_millis()).unwrap_or(u64::MAX));
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    println!("{first}, {wall:?} of wall time");
    print!("{rest}");
    Ok(status.success())
}

/// One simulation in a line.
pub(crate) fn line(seed: u64, outcome: &Outcome) -> String {
    let Outcome { hosts, simulated, events, requests, changes, mishaps, digest, fault } = outcome;
    let verdict = if fault.is_none() { "ok" } else { "FAULT" };
    format!(
        "seed {seed}: {verdict}, {hosts} hosts, {:.1} s simulated, {mishaps} mishaps, {changes} changes, \
         {requests} requests, {events} events, digest {digest:016x}",
        simulated.as_secs_f64(),
    )
}

/// What runs a seed again.
pub(crate) fn command(cli: &Cli, seed: u64) -> String {
    let mutant = cli.mutant.as_ref().map(|mutant| format!(" --mutant {mutant}")).unwrap_or_default();
    format!("cargo xtask simulate -- --seed {seed} --seconds {}{mutant} --log simulation.log", cli.seconds)
}

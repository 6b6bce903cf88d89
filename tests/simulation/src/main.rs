//! A deterministic simulation of whole hosts: the library that `polyreme run` is, with a real guest,
//! several times in one thread, against the real local API server, on simulated time, while a seeded
//! adversary kills, stops, partitions and slows them down.
//!
//! Everything a simulation does follows from its seed ([ADR 0084]): the same seed is the same run, and a
//! digest of all events proves it. A simulation has a process of its own, because libraries keep state in
//! it; with several seeds this program runs itself once for each.
//!
//! [ADR 0084]: ../../../docs/adr/0084-hosts-are-simulated-in-one-thread.md

#![allow(
    clippy::indexing_slicing,
    reason = "an absent field of a JSON value reads as null, and a panic is a failed test"
)]

mod adversary;
mod cluster;
mod log;
mod machine;
mod mutant;
mod network;
mod random;
mod sweep;
mod system;
mod verdict;
mod wire;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;

use world::{Options, Outcome};

/// Runs simulations of whole hosts.
#[derive(Debug, Parser)]
struct Cli {
    /// Runs only this one, in this process.
    #[arg(long)]
    seed: Option<u64>,
    /// How many.
    #[arg(long, default_value_t = 20)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// At the same time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// How long things go wrong in each, in seconds of simulated time.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Hosts without one safeguard, which must be caught; an unknown name lists them.
    #[arg(long)]
    mutant: Option<String>,
    /// Ends with the first simulation that breaks a rule.
    #[arg(long)]
    until_fault: bool,
    /// With `--seed`: every event goes to this file.
    #[arg(long)]
    log: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.seed {
        Some(seed) => one(&cli, seed),
        None => sweep::run(&cli),
    };
    done.unwrap_or_else(|failure| {
        eprintln!("error: {failure:#}");
        ExitCode::FAILURE
    })
}

fn one(cli: &Cli, seed: u64) -> Result<ExitCode> {
    let options = Options {
        seed,
        mishaps: Duration::from_secs(cli.seconds),
        safeguards: mutant::safeguards(cli.mutant.as_deref())?,
        cache: cache()?,
        log: cli.log.clone(),
    };
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "off".to_owned());
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_timer(system::Prefix);
    logs.with_writer(std::io::stderr).with_ansi(false).init();
    // The thread's hash keys and generators are drawn when it first needs them: it must be new.
    let outcome = thread::spawn(move || world::simulate(&options)).join();
    let outcome = outcome.ok().context("the simulation panicked")??;
    println!("{}", sweep::line(seed, &outcome));
    let Some(fault) = &outcome.fault else { return Ok(ExitCode::SUCCESS) };
    println!("{fault}seed {seed} failed; again: {}", sweep::command(cli, seed));
    Ok(ExitCode::from(sweep::FAULT))
}

/// A folder beside this program.
fn cache() -> Result<PathBuf> {
    let program = std::env::current_exe().context("failed to find this program's own path")?;
    Ok(program.with_file_name("simulation-cache"))
}

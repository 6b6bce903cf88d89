//! `cargo xtask …`: everything a developer of Polyreme runs, on a machine that has rustup
//! and package registries and nothing else.
//!
//! It orchestrates and never computes: toolchains are found or made (`wasm_std`, `kube`),
//! builds are cargo's, the demo and the suites are programs of the `polyreme-tests` crate.
//! What it starts it ends: on success, failure, panic and Ctrl-C alike (`stop`,
//! `process`).

mod bench;
mod check;
mod demo;
mod go;
mod guests;
mod kube;
mod paths;
mod process;
mod progress;
mod sdks;
mod signal;
mod simulate;
mod stop;
mod suite;
mod supervise;
mod tidy;
mod wait;
mod wasm_std;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Developer commands of Polyreme.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build everything, start a local API server and three hosts, and watch them share Websites.
    Demo(demo::Options),
    /// Run every test with no cluster: unit tests, conformance and scenarios on the local API server.
    Test(suite::Options),
    /// Run conformance and scenarios against a real etcd, kube-apiserver and kube-controller-manager.
    E2e(suite::Options),
    /// What to run before a commit: formatting, clippy, tidy and the fast tests.
    Check,
    /// Check sizes, module docs and layout rules that the compiler cannot.
    Tidy,
    /// Measure: build what a benchmark needs in release mode and run it.
    Bench(bench::Options),
    /// Explore the ownership protocol at random: a hundred million steps unless told otherwise.
    CheckModel(bench::ModelOptions),
    /// Simulate whole hosts with an adversary between them and the API server, seed by seed.
    Simulate(simulate::Options),
    /// Find or make a standard library for wasm32-unknown-unknown.
    WasmStd,
    /// Build the real API server's binaries, or start a cluster of them.
    Kube(kube::Options),
    /// Build every guest of the workspace to target/guests/<crate>.wasm.
    Guests,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match stop::install().and_then(|()| run(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if stop::requested() => {
            eprintln!("interrupted");
            ExitCode::from(stop::EXIT_CODE)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Demo(options) => demo::run(&options),
        Command::Test(options) => suite::test(&options),
        Command::E2e(options) => suite::e2e(&options),
        Command::Check => check::run(),
        Command::Tidy => tidy::run(),
        Command::Bench(options) => bench::run(&options),
        Command::CheckModel(options) => bench::check_model(&options),
        Command::Simulate(options) => simulate::run(&options),
        Command::WasmStd => wasm_std::run(),
        Command::Kube(options) => kube::run(&options),
        Command::Guests => guests::run(),
    }
}

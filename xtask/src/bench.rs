//! `cargo xtask bench NAME`: builds what a benchmark needs and runs it.
//!
//! What measures time is built in release mode; what measures memory of whole hosts takes the hosts that
//! the tests run, because they need no other.
//!
//! The measuring is done by the program named in the table; the last line of its output is
//! one JSON object with every figure, its goal and whether it holds.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::guests::{self, cargo};
use crate::kube::{self, Cluster};
use crate::{go, paths, process};

#[derive(Args)]
pub(crate) struct Options {
    /// Which one: see the list that an unknown name prints.
    name: String,
    /// Passed on to the benchmark.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// One benchmark.
struct Bench {
    name: &'static str,
    about: &'static str,
    program: Program,
}

/// What measures.
enum Program {
    /// An example and what it is given.
    Example { package: &'static str, example: &'static str, given: Given },
    /// A program of the tests crate that starts hosts.
    Hosts(&'static str),
    /// The same, on a real API server that is started for it.
    Cluster(&'static str),
}

/// What is built for an example and named on its command line.
#[derive(Clone, Copy)]
enum Given {
    Nothing,
    /// The component of one guest.
    Guest(&'static str),
    /// The folder of all guests, and where the picture goes.
    Languages,
}

/// The picture of `cargo xtask bench languages`.
const LANGUAGES_SVG: &str = "docs/bench-languages.svg";

const BENCHES: &[Bench] = &[
    Bench {
        name: "dispatch",
        about: "one reconcile in a fresh instance beside the same Rust function called natively",
        program: Program::Example {
            package: "polyreme-runtime",
            example: "bench_dispatch",
            given: Given::Guest("dispatch-guest"),
        },
    },
    Bench {
        name: "languages",
        about: "the same reconcile in every language, fresh and warm; draws docs/bench-languages.svg",
        program: Program::Example {
            package: "polyreme-runtime",
            example: "bench_dispatch",
            given: Given::Languages,
        },
    },
    Bench {
        name: "ring",
        about: "balance, moves, cost of a step and size of what is written, for 2 to 100 members",
        program: Program::Example {
            package: "polyreme-ownership",
            example: "bench_ring",
            given: Given::Nothing,
        },
    },
    Bench {
        name: "memory",
        about: "a host with a third of 9,000 Websites beside one with all of them",
        program: Program::Hosts("polyreme-bench-memory"),
    },
    Bench {
        name: "controllers",
        about: "100 controllers in one host beside native processes: start, memory, changes",
        program: Program::Cluster("polyreme-bench-controllers"),
    },
    Bench {
        name: "hostile",
        about: "what becomes of hostile guests, and how long the reconciles of their neighbour take meanwhile",
        program: Program::Hosts("polyreme-bench-hostile"),
    },
    Bench {
        name: "vm",
        about: "200 hosts killed at random under examples/vm: machines that were made twice",
        program: Program::Hosts("polyreme-bench-vm"),
    },
];

/// `cargo xtask check-model`: the explorer of the ownership protocol.
const CHECK_MODEL: Bench = Bench {
    name: "check-model",
    about: "explores rings of several hosts at random",
    program: Program::Example {
        package: "polyreme-ownership",
        example: "check_model",
        given: Given::Nothing,
    },
};

pub(crate) fn run(options: &Options) -> Result<()> {
    start(find(&options.name)?, &options.arguments)
}

#[derive(Args)]
pub(crate) struct ModelOptions {
    /// Passed on: `--steps N`, `--first SEED`, `--seed ONLY_THIS`.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Explores the ownership protocol.
pub(crate) fn check_model(options: &ModelOptions) -> Result<()> {
    start(&CHECK_MODEL, &options.arguments)
}

fn start(bench: &Bench, arguments: &[String]) -> Result<()> {
    let mut command = match bench.program {
        Program::Example { package, example, given } => {
            let mut command = cargo();
            command.args(["run", "--release", "-p", package, "--example", example, "--"]);
            give(given, &mut command)?;
            command
        }
        Program::Hosts(name) => {
            guests::build_everything()?;
            guests::program(name)
        }
        Program::Cluster(name) => return run_on_cluster(bench.name, name, arguments),
    };
    process::run(bench.name, command.args(arguments))
}

fn run_on_cluster(bench: &str, program: &str, arguments: &[String]) -> Result<()> {
    let binaries = kube::ensure_binaries()?;
    guests::build_everything()?;
    let cluster = Cluster::start(&binaries)?;
    let mut command = guests::program(program);
    command
        .args(arguments)
        .env("POLYREME_TEST_SERVER", "real")
        .env("POLYREME_TEST_KUBECONFIG", cluster.kubeconfig())
        .env("POLYREME_TEST_APISERVER_PIDFILE", cluster.pid_file());
    process::run(bench, &mut command)
}

fn give(given: Given, command: &mut Command) -> Result<()> {
    match given {
        Given::Nothing => {}
        Given::Guest(guest) => {
            guests::build_everything()?;
            command.arg(component(guest)?);
        }
        Given::Languages => {
            guests::build_everything()?;
            go::build_newer_guest()?;
            command.arg("languages").arg(paths::guests());
            command.arg("--svg").arg(paths::root().join(LANGUAGES_SVG));
        }
    }
    Ok(())
}

fn find(name: &str) -> Result<&'static Bench> {
    let Some(bench) = BENCHES.iter().find(|bench| bench.name == name) else {
        bail!("there is no benchmark {name:?}; there are:\n{}", list());
    };
    Ok(bench)
}

fn list() -> String {
    BENCHES.iter().map(|bench| format!("    {:<11} {}\n", bench.name, bench.about)).collect()
}

fn component(name: &str) -> Result<PathBuf> {
    let all = guests::find()?;
    let guest = all.iter().find(|guest| guest.name == name);
    guest.map(guests::output).with_context(|| format!("failed to find the guest {name} in the workspace"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_lists_the_benchmarks() {
        let error = find("speed").err().unwrap().to_string();
        assert!(error.contains("dispatch"), "{error}");
    }
}

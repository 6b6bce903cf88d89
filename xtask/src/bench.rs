//! `cargo xtask bench NAME`: builds what a benchmark needs in release mode and runs it.
//!
//! The measuring is done by the program named in the table; the last line of its output is
//! one JSON object with every figure, its goal and whether it holds.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::guests::{self, cargo};
use crate::process;

#[derive(Args)]
pub(crate) struct Options {
    /// Which one: see the list that an unknown name prints.
    name: String,
    /// Passed on to the benchmark.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// One benchmark: an example program that is given the path of a guest component.
struct Bench {
    name: &'static str,
    about: &'static str,
    package: &'static str,
    example: &'static str,
    guest: &'static str,
}

const BENCHES: &[Bench] = &[Bench {
    name: "dispatch",
    about: "one reconcile in a fresh instance beside the same Rust function called natively",
    package: "polyreme-runtime",
    example: "bench_dispatch",
    guest: "dispatch-guest",
}];

pub(crate) fn run(options: &Options) -> Result<()> {
    let bench = find(&options.name)?;
    guests::build_everything()?;
    let component = component(bench.guest)?;
    process::run(
        bench.name,
        cargo()
            .args(["run", "--release", "-p", bench.package, "--example", bench.example, "--"])
            .arg(component)
            .args(&options.arguments),
    )
}

fn find(name: &str) -> Result<&'static Bench> {
    let Some(bench) = BENCHES.iter().find(|bench| bench.name == name) else {
        bail!("there is no benchmark {name:?}; there are:\n{}", list());
    };
    Ok(bench)
}

fn list() -> String {
    BENCHES.iter().map(|bench| format!("    {:<10} {}\n", bench.name, bench.about)).collect()
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

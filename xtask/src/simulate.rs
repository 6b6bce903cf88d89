//! `cargo xtask simulate`: whole hosts in one thread, seed by seed.
//!
//! The program is of the profile that the tests share: what it finds is found in the build that people run
//! by hand, and nothing is built twice.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::{guests, paths, process};

#[derive(Args)]
pub(crate) struct Options {
    /// Passed on: `--seeds N`, `--first SEED`, `--seed ONLY_THIS`, `--mutant NAME`; `--help` lists more.
    #[arg(last = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    guests::build_everything()?;
    let mut command = Command::new(paths::target().join("debug/polyreme-simulation"));
    command.args(&options.arguments).env("POLYREME_GUESTS", paths::guests());
    process::run("simulate", &mut command)
}

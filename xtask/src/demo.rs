//! `cargo xtask demo`: from a clean clone to Websites that become Ready.
//!
//! This builds; the show itself is the program `polyreme-demo` of the tests crate, which
//! shares its harness with the scenarios, so what the demo shows is what the tests check.

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::{guests, process};

#[derive(Args)]
pub(crate) struct Options {
    /// Leave everything running at the end and print how to reach it; Ctrl-C ends it.
    #[arg(long)]
    stay: bool,
    /// The language of the webhosting controller to show.
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    lang: Language,
}

#[derive(Clone, Copy, ValueEnum)]
enum Language {
    Rust,
    Go,
}

impl Language {
    /// The guest that `cargo xtask guests` makes of it.
    fn guest(self) -> &'static str {
        match self {
            Self::Rust => "webhosting",
            Self::Go => "webhosting-go",
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    guests::build_everything()?;
    let mut demo = guests::program("polyreme-demo");
    demo.args(["--controller", options.lang.guest()]);
    if options.stay {
        demo.arg("--stay");
    }
    process::run("the demo", &mut demo)
}

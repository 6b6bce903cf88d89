//! The demo: what Polyreme does, seen in half a minute.
//!
//! It starts a local API server and three hosts as processes of their own, applies the sample
//! Websites and shows them become Ready; then a Theme changes and a child is deleted by hand,
//! and both are put right. Then it shows who owns what, kills a host and shows its slots taken
//! over, starts it again, and stops another. Everything it shows is read back from the API or
//! from the hosts' metrics. It ends by itself;
//! Ctrl-C ends it at any time and leaves nothing behind. `cargo xtask demo` builds what it
//! needs and runs it.

mod board;
mod crew;
mod show;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use show::Show;

/// What shells report for a command that SIGINT ended.
const INTERRUPTED: u8 = 130;

/// Shows Websites become Ready and stay right.
#[derive(Parser)]
struct Options {
    /// Leave everything running at the end and print how to reach it.
    #[arg(long)]
    stay: bool,
    /// The guest that makes Websites, from the folder of built guests.
    #[arg(long, default_value = "webhosting")]
    controller: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    // Whichever branch ends first drops the other, and with it every process and file.
    let outcome = tokio::select! {
        outcome = perform(&options) => outcome,
        interrupted = interruption() => return interrupted.map_or(ExitCode::FAILURE, |()| ExitCode::from(INTERRUPTED)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn perform(options: &Options) -> Result<()> {
    let mut show = Show::open(&options.controller).await?;
    show.sites_become_ready().await?;
    show.a_theme_changes().await?;
    show.a_child_is_deleted_by_hand().await?;
    show.hosts_come_and_go().await?;
    show.print_summary();
    if options.stay {
        show.stay().await?;
    }
    show.close().await
}

async fn interruption() -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

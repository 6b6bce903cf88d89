//! The command line of Polyreme.
//!
//! Each command is a short file in [`cli`] over the library; this one reads the arguments,
//! sets up logging, TLS and the async runtime, and turns the outcome into an exit code:
//! 0 when all went well, 1 when something failed, 2 when the command line, the
//! configuration or the kubeconfig has to be changed first, 3 when a language's tools have to be
//! installed first. A command's result is on stdout, everything else on stderr.

mod cli;

use std::num::NonZero;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use cli::{Cli, Failure};

/// How long threads that compile modules may hold up the end of the process.
const THREADS_GRACE: Duration = Duration::from_millis(200);

/// Where there is one CPU, a module that computes for long must not have the only thread: of two, one is left,
/// and the kernel divides the CPU between them.
const MIN_THREADS: usize = 2;

/// Exit code after a panic, as Rust's own.
const PANICKED: i32 = 101;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match start(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            failure.exit_code()
        }
    }
}

fn start(cli: Cli) -> Result<(), Failure> {
    end_on_panic();
    cli.start_logging()?;
    // The only TLS provider that is built in. The call fails when there is one already,
    // which is as good.
    _ = rustls::crypto::ring::default_provider().install_default();
    let cpus = std::thread::available_parallelism().map_or(MIN_THREADS, NonZero::get);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(cpus.max(MIN_THREADS)).enable_all().build().map_err(|error| {
        Failure::failed(anyhow::Error::new(error).context("failed to start the async runtime"))
    })?;
    let outcome = runtime.block_on(cli.run());
    runtime.shutdown_timeout(THREADS_GRACE);
    outcome
}

/// A task that panicked leaves a host that looks alive and no longer does its work; the one that replaces
/// it starts from the API server's state. Tests of the library are not affected.
fn end_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::exit(PANICKED);
    }));
}

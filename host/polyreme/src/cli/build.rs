//! `polyreme build`: a guest's sources to a component.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use polyreme::build::{BuildError, BuildOptions, Built, build};
use tokio_util::sync::CancellationToken;

use super::signals::with_signals;
use super::{Failure, print};

/// Build a Rust controller into a component that the host can run.
///
/// The compiler needs the standard library of wasm32-unknown-unknown (`rustup target add
/// wasm32-unknown-unknown`, or `cargo xtask wasm-std` where rustup has no network).
#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The folder of the controller's Cargo package.
    #[arg(default_value = ".")]
    dir: PathBuf,

    /// Where the component goes [default: target/guests/NAME.wasm].
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The Cargo profile [default: guest where the workspace has one, else release].
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
}

impl Build {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let options = BuildOptions { dir: self.dir, output: self.output, profile: self.profile };
        let stop = CancellationToken::new();
        let work = async {
            tokio::select! {
                built = build(&options) => built.map_err(failure),
                () = stop.cancelled() => Err(Failure::failed(anyhow!("interrupted"))),
            }
        };
        report(&with_signals(stop.clone(), work).await.map_err(Failure::failed)??);
        Ok(())
    }
}

fn report(built: &Built) {
    print(format_args!("{} {} ({} bytes, {})", built.name, built.path.display(), built.bytes, built.digest));
    for import in &built.imports {
        print(format_args!("  imports {import}"));
    }
}

/// What the user has to change before trying again is a usage error; a failed compilation
/// or a full disk is not.
fn failure(error: BuildError) -> Failure {
    match error {
        BuildError::Package(_) | BuildError::Toolchain(_) => Failure::usage(error),
        _ => Failure::failed(error),
    }
}

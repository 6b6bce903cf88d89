//! `polyreme build`: a guest's sources to a component.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use polyreme_project::languages::Compiler;
use polyreme_project::{BuildError, BuildOptions, Built, build};
use tokio_util::sync::CancellationToken;

use super::signals::with_signals;
use super::{Failure, print};

/// Build a controller into a component that the host can run.
///
/// The language is told by the project's own file: Cargo.toml, go.mod, pyproject.toml or package.json.
/// Only the language's own tools are needed: cargo with the standard library of wasm32-unknown-unknown
/// (`rustup target add wasm32-unknown-unknown`, or `cargo xtask wasm-std` where rustup has no network); Go
/// 1.24 or newer; Python 3.10 or newer with venv; node 18 or newer with npm. The first build in Python or
/// JavaScript installs componentize-py or componentize-qjs into ~/.cache/polyreme/tools.
#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The controller's folder; in Go that of the main package.
    #[arg(default_value = ".")]
    dir: PathBuf,

    /// Where the component goes [default: build/NAME.wasm; for Rust target/guests/NAME.wasm].
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Rust: the Cargo profile [default: guest where the workspace has one, else release].
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,

    /// Which of the language's compilers, such as tinygo for Go. Remembered in polyreme-project.toml.
    #[arg(long, value_name = "NAME")]
    compiler: Option<Compiler>,
}

impl Build {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let options = BuildOptions {
            dir: self.dir,
            output: self.output,
            profile: self.profile,
            compiler: self.compiler,
        };
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

/// What the user has to change before trying again is a usage error, a tool that is missing one of its own; a
/// failed compilation or a full disk is neither.
pub(super) fn failure(error: BuildError) -> Failure {
    if error.lacks_tools() {
        Failure::no_tools(error)
    } else if error.asks_for_a_change() {
        Failure::usage(error)
    } else {
        Failure::failed(error)
    }
}

//! Go: a main package that imports the SDK, compiled by `go` or by `tinygo`.
//!
//! Three steps: ask the compiler who it is ([`toolchain`]), ask `go list` whether the folder holds a main
//! package with the SDK in it ([`package`]; TinyGo has the same front end and needs `go` as well), compile
//! to a core module for `wasip1` ([`compile`]). Variables that a user set for programs of their own machine
//! (`GOOS`, `GOFLAGS` with a build mode) do not reach the compiler; `GOEXPERIMENT` does, and what is not set
//! there may be chosen ([`toolchain::experiment`]).

mod compile;
mod package;
mod toolchain;

use std::io;
use std::path::PathBuf;

use super::{Compiler, Core};
use crate::Project;
use package::Package;
use toolchain::Version;

/// The SDK's import path.
pub const SDK: &str = "polyreme.dev/sdk";

/// The oldest Go that compiler `program` can do with: for `go` the first with `//go:wasmexport`, for TinyGo,
/// which has that itself, the first that compiles the SDK.
fn oldest(program: Compiler) -> Version {
    Version { major: 1, minor: if program == Compiler::TinyGo { 22 } else { 24 } }
}

/// Why a Go project could not be built.
#[derive(Debug, thiserror::Error)]
pub enum GoError {
    /// The compiler is not there.
    #[error("failed to find {program}: {}", toolchain::install_remedy(*program))]
    NoCompiler {
        /// `go` or `tinygo`.
        program: Compiler,
    },
    /// The compiler cannot be run, or says nothing that can be understood.
    #[error("failed to run {program}")]
    Run {
        /// `go` or `tinygo`.
        program: Compiler,
        /// The system's reason.
        source: io::Error,
    },
    /// It is older than what the SDK needs.
    #[error(
        "failed to build with {found}: a guest needs Go {} or newer{}; {}, or have one of 1.21 or newer fetch it: \
         `go env -w GOTOOLCHAIN=go{}+auto`",
        oldest(*program),
        if *program == Compiler::TinyGo { " under TinyGo" } else { " (`//go:wasmexport`)" },
        toolchain::install_remedy(Compiler::Go),
        toolchain::RECOMMENDED,
    )]
    TooOld {
        /// What was to compile with it.
        program: Compiler,
        /// As the compiler says.
        found: String,
    },
    /// It is older than what the module, or one that it needs, asks for.
    #[error(
        "failed to build with the Go that is installed: {problem}; lower the `go` line of go.mod, or {}",
        toolchain::install_remedy(Compiler::Go)
    )]
    ModuleTooNew {
        /// What go says.
        problem: String,
    },
    /// `go list` does not accept the folder.
    #[error("failed to read the Go package in {}: {problem}", dir.display())]
    List {
        /// The folder.
        dir: PathBuf,
        /// What go says, with the remedy where we know one.
        problem: String,
    },
    /// It is a library.
    #[error(
        "failed to build {}: package {name} is no main package; name the folder of the main package, or begin its \
         files with `package main`",
        dir.display()
    )]
    NoMain {
        /// The folder.
        dir: PathBuf,
        /// The package.
        name: String,
    },
    /// Nothing in it is a controller.
    #[error(
        "failed to build {name}: it does not import {SDK}; run `go get {SDK}` in its folder, import it and call \
         `sdk.Register(…)` in `init`"
    )]
    NoSdk {
        /// The package.
        name: String,
    },
    /// The compiler failed; it has said why.
    #[error("failed to build {name}: the messages of {program} are above{}", toolchain::compile_remedy(*program))]
    Compile {
        /// The package.
        name: String,
        /// `go` or `tinygo`.
        program: Compiler,
    },
    /// A file of the build could not be read or written.
    #[error("failed to read or write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl GoError {
    pub(crate) fn asks_for_a_change(&self) -> bool {
        !matches!(self, Self::Compile { .. } | Self::Run { .. } | Self::File { .. })
    }

    pub(crate) fn lacks_tools(&self) -> bool {
        matches!(self, Self::NoCompiler { .. } | Self::TooOld { .. } | Self::ModuleTooNew { .. })
    }
}

/// Builds the main package in the project's folder.
pub(crate) async fn build(project: &Project, compiler: Compiler) -> Result<Core, GoError> {
    let found = toolchain::find(compiler, project.dir()).await?;
    let package = Package::find(project).await?;
    let experiment = match compiler {
        Compiler::TinyGo => None,
        _ => toolchain::experiment(&found, project.dir()).await,
    };
    tracing::info!(package = package.name, compiler = found, experiment, "building for wasip1");
    let wasm = compile::run(project, &package, compiler, experiment).await?;
    Ok(Core { output: project.default_output(&package.name), name: package.name, wasm })
}

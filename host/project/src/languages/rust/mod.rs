//! Rust: a Cargo package with a `cdylib` and the SDK as a dependency.
//!
//! Three steps, one file each: find the package ([`package`]), find a compiler that has the standard
//! library of `wasm32-unknown-unknown` ([`toolchain`]), run cargo with a target folder of its own
//! ([`cargo`]) and a word on what to inline ([`inlining`]). The core module carries its component type, because wit-bindgen puts it there.

mod cargo;
mod inlining;
mod package;
mod toolchain;

use std::path::PathBuf;

pub use package::PackageError;
pub use toolchain::{TARGET, ToolchainError};

use super::Core;
use crate::Project;
use package::Package;

/// Why a Rust project could not be built.
#[derive(Debug, thiserror::Error)]
pub enum RustError {
    /// No guest package there.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// No compiler for the target.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// cargo failed; it has said why.
    #[error("failed to build package {package}: cargo's messages are above")]
    Cargo {
        /// The package.
        package: String,
    },
    /// cargo said nothing of a module.
    #[error("failed to build package {package}: {problem}")]
    Output {
        /// The package.
        package: String,
        /// What was missing.
        problem: String,
    },
    /// The module could not be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl RustError {
    pub(crate) fn asks_for_a_change(&self) -> bool {
        matches!(self, Self::Package(_) | Self::Toolchain(_))
    }

    pub(crate) fn lacks_tools(&self) -> bool {
        matches!(self, Self::Toolchain(_) | Self::Package(PackageError::NoCargo { .. }))
    }
}

/// Builds a package for WebAssembly; `profile` as [`crate::BuildOptions::profile`].
pub(crate) async fn build(project: &Project, profile: Option<&str>) -> Result<Core, RustError> {
    let package = Package::find(project.dir())?;
    let compiler = toolchain::find(&package.dir)?;
    tracing::info!(package = package.name, compiler = %compiler, "building for {TARGET}");
    let module = cargo::build(&package, &compiler, &package.profile(profile)).await?;
    let wasm = std::fs::read(&module).map_err(|source| RustError::Read { path: module, source })?;
    Ok(Core { output: package.default_output(), name: package.name, wasm })
}

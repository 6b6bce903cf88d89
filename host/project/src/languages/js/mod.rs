//! JavaScript: a module whose default export is `defineController({…})`, turned into a component by
//! componentize-qjs (QuickJS).
//!
//! Four steps: read `package.json` ([`manifest`]), find node and install componentize-qjs into the user's cache
//! ([`toolchain`]), write contract, SDK, entry, the project's modules and the packages it depends on into a temporary
//! folder ([`stage`]), compile. It is a copy because modules are only resolved below one folder, and the SDK has to
//! be in it. WASI is stubbed out; what the SDK puts in its place is told in `guest-sdk/js/src/sandbox.js`.

mod manifest;
mod stage;
mod toolchain;

use std::io;
use std::path::{Path, PathBuf};

use super::provision::ProvisionError;
use super::{Core, producers};
use crate::Project;
use manifest::Manifest;
use stage::Stage;

/// Why a JavaScript project could not be built.
#[derive(Debug, thiserror::Error)]
pub enum JsError {
    /// There is no node, or no npm.
    #[error("failed to find {program}: install it: `{}`", toolchain::install_command())]
    Missing {
        /// `node` or `npm`.
        program: &'static str,
    },
    /// It is older than what the compiler needs.
    #[error(
        "failed to build with node {found}: {} or newer is needed; install it: `{}`",
        toolchain::OLDEST,
        toolchain::install_command()
    )]
    TooOld {
        /// Its version.
        found: String,
    },
    /// The compiler could not be installed.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// `package.json` does not say what it must.
    #[error("failed to read {}: {problem}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to write.
        problem: String,
    },
    /// A package that the project depends on is not there.
    #[error("failed to find the package {name}, which {by} depends on; run `npm install` in {}", root.display())]
    NoPackage {
        /// The package.
        name: String,
        /// Whose dependency it is.
        by: String,
        /// The project.
        root: PathBuf,
    },
    /// componentize-qjs failed.
    #[error("failed to build {name}: {problem}")]
    Compile {
        /// The project.
        name: String,
        /// What the engine says.
        problem: String,
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

impl JsError {
    pub(crate) fn asks_for_a_change(&self) -> bool {
        matches!(self, Self::Manifest { .. } | Self::NoPackage { .. })
    }

    pub(crate) fn lacks_tools(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::TooOld { .. } | Self::Provision(_))
    }
}

/// Builds a JavaScript project.
pub(crate) async fn build(project: &Project) -> Result<Core, JsError> {
    let manifest = Manifest::read(project.root())?;
    let compiler = toolchain::ensure().await?;
    tracing::info!(package = manifest.name, "building with componentize-qjs {}", toolchain::COMPONENTIZE);
    let stage = Stage::new(project.root(), &manifest)?;
    let mut wasm = stage.compile(&compiler, &manifest.name).await?;
    let tool = ("componentize-qjs", toolchain::COMPONENTIZE);
    producers::name(&mut wasm, ("JavaScript", "QuickJS"), tool);
    Ok(Core { output: project.default_output(&manifest.name), name: manifest.name, wasm })
}

fn file(path: &Path, source: io::Error) -> JsError {
    JsError::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_the_command_that_installs_it() {
        let text = JsError::Missing { program: "npm" }.to_string();
        assert!(text.starts_with("failed to find npm: install it: `"), "{text}");
        let old = JsError::TooOld { found: "v16.20.2".into() }.to_string();
        assert!(old.contains("node v16.20.2: 18 or newer"), "{old}");
    }
}

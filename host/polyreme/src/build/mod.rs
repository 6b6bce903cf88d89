//! `polyreme build`: from a guest's source folder to a component that the host accepts.
//!
//! A guest author has a Cargo package with a `cdylib` and the SDK as a dependency, and
//! knows nothing of linkers and component tools. Four steps, one file each: find the
//! package ([`package`]), find a compiler that has the standard library of
//! `wasm32-unknown-unknown` ([`toolchain`]), run cargo with a target folder of its own
//! ([`cargo`]), turn the core module into a component and check that it imports nothing
//! but `polyreme:controller` ([`component`]). What cargo prints passes through; every
//! error of ours names the remedy.

mod cargo;
mod component;
mod package;
mod toolchain;

use std::path::{Path, PathBuf};

pub use component::{Component, ComponentError};
pub use package::PackageError;
pub use toolchain::{TARGET, ToolchainError};

use package::Package;

/// What to build.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// The folder of the guest's package, or one inside it.
    pub dir: PathBuf,
    /// Where the component goes; `target/guests/<name>.wasm` of its workspace when absent.
    pub output: Option<PathBuf>,
    /// The Cargo profile; `guest` where the workspace has one, else `release`.
    pub profile: Option<String>,
}

/// What was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// The package's name.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: usize,
    /// `sha256:…`
    pub digest: String,
    /// The interfaces it imports, such as `polyreme:controller/kubernetes@0.1.0`.
    pub imports: Vec<String>,
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
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
    /// cargo could not be run, or said nothing of a module.
    #[error("failed to build package {package}: {problem}")]
    Output {
        /// The package.
        package: String,
        /// What was missing.
        problem: String,
    },
    /// The module is not one for this host.
    #[error("failed to make a component of package {package}")]
    Component {
        /// The package.
        package: String,
        /// Why.
        source: ComponentError,
    },
    /// A file could not be read or written.
    #[error("failed to write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

/// Builds the guest of a folder. Dropping the future ends cargo.
///
/// # Errors
///
/// When there is no guest package, no compiler for it, when cargo fails, or when the
/// result is not a component for this host.
pub async fn build(options: &BuildOptions) -> Result<Built, BuildError> {
    let package = Package::find(&options.dir)?;
    let compiler = toolchain::find(&package.dir)?;
    tracing::info!(package = package.name, compiler = %compiler, "building for {TARGET}");
    let profile = package.profile(options.profile.as_deref());
    let module = cargo::build(&package, &compiler, &profile).await?;
    let core = std::fs::read(&module).map_err(|source| write_error(&module, source))?;
    let component = Component::from_module(&core)
        .map_err(|source| BuildError::Component { package: package.name.clone(), source })?;
    let path = options.output.clone().unwrap_or_else(|| package.default_output());
    write(&path, &component.bytes).map_err(|source| write_error(&path, source))?;
    Ok(Built {
        name: package.name,
        bytes: component.bytes.len(),
        digest: component.digest(),
        imports: component.imports,
        path,
    })
}

/// Writes beside the place and renames, so that a host never loads half a module.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = folder.join(format!(".{name}.{}", std::process::id()));
    std::fs::write(&draft, bytes)?;
    std::fs::rename(&draft, path).inspect_err(|_| _ = std::fs::remove_file(&draft))
}

fn write_error(path: &Path, source: std::io::Error) -> BuildError {
    BuildError::Write { path: path.to_owned(), source }
}

//! What a developer does to a controller's sources, without a host and without a cluster.
//!
//! A [`Project`] is a folder; its language is told by the file that each language's own tool looks for
//! ([`languages`], one module for each). [`build()`] has that tool compile it and makes a component of what
//! comes out ([`component`]): the contract's WIT and the adapter for what Go's runtime wants of its system
//! are part of this library, so a developer needs the tool of their language and nothing else.
//! [`inspect()`] tells what a file is, without running it.
//!
//! What the tools print passes through to stderr; every error of ours names the remedy. Nothing is installed but
//! the compilers of Python and JavaScript, pinned and into the user's cache ([`languages::provision`]); a file that
//! is written is whole or not there. SDKs that no registry has are part of this library ([`sdk`]).

pub mod component;
pub mod contract;
pub mod inspect;
pub mod languages;
pub mod paths;
mod process;
mod project;
pub mod scaffold;
pub mod sdk;
mod settings;
mod shim;

use std::path::{Path, PathBuf};

use component::{Component, ComponentError};
use languages::{Compiler, Core, Language};

pub use inspect::{Inspection, inspect};
pub use project::{Project, ProjectError};
pub use settings::{FILE_NAME, Settings};

/// What to build, and how.
#[derive(Clone, Debug, Default)]
pub struct BuildOptions {
    /// The folder of the project, or one inside it.
    pub dir: PathBuf,
    /// Where the component goes; what [`Built::path`] says when absent.
    pub output: Option<PathBuf>,
    /// Rust only: the Cargo profile; `guest` where the workspace has one, else `release`.
    pub profile: Option<String>,
    /// Which of the language's compilers; remembered in the project's file when the build succeeds.
    pub compiler: Option<Compiler>,
}

/// What was built.
#[derive(Clone, Debug)]
pub struct Built {
    /// The project's name.
    pub name: String,
    /// Its language.
    pub language: Language,
    /// The file: for Rust `guests/NAME.wasm` in Cargo's target folder, else `build/NAME.wasm` in the project.
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
    /// The folder is no project, or its file is wrong.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The language's tool is missing, or does not accept the project.
    #[error(transparent)]
    Rust(#[from] languages::rust::RustError),
    /// The language's tool is missing, or does not accept the project.
    #[error(transparent)]
    Go(#[from] languages::go::GoError),
    /// The language's tool is missing, or does not accept the project.
    #[error(transparent)]
    Python(#[from] languages::python::PythonError),
    /// The language's tool is missing, or does not accept the project.
    #[error(transparent)]
    Js(#[from] languages::js::JsError),
    /// What was compiled is not one for this host.
    #[error("failed to make a component of {name}")]
    Component {
        /// The project.
        name: String,
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

impl BuildError {
    /// Whether the project or the arguments have to be changed before trying again; else something failed
    /// on the way, which the compiler's messages or the system explain.
    #[must_use]
    pub fn asks_for_a_change(&self) -> bool {
        match self {
            Self::Project(_) => true,
            Self::Rust(error) => error.asks_for_a_change(),
            Self::Go(error) => error.asks_for_a_change(),
            Self::Python(error) => error.asks_for_a_change(),
            Self::Js(error) => error.asks_for_a_change(),
            Self::Component { .. } | Self::Write { .. } => false,
        }
    }

    /// Whether the language's tools have to be installed or renewed before trying again.
    #[must_use]
    pub fn lacks_tools(&self) -> bool {
        match self {
            Self::Rust(error) => error.lacks_tools(),
            Self::Go(error) => error.lacks_tools(),
            Self::Python(error) => error.lacks_tools(),
            Self::Js(error) => error.lacks_tools(),
            _ => false,
        }
    }
}

/// Builds the project of a folder. Dropping the future ends the compiler.
///
/// # Errors
/// When there is no project, no compiler for it, when the compiler fails, or when what it makes is not a
/// controller for this host.
///
/// # Example
/// ```no_run
/// # async fn example() -> Result<(), polyreme_project::BuildError> {
/// use polyreme_project::{BuildOptions, build};
///
/// let built = build(&BuildOptions { dir: "examples/hello".into(), ..Default::default() }).await?;
/// println!("{} ({} bytes)", built.path.display(), built.bytes);
/// # Ok(())
/// # }
/// ```
pub async fn build(options: &BuildOptions) -> Result<Built, BuildError> {
    let project = Project::find(&options.dir)?;
    let compiler = project.compiler(options.compiler)?;
    let core = compile(&project, compiler, options).await?;
    let component = Component::of_core(&core.wasm, project.language())
        .map_err(|source| BuildError::Component { name: core.name.clone(), source })?;
    let path = options.output.clone().unwrap_or(core.output);
    write(&path, &component.bytes).map_err(|source| BuildError::Write { path: path.clone(), source })?;
    if options.compiler.is_some() {
        project.remember(compiler)?;
    }
    Ok(Built {
        name: core.name,
        language: project.language(),
        bytes: component.bytes.len(),
        digest: component.digest(),
        imports: component.imports,
        path,
    })
}

async fn compile(project: &Project, compiler: Compiler, options: &BuildOptions) -> Result<Core, BuildError> {
    match project.language() {
        Language::Rust => Ok(languages::rust::build(project, options.profile.as_deref()).await?),
        Language::Go => Ok(languages::go::build(project, compiler).await?),
        Language::Python => Ok(languages::python::build(project).await?),
        Language::JavaScript => Ok(languages::js::build(project).await?),
    }
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

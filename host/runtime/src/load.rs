//! Loading a module: read, recognise, compile, check the contract, link.
//!
//! Each step has its own refusal, because each has another remedy. What is recognised
//! from the first bytes is refused before anything is compiled.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::compile::{Compiled, compile};
use crate::contract;
use crate::engine::{Engine, Inner};
use crate::limits::Limits;
use crate::linked::Linked;
use crate::module::Module;

/// The largest component that is read. CPython's is 18 MB.
const MAX_COMPONENT_BYTES: u64 = 128 << 20;

/// Where a component comes from.
#[derive(Clone, Debug)]
pub enum ModuleSource {
    /// A file.
    File(PathBuf),
    /// Its bytes.
    Bytes(Arc<[u8]>),
}

impl From<&Path> for ModuleSource {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<PathBuf> for ModuleSource {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<Vec<u8>> for ModuleSource {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

/// Why a module cannot be loaded. Every variant names the module and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// There is no such file.
    #[error(
        "failed to load module {module}: there is no file {}; build the module, or correct its \
         `module` in the configuration",
        path.display()
    )]
    NotFound {
        /// The module.
        module: String,
        /// The file looked for.
        path: PathBuf,
    },
    /// The file exists and cannot be read.
    #[error("failed to load module {module}: failed to read {}", path.display())]
    Unreadable {
        /// The module.
        module: String,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// More bytes than any component needs.
    #[error(
        "failed to load module {module}: it has {bytes} bytes, more than {limit}; build it with \
         optimisation and without debug information"
    )]
    TooLarge {
        /// The module.
        module: String,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// Not WebAssembly at all.
    #[error(
        "failed to load module {module}: it is not WebAssembly (it begins with {found}); name \
         the .wasm file that `polyreme build` wrote"
    )]
    NotWasm {
        /// The module.
        module: String,
        /// Its first bytes.
        found: String,
    },
    /// A core module, not a component.
    #[error(
        "failed to load module {module}: it is a core WebAssembly module, not a component; make \
         one with `polyreme build` (or `wasm-tools component new`)"
    )]
    CoreModule {
        /// The module.
        module: String,
    },
    /// Machine code somebody else compiled.
    #[error(
        "failed to load module {module}: it is precompiled machine code, which is never loaded; \
         name the .wasm component it was compiled from"
    )]
    Precompiled {
        /// The module.
        module: String,
    },
    /// Built against another version of the contract.
    #[error(
        "failed to load module {module}: it was built for polyreme:controller@{found}, this host \
         runs @{wanted}; rebuild it with the SDK of this host's version"
    )]
    WitVersion {
        /// The module.
        module: String,
        /// The version it names; empty when it names none.
        found: String,
        /// The version of this host.
        wanted: String,
    },
    /// It imports what is not offered.
    #[error(
        "failed to load module {module}: it imports {name}, which is not offered (offered is \
         {offered}); {remedy}"
    )]
    UnknownImport {
        /// The module.
        module: String,
        /// The import.
        name: String,
        /// What may be imported.
        offered: String,
        /// What to do.
        remedy: &'static str,
    },
    /// It is a component, but not a controller.
    #[error(
        "failed to load module {module}: it does not export {wanted} (it exports: {}); implement \
         the `controller` world of wit/controller.wit",
        list(found)
    )]
    MissingExport {
        /// The module.
        module: String,
        /// The export that makes a controller.
        wanted: String,
        /// What it exports instead.
        found: Vec<String>,
    },
    /// Right names, wrong types.
    #[error(
        "failed to load module {module}: its functions differ from this host's \
         wit/controller.wit; rebuild it against that file"
    )]
    Incompatible {
        /// The module.
        module: String,
        /// The first difference.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The bytes are damaged, or use what this engine does not support.
    #[error(
        "failed to compile module {module}; it is damaged or uses a WebAssembly feature that is \
         not supported: build it again"
    )]
    Compile {
        /// The module.
        module: String,
        /// The compiler's reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The runtime is shutting down.
    #[error("failed to load module {module}: the host is shutting down")]
    Interrupted {
        /// The module.
        module: String,
    },
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// A reason to refuse a component, before the module's name is added.
#[derive(Debug)]
pub(crate) enum Refusal {
    TooLarge(u64),
    NotWasm(String),
    CoreModule,
    Precompiled,
    WitVersion { found: String, wanted: String },
    UnknownImport { name: String, offered: String, remedy: &'static str },
    MissingExport { wanted: String, found: Vec<String> },
    Incompatible(wasmtime::Error),
    Compile(wasmtime::Error),
}

impl Refusal {
    fn of(self, module: &str) -> LoadError {
        let module = module.to_owned();
        match self {
            Self::TooLarge(bytes) => LoadError::TooLarge { module, bytes, limit: MAX_COMPONENT_BYTES },
            Self::NotWasm(found) => LoadError::NotWasm { module, found },
            Self::CoreModule => LoadError::CoreModule { module },
            Self::Precompiled => LoadError::Precompiled { module },
            Self::WitVersion { found, wanted } => LoadError::WitVersion { module, found, wanted },
            Self::UnknownImport { name, offered, remedy } => {
                LoadError::UnknownImport { module, name, offered, remedy }
            }
            Self::MissingExport { wanted, found } => LoadError::MissingExport { module, wanted, found },
            Self::Incompatible(error) => LoadError::Incompatible { module, source: error.into() },
            Self::Compile(error) => LoadError::Compile { module, source: error.into() },
        }
    }
}

impl Engine {
    /// Loads a component under `name`, with the limits of each of its calls.
    ///
    /// Reading and compiling happen on a blocking thread, one module at a time. With a
    /// cache, a component that was loaded before is mapped instead of compiled.
    ///
    /// # Example
    /// ```no_run
    /// # async fn run(engine: polyreme_runtime::Engine) -> Result<(), polyreme_runtime::LoadError> {
    /// use polyreme_runtime::Limits;
    /// let path = std::path::Path::new("website.wasm");
    /// let module = engine.load("website", path, Limits::default()).await?;
    /// println!("{} {}", module.name(), module.digest());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn load(
        &self,
        name: &str,
        source: impl Into<ModuleSource>,
        limits: Limits,
    ) -> Result<Module, LoadError> {
        let turn = Arc::clone(&self.inner.compiling)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed: only its engine could, and does not");
        let inner = Arc::clone(&self.inner);
        let (module, source) = (name.to_owned(), source.into());
        let loading = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            load_blocking(&inner, &module, source)
        });
        let (digest, linked) =
            loading.await.map_err(|_| LoadError::Interrupted { module: name.to_owned() })??;
        Ok(Module::new(name, digest, limits, linked, self.clone()))
    }
}

/// With the digest of the component.
type Loaded = (String, Linked);

fn load_blocking(inner: &Inner, module: &str, source: ModuleSource) -> Result<Loaded, LoadError> {
    let bytes = match source {
        ModuleSource::Bytes(bytes) => bytes,
        ModuleSource::File(path) => read(module, path)?,
    };
    prepare(inner, &bytes).map_err(|refusal| refusal.of(module))
}

fn read(module: &str, path: PathBuf) -> Result<Arc<[u8]>, LoadError> {
    let size = std::fs::metadata(&path).map(|metadata| metadata.len());
    if let Ok(bytes) = size
        && bytes > MAX_COMPONENT_BYTES
    {
        return Err(Refusal::TooLarge(bytes).of(module));
    }
    let module = module.to_owned();
    match std::fs::read(&path) {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(LoadError::NotFound { module, path })
        }
        Err(source) => Err(LoadError::Unreadable { module, path, source }),
    }
}

fn prepare(inner: &Inner, bytes: &[u8]) -> Result<Loaded, Refusal> {
    recognise(bytes)?;
    let Compiled { component, digest } =
        compile(&inner.wasmtime, inner.cache.as_ref(), bytes).map_err(Refusal::Compile)?;
    contract::check(&component)?;
    let linked = Linked::new(&inner.linker, &component).map_err(Refusal::Incompatible)?;
    Ok((digest, linked))
}

/// Tells a component from everything else by its first eight bytes: the magic number,
/// a version, and a layer that is 1 for components (component model, Binary.md).
fn recognise(bytes: &[u8]) -> Result<(), Refusal> {
    match bytes {
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', ..] => Err(Refusal::CoreModule),
        [0x7f, b'E', b'L', b'F', ..] => Err(Refusal::Precompiled),
        _ => Err(Refusal::NotWasm(first_bytes(bytes))),
    }
}

/// The beginning of a file as an error shows it: text as text, the rest in hex.
fn first_bytes(bytes: &[u8]) -> String {
    let start = bytes.get(..bytes.len().min(8)).unwrap_or_default();
    if start.is_empty() {
        return "nothing: the file is empty".to_owned();
    }
    format!("\"{}\"", start.escape_ascii())
}

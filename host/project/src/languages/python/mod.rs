//! Python: a module that makes one `polyreme.Controller`, turned into a component by componentize-py.
//!
//! Four steps: read `pyproject.toml` ([`manifest`]), find Python and install componentize-py into the user's cache
//! ([`toolchain`]), write contract, SDK and an entry module into a temporary folder, compile. The project's folder
//! and the packages of its virtual environment are on the module path; WASI is stubbed out, and what the SDK puts in
//! its place is told in `guest-sdk/python/polyreme/_sandbox.py`.

mod manifest;
mod toolchain;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::provision::ProvisionError;
use super::{Core, Language, producers};
use crate::{Project, contract, process, sdk};
use manifest::Manifest;

/// The module that the component begins with; no controller's module may be called so.
const ENTRY: &str = "polyreme_entry";

/// Why a Python project could not be built.
#[derive(Debug, thiserror::Error)]
pub enum PythonError {
    /// There is no Python.
    #[error("failed to find Python: install it: `{}`", toolchain::install_command())]
    NoPython,
    /// It is older than what the SDK needs.
    #[error(
        "failed to build with Python {found} ({}): {} or newer is needed; install it: `{}`",
        program.display(),
        toolchain::OLDEST,
        toolchain::install_command()
    )]
    TooOld {
        /// The interpreter.
        program: PathBuf,
        /// Its version.
        found: String,
    },
    /// It cannot make environments, as on Debian without a package.
    #[error("failed to use Python: it lacks the module venv; install it: `apt-get install python3-venv`")]
    NoVenv,
    /// The compiler could not be installed.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// `pyproject.toml` does not say what it must.
    #[error("failed to read {}: {problem}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to write.
        problem: String,
    },
    /// The controller's module is not where it should be.
    #[error(
        "failed to find the module {module:?} of {}: there is no {}; name the controller's module in pyproject.toml: \
         `[tool.polyreme]` `main = \"…\"`",
        root.display(),
        candidates.join(", ")
    )]
    NoMain {
        /// The project.
        root: PathBuf,
        /// As named, or as derived from the project's name.
        module: String,
        /// Where it was looked for.
        candidates: Vec<String>,
    },
    /// componentize-py failed.
    #[error("failed to build {name}: {problem}")]
    Compile {
        /// The project.
        name: String,
        /// What Python says.
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

impl PythonError {
    pub(crate) fn asks_for_a_change(&self) -> bool {
        matches!(self, Self::Manifest { .. } | Self::NoMain { .. })
    }

    pub(crate) fn lacks_tools(&self) -> bool {
        matches!(self, Self::NoPython | Self::TooOld { .. } | Self::NoVenv | Self::Provision(_))
    }
}

/// Builds a Python project.
pub(crate) async fn build(project: &Project) -> Result<Core, PythonError> {
    let manifest = Manifest::read(project.root())?;
    let compiler = toolchain::ensure().await?;
    tracing::info!(package = manifest.name, "building with componentize-py {}", toolchain::COMPONENTIZE);
    let stage = Stage::new(&manifest)?;
    let mut wasm = stage.compile(&compiler, project.root(), &manifest).await?;
    let tool = ("componentize-py", toolchain::COMPONENTIZE);
    producers::name(&mut wasm, ("Python", toolchain::CPYTHON), tool);
    Ok(Core { output: project.default_output(&manifest.name), name: manifest.name, wasm })
}

/// What componentize-py is given besides the project: contract, SDK, entry.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    fn new(manifest: &Manifest) -> Result<Self, PythonError> {
        let folder = tempfile::tempdir().map_err(|source| file(&std::env::temp_dir(), source))?;
        let stage = Self { folder };
        stage.write("wit/controller.wit", contract::WIT)?;
        stage.write(&format!("entry/{ENTRY}.py"), &entry(&manifest.main))?;
        sdk::unpack(Language::Python, &stage.path("sdk"))
            .map_err(|source| file(&stage.path("sdk"), source))?;
        Ok(stage)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), PythonError> {
        let path = self.path(name);
        let written =
            fs::create_dir_all(path.parent().unwrap_or(&path)).and_then(|()| fs::write(&path, text));
        written.map_err(|source| file(&path, source))
    }

    async fn compile(
        &self,
        compiler: &Path,
        root: &Path,
        manifest: &Manifest,
    ) -> Result<Vec<u8>, PythonError> {
        let output = self.path("component.wasm");
        let mut command = Command::new(compiler);
        command.args(["--quiet", "--world", contract::WORLD, "--wit-path"]).arg(self.path("wit"));
        command.args(["componentize", "--stub-wasi", ENTRY, "--output"]).arg(&output);
        // The project first, so that its files have short names in tracebacks: /0/hello.py.
        let packages = manifest::site_packages(root);
        let folders = [manifest.folder.clone(), self.path("sdk"), self.path("entry")];
        for folder in folders.iter().chain(&packages) {
            command.arg("--python-path").arg(folder);
        }
        // The variable of an active environment would add that environment's packages.
        command.env("RUST_BACKTRACE", "0").env_remove("VIRTUAL_ENV");
        let run = process::quiet(command).await.map_err(|source| file(compiler, source))?;
        if !run.status.success() {
            let problem = problem(&String::from_utf8_lossy(&run.stderr), self.folder.path());
            return Err(PythonError::Compile { name: manifest.name.clone(), problem });
        }
        fs::read(&output).map_err(|source| file(&output, source))
    }
}

/// The module that exports the controller. Turning off `_datetime` must come before any import; bytecode would be
/// written into the project's folder.
fn entry(main: &str) -> String {
    format!(
        "import sys\n\nsys.dont_write_bytecode = True\nsys.modules[\"_datetime\"] = None\n\nfrom polyreme import \
         _component\n\nReconciler = _component.load({main:?})\n"
    )
}

/// What Python said, without the frames of the tool around it.
fn problem(stderr: &str, stage: &Path) -> String {
    let said = stderr.split_once("AssertionError: ").map_or(stderr, |(_, said)| said);
    let end = ["\nCaused by:", "\nStack backtrace:"].iter().filter_map(|mark| said.find(mark)).min();
    let mut said = said.get(..end.unwrap_or(said.len())).unwrap_or(said).trim();
    if said.is_empty() {
        // Python was ended from below. The last cause says by what.
        let causes = stderr.split("\nStack backtrace:").next().unwrap_or(stderr);
        said = causes.trim().lines().next_back().map_or("it ended without a word", str::trim);
    }
    said.replace(&format!("{}/", stage.display()), "")
}

fn file(path: &Path, source: io::Error) -> PythonError {
    PythonError::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_said_is_told_without_the_tool() {
        let stderr = "Traceback (most recent call last):\n  File \"/venv/bin/componentize-py\", line 8\n\
            AssertionError: Traceback (most recent call last):\n  File \"/0/hello.py\", line 5, in <module>\n\
            NameError: name 'x' is not defined\n\n\nCaused by:\n    NameError: name 'x' is not defined\n\n\
            Stack backtrace:\n   0: <anyhow::Error>::msg\n";
        assert_eq!(
            problem(stderr, Path::new("/tmp/stage")),
            "Traceback (most recent call last):\n  File \"/0/hello.py\", line 5, in <module>\nNameError: name 'x' is \
             not defined"
        );
        assert_eq!(problem("error: /tmp/stage/wit is odd\n", Path::new("/tmp/stage")), "error: wit is odd");
        assert_eq!(problem("\n", Path::new("/tmp/stage")), "it ended without a word");
    }

    #[test]
    fn an_end_without_an_exception_is_told_by_its_cause() {
        let stderr = "Traceback (most recent call last):\nAssertionError: \n\nCaused by:\n    0: error while \
            executing at wasm backtrace:\n           0: 0xa0a951 - <unknown>!<wasm function 96>\n    \
            1: called trapping stub: polyreme:controller/log@0.1.0#log\n\nStack backtrace:\n   0: main\n";
        assert_eq!(
            problem(stderr, Path::new("/tmp/stage")),
            "1: called trapping stub: polyreme:controller/log@0.1.0#log"
        );
    }

    #[test]
    fn what_is_missing_is_named_with_the_command_that_installs_it() {
        let text = PythonError::NoPython.to_string();
        assert!(text.starts_with("failed to find Python: install it: `"), "{text}");
        let old = PythonError::TooOld { program: "/usr/bin/python3".into(), found: "3.7".into() }.to_string();
        assert!(old.contains("3.7 (/usr/bin/python3): 3.10 or newer"), "{old}");
        assert!(PythonError::NoVenv.to_string().contains("apt-get install python3-venv"));
    }
}

//! Builds the workspace and its guests.
//!
//! A guest in Rust is a member with a `cdylib` target that depends on `polyreme-sdk`; one in
//! another language is a folder in one of [`PLACES`] with that language's own file
//! ([`MANIFESTS`]). Nothing has to be registered here when one is added. `polyreme build`
//! does the building: the way a user builds is the way that is tested.
//!
//! A guest whose language's tools are missing is left out: in its place there is a file
//! `NAME.missing` that says how to install them, which tests report.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::{paths, progress, wasm_std};

/// Folders whose folders can be guests in another language than Rust. The part of a path
/// below the first folder named here is the guest's name: `examples/webhosting/go` is
/// `webhosting-go`.
const PLACES: [(&str, &str); 5] = [
    ("tests", "sdk-cases"),
    ("examples", ""),
    ("examples", "hello-go"),
    ("examples", "webhosting"),
    ("host/runtime/examples", ""),
];

/// What tells `polyreme build` the language of a folder.
const MANIFESTS: [&str; 3] = ["go.mod", "pyproject.toml", "package.json"];

/// How the names of guests end that TinyGo builds.
const TINYGO: &str = "-tinygo";

/// Exit code of `polyreme build` when a language's tools are not installed.
const NO_TOOLS: i32 = 3;

/// What can be built into a component.
#[derive(Debug, PartialEq)]
pub(crate) struct Guest {
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
    /// Its tools come with the workspace, so that it cannot be left out.
    is_rust: bool,
}

impl Guest {
    /// The same sources under another name.
    pub(crate) fn renamed(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    /// The folder of its sources.
    pub(crate) fn into_dir(self) -> PathBuf {
        self.dir
    }
}

/// `cargo xtask guests`.
pub(crate) fn run() -> Result<()> {
    build_everything()?;
    for guest in find()?.iter().filter(|guest| output(guest).is_file()) {
        println!("{}", output(guest).display());
    }
    Ok(())
}

/// The standard library, every crate of the workspace, every guest.
pub(crate) fn build_everything() -> Result<()> {
    eprintln!("✔ {}", wasm_std::ensure()?);
    build_workspace()?;
    fs::create_dir_all(paths::guests()).context("failed to create target/guests")?;
    find()?.iter().try_for_each(build)
}

/// One command for demo, test and e2e, so that features, and with them artefacts, are the
/// same for all.
fn build_workspace() -> Result<()> {
    progress::step("build the workspace", cargo().args(["build", "--workspace"]))
}

/// cargo as the user called it, at the root, without what cargo told xtask of xtask itself: ring's build
/// script looks at `CARGO_PKG_NAME` and runs again when it changes, and with it everything on top of TLS
/// would be built again whenever a command is run by hand after one of xtask's.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(paths::root());
    let about_xtask = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(about_xtask)) {
        command.env_remove(name);
    }
    command
}

/// A program of the tests crate, told where the host and the guests are.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(paths::target().join("debug").join(name));
    command
        .current_dir(paths::root())
        .env("POLYREME_BIN", paths::polyreme())
        .env("POLYREME_GUESTS", paths::guests());
    command
}

/// Builds one guest into `target/guests`.
pub(crate) fn build(guest: &Guest) -> Result<()> {
    build_in(guest, &[])
}

/// The same, with these environment variables.
pub(crate) fn build_in(guest: &Guest, environment: &[(&str, &str)]) -> Result<()> {
    let mut command = Command::new(paths::polyreme());
    command.arg("build").arg(&guest.dir).arg("-o").arg(output(guest)).current_dir(paths::root());
    command.envs(environment.iter().copied());
    if guest.is_rust {
        return progress::step(&format!("build guest {}", guest.name), &mut command);
    }
    eprintln!("… build guest {}", guest.name);
    let built = command.stdin(Stdio::null()).output().context("failed to start polyreme build")?;
    if !built.status.success() {
        // What was built before is not what is there now.
        let _ = fs::remove_file(output(guest));
    }
    note_in(&output(guest).with_extension("missing"), &built, &guest.name)
}

/// Keeps in mind that a guest could not be built, when that is for want of tools.
fn note_in(note: &Path, built: &Output, name: &str) -> Result<()> {
    // An earlier one is not true any more.
    let _ = fs::remove_file(note);
    let told = String::from_utf8_lossy(&built.stderr);
    if built.status.success() {
        eprintln!("✔ build guest {name}");
        return Ok(());
    }
    if built.status.code() != Some(NO_TOOLS) {
        let fault =
            format!("failed to build guest {name}: polyreme build ended with {}\n{told}", built.status);
        if name.ends_with(TINYGO) {
            // Its cases fail, for want of the file; the rest is not to suffer from whichever TinyGo is installed.
            eprintln!("✘ {fault}");
            return Ok(());
        }
        bail!(fault);
    }
    let remedy = told.lines().rev().find_map(|line| line.strip_prefix("error: ")).unwrap_or(&told);
    eprintln!("✘ guest {name} is left out: {remedy}");
    fs::write(note, remedy).with_context(|| format!("failed to write {}", note.display()))
}

/// Where a guest's component is put.
pub(crate) fn output(guest: &Guest) -> PathBuf {
    paths::guests().join(format!("{}.wasm", guest.name))
}

/// Every guest of the repository, those in Rust first.
pub(crate) fn find() -> Result<Vec<Guest>> {
    let mut guests = find_rust()?;
    for (root, below) in PLACES {
        guests.extend(find_others(&paths::root().join(root), below)?);
    }
    Ok(guests)
}

/// The folders of a place that another language's tool would take for a project.
fn find_others(root: &Path, below: &str) -> Result<Vec<Guest>> {
    let place = root.join(below);
    let entries = fs::read_dir(&place).with_context(|| format!("failed to list {}", place.display()))?;
    let is_project = |dir: &PathBuf| MANIFESTS.iter().any(|file| dir.join(file).is_file());
    let mut dirs: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_project).collect();
    dirs.sort();
    let guest = |dir: PathBuf| {
        let path = dir.strip_prefix(root).unwrap_or(&dir);
        let parts = path.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
        Guest { name: parts.collect::<Vec<_>>().join("-"), dir, is_rust: false }
    };
    Ok(dirs.into_iter().map(guest).collect())
}

fn find_rust() -> Result<Vec<Guest>> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .context("failed to start cargo metadata")?;
    if !output.status.success() {
        bail!("failed to read the workspace: {}", String::from_utf8_lossy(&output.stderr));
    }
    guests_of(&output.stdout)
}

fn guests_of(metadata: &[u8]) -> Result<Vec<Guest>> {
    let metadata: Metadata = serde_json::from_slice(metadata).context("failed to read cargo's metadata")?;
    Ok(metadata.packages.into_iter().filter(Package::is_guest).map(Package::into_guest).collect())
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

impl Package {
    fn is_guest(&self) -> bool {
        let is_library = self.targets.iter().any(|target| target.kind.iter().any(|kind| kind == "cdylib"));
        is_library && self.dependencies.iter().any(|dependency| dependency.name == "polyreme-sdk")
    }

    fn into_guest(self) -> Guest {
        let dir = self.manifest_path.parent().unwrap_or(Path::new(".")).to_owned();
        Guest { name: self.name, dir, is_rust: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_dynamic_library_on_the_sdk_is_a_guest() {
        let package = |name: &str, kind: &str, dependency: &str| {
            serde_json::json!({
                "name": name,
                "manifest_path": format!("/src/{name}/Cargo.toml"),
                "dependencies": [{ "name": dependency }],
                "targets": [{ "kind": [kind] }],
            })
        };
        let packages = [
            package("hello", "cdylib", "polyreme-sdk"),
            package("tool", "bin", "polyreme-sdk"),
            package("plugin", "cdylib", "serde"),
        ];
        let metadata = serde_json::json!({ "packages": packages }).to_string();
        let found = guests_of(metadata.as_bytes()).unwrap();
        assert_eq!(found, [Guest { name: "hello".into(), dir: "/src/hello".into(), is_rust: true }]);
    }

    #[test]
    fn a_folder_with_the_file_of_a_language_is_a_guest_named_by_its_path() {
        let root = tempfile::tempdir().unwrap();
        for (dir, file) in
            [("cases/go", "go.mod"), ("cases/rust", "Cargo.toml"), ("cases/js", "package.json")]
        {
            fs::create_dir_all(root.path().join(dir)).unwrap();
            fs::write(root.path().join(dir).join(file), "").unwrap();
        }
        let found = find_others(root.path(), "cases").unwrap();
        let names: Vec<_> = found.iter().map(|guest| guest.name.as_str()).collect();
        assert_eq!(names, ["cases-go", "cases-js"]);
        assert!(found.iter().all(|guest| !guest.is_rust));
    }

    #[test]
    fn only_missing_tools_leave_a_guest_out() {
        let dir = tempfile::tempdir().unwrap();
        let ended = |code: i32| {
            let script = format!("echo 'error: failed to find go: run x' >&2; exit {code}");
            Command::new("sh").args(["-c", &script]).output().unwrap()
        };
        let note = dir.path().join("cases-go.missing");
        note_in(&note, &ended(NO_TOOLS), "cases-go").unwrap();
        assert_eq!(fs::read_to_string(&note).unwrap(), "failed to find go: run x");
        assert!(note_in(&note, &ended(2), "cases-go").is_err());
        assert!(!note.exists());
    }
}

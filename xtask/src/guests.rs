//! Builds the workspace and its guests.
//!
//! A guest is a member with a `cdylib` target that depends on `polyreme-sdk`; nothing has
//! to be registered here when one is added. `polyreme build` does the building: the way a
//! user builds is the way that is tested.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::{paths, progress, wasm_std};

/// A guest crate of the workspace.
#[derive(Debug, PartialEq)]
pub(crate) struct Guest {
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
}

/// `cargo xtask guests`.
pub(crate) fn run() -> Result<()> {
    build_everything()?;
    for guest in find()? {
        println!("{}", output(&guest).display());
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
    let mut command = Command::new(paths::polyreme());
    command.arg("build").arg(&guest.dir).arg("-o").arg(output(guest)).current_dir(paths::root());
    progress::step(&format!("build guest {}", guest.name), &mut command)
}

/// Where a guest's component is put.
pub(crate) fn output(guest: &Guest) -> PathBuf {
    paths::guests().join(format!("{}.wasm", guest.name))
}

/// Every guest of the workspace.
pub(crate) fn find() -> Result<Vec<Guest>> {
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
        Guest { name: self.name, dir }
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
        assert_eq!(found, [Guest { name: "hello".into(), dir: "/src/hello".into() }]);
    }
}

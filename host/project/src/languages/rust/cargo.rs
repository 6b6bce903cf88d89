//! Running cargo for a guest, and finding the module that it made.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;

use super::inlining;
use super::package::Package;
use super::toolchain::{Compiler, TARGET};
use super::{PackageError, RustError};
use crate::process;

/// Variables of a surrounding cargo (`cargo xtask`, `cargo run`) that are meant for host
/// code: flags for a host linker, a wrapper for clippy, a target to default to.
const FOREIGN_VARIABLES: [&str; 6] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_TARGET_DIR",
];

/// cargo, as a surrounding cargo names it.
pub(super) fn program() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// A line of `--message-format=json`.
#[derive(Debug, Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    package_id: String,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// Builds the package and returns the core module's file.
///
/// cargo is killed when the future is dropped.
pub(super) async fn build(
    package: &Package,
    compiler: &Compiler,
    profile: &str,
) -> Result<PathBuf, RustError> {
    // Diagnostics go to our stderr as they come; only artefact messages are on stdout.
    let output = process::answer(command(package, compiler, profile)).await;
    let output = output.map_err(|source| PackageError::NoCargo { source })?;
    if !output.status.success() {
        return Err(RustError::Cargo { package: package.name.clone() });
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    module_file(&messages, &package.id).ok_or_else(|| RustError::Output {
        package: package.name.clone(),
        problem: "cargo did not name a .wasm file; does the package make a cdylib for every target?"
            .to_owned(),
    })
}

fn command(package: &Package, compiler: &Compiler, profile: &str) -> Command {
    let mut command = Command::new(program());
    command
        .current_dir(&package.dir)
        .args(["build", "--target", TARGET, "--profile", profile, "--lib"])
        .args(["--message-format", "json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(&package.manifest)
        .arg("--target-dir")
        .arg(package.target_dir());
    for variable in FOREIGN_VARIABLES {
        command.env_remove(variable);
    }
    if let Some(rustc) = compiler.rustc() {
        command.env("RUSTC", rustc);
    }
    command.args(inlining::arguments(compiler, &package.dir));
    command
}

/// The `.wasm` file among the artefacts of package `id`.
fn module_file(messages: &str, id: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| message.reason == "compiler-artifact" && message.package_id == id)
        .flat_map(|message| message.filenames)
        .find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","package_id":"dep","filenames":["/t/dep.wasm"]}
{"reason":"build-script-executed","package_id":"me"}
{"reason":"compiler-artifact","package_id":"me","filenames":["/t/libme.rlib","/t/me.wasm"]}
{"reason":"build-finished","success":true}"#;
        assert_eq!(module_file(messages, "me"), Some(PathBuf::from("/t/me.wasm")));
        assert_eq!(module_file(messages, "other"), None);
    }
}

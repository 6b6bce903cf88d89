//! What xtask tells the tests through the environment.
//!
//! | variable | meaning | when unset |
//! |---|---|---|
//! | `POLYREME_BIN` | the host binary | the one beside the test binary |
//! | `POLYREME_GUESTS` | folder of guest components | `target/guests` |
//! | `POLYREME_TEST_SERVER` | `local` or `real` | a local server in this process |
//! | `POLYREME_TEST_KUBECONFIG` | how to reach it | |
//! | `POLYREME_TEST_APISERVER_PIDFILE` | the supervised process that comes back when killed | |
//! | `POLYREME_TEST_AUDIT_LOG` | where a real server records every request | |

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

const REMEDY: &str =
    "run the suite by `cargo xtask test` or `cargo xtask e2e`, or build first by `cargo xtask guests`";

/// The repository's root.
#[must_use]
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// The host binary.
///
/// # Errors
/// When it has not been built; names the command that does.
pub fn polyreme_binary() -> Result<PathBuf> {
    let path = match path_in("POLYREME_BIN") {
        Some(path) => path,
        None => beside_this_binary("polyreme")?,
    };
    ensure!(path.is_file(), "failed to find the host binary at {}: {REMEDY}", path.display());
    Ok(path)
}

/// The folder of guest components.
#[must_use]
pub fn guests_dir() -> PathBuf {
    path_in("POLYREME_GUESTS").unwrap_or_else(|| repository().join("target/guests"))
}

/// How to install what a guest could not be built without; nothing when it was built. `cargo xtask guests`
/// leaves that in its place.
#[must_use]
pub fn missing_tools(guest: &str) -> Option<String> {
    fs::read_to_string(guests_dir().join(format!("{guest}.missing"))).ok()
}

/// Reports on the terminal that something passed because it was not run, and how to have it run.
///
/// # Errors
/// When stderr is closed.
pub fn not_run(what: &str, remedy: &str) -> Result<()> {
    // Not `eprint!`, which the test runner keeps to itself when a test passes.
    let note = format!("\nNOT RUN: {what}: {remedy}\n");
    std::io::stderr().write_all(note.as_bytes()).context("failed to write to stderr")
}

/// A guest built by `cargo xtask guests`.
///
/// # Errors
/// When it has not been built; names the command that does.
pub(crate) fn built_guest(name: &str) -> Result<PathBuf> {
    let path = guests_dir().join(format!("{name}.wasm"));
    ensure!(path.is_file(), "failed to find the guest {}: {REMEDY}", path.display());
    Ok(path)
}

/// A path from the environment.
pub(crate) fn path_in(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Test binaries are in `target/<profile>/deps`, programs one above.
fn beside_this_binary(name: &str) -> Result<PathBuf> {
    let this = env::current_exe().context("failed to find this program's own path")?;
    let mut folders = this.ancestors().skip(1);
    let found = folders.by_ref().take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("failed to find {name} beside {}: {REMEDY}", this.display()))
}

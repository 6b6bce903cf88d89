//! Where things are: the repository, cargo's output, and the per-user cache that outlives
//! a clone.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The repository's root; xtask is a member of its workspace.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// cargo's target directory.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// The host binary of the profile that demo, test and e2e share.
pub(crate) fn polyreme() -> PathBuf {
    target().join("debug/polyreme")
}

/// Guests are where `examples/*/polyreme.yaml` looks for them, whatever cargo's target
/// directory is.
pub(crate) fn guests() -> PathBuf {
    root().join("target/guests")
}

/// `$XDG_CACHE_HOME/polyreme` or `~/.cache/polyreme`.
pub(crate) fn cache() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir),
        None => home()?.join(".cache"),
    };
    Ok(base.join("polyreme"))
}

fn home() -> Result<PathBuf> {
    let home = env::var_os("HOME")
        .context("failed to find the cache folder: neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(PathBuf::from(home))
}

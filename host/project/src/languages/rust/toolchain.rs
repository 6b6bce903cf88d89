//! A Rust compiler that has the standard library of `wasm32-unknown-unknown`.
//!
//! The compiler that the guest's folder selects is asked first; most machines have the
//! target through rustup. Where rustup cannot reach its server, `cargo xtask wasm-std`
//! makes a compiler with that library in the user's cache folder, and it is found there.
//! Nothing is downloaded or installed from here.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The target of Rust guests: no WASI, so that nothing outside the contract is imported.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Where `cargo xtask wasm-std` puts its compiler, below the user's cache folder.
const CACHED_RUSTC: &str = "wasm-std/current/bin/rustc";

/// There is no compiler for the target.
#[derive(Debug, thiserror::Error)]
#[error(
    "failed to find a standard library for {TARGET}: {compiler} has none{}; run `rustup target add {TARGET}`, \
     or, where rustup cannot reach its server, `cargo xtask wasm-std` in a checkout of Polyreme",
    cache_note(cached)
)]
pub struct ToolchainError {
    compiler: String,
    cached: Option<PathBuf>,
}

fn cache_note(cached: &Option<PathBuf>) -> String {
    cached.as_ref().map_or_else(String::new, |path| format!(" and {} does not exist", path.display()))
}

/// A compiler for guests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Compiler {
    /// The one that cargo would use anyway.
    Selected(OsString),
    /// The one that `cargo xtask wasm-std` made.
    Cached(PathBuf),
}

impl Compiler {
    /// What to set as `RUSTC` for cargo.
    pub(super) fn rustc(&self) -> Option<&Path> {
        match self {
            Self::Selected(_) => None,
            Self::Cached(path) => Some(path),
        }
    }

    /// Whether it takes `flags`, started in `dir`: its LLVM may be another than the one they were made for.
    pub(super) fn takes(&self, flags: &[&str], dir: &Path) -> bool {
        let program = match self {
            Self::Selected(program) => program.as_os_str(),
            Self::Cached(path) => path.as_os_str(),
        };
        target_libdir(program, flags, dir).is_some()
    }
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Selected(program) => f.write_str(&program.to_string_lossy()),
            Self::Cached(path) => write!(f, "{}", path.display()),
        }
    }
}

/// The compiler for guests in `dir`.
pub(super) fn find(dir: &Path) -> Result<Compiler, ToolchainError> {
    let selected = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    if has_std(&selected, dir) {
        return Ok(Compiler::Selected(selected));
    }
    let cached = crate::paths::cache_dir().map(|cache| cache.join(CACHED_RUSTC));
    match cached {
        Some(path) if has_std(path.as_os_str(), dir) => Ok(Compiler::Cached(path)),
        cached => Err(ToolchainError { compiler: selected.to_string_lossy().into_owned(), cached }),
    }
}

/// Whether `rustc`, started in `dir` so that a `rust-toolchain.toml` there counts, has
/// the libraries of the target.
fn has_std(rustc: &OsStr, dir: &Path) -> bool {
    target_libdir(rustc, &[], dir).is_some_and(|folder| holds_std(&folder))
}

/// What `rustc` answers when it takes `flags`.
fn target_libdir(rustc: &OsStr, flags: &[&str], dir: &Path) -> Option<PathBuf> {
    let mut command = Command::new(rustc);
    command.current_dir(dir).args(["--print", "target-libdir", "--target", TARGET]).args(flags);
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

fn holds_std(folder: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
}

#[cfg(test)]
mod tests {
    use super::super::inlining::FLAGS;
    use super::*;

    #[test]
    fn a_compiler_that_does_not_exist_has_no_std() {
        assert!(!has_std("/nowhere/rustc".as_ref(), Path::new("/")));
    }

    #[test]
    fn a_compiler_takes_only_what_its_llvm_knows() {
        let compiler = Compiler::Selected(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        assert!(compiler.takes(&FLAGS, Path::new(".")), "look for what LLVM calls these options now");
        assert!(!compiler.takes(&["-Cllvm-args=-no-such-option=1"], Path::new(".")));
    }

    #[test]
    fn the_error_names_both_remedies() {
        let error = ToolchainError { compiler: "rustc".into(), cached: None };
        let text = error.to_string();
        assert!(text.contains("rustup target add wasm32-unknown-unknown"), "{text}");
        assert!(text.contains("cargo xtask wasm-std"), "{text}");
    }
}

//! A standard library for wasm32-unknown-unknown, without which no Rust guest builds.
//!
//! Three ways, the cheapest first: the toolchain has the target already; rustup fetches it;
//! or, where rustup's server cannot be reached, `hack/wasm-std.sh` makes a second compiler
//! from Debian packages in the per-user cache. `polyreme build` looks in the same places in
//! the same order, so nothing has to be passed on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::Process;
use crate::{paths, progress, wait};

const TARGET: &str = "wasm32-unknown-unknown";
/// A reachable server needs a few seconds for 20 MB; an unreachable one may never answer.
const RUSTUP_LIMIT: Duration = Duration::from_secs(90);
const REMEDY: &str = "
Neither rustup nor apt could provide it. One of these does:
    rustup target add wasm32-unknown-unknown       (needs static.rust-lang.org)
    hack/wasm-std.sh                               (Debian or Ubuntu with rustc-web in its package lists)
or put a rustc that has the target at ~/.cache/polyreme/wasm-std/current/bin/rustc";

/// `cargo xtask wasm-std`.
pub(crate) fn run() -> Result<()> {
    println!("{}", ensure()?);
    Ok(())
}

/// Finds or makes it, and says which way was taken.
pub(crate) fn ensure() -> Result<String> {
    if toolchain_has_it()? {
        return Ok(format!("{TARGET}: the toolchain has it"));
    }
    let compiler = paths::cache()?.join("wasm-std/current/bin/rustc");
    if builds_modules(&compiler) {
        return Ok(format!("{TARGET}: made earlier, {}", compiler.display()));
    }
    if rustup_adds_it()? {
        return Ok(format!("{TARGET}: added by rustup"));
    }
    make(&compiler)
}

fn toolchain_has_it() -> Result<bool> {
    let output = Command::new("rustc")
        .current_dir(paths::root())
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .context("failed to start rustc")?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    Ok(output.status.success() && has_core(&folder))
}

fn has_core(folder: &Path) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
}

/// Links a real module: the cached compiler borrows its linker from a toolchain that may
/// have been removed since.
fn builds_modules(compiler: &Path) -> bool {
    let Ok(dir) = tempfile::tempdir() else { return false };
    let source = dir.path().join("probe.rs");
    let mut probe = Command::new(compiler);
    probe
        .args(["--crate-type", "cdylib", "--target", TARGET, "-o"])
        .args([dir.path().join("probe.wasm"), source.clone()])
        .env_remove("RUSTFLAGS");
    fs::write(&source, "pub fn nothing() {}\n").is_ok() && succeeds(&mut probe)
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

fn rustup_adds_it() -> Result<bool> {
    if !succeeds(Command::new("rustup").arg("--version")) {
        return Ok(false);
    }
    eprintln!("… trying rustup target add {TARGET}");
    let dir = tempfile::Builder::new()
        .prefix("polyreme-")
        .tempdir()
        .context("failed to make a temporary folder")?;
    let mut command = Command::new("rustup");
    command.current_dir(paths::root()).args(["target", "add", TARGET]);
    let mut rustup = Process::start("rustup", command, &dir.path().join("log"))?;
    let ended = wait::until("rustup target add", RUSTUP_LIMIT, || Ok(rustup.exited()));
    crate::stop::check()?;
    if ended.is_ok_and(|status| status.success()) && toolchain_has_it()? {
        return Ok(true);
    }
    eprintln!("  rustup could not add it; making it from Debian packages instead");
    Ok(false)
}

fn make(compiler: &Path) -> Result<String> {
    let script = paths::root().join("hack/wasm-std.sh");
    if let Err(error) = progress::step(&format!("make std for {TARGET}"), &mut Command::new(script)) {
        crate::stop::check()?;
        bail!("{error:#}{REMEDY}");
    }
    if !builds_modules(compiler) {
        bail!("failed to build a module with {}{REMEDY}", compiler.display());
    }
    Ok(format!("{TARGET}: made from Debian packages, {}", compiler.display()))
}

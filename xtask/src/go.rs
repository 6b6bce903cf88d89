//! Go's own tests: of the SDK, of the examples and of the guests, natively and without a cluster; and what is done by
//! a newer Go than may be installed.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::guests::{self, Guest};
use crate::{paths, progress};

/// The SDK's module.
const SDK: &str = "guest-sdk/go";

/// Programs for Kubernetes' own modules: the suite builds one, a developer runs the other.
const TOOLS: [&str; 2] = ["tests/go-client", "hack/kube/messages"];

/// What `cargo xtask bench languages` measures, and what it is called when [`NEWER`] compiled it.
const MEASURED: &str = "dispatch-go";
const MEASURED_NEWER: &str = "dispatch-go-1.27";

/// What has Go 1.25 and 1.26 compile the package that the SDK reads faster by.
const EXPERIMENT: (&str, &str) = ("GOEXPERIMENT", "jsonv2");

/// The first Go that has it without an experiment; an older one fetches it.
const NEWER: (&str, &str) = ("GOTOOLCHAIN", "go1.27.0");

/// Formatting, vet and tests of every module; says so when there is no Go to run them.
pub(crate) fn test() -> Result<()> {
    if !is_installed() {
        eprintln!("✘ NOT RUN: the tests in Go, because there is no `go` on the PATH");
        return Ok(());
    }
    let modules = modules()?;
    ensure_formatted(&[modules.as_slice(), &TOOLS.map(|tool| paths::root().join(tool))].concat())?;
    for module in modules {
        let name = module.strip_prefix(paths::root()).unwrap_or(&module).display().to_string();
        progress::step(&format!("vet {name}"), go(&["vet", "./..."]).current_dir(&module))?;
        progress::step(&format!("test {name}"), go(&["test", "./..."]).current_dir(&module))?;
    }
    test_sdk_otherwise()
}

/// The SDK as it reads objects with the experiment that `polyreme build` sets for Go 1.26, and by a newer Go than
/// may be installed.
fn test_sdk_otherwise() -> Result<()> {
    for variable in [EXPERIMENT, NEWER] {
        let (name, value) = variable;
        if let Some(why) = why_not(variable) {
            eprintln!("✘ NOT RUN: the tests of {SDK} with {name}={value}: {why}");
            continue;
        }
        for check in ["vet", "test"] {
            let mut command = go(&[check, "./..."]);
            command.current_dir(paths::root().join(SDK)).env(name, value);
            progress::step(&format!("{check} {SDK} with {name}={value}"), &mut command)?;
        }
    }
    Ok(())
}

/// Builds the benchmark's guest once more, as [`NEWER`] compiles it.
pub(crate) fn build_newer_guest() -> Result<()> {
    let all = guests::find()?;
    let guest =
        all.into_iter().find(|guest| guest.name == MEASURED).context("failed to find the Go guest")?;
    let guest = guest.renamed(MEASURED_NEWER);
    let note = guests::output(&guest).with_extension("missing");
    if let Some(why) = why_not(NEWER) {
        eprintln!("✘ guest {MEASURED_NEWER} is left out: {why}");
        // What was built before is not what is there now.
        let _ = fs::remove_file(guests::output(&guest));
        return fs::write(&note, why).with_context(|| format!("failed to write {}", note.display()));
    }
    guests::build_in(&guest, &[NEWER])
}

/// Why `go` cannot be run with a variable, if so. Fetches the Go that it names.
fn why_not((name, value): (&str, &str)) -> Option<String> {
    let Ok(ran) = go(&["version"]).env(name, value).stdin(Stdio::null()).output() else {
        return Some("there is no `go` on the PATH".to_owned());
    };
    let why = || String::from_utf8_lossy(&ran.stderr).trim().to_owned();
    (!ran.status.success()).then(why)
}

fn is_installed() -> bool {
    go(&["version"]).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn go(arguments: &[&str]) -> Command {
    let mut command = Command::new("go");
    command.args(arguments);
    command
}

/// The SDK and every guest in Go.
fn modules() -> Result<Vec<PathBuf>> {
    let dirs = guests::find()?.into_iter().map(Guest::into_dir).filter(|dir| dir.join("go.mod").is_file());
    Ok([paths::root().join(SDK)].into_iter().chain(dirs).collect())
}

/// `gofmt -l` names the files that it would change.
fn ensure_formatted(modules: &[PathBuf]) -> Result<()> {
    let output = Command::new("gofmt").arg("-l").args(modules).output()?;
    let files = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || !files.trim().is_empty() {
        bail!("these files are not formatted, run gofmt -w on them:\n{files}");
    }
    Ok(())
}

//! `cargo xtask tidy`: the rules of style and layout that the compiler cannot see.
//!
//! One small file per kind of rule: `sizes` (files and functions), `text` (module docs,
//! ignored tests, sleeps, machine paths, binaries), `layout` (what may lie where and who may
//! depend on whom). Only files that git knows, or would add, are looked at. Limits are
//! constants with their reason; they are never loosened.

mod layout;
mod sizes;
mod text;

use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::paths;

/// One broken rule.
#[derive(Debug, PartialEq)]
pub(crate) struct Fault {
    path: String,
    /// Lines count from 1; 0 means the whole file.
    line: usize,
    message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// A file of the repository, read.
pub(crate) struct Source {
    /// Relative to the root, with `/`.
    path: String,
    bytes: Vec<u8>,
}

impl Source {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Empty for a binary file.
    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }

    /// Tests, benchmarks and examples of a crate: not what a reader of the product reads first.
    fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.split('/').any(|part| part == "tests" || part == "tests.rs")
    }

    fn fault(&self, line: usize, message: impl Into<String>) -> Fault {
        Fault { path: self.path.clone(), line, message: message.into() }
    }
}

/// Checks everything and prints a report.
///
/// # Errors
/// When a rule is broken; every fault has been printed.
pub(crate) fn run() -> Result<()> {
    let sources = sources()?;
    let (report, mut faults) = sizes::check(&sources);
    faults.extend(text::check(&sources));
    faults.extend(layout::check(&sources)?);
    println!("{report}");
    if faults.is_empty() {
        return Ok(());
    }
    faults.iter().for_each(|fault| eprintln!("{fault}"));
    bail!("tidy found {} faults", faults.len());
}

fn sources() -> Result<Vec<Source>> {
    let output = Command::new("git")
        .current_dir(paths::root())
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .output()
        .context("failed to start git")?;
    if !output.status.success() {
        bail!("failed to list the repository's files: {}", String::from_utf8_lossy(&output.stderr));
    }
    let listed = String::from_utf8_lossy(&output.stdout);
    Ok(listed.split('\0').filter(|path| !path.is_empty()).filter_map(read).collect())
}

/// Nothing for a file that was deleted and not yet committed, or a symlink.
fn read(path: &str) -> Option<Source> {
    let full: PathBuf = paths::root().join(path);
    let bytes = std::fs::read(full).ok()?;
    Some(Source { path: path.to_owned(), bytes })
}

#[cfg(test)]
pub(crate) fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
}

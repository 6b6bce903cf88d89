//! Whether a Go compiler is there and new enough, and how to get one.

use std::env::consts;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::Command;

use super::{GoError, oldest};
use crate::languages::Compiler;
use crate::process;

/// The version that remedies install: what this repository is tested with.
pub(super) const RECOMMENDED: &str = "1.26.8";

/// A version of Go, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    /// 1.
    pub major: u32,
    /// 24 of `go1.24.3`.
    pub minor: u32,
}

impl Version {
    /// Of `go1.26.8`, `go1.27rc1`, or, as TinyGo and modified builds write it, with words around it. A
    /// development version (`devel go1.28-…`) counts as what it will be.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let start = text.find("go1.").map(|at| at + "go".len())?;
        let mut numbers = text.get(start..)?.split(|character: char| !character.is_ascii_digit());
        Some(Self { major: numbers.next()?.parse().ok()?, minor: numbers.next()?.parse().ok()? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What the compiler calls itself: `go version go1.26.8 linux/amd64`. TinyGo says which Go it stands on in
/// the same line, and that counts; the `go` that lists its packages must be no older.
pub(super) async fn find(compiler: Compiler, dir: &Path) -> Result<String, GoError> {
    let oldest = oldest(compiler);
    let mut found = ask(Compiler::Go, dir).await?;
    if compiler == Compiler::TinyGo && is_new_enough(&found, oldest) {
        found = ask(compiler, dir).await?;
    }
    if is_new_enough(&found, oldest) { Ok(found) } else { Err(GoError::TooOld { program: compiler, found }) }
}

/// A version that cannot be read is newer than this code: let the compiler speak for itself.
fn is_new_enough(said: &str, oldest: Version) -> bool {
    Version::parse(said).is_none_or(|version| version >= oldest)
}

async fn ask(compiler: Compiler, dir: &Path) -> Result<String, GoError> {
    let mut command = Command::new(compiler.to_string());
    command.arg("version").current_dir(dir);
    let output = process::quiet(command).await.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => GoError::NoCompiler { program: compiler },
        _ => GoError::Run { program: compiler, source },
    })?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() {
        let problem = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(GoError::List { dir: dir.to_owned(), problem });
    }
    Ok(said)
}

/// The experiment that `go` builds a module with, unless the user chose some (`go env GOEXPERIMENT`).
///
/// It is the `encoding/json` of Go 1.27, which is in Go 1.26 already and reads an object in less than half the
/// time (docs/adr/0103). `GOEXPERIMENT=nojsonv2` builds without.
pub(super) async fn experiment(found: &str, dir: &Path) -> Option<&'static str> {
    if !has_faster_json_as_experiment(found) {
        return None;
    }
    let mut command = Command::new("go");
    command.args(["env", "GOEXPERIMENT"]).current_dir(dir);
    let output = process::quiet(command).await.ok()?;
    (output.status.success() && output.stdout.trim_ascii().is_empty()).then_some("jsonv2")
}

fn has_faster_json_as_experiment(said: &str) -> bool {
    Version::parse(said) == Some(Version { major: 1, minor: 26 })
}

/// What a failed compilation leaves to be said. A TinyGo knows Go up to some version only, and says so.
pub(super) fn compile_remedy(compiler: Compiler) -> &'static str {
    match compiler {
        Compiler::TinyGo => {
            "; if it asks for an older Go, name one that it knows: `GOTOOLCHAIN=go1.23.12 polyreme build`"
        }
        _ => "",
    }
}

/// The command that installs a compiler on this kind of machine.
pub(super) fn install_remedy(compiler: Compiler) -> String {
    let command = match (compiler, consts::OS) {
        (Compiler::TinyGo, "macos") => "brew install tinygo-org/tools/tinygo".to_owned(),
        (Compiler::TinyGo, _) => {
            return "install TinyGo as https://tinygo.org/getting-started/install says, or build with \
                    `--compiler go`"
                .to_owned();
        }
        (_, "macos") => "brew install go".to_owned(),
        (_, "windows") => "winget install GoLang.Go".to_owned(),
        (_, os) => {
            format!(
                "curl -fsSL https://go.dev/dl/go{RECOMMENDED}.{os}-{}.tar.gz | sudo tar -C /usr/local -xz",
                arch()
            )
        }
    };
    format!("install it: `{command}`, and have its `bin` folder on the PATH")
}

/// The machine as Go names it.
fn arch() -> &'static str {
    match consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_compilers_write_them() {
        let minor = |text: &str| Version::parse(text).map(|version| version.minor);
        assert_eq!(minor("go version go1.26.8 linux/amd64"), Some(26));
        assert_eq!(minor("go version go1.27rc1 linux/amd64"), Some(27));
        assert_eq!(minor("go version devel go1.28-abc Mon X:foo linux/amd64"), Some(28));
        assert_eq!(
            minor("tinygo version 0.39.0 linux/amd64 (using go version go1.25.1 and LLVM version 19)"),
            Some(25)
        );
        assert_eq!(minor("something else"), None);
        assert!(!is_new_enough("go1.9", oldest(Compiler::TinyGo)));
        assert!(is_new_enough("something else", oldest(Compiler::Go)));
    }

    #[test]
    fn only_the_last_go_before_the_faster_json_needs_an_experiment_for_it() {
        assert!(has_faster_json_as_experiment("go version go1.26.8 linux/amd64"));
        for other in ["go version go1.25.3 linux/amd64", "go version go1.27.0 linux/amd64", "gccgo"] {
            assert!(!has_faster_json_as_experiment(other), "{other}");
        }
    }

    #[test]
    fn tinygo_stands_on_a_go_without_wasmexport() {
        let said = "tinygo version 0.34.0 linux/amd64 (using go version go1.23.4 and LLVM version 18.1.2)";
        assert!(is_new_enough(said, oldest(Compiler::TinyGo)));
        assert!(!is_new_enough("go version go1.23.4 linux/amd64", oldest(Compiler::Go)));
    }

    #[test]
    fn what_is_missing_is_named_with_the_command_that_installs_it() {
        let text = GoError::NoCompiler { program: Compiler::Go }.to_string();
        assert!(text.starts_with("failed to find go: install it: `"), "{text}");
        let text = GoError::NoCompiler { program: Compiler::TinyGo }.to_string();
        assert!(text.contains("tinygo"), "{text}");
        let too_old = |program| GoError::TooOld { program, found: "go version go1.19.8 linux/amd64".into() };
        let text = too_old(Compiler::Go).to_string();
        assert!(text.contains("go1.19.8") && text.contains("needs Go 1.24"), "{text}");
        let text = too_old(Compiler::TinyGo).to_string();
        assert!(text.contains("needs Go 1.22"), "{text}");
    }
}

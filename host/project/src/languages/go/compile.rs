//! The compilers' command lines.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::GoError;
use super::package::Package;
use crate::languages::Compiler;
use crate::{Project, process};

/// TinyGo's `wasip1` with a stack for deep JSON: the 64 KiB that it has otherwise trap on objects 500 deep,
/// and `-stack-size` alone is about goroutines, of which there are none.
const TINYGO_TARGET: &str = include_str!("tinygo-target.json");

/// Compiles a package to a core module.
pub(super) async fn run(
    project: &Project,
    package: &Package,
    compiler: Compiler,
    experiment: Option<&str>,
) -> Result<Vec<u8>, GoError> {
    let scratch =
        tempfile::tempdir().map_err(|source| GoError::File { path: std::env::temp_dir(), source })?;
    let module = scratch.path().join("guest.wasm");
    let mut command = match compiler {
        Compiler::TinyGo => tinygo(scratch.path(), &module)?,
        _ => go(&module),
    };
    command.envs(experiment.map(|name| ("GOEXPERIMENT", name)));
    command.current_dir(project.dir()).arg(".");
    let status = process::run(command).await.map_err(|source| GoError::Run { program: compiler, source })?;
    if !status.success() {
        return Err(GoError::Compile { name: package.name.clone(), program: compiler });
    }
    std::fs::read(&module).map_err(|source| GoError::File { path: module, source })
}

/// `c-shared` makes a reactor: `_initialize` and exports instead of a `main` that ends the program. Without
/// paths of this machine; without the symbol table, which the function names of traps come from, a panic
/// still names functions and lines, because Go keeps its own.
fn go(module: &Path) -> Command {
    let mut command = Command::new("go");
    command.args(["build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o"]).arg(module);
    for_wasip1(&mut command);
    command
}

/// Without a scheduler an export returns when its function does; with TinyGo's asyncify scheduler only when
/// all sleepers are through, for 16 MB an instance.
fn tinygo(scratch: &Path, module: &Path) -> Result<Command, GoError> {
    let target = scratch.join("target.json");
    std::fs::write(&target, TINYGO_TARGET)
        .map_err(|source| GoError::File { path: target.clone(), source })?;
    let mut command = Command::new("tinygo");
    command.args(["build", "-buildmode=c-shared", "-scheduler=none", "-gc=precise", "-opt=2", "-no-debug"]);
    command.arg(joined("-target=", &target)).arg("-o").arg(module);
    command.env_remove("GOOS").env_remove("GOARCH");
    Ok(command)
}

fn joined(flag: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(flag);
    argument.push(PathBuf::from(path));
    argument
}

/// Has `go` look at and compile files for the target, whatever the user's own programs are built for.
pub(super) fn for_wasip1(command: &mut Command) {
    command.env("GOOS", "wasip1").env("GOARCH", "wasm");
    command.env_remove("GOWASM");
}

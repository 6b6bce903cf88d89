//! The native tests of the SDKs in interpreted languages and of their examples; Go's are in `go`.
//!
//! They need the language and nothing else, types in Python mypy besides, which is installed below the target folder;
//! what is missing is said, loudly, and the tests that cargo knows go on.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::{paths, progress};

/// A folder with tests.
struct Suite {
    folder: &'static str,
    /// The commands, one after the other; the first word of each is looked for first.
    commands: &'static [&'static [&'static str]],
    /// Folders that Python looks for modules in.
    python_path: &'static [&'static str],
    /// How to install what is missing.
    remedy: &'static str,
}

const PYTHON: &str = "apt-get install python3 python3-venv";
const NODE: &str = "apt-get install nodejs npm";

const SUITES: &[Suite] = &[
    Suite {
        folder: "guest-sdk/python",
        commands: &[&["python3", "-m", "unittest", "discover", "-s", "tests", "-t", "."]],
        python_path: &[],
        remedy: PYTHON,
    },
    Suite {
        folder: "examples/hello-python",
        commands: &[&["python3", "-m", "unittest", "discover", "tests"]],
        python_path: &["examples/hello-python", "guest-sdk/python"],
        remedy: PYTHON,
    },
    Suite { folder: "guest-sdk/js", commands: &[&["node", "--test"]], python_path: &[], remedy: NODE },
    Suite {
        folder: "examples/hello-js",
        commands: &[
            // A link to the SDK in this repository: nothing is fetched.
            &[
                "npm",
                "install",
                "--offline",
                "--ignore-scripts",
                "--no-package-lock",
                "--no-audit",
                "--no-fund",
            ],
            &["node", "--test"],
        ],
        python_path: &[],
        remedy: NODE,
    },
];

/// The type checker, at a version of its own so that a newer one breaks nothing by itself.
const MYPY: &str = "mypy==2.4.1";

/// What is checked by it: folders, and files there. Projects begin as the template.
const TYPED: &[(&str, &[&str])] = &[
    ("guest-sdk/python", &["polyreme"]),
    ("examples/hello-python", &["hello.py"]),
    ("host/project/src/scaffold/templates/python", &["main.py", "tests/test_main.py"]),
];

/// Runs them all.
///
/// # Errors
/// When one fails.
pub(crate) fn test() -> Result<()> {
    SUITES.iter().try_for_each(run)?;
    check_types()
}

/// What an editor or a type checker of a user says of the SDK and of a new project: nothing.
fn check_types() -> Result<()> {
    let tools = paths::target().join("mypy");
    let mypy = match installed_mypy(&tools) {
        Ok(mypy) => mypy,
        Err(why) => {
            eprintln!("✘ NOT TESTED: types in Python, because {MYPY} cannot be installed: {why:#}");
            return Ok(());
        }
    };
    let sdk = paths::root().join("guest-sdk/python");
    for (folder, files) in TYPED {
        let mut command = Command::new(&mypy);
        command.args(["--strict", "--cache-dir"]).arg(tools.join("cache")).args(*files);
        command.current_dir(paths::root().join(folder)).env("MYPYPATH", &sdk);
        progress::step(&format!("check types in {folder}"), &mut command)?;
    }
    Ok(())
}

/// Its program, in an environment of its own that is made when there is none.
fn installed_mypy(tools: &Path) -> Result<PathBuf> {
    let environment = tools.join(MYPY);
    let program = environment.join("bin/mypy");
    if !is_installed(&program) {
        let mut make = Command::new("python3");
        progress::step("make an environment for mypy", make.args(["-m", "venv"]).arg(&environment))?;
        let mut install = Command::new(environment.join("bin/pip"));
        install.args(["install", "--quiet", "--disable-pip-version-check", MYPY]);
        progress::step(&format!("install {MYPY}"), &mut install)?;
    }
    Ok(program)
}

fn run(suite: &Suite) -> Result<()> {
    let programs = suite.commands.iter().filter_map(|words| words.first());
    if let Some(missing) = programs.into_iter().find(|program| !is_installed(program)) {
        eprintln!("✘ NOT TESTED: {}: there is no {missing}; install it: {}", suite.folder, suite.remedy);
        return Ok(());
    }
    for words in suite.commands {
        let mut command = command(words);
        command.current_dir(paths::root().join(suite.folder)).env("PYTHONDONTWRITEBYTECODE", "1");
        if !suite.python_path.is_empty() {
            let folders: Vec<PathBuf> = suite.python_path.iter().map(|one| paths::root().join(one)).collect();
            command.env("PYTHONPATH", std::env::join_paths(folders)?);
        }
        progress::step(&format!("test {}: {}", suite.folder, words.join(" ")), &mut command)?;
    }
    Ok(())
}

fn command(words: &[&str]) -> Command {
    let (program, arguments) = words.split_first().unwrap_or((&"true", &[]));
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

fn is_installed(program: impl AsRef<OsStr>) -> bool {
    let mut asked = Command::new(program);
    asked.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    asked.status().is_ok_and(|status| status.success())
}

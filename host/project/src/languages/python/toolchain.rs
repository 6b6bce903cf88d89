//! Python itself, and componentize-py in an environment of its own in the user's cache.

use std::env::consts;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::PythonError;
use crate::languages::provision::{ProvisionError, Tool};
use crate::process;

/// Of PyPI.
pub(super) const COMPONENTIZE: &str = "0.25.1";
/// What it brings for the component.
pub(super) const CPYTHON: &str = "3.14";

/// What the SDK's tests run on; the component's Python is newer.
pub(super) const OLDEST: &str = "3.10";
const OLDEST_PARTS: (u32, u32) = (3, 10);

/// Both names are in use.
const PROGRAMS: [&str; 2] = ["python3", "python"];

/// Prints version and path, and whether environments can be made: Debian keeps ensurepip in a package of its own.
const QUESTION: &str = "import sys, importlib.util as u; \
    print('%d.%d' % sys.version_info[:2]); print(sys.executable); \
    print(bool(u.find_spec('venv') and u.find_spec('ensurepip')))";

/// Where componentize-py is; it is installed if need be.
pub(super) async fn ensure() -> Result<PathBuf, PythonError> {
    let python = find().await?;
    let tool = Tool::new("componentize-py", COMPONENTIZE, &format!("-python{}", python.version))?;
    let (scripts, interpreter) = match consts::OS {
        "windows" => ("Scripts/componentize-py.exe", "Scripts/python.exe"),
        _ => ("bin/componentize-py", "bin/python"),
    };
    // A script outlives the interpreter that its first line names.
    if tool.folder.join(scripts).exists() && !tool.folder.join(interpreter).exists() {
        std::fs::remove_file(tool.folder.join(scripts))
            .map_err(|source| super::file(&tool.folder, source))?;
    }
    let entry = tool.ensure(Path::new(scripts), "pip", "PIP_INDEX_URL", |folder| {
        let mut make = Command::new(&python.program);
        make.args(["-m", "venv"]).arg(folder);
        let mut install = Command::new(folder.join(interpreter));
        install.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input"]);
        install.arg(format!("componentize-py=={COMPONENTIZE}"));
        vec![make, install]
    });
    Ok(entry.await?)
}

/// A Python that can be used.
#[derive(Debug, PartialEq, Eq)]
struct Python {
    program: PathBuf,
    version: String,
}

async fn find() -> Result<Python, PythonError> {
    for program in PROGRAMS {
        let mut command = Command::new(program);
        command.args(["-c", QUESTION]);
        match process::quiet(command).await {
            Ok(output) if output.status.success() => return read(&String::from_utf8_lossy(&output.stdout)),
            // An old Python 2 as `python`, or the shop window of Windows.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(ProvisionError::Run { program: program.to_owned(), source }.into()),
        }
    }
    Err(PythonError::NoPython)
}

fn read(answer: &str) -> Result<Python, PythonError> {
    let mut lines = answer.lines();
    let mut line = || lines.next().unwrap_or_default().to_owned();
    let (version, program, venv) = (line(), PathBuf::from(line()), line());
    let parts =
        version.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    match parts {
        Some(parts) if parts < OLDEST_PARTS => Err(PythonError::TooOld { program, found: version }),
        Some(_) if venv != "True" => Err(PythonError::NoVenv),
        Some(_) => Ok(Python { program, version }),
        None => Err(PythonError::NoPython),
    }
}

/// The command that installs Python on this kind of machine.
pub(super) fn install_command() -> &'static str {
    match consts::OS {
        "macos" => "brew install python3",
        "windows" => "winget install Python.Python.3.13",
        _ => "apt-get install python3 python3-venv",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_python_is_judged_by_what_it_says() {
        let python = read("3.11\n/usr/bin/python3\nTrue\n").unwrap();
        assert_eq!(python, Python { program: "/usr/bin/python3".into(), version: "3.11".into() });
        assert!(matches!(read("3.9\n/p\nTrue\n"), Err(PythonError::TooOld { found, .. }) if found == "3.9"));
        assert!(matches!(read("3.13\n/p\nFalse\n"), Err(PythonError::NoVenv)));
        assert!(matches!(read("what\n"), Err(PythonError::NoPython)));
    }

    #[test]
    fn the_question_is_one_that_python_understands() {
        let asked = Command::new("python3").args(["-c", QUESTION]).output();
        // Where there is no Python there is nothing to ask.
        if let Ok(output) = asked {
            assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 3, "{output:?}");
        }
    }
}

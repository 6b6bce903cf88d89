//! Which Go package a folder holds, and whether it can become a guest.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::{GoError, SDK, compile};
use crate::languages::Compiler;
use crate::{Project, process};

/// A main package with the SDK in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Package {
    /// The last part of its import path that is no version: what `go build` would call the program.
    pub(super) name: String,
}

/// The parts of `go list -json` that matter.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Listed {
    name: String,
    import_path: String,
    deps: Vec<String>,
    error: Option<Problem>,
    deps_errors: Vec<Problem>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Problem {
    err: String,
}

impl Package {
    pub(super) async fn find(project: &Project) -> Result<Self, GoError> {
        let dir = project.dir();
        let mut command = Command::new("go");
        command.args(["list", "-e", "-json=Name,ImportPath,Deps,Error,DepsErrors", "."]).current_dir(dir);
        compile::for_wasip1(&mut command);
        let output =
            process::quiet(command).await.map_err(|source| GoError::Run { program: Compiler::Go, source })?;
        if !output.status.success() {
            return Err(unreadable(dir, &String::from_utf8_lossy(&output.stderr)));
        }
        let listed: Listed =
            serde_json::from_slice(&output.stdout).map_err(|error| unreadable(dir, &error.to_string()))?;
        listed.package(dir)
    }
}

impl Listed {
    fn package(self, dir: &Path) -> Result<Package, GoError> {
        if let Some(problem) = self.error.iter().chain(&self.deps_errors).next() {
            return Err(unreadable(dir, &problem.err));
        }
        let name = program(&self.import_path);
        if self.name != "main" {
            return Err(GoError::NoMain { dir: dir.to_owned(), name: self.name });
        }
        if !self.deps.iter().any(|path| path == SDK) {
            return Err(GoError::NoSdk { name });
        }
        Ok(Package { name })
    }
}

/// go's own words, and what to do where they do not say.
fn unreadable(dir: &Path, said: &str) -> GoError {
    let said = said.trim();
    if said.contains("requires go >= ") {
        return GoError::ModuleTooNew { problem: said.to_owned() };
    }
    let problem = if said.contains(&format!("no required module provides package {SDK}")) {
        format!("{said}; while no SDK is published, `polyreme new` shows how a project carries it along")
    } else {
        said.to_owned()
    };
    GoError::List { dir: dir.to_owned(), problem }
}

/// `example.com/site/v2` is built as `site`.
fn program(import_path: &str) -> String {
    let is_version = |part: &str| {
        part.strip_prefix('v')
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
    };
    let mut parts = import_path.rsplit('/').filter(|part| !is_version(part));
    parts.next().unwrap_or("guest").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(json: &str) -> Result<Package, GoError> {
        serde_json::from_str::<Listed>(json).unwrap().package(Path::new("/src/site"))
    }

    #[test]
    fn a_main_package_with_the_sdk_is_a_guest() {
        let found =
            listed(r#"{"Name":"main","ImportPath":"example.com/site/v2","Deps":["fmt","polyreme.dev/sdk"]}"#);
        assert_eq!(found.unwrap().name, "site");
    }

    #[test]
    fn a_library_and_a_program_without_sdk_are_told_what_is_missing() {
        let text = listed(r#"{"Name":"site","ImportPath":"example.com/site"}"#).unwrap_err().to_string();
        assert!(text.contains("package site is no main package"), "{text}");
        let text = listed(r#"{"Name":"main","ImportPath":"example.com/site"}"#).unwrap_err().to_string();
        assert!(text.contains("go get polyreme.dev/sdk"), "{text}");
    }

    #[test]
    fn a_module_that_wants_a_newer_go_is_told_both_ways_out() {
        let said = "go: go.mod requires go >= 1.99 (running go 1.26.8; GOTOOLCHAIN=local)";
        let error = unreadable(Path::new("/src/site"), said);
        assert!(error.lacks_tools());
        let text = error.to_string();
        assert!(
            text.contains("go >= 1.99")
                && text.contains("lower the `go` line")
                && text.contains("install it"),
            "{text}"
        );
    }

    #[test]
    fn what_go_says_of_a_folder_is_passed_on() {
        let json = r#"{"ImportPath":"example.com/x","Error":{"Err":"no Go files in /src/x"}}"#;
        assert!(listed(json).unwrap_err().to_string().contains("no Go files in /src/x"));
    }
}

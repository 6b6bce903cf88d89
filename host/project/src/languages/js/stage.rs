//! The folder that a component is compiled from: the project's modules, the packages that it depends on, the SDK, and
//! an entry.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::manifest::{self, Manifest};
use super::{JsError, file};
use crate::languages::Language;
use crate::{contract, process, sdk};

/// The SDK's package.
pub(super) const SDK: &str = "@polyreme/sdk";

/// The module that the component begins with.
const ENTRY: &str = "polyreme-entry.js";

/// Folders of a project that hold no modules of its own.
const SKIPPED: [&str; 4] = ["node_modules", "build", "target", "coverage"];

/// What an engine can load.
const MODULES: [&str; 4] = ["js", "mjs", "cjs", "json"];

/// Packages that a project may depend on, with those they depend on: a bound on cycles and mistakes.
const MAX_PACKAGES: usize = 1000;

pub(super) struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    pub(super) fn new(root: &Path, manifest: &Manifest) -> Result<Self, JsError> {
        let folder = tempfile::tempdir().map_err(|source| file(&std::env::temp_dir(), source))?;
        let stage = Self { folder };
        copy(root, &stage.path(""), &|name| !SKIPPED.iter().any(|skipped| name == *skipped))?;
        stage.packages(root, manifest)?;
        stage.write("wit/controller.wit", contract::WIT)?;
        stage.write(ENTRY, &entry(&manifest.main))?;
        let place = stage.path("node_modules").join(SDK);
        sdk::unpack(Language::JavaScript, &place).map_err(|source| file(&place, source))?;
        Ok(stage)
    }

    pub(super) async fn compile(&self, compiler: &Path, name: &str) -> Result<Vec<u8>, JsError> {
        let output = self.path("component.wasm");
        let mut command = Command::new("node");
        command.arg(compiler).arg("--wit").arg(self.path("wit")).args(["--world", contract::WORLD]);
        command.arg("--js").arg(self.path(ENTRY)).arg("--module-root").arg(self.path(""));
        // Without `--sync` the component would need asynchronous functions of its host.
        command.args(["--stub-wasi", "--sync", "--output"]).arg(&output);
        let run = process::quiet(command).await.map_err(|source| file(compiler, source))?;
        if !run.status.success() {
            let said = String::from_utf8_lossy(&run.stderr);
            let problem = problem(&said, self.folder.path());
            return Err(JsError::Compile { name: name.to_owned(), problem });
        }
        fs::read(&output).map_err(|source| file(&output, source))
    }

    /// The packages that the project depends on, and those they depend on. A version that only one package wants lies
    /// in that package's own folder and comes along with it.
    fn packages(&self, root: &Path, manifest: &Manifest) -> Result<(), JsError> {
        let mut known = BTreeSet::new();
        let mut waiting = wanted(&manifest.dependencies, root, &manifest.name);
        while let Some((name, from, by)) = waiting.pop() {
            if known.len() == MAX_PACKAGES || !known.insert(name.clone()) {
                continue;
            }
            let missing = || JsError::NoPackage { name: name.clone(), by, root: root.to_owned() };
            let found = resolve(&name, &from).ok_or_else(missing)?;
            copy(&found, &self.path("node_modules").join(&name), &|_| true)?;
            waiting.extend(wanted(&manifest::dependencies(&found)?, &found, &name));
        }
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), JsError> {
        let path = self.path(name);
        let written =
            fs::create_dir_all(path.parent().unwrap_or(&path)).and_then(|()| fs::write(&path, text));
        written.map_err(|source| file(&path, source))
    }
}

/// Packages to look for: name, from where, for whom.
fn wanted(names: &[String], from: &Path, by: &str) -> Vec<(String, PathBuf, String)> {
    names.iter().map(|name| (name.clone(), from.to_owned(), by.to_owned())).collect()
}

/// As node does: in `node_modules` of the folder and of those above it.
fn resolve(name: &str, from: &Path) -> Option<PathBuf> {
    let places = from.ancestors().map(|folder| folder.join("node_modules").join(name));
    places.filter(|place| place.join("package.json").is_file()).find_map(|place| place.canonicalize().ok())
}

/// Copies modules, and nothing that begins with a dot. Links are followed: what they lead to is part of the project.
fn copy(from: &Path, to: &Path, enters: &dyn Fn(&OsStr) -> bool) -> Result<(), JsError> {
    let read = |source| file(from, source);
    for entry in fs::read_dir(from).map_err(read)? {
        let (name, path) = entry.map(|entry| (entry.file_name(), entry.path())).map_err(read)?;
        let target = to.join(&name);
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if path.is_dir() {
            if enters(&name) {
                copy(&path, &target, enters)?;
            }
        } else if is_module(&path) {
            fs::create_dir_all(to).map_err(|source| file(to, source))?;
            fs::copy(&path, &target).map_err(|source| file(&path, source))?;
        }
    }
    Ok(())
}

fn is_module(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| MODULES.contains(&extension))
}

/// The SDK's part first: what comes after it is evaluated with the host's time and console.
fn entry(main: &str) -> String {
    format!(
        "import {{ component }} from \"{SDK}/component\";\n\nimport controller from {};\n\nexport const reconciler = \
         component(controller);\n",
        serde_json::Value::String(format!("./{main}"))
    )
}

/// What the engine said, without the words of the tool around it.
fn problem(stderr: &str, stage: &Path) -> String {
    let said = stderr.trim().trim_start_matches("Error: :").trim_start_matches("Error:").trim();
    let stage = stage.display();
    said.replace(&format!("{stage}/"), "").replace(&stage.to_string(), ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    const PACKAGE: &str = r#"{"name": "site", "type": "module", "dependencies": {"a": "1"}}"#;

    fn stage(folder: &tempfile::TempDir) -> Result<Stage, JsError> {
        Stage::new(folder.path(), &Manifest::read(folder.path())?)
    }

    #[test]
    fn modules_come_along_and_tools_and_leftovers_do_not() {
        let folder = project(&[
            ("package.json", r#"{"name": "site", "type": "module"}"#),
            ("index.js", ""),
            ("lib/data.json", "{}"),
            ("README.md", ""),
            (".git/x.js", ""),
            ("node_modules/typescript/x.js", ""),
        ]);
        let stage = stage(&folder).unwrap();
        for there in ["index.js", "lib/data.json", ENTRY, "node_modules/@polyreme/sdk/src/component.js"] {
            assert!(stage.path(there).exists(), "{there}");
        }
        for absent in ["README.md", ".git", "node_modules/typescript"] {
            assert!(!stage.path(absent).exists(), "{absent}");
        }
    }

    #[test]
    fn a_dependency_brings_what_it_depends_on() {
        let folder = project(&[
            ("package.json", PACKAGE),
            ("index.js", ""),
            ("node_modules/a/package.json", r#"{"dependencies": {"b": "1", "c": "2"}}"#),
            ("node_modules/a/a.js", ""),
            ("node_modules/a/node_modules/c/package.json", "{}"),
            ("node_modules/b/package.json", r#"{"dependencies": {"a": "1"}}"#),
        ]);
        let stage = stage(&folder).unwrap();
        for there in ["a/a.js", "b/package.json", "a/node_modules/c/package.json"] {
            assert!(stage.path("node_modules").join(there).exists(), "{there}");
        }
    }

    #[test]
    fn a_dependency_that_is_not_installed_is_named() {
        let folder = project(&[("package.json", PACKAGE), ("index.js", "")]);
        let text = stage(&folder).err().unwrap().to_string();
        assert!(text.contains("the package a, which site depends on; run `npm install`"), "{text}");
    }

    #[test]
    fn what_the_engine_said_is_told_without_the_tool() {
        let stderr =
            "Error: : Failed to evaluate: x is not defined\n    at <anonymous> (/tmp/stage/index.js:3:1)\n";
        let told = problem(stderr, Path::new("/tmp/stage"));
        assert_eq!(told, "Failed to evaluate: x is not defined\n    at <anonymous> (index.js:3:1)");
    }
}

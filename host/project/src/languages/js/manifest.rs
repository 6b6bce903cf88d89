//! `package.json`, as far as a build needs it: name, main module, and what it depends on at run time.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::JsError;

/// What npm takes when nothing is said.
const MAIN: &str = "index.js";

/// What a package says about itself.
#[derive(Debug)]
pub(super) struct Manifest {
    /// Without the scope.
    pub(super) name: String,
    /// The module that exports the controller, from the package's folder.
    pub(super) main: String,
    /// Names of packages, apart from the SDK, which this library brings.
    pub(super) dependencies: Vec<String>,
}

#[derive(Deserialize)]
struct Package {
    name: Option<String>,
    main: Option<String>,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    dependencies: BTreeMap<String, String>,
}

impl Manifest {
    /// Of a controller's project.
    pub(super) fn read(root: &Path) -> Result<Self, JsError> {
        let (package, wrong) = read(root)?;
        let Some(name) = package.name.clone().filter(|name| !name.is_empty()) else {
            return Err(wrong("it has no name: write `\"name\": \"my-controller\"`".to_owned()));
        };
        let main = package.main.clone().unwrap_or_else(|| MAIN.to_owned());
        let main = main.trim_start_matches("./").to_owned();
        if !root.join(&main).is_file() {
            let problem = format!(
                "there is no {main}: write `\"main\"` with the module that exports the controller by default"
            );
            return Err(wrong(problem));
        }
        if package.kind != "module" && !main.ends_with(".mjs") {
            return Err(wrong("controllers are ES modules: write `\"type\": \"module\"`".to_owned()));
        }
        let name = name.rsplit('/').next().unwrap_or(&name).to_owned();
        Ok(Self { name, main, dependencies: package.dependencies() })
    }
}

/// What an installed package depends on.
pub(super) fn dependencies(folder: &Path) -> Result<Vec<String>, JsError> {
    Ok(read(folder)?.0.dependencies())
}

impl Package {
    fn dependencies(self) -> Vec<String> {
        self.dependencies.into_keys().filter(|name| name != super::stage::SDK).collect()
    }
}

/// The file, and how to complain of it.
fn read(folder: &Path) -> Result<(Package, impl Fn(String) -> JsError), JsError> {
    let path = folder.join("package.json");
    let text = fs::read_to_string(&path).map_err(|source| super::file(&path, source))?;
    let wrong = move |problem: String| JsError::Manifest { path: path.clone(), problem };
    match serde_json::from_str(&text) {
        Ok(package) => Ok((package, wrong)),
        Err(error) => Err(wrong(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(package: &str, files: &[&str]) -> Result<Manifest, JsError> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("package.json"), package).unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        Manifest::read(folder.path())
    }

    #[test]
    fn the_main_module_and_the_dependencies_are_npms() {
        let package = r#"{"name": "@shop/site", "type": "module", "main": "./src/main.js",
            "dependencies": {"@polyreme/sdk": "file:x", "semver": "^7"}, "devDependencies": {"typescript": "5"}}"#;
        let manifest = read(package, &["src/main.js"]).unwrap();
        assert_eq!((manifest.name.as_str(), manifest.main.as_str()), ("site", "src/main.js"));
        assert_eq!(manifest.dependencies, ["semver"]);
        assert_eq!(read(r#"{"name": "a", "type": "module"}"#, &["index.js"]).unwrap().main, "index.js");
    }

    #[test]
    fn what_is_missing_is_told_with_what_to_write() {
        let text = |package, files| read(package, files).unwrap_err().to_string();
        assert!(text("{}", &[]).contains("`\"name\": "));
        assert!(text(r#"{"name": "a", "main": "b.js"}"#, &[]).contains("there is no b.js"));
        assert!(text(r#"{"name": "a"}"#, &["index.js"]).contains("`\"type\": \"module\"`"));
        assert!(text("{", &[]).contains("package.json: EOF"));
    }
}

//! `pyproject.toml`, as far as a build needs it: the project's name and the controller's module.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::PythonError;

/// What a project says about itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    /// The project's name.
    pub(super) name: String,
    /// The module that holds the controller.
    pub(super) main: String,
    /// The folder on the module path: the project's, or `src` in it.
    pub(super) folder: PathBuf,
}

#[derive(Deserialize)]
struct Pyproject {
    project: Option<Section>,
    #[serde(default)]
    tool: Tools,
}

#[derive(Deserialize)]
struct Section {
    name: Option<String>,
}

#[derive(Default, Deserialize)]
struct Tools {
    #[serde(default)]
    polyreme: Ours,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ours {
    main: Option<String>,
}

impl Manifest {
    pub(super) fn read(root: &Path) -> Result<Self, PythonError> {
        let path = root.join("pyproject.toml");
        let text = fs::read_to_string(&path).map_err(|source| super::file(&path, source))?;
        let wrong = |problem: String| PythonError::Manifest { path: path.clone(), problem };
        let pyproject: Pyproject = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let Some(name) = pyproject.project.and_then(|section| section.name) else {
            return Err(wrong("it has no name: write `[project]` `name = \"my-controller\"`".to_owned()));
        };
        let main = pyproject.tool.polyreme.main.unwrap_or_else(|| name.replace(['-', '.'], "_"));
        let folder = folder_of(root, &main)?;
        Ok(Self { name, main, folder })
    }
}

/// The folder that a module is found from.
fn folder_of(root: &Path, module: &str) -> Result<PathBuf, PythonError> {
    let file = module.replace('.', "/");
    let names = [format!("{file}.py"), format!("{file}/__init__.py")];
    let folders = [root.to_owned(), root.join("src")];
    let found = folders.iter().find(|folder| names.iter().any(|name| folder.join(name).is_file()));
    found.cloned().ok_or_else(|| {
        let candidates = names.iter().flat_map(|name| [name.clone(), format!("src/{name}")]).collect();
        PythonError::NoMain { root: root.to_owned(), module: module.to_owned(), candidates }
    })
}

/// The packages of the project's own virtual environment, `.venv`: what a controller uses besides the standard
/// library. Only pure Python runs in a component.
pub(super) fn site_packages(root: &Path) -> Vec<PathBuf> {
    let Ok(versions) = fs::read_dir(root.join(".venv/lib")) else {
        return Vec::new();
    };
    let folders = versions.flatten().map(|version| version.path().join("site-packages"));
    folders.filter(|folder| folder.is_dir()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(pyproject: &str, files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("pyproject.toml"), pyproject).unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    #[test]
    fn the_module_is_named_like_the_project_or_as_it_says() {
        let named = "[project]\nname = \"my-site\"\n";
        let told =
            "[project]\nname = \"my-site\"\n[tool.polyreme]\nmain = \"site.main\"\n[tool.other]\nx = 1\n";
        for (pyproject, file, main, folder) in [
            (named, "my_site.py", "my_site", ""),
            (named, "my_site/__init__.py", "my_site", ""),
            (named, "src/my_site/__init__.py", "my_site", "src"),
            (told, "site/main.py", "site.main", ""),
        ] {
            let project = project(pyproject, &[file]);
            let manifest = Manifest::read(project.path()).unwrap();
            assert_eq!((manifest.name.as_str(), manifest.main.as_str()), ("my-site", main));
            assert_eq!(manifest.folder, project.path().join(folder).components().collect::<PathBuf>());
        }
    }

    #[test]
    fn what_is_missing_is_told_with_what_to_write() {
        let text =
            |pyproject, files| Manifest::read(project(pyproject, files).path()).unwrap_err().to_string();
        assert!(text("[build-system]\n", &[]).contains("`name = \"my-controller\"`"));
        let missing = text("[project]\nname = \"a\"\n", &["b.py"]);
        assert!(missing.contains("there is no a.py, src/a.py, a/__init__.py"), "{missing}");
        assert!(missing.contains("`[tool.polyreme]` `main = "), "{missing}");
        assert!(text("[project]\nname = \"a\"\n[tool.polyreme]\nmian = \"b\"\n", &[]).contains("mian"));
    }
}

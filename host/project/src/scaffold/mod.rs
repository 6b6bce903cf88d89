//! New projects: a folder with a controller that works, its tests, its kind and a sample.
//!
//! Every language gets the same controller (a `Page` becomes a ConfigMap), so that one tutorial serves all. The
//! SDK is copied beside it from this library ([`crate::sdk`]): a project builds the moment it is made and
//! whatever registry cannot be reached, its native tests find the SDK, and nothing in it names this machine.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::languages::Language;
use crate::sdk;

/// Where a project keeps its copy of the SDK.
pub const SDK_FOLDER: &str = "polyreme-sdk";

/// Names become part of labels and Leases, which add to them.
const LONGEST_NAME: usize = 40;

/// A file of a project: its path and its text, in which `{{…}}` is filled in.
type Template = (&'static str, &'static str);

const COMMON: &[Template] = &[
    ("README.md", include_str!("templates/common/README.md")),
    ("crd.yaml", include_str!("templates/common/crd.yaml")),
    ("sample.yaml", include_str!("templates/common/sample.yaml")),
    ("polyreme.yaml", include_str!("templates/common/polyreme.yaml")),
    (".gitignore", include_str!("templates/common/gitignore")),
];

const RUST: &[Template] = &[
    ("Cargo.toml", include_str!("templates/rust/Cargo.toml")),
    ("src/lib.rs", include_str!("templates/rust/src/lib.rs")),
    ("src/tests.rs", include_str!("templates/rust/src/tests.rs")),
];

const GO: &[Template] = &[
    ("go.mod", include_str!("templates/go/go.mod")),
    ("main.go", include_str!("templates/go/main.go")),
    ("main_test.go", include_str!("templates/go/main_test.go")),
];

const PYTHON: &[Template] = &[
    ("pyproject.toml", include_str!("templates/python/pyproject.toml")),
    ("main.py", include_str!("templates/python/main.py")),
    ("tests/test_main.py", include_str!("templates/python/tests/test_main.py")),
];

const JS: &[Template] = &[
    ("package.json", include_str!("templates/js/package.json")),
    ("src/main.js", include_str!("templates/js/src/main.js")),
    ("test/main.test.js", include_str!("templates/js/test/main.test.js")),
];

/// What was made.
#[derive(Clone, Debug)]
pub struct Scaffold {
    /// The project's and its controller's name.
    pub name: String,
    /// Its files but for the SDK's, relative to its folder, in the order in which one reads them.
    pub files: Vec<String>,
    /// The command that runs its tests, in its folder.
    pub test: &'static str,
}

/// Why no project was made.
#[derive(Debug, thiserror::Error)]
pub enum ScaffoldError {
    /// The name could not be a controller's.
    #[error(
        "failed to make a project of the name {0:?}: it names a controller, so it has lower-case letters, digits \
         and hyphens, begins with a letter, ends with a letter or digit, and is at most {LONGEST_NAME} long"
    )]
    Name(String),
    /// Something is there already.
    #[error("failed to make a project in {}: the folder is not empty; choose another name", .0.display())]
    Occupied(PathBuf),
    /// A file could not be written.
    #[error("failed to write {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// Makes a project in a folder that is not there yet or empty; the folder's name is the project's.
///
/// # Errors
/// When the name cannot be a controller's, when something is in the folder, or when it cannot be written.
///
/// # Example
/// ```
/// use polyreme_project::languages::Language;
/// use polyreme_project::scaffold;
///
/// let parent = tempfile::tempdir()?;
/// let made = scaffold::create(&parent.path().join("pages"), Language::Go)?;
/// assert_eq!(made.name, "pages");
/// assert!(parent.path().join("pages/main.go").exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn create(folder: &Path, language: Language) -> Result<Scaffold, ScaffoldError> {
    let name = name_of(folder)?;
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(ScaffoldError::Occupied(folder.to_owned()));
    }
    let (templates, source, test) = of(language);
    let fill =
        |text: &str| text.replace("{{name}}", &name).replace("{{source}}", source).replace("{{test}}", test);
    for (file, text) in templates.iter().chain(COMMON) {
        write(&folder.join(file), &fill(text))?;
    }
    let place = folder.join(SDK_FOLDER);
    sdk::unpack(language, &place).map_err(|source| ScaffoldError::Write { path: place, source })?;
    let files = templates.iter().chain(COMMON).map(|(file, _)| (*file).to_owned()).collect();
    Ok(Scaffold { name, files, test })
}

/// Its own files, which of them is the controller, and how its tests are run.
fn of(language: Language) -> (&'static [Template], &'static str, &'static str) {
    match language {
        Language::Rust => (RUST, "src/lib.rs", "cargo test"),
        Language::Go => (GO, "main.go", "go test ./..."),
        Language::Python => {
            (PYTHON, "main.py", "PYTHONPATH=.:polyreme-sdk python3 -m unittest discover tests")
        }
        Language::JavaScript => (JS, "src/main.js", "npm install && npm test"),
    }
}

fn name_of(folder: &Path) -> Result<String, ScaffoldError> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    if begins && name.len() <= LONGEST_NAME && name.chars().all(fits) && !name.ends_with('-') {
        Ok(name)
    } else {
        Err(ScaffoldError::Name(name))
    }
}

fn write(path: &Path, text: &str) -> Result<(), ScaffoldError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, text));
    written.map_err(|source| ScaffoldError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaffold(language: Language) -> (tempfile::TempDir, PathBuf) {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("my-pages");
        create(&folder, language).unwrap();
        (parent, folder)
    }

    #[test]
    fn every_language_has_its_manifest_its_controller_and_the_sdk() {
        for language in Language::ALL {
            let (_parent, folder) = scaffold(language);
            assert!(folder.join(language.manifest()).exists(), "{language}");
            let (_, source, test) = of(language);
            assert!(folder.join(source).exists(), "{language}");
            assert!(fs::read_dir(folder.join(SDK_FOLDER)).unwrap().next().is_some(), "{language}");
            let readme = fs::read_to_string(folder.join("README.md")).unwrap();
            assert!(readme.contains(source) && readme.contains(test), "{readme}");
            assert!(readme.lines().count() <= 10, "{readme}");
        }
    }

    #[test]
    fn a_go_project_asks_for_no_newer_go_than_its_sdk() {
        let (_parent, folder) = scaffold(Language::Go);
        let go_line = |path: &str| {
            let text = fs::read_to_string(folder.join(path)).unwrap();
            text.lines().find(|line| line.starts_with("go ")).map(str::to_owned)
        };
        let sdk = go_line(&format!("{SDK_FOLDER}/go.mod"));
        assert!(sdk.is_some());
        assert_eq!(go_line("go.mod"), sdk);
    }

    #[test]
    fn nothing_is_left_to_be_filled_in() {
        for language in Language::ALL {
            let (_parent, folder) = scaffold(language);
            let (own, ..) = of(language);
            for (file, _) in own.iter().chain(COMMON) {
                let text = fs::read_to_string(folder.join(file)).unwrap();
                assert!(!text.contains("{{name}}") && !text.contains("{{source}}"), "{language}: {file}");
            }
            let config = fs::read_to_string(folder.join("polyreme.yaml")).unwrap();
            assert!(config.contains("name: my-pages"), "{config}");
        }
    }

    #[test]
    fn what_is_there_is_left_alone() {
        let (_parent, folder) = scaffold(Language::Go);
        fs::write(folder.join("main.go"), "mine").unwrap();
        let error = create(&folder, Language::Go).unwrap_err().to_string();
        assert!(error.contains("not empty"), "{error}");
        assert_eq!(fs::read_to_string(folder.join("main.go")).unwrap(), "mine");
    }

    #[test]
    fn a_name_that_no_controller_can_have_is_refused_and_nothing_is_made() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["Pages", "9lives", "a_b", "ends-", &"a".repeat(41)] {
            let folder = parent.path().join(name);
            let error = create(&folder, Language::Rust).unwrap_err().to_string();
            assert!(error.contains("lower-case"), "{name}: {error}");
            assert!(!folder.exists());
        }
    }
}

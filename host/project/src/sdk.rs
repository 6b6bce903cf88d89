//! The SDKs, as this library carries them: no registry has them, and a component is built with the SDK that fits the
//! contract of this binary.

use std::fs;
use std::io;
use std::path::Path;

use crate::languages::Language;

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/sdks.rs"));
}

/// The files of a language's SDK, as path and text. Rust's is a workspace of the SDK and what it is made of, in the
/// folders that they have in Polyreme's repository.
#[must_use]
pub fn files(language: Language) -> &'static [(&'static str, &'static str)] {
    match language {
        Language::Rust => embedded::RUST,
        Language::Go => embedded::GO,
        Language::Python => embedded::PYTHON,
        Language::JavaScript => embedded::JS,
    }
}

/// Writes the SDK of a language into a folder, which is made. Files that are as they should be are not touched, so
/// that tools which look at times see no change.
///
/// # Errors
/// When a file cannot be written.
///
/// # Example
/// ```
/// use polyreme_project::languages::Language;
/// use polyreme_project::sdk;
///
/// let folder = tempfile::tempdir()?;
/// sdk::unpack(Language::Python, folder.path())?;
/// assert!(folder.path().join("polyreme/__init__.py").exists());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn unpack(language: Language, folder: &Path) -> io::Result<()> {
    for (name, text) in files(language) {
        let path = folder.join(name);
        if fs::read_to_string(&path).is_ok_and(|held| held == *text) {
            continue;
        }
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(&path, text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(language: Language) -> Vec<&'static str> {
        files(language).iter().map(|(name, _)| *name).collect()
    }

    #[test]
    fn the_sdks_are_whole_and_nothing_but_sources() {
        let (python, js) = (names(Language::Python), names(Language::JavaScript));
        for wanted in
            ["polyreme/__init__.py", "polyreme/testing/fake.py", "polyreme/py.typed", "pyproject.toml"]
        {
            assert!(python.contains(&wanted), "{wanted} is not in {python:?}");
        }
        for wanted in ["src/index.js", "src/index.d.ts", "src/testing/fake.js", "package.json"] {
            assert!(js.contains(&wanted), "{wanted} is not in {js:?}");
        }
        assert!(!python.iter().any(|name| name.contains("__pycache__") || name.starts_with("tests/")));
        assert!(!js.iter().any(|name| name.contains("node_modules") || name.starts_with("test/")));
    }

    #[test]
    fn unpacking_again_mends_what_was_changed_and_leaves_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        unpack(Language::JavaScript, folder.path()).unwrap();
        let (kept, changed) = (folder.path().join("src/merge.js"), folder.path().join("package.json"));
        let before = fs::metadata(&kept).unwrap().modified().unwrap();
        fs::write(&changed, "{}").unwrap();
        unpack(Language::JavaScript, folder.path()).unwrap();
        assert_eq!(fs::metadata(&kept).unwrap().modified().unwrap(), before);
        assert!(fs::read_to_string(&changed).unwrap().contains("@polyreme/sdk"));
    }
}

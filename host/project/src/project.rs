//! A folder with a controller in it: which language, which compiler.

use std::io;
use std::path::{Path, PathBuf};

use crate::languages::{Compiler, Language};
use crate::settings::{FILE_NAME, Settings};

/// A folder with a controller in it.
///
/// # Example
/// ```no_run
/// let project = polyreme_project::Project::find("my-controller".as_ref())?;
/// println!("{} in {}", project.language(), project.root().display());
/// # Ok::<(), polyreme_project::ProjectError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Project {
    dir: PathBuf,
    root: PathBuf,
    language: Language,
    settings: Settings,
}

/// Why a folder is no project.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// No language's file there or above.
    #[error(
        "failed to find a project in {}: there is no {} there or above; name the controller's folder, or make \
         one with `polyreme new`",
        dir.display(),
        Language::manifests()
    )]
    Nothing {
        /// The folder.
        dir: PathBuf,
    },
    /// Files of several languages, and nobody says which counts.
    #[error(
        "failed to tell the language of {}: it has {}; write `language = \"{}\"` (or another) into {FILE_NAME} there",
        dir.display(),
        manifests.join(" and "),
        first.name()
    )]
    Ambiguous {
        /// The folder.
        dir: PathBuf,
        /// The files.
        manifests: Vec<&'static str>,
        /// The language of the first.
        first: Language,
    },
    /// The project's own file cannot be read or written.
    #[error("failed to read or write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The project's own file says something that it cannot say.
    #[error("failed to read {}: {problem}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What and where.
        problem: String,
    },
    /// A compiler of another language.
    #[error(
        "failed to use compiler {compiler} for a {language} project: {}",
        language.compilers_text()
    )]
    Compiler {
        /// What was asked for.
        compiler: Compiler,
        /// What the project is written in.
        language: Language,
    },
}

impl Project {
    /// The project that `dir` belongs to: of it and the folders above it, the first with a file that tells
    /// a language (`Cargo.toml`, `go.mod`, `pyproject.toml`, `package.json`).
    ///
    /// # Errors
    /// When there is none, when it has several and its [`Settings`] do not say which counts, or when those
    /// are faulty.
    pub fn find(dir: &Path) -> Result<Self, ProjectError> {
        let nothing = || ProjectError::Nothing { dir: dir.to_owned() };
        let start = dir.canonicalize().map_err(|_| nothing())?;
        let root = start.ancestors().find(|folder| !manifests(folder).is_empty()).ok_or_else(nothing)?;
        let settings = Settings::read(root)?;
        let language = match settings.language {
            Some(language) => language,
            None => only_language(root)?,
        };
        Ok(Self { root: root.to_owned(), dir: start, language, settings })
    }

    /// The folder that was named, made absolute: in Go the folder of the main package.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder with the language's file.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What it is written in.
    #[must_use]
    pub fn language(&self) -> Language {
        self.language
    }

    /// Where the component goes unless the user says otherwise.
    #[must_use]
    pub fn default_output(&self, name: &str) -> PathBuf {
        self.root.join("build").join(format!("{name}.wasm"))
    }

    /// The compiler to use: as asked, else as remembered, else the language's own.
    pub(crate) fn compiler(&self, asked: Option<Compiler>) -> Result<Compiler, ProjectError> {
        let compiler = asked.or(self.settings.compiler).unwrap_or(self.language.default_compiler());
        if self.language.compilers().contains(&compiler) {
            return Ok(compiler);
        }
        Err(ProjectError::Compiler { compiler, language: self.language })
    }

    /// Writes a compiler into the project's file. Nothing is written when the file already says so, nor when
    /// it is the language's own and there is no file.
    pub(crate) fn remember(&self, compiler: Compiler) -> Result<(), ProjectError> {
        if self.settings.compiler.unwrap_or(self.language.default_compiler()) == compiler {
            return Ok(());
        }
        Settings { compiler: Some(compiler), ..self.settings.clone() }.write(&self.root)
    }
}

/// The files of languages in a folder.
fn manifests(folder: &Path) -> Vec<Language> {
    Language::ALL.into_iter().filter(|language| folder.join(language.manifest()).is_file()).collect()
}

fn only_language(root: &Path) -> Result<Language, ProjectError> {
    match manifests(root).as_slice() {
        [] => Err(ProjectError::Nothing { dir: root.to_owned() }),
        [language] => Ok(*language),
        several @ [first, ..] => Err(ProjectError::Ambiguous {
            dir: root.to_owned(),
            manifests: several.iter().map(|language| language.manifest()).collect(),
            first: *first,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn the_language_is_told_by_its_file_also_from_a_folder_inside() {
        for language in Language::ALL {
            let folder = folder(&[(language.manifest(), ""), ("cmd/site/x", "")]);
            let project = Project::find(&folder.path().join("cmd/site")).unwrap();
            assert_eq!(project.language(), language);
            assert_eq!(project.root(), folder.path().canonicalize().unwrap());
        }
    }

    #[test]
    fn a_folder_without_any_names_what_was_looked_for() {
        let text = Project::find(Path::new("/")).unwrap_err().to_string();
        assert!(text.contains("there is no Cargo.toml, go.mod, pyproject.toml or package.json"), "{text}");
    }

    #[test]
    fn two_languages_need_a_word_and_the_error_says_which() {
        let both = [("go.mod", ""), ("package.json", "")];
        let folder = folder(&both);
        let text = Project::find(folder.path()).unwrap_err().to_string();
        assert!(text.contains("go.mod and package.json; write `language = \"go\"`"), "{text}");
        std::fs::write(folder.path().join(FILE_NAME), "language = \"js\"\n").unwrap();
        assert_eq!(Project::find(folder.path()).unwrap().language(), Language::JavaScript);
    }

    #[test]
    fn a_compiler_is_remembered_and_one_of_another_language_refused() {
        let folder = folder(&[("go.mod", ""), (FILE_NAME, "language = \"go\"\n")]);
        let project = Project::find(folder.path()).unwrap();
        assert_eq!(project.compiler(None).unwrap(), Compiler::Go);
        project.remember(Compiler::TinyGo).unwrap();
        let again = Project::find(folder.path()).unwrap();
        assert_eq!(again.compiler(None).unwrap(), Compiler::TinyGo);
        assert_eq!(again.language(), Language::Go);
        let text = project.compiler(Some(Compiler::Cargo)).unwrap_err().to_string();
        assert!(text.contains("go or tinygo"), "{text}");
    }

    #[test]
    fn the_default_is_not_written_down() {
        let folder = folder(&[("go.mod", "")]);
        Project::find(folder.path()).unwrap().remember(Compiler::Go).unwrap();
        assert!(!folder.path().join(FILE_NAME).exists());
    }

    #[test]
    fn a_mistake_in_the_file_is_named_with_its_place() {
        let folder = folder(&[("go.mod", ""), (FILE_NAME, "compilr = \"go\"\n")]);
        let text = Project::find(folder.path()).unwrap_err().to_string();
        assert!(text.contains(FILE_NAME) && text.contains("compilr"), "{text}");
    }
}

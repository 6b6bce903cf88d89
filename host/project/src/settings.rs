//! `polyreme-project.toml`: what cannot be told from a project's other files.
//!
//! Most projects have none. It is not the host's configuration (`polyreme.yaml`), which is about running
//! modules and knows nothing of sources.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::languages::{Compiler, Language};
use crate::project::ProjectError;

/// The file's name.
pub const FILE_NAME: &str = "polyreme-project.toml";

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Which language counts, in a folder with the files of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// Which of the language's compilers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compiler: Option<Compiler>,
}

impl Settings {
    /// Those of a folder; the default ones where there is no file.
    pub(crate) fn read(root: &Path) -> Result<Self, ProjectError> {
        let path = root.join(FILE_NAME);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(ProjectError::File { path, source }),
        };
        toml::from_str(&text).map_err(|error| {
            let problem = error.to_string().trim_end().to_owned();
            ProjectError::Settings { path, problem }
        })
    }

    pub(crate) fn write(&self, root: &Path) -> Result<(), ProjectError> {
        let path = root.join(FILE_NAME);
        let text = toml::to_string(self)
            .map_err(|error| ProjectError::Settings { path: path.clone(), problem: error.to_string() })?;
        std::fs::write(&path, text).map_err(|source| ProjectError::File { path, source })
    }
}

//! Python.

use super::{Core, Language};
use crate::{BuildError, Project};

/// Builds a Python project.
///
/// # Errors
/// Always: this version cannot.
pub(crate) async fn build(_project: &Project) -> Result<Core, BuildError> {
    Err(BuildError::Language(Language::Python))
}

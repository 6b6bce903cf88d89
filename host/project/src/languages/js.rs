//! JavaScript.

use super::{Compiler, Core, Language};
use crate::{BuildError, Project};

/// Builds a JavaScript project.
///
/// # Errors
/// Always: this version cannot.
pub(crate) async fn build(_project: &Project, _compiler: Compiler) -> Result<Core, BuildError> {
    Err(BuildError::Language(Language::JavaScript))
}

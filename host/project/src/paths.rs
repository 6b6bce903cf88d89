//! Folders of the user that Polyreme keeps things in.

use std::env;
use std::path::PathBuf;

/// `$XDG_CACHE_HOME/polyreme`, else `~/.cache/polyreme`; nothing when neither is known,
/// as in a container without a home. Relative values are ignored, as the XDG rules ask.
#[must_use]
pub fn cache_dir() -> Option<PathBuf> {
    let xdg = absolute("XDG_CACHE_HOME");
    let base = xdg.or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(base.join("polyreme"))
}

fn absolute(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

//! The contract between host and module that this library builds for: `wit/controller.wit`, as text.

use wit_parser::{PackageId, Resolve, WorldId};

/// The whole file.
pub const WIT: &str = include_str!("../../../wit/controller.wit");

/// The package, without version.
pub const PACKAGE: &str = "polyreme:controller";

/// The world that a controller is.
pub const WORLD: &str = "controller";

/// The world of what may be imported.
pub(crate) const CAPABILITIES: &str = "capabilities";

/// The interface that every controller exports, without version.
pub const RECONCILER: &str = "polyreme:controller/reconciler";

/// The version of the package: `0.1.0`.
#[must_use]
pub fn version() -> &'static str {
    let header = WIT.lines().find_map(|line| line.strip_prefix("package polyreme:controller@"));
    header.unwrap_or_default().trim_end_matches(';')
}

/// The version that an interface name carries: `0.1.0` of `polyreme:controller/log@0.1.0`.
#[must_use]
pub fn version_of(interface: &str) -> Option<&str> {
    let rest = interface.strip_prefix(PACKAGE)?.strip_prefix('/')?;
    rest.split_once('@').map(|(_, version)| version)
}

/// The contract, parsed, and one of its worlds.
///
/// # Errors
/// Never, as long as this library's own file parses, which a test holds.
pub(crate) fn resolve(world: &str) -> Result<(Resolve, PackageId, WorldId), String> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("controller.wit", WIT).map_err(|error| format!("{error:#}"))?;
    let world = resolve.select_world(&[package], Some(world)).map_err(|error| format!("{error:#}"))?;
    Ok((resolve, package, world))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_parses_and_says_its_version() {
        let (resolve, package, _) = resolve(WORLD).unwrap();
        let name = resolve.packages[package].name.to_string();
        assert_eq!(name, format!("{PACKAGE}@{}", version()));
        assert_eq!(version_of(&format!("{RECONCILER}@{}", version())), Some(version()));
        assert_eq!(version_of("wasi:cli/environment@0.2.0"), None);
    }
}

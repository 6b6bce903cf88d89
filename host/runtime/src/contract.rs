//! Does a component keep the contract? Compared by name before anything is linked.
//!
//! wasmtime's own answer to a stranger is a type error. Reading the names first tells
//! apart what a user can act on: built with WASI, built against another version of the
//! contract, or not a controller at all.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};

use crate::call::Call;
use crate::capabilities::{self, OFFERED};
use crate::load::Refusal;

/// The package of `wit/controller.wit`.
const PACKAGE: &str = "polyreme:controller";
/// Its version; minor versions are incompatible before 1.0.
const VERSION: &str = "0.1.0";
/// The interface that every controller exports.
const EXPORT: &str = "reconciler";

/// `package/interface@version`, taken apart.
struct Name<'a> {
    package: &'a str,
    interface: &'a str,
    version: &'a str,
}

impl<'a> Name<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        let (package, rest) = name.split_once('/')?;
        let (interface, version) = rest.split_once('@').unwrap_or((rest, ""));
        Some(Self { package, interface, version })
    }

    fn is_ours(&self) -> bool {
        self.package == PACKAGE
    }

    fn check_version(&self) -> Result<(), Refusal> {
        if minor(self.version) == minor(VERSION) {
            return Ok(());
        }
        Err(Refusal::WitVersion { found: self.version.to_owned(), wanted: VERSION.to_owned() })
    }
}

/// `0.1` of `0.1.7`.
fn minor(version: &str) -> &str {
    version.rsplit_once('.').map_or(version, |(minor, _)| minor)
}

/// Checks all imports and the export by name.
pub(crate) fn check(component: &Component) -> Result<(), Refusal> {
    let ty = component.component_type();
    let engine = component.engine();
    for (name, _) in ty.imports(engine) {
        check_import(name)?;
    }
    check_exports(ty.exports(engine).map(|(name, export)| (name, export.ty)))
}

fn check_import(import: &str) -> Result<(), Refusal> {
    let unknown =
        || Refusal::UnknownImport { name: import.to_owned(), offered: offered(), remedy: remedy_for(import) };
    let name = Name::parse(import).filter(Name::is_ours).ok_or_else(unknown)?;
    name.check_version()?;
    if OFFERED.iter().all(|offer| offer.name != name.interface) {
        return Err(unknown());
    }
    Ok(())
}

fn check_exports<'a>(exports: impl Iterator<Item = (&'a str, ComponentItem)>) -> Result<(), Refusal> {
    let mut found = Vec::new();
    for (export, item) in exports {
        let ours = Name::parse(export).filter(|name| name.is_ours() && name.interface == EXPORT);
        match (ours, item) {
            (Some(name), ComponentItem::ComponentInstance(_)) => return name.check_version(),
            _ => found.push(export.to_owned()),
        }
    }
    Err(Refusal::MissingExport { wanted: format!("{PACKAGE}/{EXPORT}@{VERSION}"), found })
}

/// The interfaces on offer, as an error prints them.
fn offered() -> String {
    let names: Vec<&str> = OFFERED.iter().map(|interface| interface.name).collect();
    format!("{PACKAGE}@{VERSION}: {}", names.join(", "))
}

fn remedy_for(import: &str) -> &'static str {
    if import.starts_with("wasi:") {
        "a controller reaches nothing but the host: build it without WASI (Rust: target \
         wasm32-unknown-unknown, or `polyreme build`; Python: componentize-py -s)"
    } else {
        "build the module against the host's wit/controller.wit"
    }
}

/// A linker that offers exactly the contract.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<Call>> {
    let mut linker = Linker::new(engine);
    capabilities::link(&mut linker)?;
    Ok(linker)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract() -> (wit_parser::Resolve, wit_parser::WorldId) {
        let mut resolve = wit_parser::Resolve::default();
        let (package, _) = resolve.push_path("../../wit").unwrap();
        let world = resolve.select_world(&[package], Some("controller")).unwrap();
        (resolve, world)
    }

    #[test]
    fn every_import_of_the_world_is_offered_and_nothing_else() {
        let (resolve, world) = contract();
        let mut wanted: Vec<String> =
            resolve.worlds[world].imports.keys().map(|key| resolve.name_world_key(key)).collect();
        let mut offered: Vec<String> =
            OFFERED.iter().map(|offer| format!("{PACKAGE}/{}@{VERSION}", offer.name)).collect();
        wanted.sort();
        offered.sort();
        assert_eq!(offered, wanted);
    }

    #[test]
    fn patch_versions_are_compatible_and_minor_versions_are_not() {
        let check = |name| check_import(name);
        assert!(check("polyreme:controller/log@0.1.9").is_ok());
        assert!(matches!(
            check("polyreme:controller/log@0.2.0"),
            Err(Refusal::WitVersion { found, .. }) if found == "0.2.0"
        ));
        assert!(matches!(check("polyreme:controller/log"), Err(Refusal::WitVersion { .. })));
    }

    #[test]
    fn a_wasi_import_is_named_with_the_way_to_build_without() {
        let Err(Refusal::UnknownImport { name, remedy, .. }) = check_import("wasi:cli/environment@0.2.0")
        else {
            panic!("accepted");
        };
        assert_eq!(name, "wasi:cli/environment@0.2.0");
        assert!(remedy.contains("polyreme build"), "{remedy}");
    }
}

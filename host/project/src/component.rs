//! From what a compiler made to a component that only asks for what this host offers.
//!
//! Three things come out of compilers: a core module that carries its component type in a custom section
//! (Rust), one that does not (Go), and a component (componentize-py and its kin, `wasm-component-ld`). All
//! end as a validated component whose imports are all of `polyreme:controller`, and only those that it
//! uses. A module without component type is one of the world `controller`; what it imports of
//! `wasi_snapshot_preview1` is answered by an adapter that has no WASI behind it ([`ADAPTER`]). Without one, what
//! wit-component puts between a module and its imports is made part of the module ([`shim`]).

use sha2::{Digest, Sha256};
use wasmparser::{Encoding, Parser, Payload};
use wit_component::{ComponentEncoder, DecodedWasm, StringEncoding, embed_component_metadata, metadata};
use wit_parser::{Resolve, WorldId, WorldItem, WorldKey};

use crate::contract;
use crate::languages::Language;
use crate::shim;

/// What Go's runtime wants of an operating system, made of the contract's `log`, `clock` and `random`; the
/// contract's version is written `@VERSION`.
pub const ADAPTER: &str = include_str!("adapter.wat");

/// The module that the adapter stands in for.
const PREVIEW1: &str = "wasi_snapshot_preview1";

/// Why a file is not, and cannot become, a component for this host.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// Not WebAssembly.
    #[error("it is not a WebAssembly file")]
    NotWasm,
    /// The component could not be made; `problem` is all that wit-component says.
    #[error("it cannot become a component: {problem}")]
    Encode {
        /// The cause.
        problem: String,
    },
    /// The component cannot be read.
    #[error("it is not a valid component: {problem}")]
    Decode {
        /// The cause.
        problem: String,
    },
    /// It wants something that no host has.
    #[error("it imports what a host does not offer: {}; {remedy}", names.join(", "))]
    Imports {
        /// The imports.
        names: Vec<String>,
        /// What to do about it.
        remedy: &'static str,
    },
    /// It is a component, but no controller.
    #[error("it exports no {}; {remedy}", contract::RECONCILER)]
    NoReconciler {
        /// What to do about it.
        remedy: &'static str,
    },
    /// It was built against another version of the contract.
    #[error(
        "its SDK is made for polyreme:controller@{found}, this polyreme for {}; use the SDK of the same release \
         (`polyreme --version`), or the polyreme of the SDK's",
        contract::version()
    )]
    Version {
        /// The version that the module names.
        found: String,
    },
}

/// A component that has been checked.
#[derive(Clone, Debug)]
pub struct Component {
    /// The file's content.
    pub bytes: Vec<u8>,
    /// Interfaces that it imports.
    pub imports: Vec<String>,
}

impl Component {
    /// Makes a component of what a compiler of `language` made; one that is a component already is checked.
    ///
    /// # Errors
    /// When the bytes are neither, or the component is not for this host.
    pub fn of_core(bytes: &[u8], language: Language) -> Result<Self, ComponentError> {
        let bytes = match encoding(bytes) {
            Some(Encoding::Module) => encode(bytes, language)?,
            Some(Encoding::Component) => bytes.to_vec(),
            None => return Err(ComponentError::NotWasm),
        };
        let imports = check(&bytes, language)?;
        Ok(Self { bytes, imports })
    }

    /// `sha256:` and the hexadecimal digest, as registries and the host's log name it.
    #[must_use]
    pub fn digest(&self) -> String {
        digest(&self.bytes)
    }
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

/// Whether it is a core module or a component; nothing when it is not WebAssembly.
pub(crate) fn encoding(bytes: &[u8]) -> Option<Encoding> {
    match Parser::new(0).parse_all(bytes).next() {
        Some(Ok(Payload::Version { encoding, .. })) => Some(encoding),
        _ => None,
    }
}

fn encode(module: &[u8], language: Language) -> Result<Vec<u8>, ComponentError> {
    let failed = |problem: String| ComponentError::Encode { problem };
    let decoded = metadata::decode(module).map_err(|error| failed(format!("{error:#}")))?;
    let typed = match decoded {
        (Some(_), _) => module.to_vec(),
        (None, _) => with_type(module, language)?,
    };
    let mut encoder = ComponentEncoder::default();
    let mut encoded = encoder.validate(true).module(&typed);
    let is_adapted = imports_preview1(module);
    if is_adapted {
        let adapter = adapter().map_err(failed)?;
        encoded = encoded.and_then(|encoder| encoder.adapter(PREVIEW1, &adapter));
    }
    let encoded = encoded.and_then(ComponentEncoder::encode).map_err(|error| failed(format!("{error:#}")))?;
    // What needs an adapter takes so long to start that an instance more does not matter.
    let merged = if is_adapted { None } else { shim::merge(&encoded) };
    Ok(merged.unwrap_or(encoded))
}

/// Gives a module that has none the type of the contract's world.
fn with_type(module: &[u8], language: Language) -> Result<Vec<u8>, ComponentError> {
    let exports = exports(module);
    let reconciler = exports.iter().find_map(|name| name.strip_prefix(contract::RECONCILER));
    let Some(export) = reconciler else {
        return Err(ComponentError::NoReconciler { remedy: language.export_remedy() });
    };
    // `@0.1.0#describe`
    let version = export.trim_start_matches('@').split('#').next().unwrap_or_default();
    ensure_version(version)?;
    let mut typed = module.to_vec();
    embed(&mut typed, contract::WORLD).map_err(|problem| ComponentError::Encode { problem })?;
    Ok(typed)
}

fn ensure_version(found: &str) -> Result<(), ComponentError> {
    if found == contract::version() {
        return Ok(());
    }
    Err(ComponentError::Version { found: found.to_owned() })
}

fn embed(module: &mut Vec<u8>, world: &str) -> Result<(), String> {
    let (resolve, _, world) = contract::resolve(world)?;
    // False: export names are the readable ones that the SDKs give.
    embed_component_metadata(module, &resolve, world, StringEncoding::UTF8, false)
        .map_err(|error| format!("{error:#}"))
}

/// The adapter as a module with the contract's type, so that its imports are the contract's as well.
fn adapter() -> Result<Vec<u8>, String> {
    let text = ADAPTER.replace("@VERSION", &format!("@{}", contract::version()));
    let mut adapter = wat::parse_str(text).map_err(|error| error.to_string())?;
    embed(&mut adapter, contract::CAPABILITIES)?;
    Ok(adapter)
}

fn exports(module: &[u8]) -> Vec<String> {
    let sections = Parser::new(0).parse_all(module).filter_map(|payload| match payload {
        Ok(Payload::ExportSection(section)) => Some(section),
        _ => None,
    });
    sections.flatten().flatten().map(|export| export.name.to_owned()).collect()
}

fn imports_preview1(module: &[u8]) -> bool {
    let mut sections = Parser::new(0).parse_all(module).filter_map(|payload| match payload {
        Ok(Payload::ImportSection(section)) => Some(section),
        _ => None,
    });
    sections.any(|section| section.into_imports().flatten().any(|import| import.module == PREVIEW1))
}

/// The imports, when all are the contract's and the reconciler is there.
fn check(bytes: &[u8], language: Language) -> Result<Vec<String>, ComponentError> {
    let world = World::of(bytes).map_err(|problem| ComponentError::Decode { problem })?;
    let foreign = world.foreign();
    if !foreign.is_empty() {
        let wasi = foreign.iter().any(|name| name.starts_with("wasi"));
        let remedy = if wasi { language.wasi_remedy() } else { "remove what needs them" };
        return Err(ComponentError::Imports { names: foreign, remedy });
    }
    if !world.exports.iter().any(|name| name.starts_with(contract::RECONCILER)) {
        return Err(ComponentError::NoReconciler { remedy: language.export_remedy() });
    }
    world.version().map_or(Ok(()), ensure_version)?;
    Ok(world.imports)
}

/// What a component imports and exports, by name.
pub(crate) struct World {
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
}

impl World {
    pub(crate) fn of(component: &[u8]) -> Result<Self, String> {
        match wit_component::decode(component).map_err(|error| format!("{error:#}"))? {
            DecodedWasm::Component(resolve, world) => Self::named(&resolve, world),
            DecodedWasm::WitPackage(..) => Err("it is a WIT package without code".to_owned()),
        }
    }

    fn named(resolve: &Resolve, world: WorldId) -> Result<Self, String> {
        let world = resolve.worlds.get(world).ok_or("it has no world")?;
        Ok(Self {
            imports: world.imports.iter().map(|(key, item)| name(resolve, key, item)).collect(),
            exports: world.exports.iter().map(|(key, item)| name(resolve, key, item)).collect(),
        })
    }

    /// The imports that are not of the contract.
    pub(crate) fn foreign(&self) -> Vec<String> {
        let ours =
            |name: &str| name.strip_prefix(contract::PACKAGE).is_some_and(|rest| rest.starts_with('/'));
        self.imports.iter().filter(|name| !ours(name)).cloned().collect()
    }

    /// The version of the contract that it follows, by its reconciler, else by what it imports.
    pub(crate) fn version(&self) -> Option<&str> {
        self.exports.iter().chain(&self.imports).find_map(|name| contract::version_of(name))
    }
}

fn name(resolve: &Resolve, key: &WorldKey, item: &WorldItem) -> String {
    match (key, item) {
        (WorldKey::Interface(id), _) | (_, WorldItem::Interface { id, .. }) => {
            resolve.id_of(*id).unwrap_or_else(|| resolve.name_world_key(key))
        }
        _ => resolve.name_world_key(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A core module with the component type of `world` embedded, exporting nothing.
    fn core_module(wit: &str, world: &str) -> Vec<u8> {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("test.wit", wit).unwrap();
        let world = resolve.select_world(&[package], Some(world)).unwrap();
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
        module
    }

    /// What Go's compiler makes: no component type, and a system to run on.
    fn untyped(version: &str, body: &str) -> Vec<u8> {
        let prefix = format!("{}@{version}#", contract::RECONCILER);
        let text = format!(
            r#"(module
                (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
                {body}
                (memory (export "memory") 1)
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
                (func (export "{prefix}describe") (result i32) unreachable)
                (func (export "{prefix}reconcile") (param i32) (result i32) unreachable))"#
        );
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn text_is_not_webassembly() {
        let error = Component::of_core(b"hello", Language::Rust).unwrap_err();
        assert!(matches!(error, ComponentError::NotWasm), "{error}");
    }

    #[test]
    fn a_module_without_controller_names_the_sdk_of_its_language() {
        let module = b"\0asm\x01\0\0\0";
        let text = |language| Component::of_core(module, language).unwrap_err().to_string();
        assert!(text(Language::Rust).contains("polyreme_sdk::controller!"), "{}", text(Language::Rust));
        assert!(text(Language::Go).contains("polyreme.dev/sdk"), "{}", text(Language::Go));
    }

    #[test]
    fn a_component_that_is_no_controller_is_refused() {
        let module = core_module("package a:b; world w {}", "w");
        let text = Component::of_core(&module, Language::Rust).unwrap_err().to_string();
        assert!(text.contains("exports no polyreme:controller/reconciler"), "{text}");
    }

    #[test]
    fn a_module_without_type_becomes_a_component_that_imports_what_it_uses() {
        let component = Component::of_core(&untyped(contract::version(), ""), Language::Go).unwrap();
        let named = |name: &str| format!("{}/{name}@{}", contract::PACKAGE, contract::version());
        assert!(component.imports.contains(&named("log")), "{:?}", component.imports);
        assert!(!component.imports.contains(&named("kubernetes")), "{:?}", component.imports);
    }

    #[test]
    fn another_version_of_the_contract_is_named_with_ours() {
        let text = Component::of_core(&untyped("9.8.7", ""), Language::Go).unwrap_err().to_string();
        assert!(text.contains("@9.8.7") && text.contains(contract::version()), "{text}");
    }

    #[test]
    fn an_import_that_nobody_has_is_named() {
        let import = r#"(import "env" "weather" (func))"#;
        let error = Component::of_core(&untyped(contract::version(), import), Language::Go).unwrap_err();
        assert!(error.to_string().contains("weather"), "{error}");
    }

    #[test]
    fn foreign_imports_are_named_with_the_remedy() {
        let names = vec!["wasi:cli/environment@0.2.0".to_owned()];
        let text = ComponentError::Imports { names, remedy: Language::Rust.wasi_remedy() }.to_string();
        assert!(text.contains("wasi:cli/environment@0.2.0; build without WASI"), "{text}");
    }
}

//! From what the linker made to a component that only asks for what this host offers.
//!
//! Two things come out of `cargo build`: with the ordinary linker a core module that
//! carries its component type in a custom section, with `wasm-component-ld` a component.
//! Both end as a validated component whose imports are all of `polyreme:controller`.

use sha2::{Digest, Sha256};
use wit_component::{ComponentEncoder, DecodedWasm};
use wit_parser::{Resolve, WorldId, WorldItem, WorldKey};

/// The package that a guest may import from.
const CONTRACT: &str = "polyreme:controller/";

/// What every controller exports.
const RECONCILER: &str = "polyreme:controller/reconciler";

/// `\0asm`, then the version: 1 for a core module, 13 with layer 1 for a component.
const MAGIC: [u8; 4] = *b"\0asm";
const CORE_VERSION: [u8; 4] = [1, 0, 0, 0];

/// Why a file is not, and cannot become, a component for this host.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// Not WebAssembly.
    #[error("it is not a WebAssembly file")]
    NotWasm,
    /// The component could not be made; `problem` is all that wit-component says.
    #[error(
        "it cannot become a component: {problem}; a guest links the SDK and has one `polyreme_sdk::controller!(…)` line"
    )]
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
    #[error("it imports what a host does not offer: {}; {}", names.join(", "), import_remedy(names))]
    Imports {
        /// The imports.
        names: Vec<String>,
    },
    /// It is a component, but no controller.
    #[error(
        "it exports no {RECONCILER}; implement `Controller` and add the line `polyreme_sdk::controller!(…)`"
    )]
    NoReconciler,
}

fn import_remedy(names: &[String]) -> &'static str {
    if names.iter().any(|name| name.starts_with("wasi:") || name.starts_with("wasi_")) {
        "build without WASI: for wasm32-unknown-unknown, and without crates that need an operating system"
    } else {
        "remove what needs them"
    }
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
    /// Makes a component of a core module, or checks one that is a component already.
    ///
    /// # Errors
    ///
    /// When the bytes are neither, or the component is not for this host.
    pub fn from_module(bytes: &[u8]) -> Result<Self, ComponentError> {
        let bytes =
            match bytes {
                [a, b, c, d, version @ ..] if [*a, *b, *c, *d] == MAGIC => {
                    if version.starts_with(&CORE_VERSION) { encode(bytes)? } else { bytes.to_vec() }
                }
                _ => return Err(ComponentError::NotWasm),
            };
        let imports = check(&bytes)?;
        Ok(Self { bytes, imports })
    }

    /// `sha256:` and the hexadecimal digest, as registries and the host's log name it.
    #[must_use]
    pub fn digest(&self) -> String {
        let hash = Sha256::digest(&self.bytes);
        hash.iter().fold("sha256:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
    }
}

fn encode(module: &[u8]) -> Result<Vec<u8>, ComponentError> {
    let mut encoder = ComponentEncoder::default();
    let encoded = encoder.module(module).and_then(|encoder| encoder.validate(true).encode());
    encoded.map_err(|error| ComponentError::Encode { problem: format!("{error:#}") })
}

/// The imports, when all are the contract's and the reconciler is there.
fn check(bytes: &[u8]) -> Result<Vec<String>, ComponentError> {
    let decode = |problem: String| ComponentError::Decode { problem };
    match wit_component::decode(bytes).map_err(|error| decode(format!("{error:#}")))? {
        DecodedWasm::Component(resolve, world) => check_world(&resolve, world),
        DecodedWasm::WitPackage(..) => Err(decode("it is a WIT package without code".to_owned())),
    }
}

fn check_world(resolve: &Resolve, world: WorldId) -> Result<Vec<String>, ComponentError> {
    let world =
        resolve.worlds.get(world).ok_or_else(|| ComponentError::Decode { problem: "no world".to_owned() })?;
    let imports: Vec<_> = world.imports.iter().map(|(key, item)| name(resolve, key, item)).collect();
    let foreign: Vec<_> = imports.iter().filter(|name| !name.starts_with(CONTRACT)).cloned().collect();
    if !foreign.is_empty() {
        return Err(ComponentError::Imports { names: foreign });
    }
    let mut exports = world.exports.iter().map(|(key, item)| name(resolve, key, item));
    if !exports.any(|name| name.starts_with(RECONCILER)) {
        return Err(ComponentError::NoReconciler);
    }
    Ok(imports)
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
    use wit_component::StringEncoding;

    /// A core module with the component type of `world` embedded, exporting nothing.
    fn core_module(wit: &str, world: &str) -> Vec<u8> {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("test.wit", wit).unwrap();
        let world = resolve.select_world(&[package], Some(world)).unwrap();
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
            .unwrap();
        module
    }

    #[test]
    fn text_is_not_webassembly() {
        let error = Component::from_module(b"hello").unwrap_err();
        assert!(matches!(error, ComponentError::NotWasm), "{error}");
    }

    #[test]
    fn a_module_without_component_type_names_the_sdk() {
        let module = b"\0asm\x01\0\0\0";
        let text = Component::from_module(module).unwrap_err().to_string();
        assert!(text.contains("polyreme_sdk::controller!") || text.contains("exports no"), "{text}");
    }

    #[test]
    fn a_component_that_is_no_controller_is_refused() {
        let module = core_module("package a:b; world w {}", "w");
        let text = Component::from_module(&module).unwrap_err().to_string();
        assert!(text.contains("exports no polyreme:controller/reconciler"), "{text}");
    }

    #[test]
    fn foreign_imports_are_named_with_the_remedy() {
        let text = ComponentError::Imports { names: vec!["wasi:cli/environment@0.2.0".into()] }.to_string();
        assert!(text.contains("wasi:cli/environment@0.2.0; build without WASI"), "{text}");
    }
}

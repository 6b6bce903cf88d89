//! The layout of a WebAssembly artifact in a registry: manifest, config and one layer.
//!
//! Written is the layout of the CNCF's TAG Runtime
//! (<https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>), as `wkg` and the `oci-wasm` crate
//! write it: config `application/vnd.wasm.config.v0+json`, one layer `application/wasm`. Read is any manifest
//! with exactly one layer of a WebAssembly type, whatever its config: older tools and `oras` have others.
//!
//! What is written depends on the module and the annotations alone: pushed again, it has the same digest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wasmparser::{Encoding, Parser, Payload};

use crate::digest::Digest;
use crate::error::SourceError;
use crate::http::Asked;

/// The manifest's type.
pub(crate) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// What is asked for: a manifest, or an index that leads to one; docker's older names mean the same.
pub(crate) const MANIFEST_TYPES: [&str; 4] = [
    MANIFEST_TYPE,
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
const LAYER_TYPE: &str = "application/wasm";
/// Types of a layer that is a module: today's, and those that wasm-to-oci, Krustlet, Istio and runwasi wrote.
const LAYER_TYPES: [&str; 4] = [
    LAYER_TYPE,
    "application/vnd.wasm.content.layer.v1+wasm",
    "application/vnd.module.wasm.content.layer.v1+wasm",
    "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
];
/// The platform of WebAssembly in an index.
const ARCHITECTURE: &str = "wasm";
/// What the layout has for components, whatever they import.
const OS: &str = "wasip2";
/// The layout asks for a time. A real one would change the digest of what did not change; 1970 is what other
/// tools with reproducible output write.
const CREATED: &str = "1970-01-01T00:00:00Z";
/// Entries of an index that a message shows.
const SHOWN_ENTRIES: usize = 8;

/// Something in a registry, named by its content.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing)]
    platform: Option<Platform>,
}

impl Descriptor {
    fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes).to_string(),
            size: bytes.len() as u64,
            annotations: BTreeMap::new(),
            platform: None,
        }
    }

    pub(crate) fn digest(&self, asked: Asked<'_>) -> Result<Digest, SourceError> {
        self.digest.parse().map_err(|error| malformed(asked, error))
    }
}

#[derive(Clone, Debug, Deserialize)]
struct Platform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    schema_version: u32,
    #[serde(default)]
    media_type: String,
    config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

impl Manifest {
    pub(crate) fn read(bytes: &[u8], asked: Asked<'_>) -> Result<Self, SourceError> {
        serde_json::from_slice(bytes).map_err(|error| malformed(asked, error))
    }
}

/// Told from a manifest by what it lists.
#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

/// Where a manifest leads.
#[derive(Debug)]
pub(crate) enum Content {
    /// To the module.
    Module(Descriptor),
    /// To another manifest.
    Manifest(Descriptor),
}

/// Finds the module in a manifest, or the only manifest that an index can mean.
pub(crate) fn find(bytes: &[u8], asked: Asked<'_>) -> Result<Content, SourceError> {
    if let Ok(index) = serde_json::from_slice::<Index>(bytes) {
        return meant(index.manifests, asked).map(Content::Manifest);
    }
    let Manifest { config, layers, .. } = Manifest::read(bytes, asked)?;
    let is_module = |layer: &&Descriptor| LAYER_TYPES.contains(&layer.media_type.as_str());
    let mut modules = layers.iter().filter(is_module);
    match (modules.next(), modules.next()) {
        (Some(module), None) => Ok(Content::Module(module.clone())),
        (found, _) => {
            let types: Vec<&str> = layers.iter().map(|layer| layer.media_type.as_str()).collect();
            let layers = if types.is_empty() { "no layers".into() } else { types.join(", ") };
            let many = if found.is_some() { "more than one module: " } else { "" };
            let found = format!("{many}config {}, layers {layers}", config.media_type);
            Err(SourceError::NotWasm { what: asked.what.to_owned(), found })
        }
    }
}

/// The only entry for WebAssembly, else the only entry.
fn meant(entries: Vec<Descriptor>, asked: Asked<'_>) -> Result<Descriptor, SourceError> {
    let is_wasm = |entry: &&Descriptor| {
        entry.platform.as_ref().is_some_and(|platform| platform.architecture == ARCHITECTURE)
    };
    let wasm: Vec<&Descriptor> = entries.iter().filter(is_wasm).collect();
    let only = match (wasm.as_slice(), entries.as_slice()) {
        ([only], _) => Some(*only),
        ([], [only]) => Some(only),
        _ => None,
    };
    if let Some(only) = only {
        return Ok(only.clone());
    }
    let shown = entries.iter().take(SHOWN_ENTRIES).map(|entry| match &entry.platform {
        Some(platform) => format!("{} ({}/{})", entry.digest, platform.os, platform.architecture),
        None => entry.digest.clone(),
    });
    let list = shown.collect::<Vec<_>>().join(", ");
    Err(SourceError::Index { what: asked.what.to_owned(), count: entries.len(), list })
}

pub(crate) fn malformed(asked: Asked<'_>, source: impl Into<crate::error::Cause>) -> SourceError {
    let (what, host) = (format!("a manifest of {}", asked.what), asked.host.to_owned());
    SourceError::Malformed { what, host, source: source.into() }
}

/// An artifact, ready to be pushed.
pub(crate) struct Artifact {
    pub(crate) config: Vec<u8>,
    pub(crate) manifest: Vec<u8>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    created: &'static str,
    architecture: &'static str,
    os: &'static str,
    layer_digests: Vec<String>,
    component: World,
}

/// What a component imports and exports, by name.
#[derive(Debug, Default, PartialEq, Serialize)]
struct World {
    exports: Vec<String>,
    imports: Vec<String>,
}

impl Artifact {
    /// Nothing for what is no component.
    pub(crate) fn of(module: &[u8], annotations: BTreeMap<String, String>) -> Option<Self> {
        let layer = Descriptor::of(LAYER_TYPE, module);
        let config = Config {
            created: CREATED,
            architecture: ARCHITECTURE,
            os: OS,
            layer_digests: vec![layer.digest.clone()],
            component: world(module)?,
        };
        let config = json(&config);
        let manifest = Manifest {
            schema_version: 2,
            media_type: MANIFEST_TYPE.to_owned(),
            config: Descriptor::of(CONFIG_TYPE, &config),
            layers: vec![layer],
            annotations,
        };
        Some(Self { manifest: json(&manifest), config })
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("strings, numbers and maps with keys of text are always JSON")
}

/// Names at the outermost level; nothing for what is no valid component.
fn world(module: &[u8]) -> Option<World> {
    let mut world = World::default();
    let (mut depth, mut is_component) = (0_u32, false);
    for payload in Parser::new(0).parse_all(module) {
        match payload.ok()? {
            Payload::Version { encoding, .. } => {
                is_component |= depth == 0 && encoding == Encoding::Component;
                depth += 1;
            }
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section {
                    world.imports.push(import.ok()?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section {
                    world.exports.push(export.ok()?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    is_component.then_some(world)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ASKED: Asked<'_> = Asked { what: "r.example/a", host: "r.example" };

    fn descriptor(media_type: &str) -> Value {
        json!({ "mediaType": media_type, "digest": Digest::of(b"x").to_string(), "size": 1 })
    }

    fn manifest(layers: &[&str]) -> Vec<u8> {
        let layers: Vec<Value> = layers.iter().map(|layer| descriptor(layer)).collect();
        let config = descriptor("application/vnd.oci.empty.v1+json");
        serde_json::to_vec(&json!({ "schemaVersion": 2, "config": config, "layers": layers })).unwrap()
    }

    fn index(platforms: &[Option<&str>]) -> Vec<u8> {
        let entry = |architecture: &Option<&str>| {
            let mut entry = descriptor(MANIFEST_TYPE);
            if let Some(architecture) = architecture {
                entry["platform"] = json!({ "architecture": architecture, "os": "linux" });
            }
            entry
        };
        let manifests: Vec<Value> = platforms.iter().map(entry).collect();
        serde_json::to_vec(&json!({ "schemaVersion": 2, "manifests": manifests })).unwrap()
    }

    #[test]
    fn the_layer_of_every_known_type_is_the_module() {
        for layer in LAYER_TYPES {
            let found = find(&manifest(&["text/plain", layer]), ASKED).unwrap();
            assert!(matches!(found, Content::Module(module) if module.media_type == layer));
        }
    }

    #[test]
    fn an_artifact_without_one_module_is_told_what_it_has() {
        let error = |layers: &[&str]| find(&manifest(layers), ASKED).unwrap_err().to_string();
        let tar = error(&["application/vnd.oci.image.layer.v1.tar+gzip"]);
        assert!(tar.contains("layers application/vnd.oci.image.layer.v1.tar+gzip"), "{tar}");
        assert!(error(&[]).contains("no layers"));
        assert!(error(&[LAYER_TYPE, LAYER_TYPE]).contains("more than one module"));
    }

    #[test]
    fn an_index_is_followed_only_when_it_means_one_artifact() {
        let follows = |platforms| find(&index(platforms), ASKED).is_ok();
        assert!(follows(&[None]));
        assert!(follows(&[Some("amd64"), Some("wasm")]));
        assert!(!follows(&[Some("amd64"), Some("arm64")]));
        assert!(!follows(&[Some("wasm"), Some("wasm")]));
        let error = find(&index(&[Some("amd64"), None]), ASKED).unwrap_err().to_string();
        assert!(error.contains("index of 2 artifacts") && error.contains("(linux/amd64)"), "{error}");
    }

    #[test]
    fn the_same_module_makes_the_same_artifact() {
        let module = wat::parse_str(
            "(component (import \"a:b/c@1.0.0\" (instance)) (component (import \"inner\" (instance))))",
        );
        let module = module.unwrap();
        let world = world(&module).unwrap();
        assert_eq!(world, World { imports: vec!["a:b/c@1.0.0".into()], exports: vec![] });
        let made = || Artifact::of(&module, BTreeMap::from([("k".into(), "v".into())])).unwrap().manifest;
        assert_eq!(made(), made());
    }

    #[test]
    fn what_is_no_component_makes_no_artifact() {
        let core = wat::parse_str("(module)").unwrap();
        for bytes in [&core[..], b"", b"#!/bin/sh", b"\0asm\x0d\0\x01\0garbage"] {
            assert!(Artifact::of(bytes, BTreeMap::new()).is_none());
        }
    }
}

//! OpenAPI documents of group versions, made when first asked for and kept.
//!
//! A document of the built-in kinds takes tens of milliseconds to make, and every kubectl
//! asks; it is kept until a definition adds to its group.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::{Registry, Resource};
use crate::builtin::{self, OpenApiResource};

/// One document as it is served.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) bytes: Bytes,
    /// SHA-256 in upper-case hexadecimal: part of the document's address.
    pub(crate) hash: String,
}

type GroupVersion = (String, String);

/// The documents that have been made.
#[derive(Debug, Default)]
pub(crate) struct Documents(Mutex<HashMap<GroupVersion, Arc<Document>>>);

impl Documents {
    /// Those of some groups only.
    pub(super) fn of_groups(&self, keep: impl Fn(&str) -> bool) -> Self {
        let known = self.0.lock();
        let kept = known.iter().filter(|((group, _), _)| keep(group));
        Documents(Mutex::new(kept.map(|(k, d)| (k.clone(), d.clone())).collect()))
    }
}

impl Registry {
    /// The OpenAPI v3 document of a group version that is served.
    pub(crate) fn document(&self, group: &str, version: &str) -> Arc<Document> {
        let key = (group.to_owned(), version.to_owned());
        if let Some(known) = self.documents.0.lock().get(&key) {
            return known.clone();
        }
        let made = Arc::new(make(group, version, &self.in_version(group, version)));
        self.documents.0.lock().insert(key, made.clone());
        made
    }
}

fn make(group: &str, version: &str, resources: &[Arc<Resource>]) -> Document {
    let described: Vec<OpenApiResource<'_>> = resources.iter().map(|r| describe(r)).collect();
    let document = builtin::openapi_v3(group, version, &described);
    let bytes = serde_json::to_vec(&document).unwrap_or_default();
    let hash = Sha256::digest(&bytes).iter().fold(String::new(), |text, byte| format!("{text}{byte:02X}"));
    Document { bytes: bytes.into(), hash }
}

fn describe(resource: &Resource) -> OpenApiResource<'_> {
    OpenApiResource {
        kind: &resource.kind,
        plural: &resource.plural,
        namespaced: resource.namespaced,
        verbs: &resource.verbs,
        subresources: &resource.subresources,
        schema: &resource.schema,
    }
}

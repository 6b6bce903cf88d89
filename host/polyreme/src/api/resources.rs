//! How the API server serves a kind: its plural and whether it lives in namespaces.

use std::collections::HashMap;

use kube::core::GroupVersionKind;
use kube::discovery::Scope;
use kube::{Client, discovery};
use parking_lot::RwLock;
use polyreme_runtime::wit::types::{Error, Reason};

use super::error;
use crate::cache::Resource;
use crate::object::Kind;

/// Answers of API discovery. What a server once served under a name keeps plural and scope (a CRD
/// cannot change them), so answers are kept; "unknown" is asked again.
#[derive(Default)]
pub struct Resources {
    known: RwLock<HashMap<Kind, Resource>>,
}

impl Resources {
    /// How a kind is served.
    ///
    /// # Errors
    /// `not-found` when the server does not serve the kind, else what the request failed with.
    pub async fn resolve(&self, client: &Client, kind: &Kind) -> Result<Resource, Error> {
        if let Some(resource) = self.known.read().get(kind) {
            return Ok(resource.clone());
        }
        let gvk = GroupVersionKind::gvk(kind.group(), kind.version(), &kind.kind);
        match discovery::pinned_kind(client, &gvk).await {
            Ok((api, capabilities)) => {
                let resource = Resource { api, namespaced: capabilities.scope == Scope::Namespaced };
                self.learn(kind.clone(), resource.clone());
                Ok(resource)
            }
            Err(kube::Error::Discovery(_)) => Err(unknown(kind)),
            Err(failure) => match error::to_guest(&failure) {
                Error { reason: Reason::NotFound, .. } => Err(unknown(kind)),
                other => Err(other),
            },
        }
    }

    pub(super) fn learn(&self, kind: Kind, resource: Resource) {
        self.known.write().insert(kind, resource);
    }
}

fn unknown(kind: &Kind) -> Error {
    Error::new(
        Reason::NotFound,
        format!("the API server does not know the kind {kind}; install its CustomResourceDefinition"),
    )
}

//! What the server knows about each resource it serves.
//!
//! A [`Resource`] is one version of one kind, built in or from a CustomResourceDefinition;
//! the [`Registry`] is all of them at one moment, replaced whole when a definition changes.
//! Handlers ask a resource what differs between kinds and never match on names themselves.

mod built_in;
mod custom;
mod documents;
mod rules;
mod selectable;
mod traits;

use std::collections::HashMap;
use std::sync::Arc;

pub(crate) use custom::{Definition, StoredAs, check_definition, is_established};
pub(crate) use documents::Documents;
pub(crate) use traits::{Generation, Traits};

use crate::error::Subject;
use crate::schema::Schema;
use crate::store::StorageId;

/// Where `kubectl scale` finds its numbers, as JSON paths (`.spec.replicas`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScalePaths {
    pub(crate) spec: String,
    pub(crate) status: String,
    /// Where the selector is, as text or as a label selector; absent if none.
    pub(crate) selector: Option<String>,
}

/// Where a resource comes from.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    BuiltIn,
    /// A CustomResourceDefinition; `additionalPrinterColumns` and `selectableFields` paths.
    Custom {
        columns: Vec<serde_json::Value>,
        selectable: Vec<String>,
        stored: Arc<StoredAs>,
        /// Which reading of the definition this is: no two of a process are the same.
        edition: u64,
    },
}

/// One version of one kind.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    /// Verbs in discovery; a request for another is 405.
    pub(crate) verbs: Vec<String>,
    /// `status`, `scale`, `finalize`, …
    pub(crate) subresources: Vec<String>,
    pub(crate) scale: Option<ScalePaths>,
    pub(crate) storage: StorageId,
    pub(crate) schema: Arc<Schema>,
    pub(crate) traits: Traits,
    pub(crate) origin: Origin,
}

impl Resource {
    /// `v1`, `apps/v1`.
    pub(crate) fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }

    /// For error messages.
    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject { group: &self.group, plural: &self.plural, kind: &self.kind }
    }

    pub(crate) fn is_custom(&self) -> bool {
        matches!(self.origin, Origin::Custom { .. })
    }

    pub(crate) fn has(&self, subresource: &str) -> bool {
        self.subresources.iter().any(|s| s == subresource)
    }

    /// Whether status is written through `/status` only.
    pub(crate) fn splits_status(&self) -> bool {
        self.has("status")
    }
}

/// `v1` in the core group, `group/version` elsewhere.
pub(crate) fn api_version(group: &str, version: &str) -> String {
    match group {
        "" => version.to_owned(),
        group => format!("{group}/{version}"),
    }
}

/// `apps/v1` into group and version; `v1` is the core group's.
pub(crate) fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

type ResourceName = (String, String, String);

/// Every resource served, at one moment.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    resources: Vec<Arc<Resource>>,
    by_name: HashMap<ResourceName, Arc<Resource>>,
    pub(crate) documents: Documents,
}

impl Registry {
    /// The built-in kinds and those of the accepted definitions; what `before` has worked
    /// out about built-in kinds is kept.
    pub(crate) fn new(definitions: &[Definition], before: &Registry) -> Self {
        let custom = definitions.iter().flat_map(Definition::resources);
        let resources: Vec<_> = built_in::resources().chain(custom).map(Arc::new).collect();
        let name = |r: &Resource| (r.group.clone(), r.version.clone(), r.plural.clone());
        let by_name = resources.iter().map(|r| (name(r), r.clone())).collect();
        let is_custom =
            |group: &str| resources.iter().any(|r: &Arc<Resource>| r.group == group && r.is_custom());
        let documents = before.documents.of_groups(|group| !is_custom(group));
        Registry { by_name, documents, resources }
    }

    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        let name = (group.to_owned(), version.to_owned(), plural.to_owned());
        self.by_name.get(&name).cloned()
    }

    /// The resource of a kind in any version of its group: owner references may outlive
    /// the version they were written in.
    pub(crate) fn by_group_kind(&self, group: &str, kind: &str) -> Option<Arc<Resource>> {
        let same = |r: &&Arc<Resource>| r.group == group && r.kind == kind;
        self.resources.iter().find(same).cloned()
    }

    /// A resource whose objects are stored under `storage`.
    pub(crate) fn of_storage(&self, storage: &StorageId) -> Option<Arc<Resource>> {
        self.resources.iter().find(|r| r.storage == *storage).cloned()
    }

    /// The resources of one group and version, in order of registration.
    pub(crate) fn in_version(&self, group: &str, version: &str) -> Vec<Arc<Resource>> {
        let same = |r: &&Arc<Resource>| r.group == group && r.version == version;
        self.resources.iter().filter(same).cloned().collect()
    }

    /// Groups with their versions, preferred first; the core group is `""`.
    pub(crate) fn groups(&self) -> Vec<(String, Vec<String>)> {
        let mut groups: Vec<(String, Vec<String>)> = Vec::new();
        for resource in &self.resources {
            let at = groups.iter().position(|(g, _)| *g == resource.group);
            match at.and_then(|at| groups.get_mut(at)) {
                Some((_, versions)) if versions.contains(&resource.version) => {}
                Some((_, versions)) => versions.push(resource.version.clone()),
                None => groups.push((resource.group.clone(), vec![resource.version.clone()])),
            }
        }
        for (_, versions) in &mut groups {
            versions.sort_by_key(|v| std::cmp::Reverse(custom::priority(v)));
        }
        groups
    }
}

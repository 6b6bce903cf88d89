//! The verbs: what each request does to the store.
//!
//! Everything here is synchronous except waiting for a revision; `rest` calls it with parsed
//! requests and `controllers` calls it as the system. A write goes through the same steps
//! whatever the verb:
//!
//! 1. `intake`: is it an object of this kind; unknown fields dropped or refused
//! 2. `meta`: what the server owns in `metadata`
//! 3. defaults, status kept apart, generation, `admission` of single kinds
//! 4. `managedFields`
//! 5. validation
//! 6. nothing changed? then nothing is written
//! 7. compare-and-swap; computed again when lost and the client did not name a version

mod admission;
mod convert;
mod create;
mod definitions;
pub(crate) mod delete;
mod intake;
mod list;
mod meta;
mod patch;
mod reviews;
mod scale;
mod services;
mod update;
mod watch;

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

pub(crate) use convert::{from_stored, to_stored};
pub(crate) use definitions::definition_storage;
pub(crate) use delete::DeleteOptions;
pub(crate) use list::{ListQuery, Listed, Revision, Selection};
pub(crate) use patch::PatchType;
pub(crate) use scale::scale_of;
pub(crate) use watch::{Frame, Watch, WatchQuery};

use crate::error::ApiError;
use crate::fields::UpdateOptions;
use crate::kinds::{Registry, Resource};
use crate::rest::query::FieldValidation;
use crate::server::Tokens;
use crate::store::{Key, Object, StorageId, Store};

/// The server's state and its verbs.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) store: Store,
    registry: RwLock<Arc<Registry>>,
    /// Held while the registry is worked out, so that an older state never replaces a newer.
    reloading: Mutex<()>,
    pub(crate) tokens: RwLock<Tokens>,
    /// Cancelled when the server shuts down: watches end.
    pub(crate) stopping: CancellationToken,
}

/// One object, or one of its subresources.
#[derive(Debug, Clone)]
pub(crate) struct At {
    pub(crate) resource: Arc<Resource>,
    /// Empty for cluster-scoped kinds.
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) part: Part,
}

/// Which part of the object a write may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Part {
    /// Everything but status, where status is a subresource.
    #[default]
    Main,
    Status,
    /// `spec.finalizers` of a namespace.
    Finalize,
}

impl Part {
    /// As in the URL and in `managedFields`; empty for the object itself.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Part::Main => "",
            Part::Status => "status",
            Part::Finalize => "finalize",
        }
    }
}

impl At {
    pub(crate) fn key(&self) -> Key {
        Key::new(&self.resource.storage, &self.namespace, &self.name)
    }

    fn not_found(&self) -> ApiError {
        ApiError::not_found(self.resource.subject(), &self.name)
    }
}

/// Options that every write has.
#[derive(Debug, Clone, Default)]
pub(crate) struct WriteOptions {
    /// Who owns the fields written.
    pub(crate) manager: String,
    /// Whether the client named the manager itself.
    pub(crate) manager_given: bool,
    pub(crate) dry_run: bool,
    pub(crate) validation: FieldValidation,
    /// Apply only; `None` when the client did not say.
    pub(crate) force: Option<bool>,
}

impl WriteOptions {
    fn tracking(&self, resource: &Resource, part: Part) -> UpdateOptions {
        UpdateOptions {
            manager: self.manager.clone(),
            api_version: resource.api_version(),
            subresource: part.name().to_owned(),
            now: crate::clock::now(),
        }
    }
}

/// A write that was accepted.
#[derive(Debug)]
pub(crate) struct Written {
    /// In the storage version.
    pub(crate) object: Arc<Object>,
    pub(crate) created: bool,
    /// For `Warning` headers.
    pub(crate) warnings: Vec<String>,
}

impl Written {
    /// A new object.
    fn new(resource: &Resource, object: Arc<Object>, mut warnings: Vec<String>) -> Self {
        warnings.extend(resource.warnings(&object.value, None));
        Written { object, created: true, warnings }
    }
}

/// How often a write is computed again after losing the compare-and-swap: a bound for what
/// would otherwise be endless if writers kept racing.
const WRITE_ATTEMPTS: usize = 100;

impl Api {
    pub(crate) fn new(store: Store, tokens: Tokens) -> Self {
        let api = Api {
            store,
            registry: RwLock::default(),
            reloading: Mutex::default(),
            tokens: RwLock::new(tokens),
            stopping: CancellationToken::new(),
        };
        api.reload_definitions();
        api
    }

    /// The resources served now.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        self.registry.read().clone()
    }

    /// Reads one object, in the storage version.
    pub(crate) fn get(&self, at: &At) -> Result<Arc<Object>, ApiError> {
        self.store.get(&at.key()).ok_or_else(|| at.not_found())
    }

    /// Refuses to add anything to a namespace that is absent or going away.
    fn admit_to_namespace(
        resource: &Resource,
        namespace: &str,
        name: &str,
        found: Option<&Object>,
    ) -> Result<(), ApiError> {
        let Some(found) = found else {
            return Err(ApiError::not_found(namespace_subject(), namespace));
        };
        if crate::json::is_deleting(&found.value) {
            return Err(ApiError::namespace_terminating(resource.subject(), name, namespace));
        }
        Ok(())
    }
}

fn namespace_subject() -> crate::error::Subject<'static> {
    crate::error::Subject { group: "", plural: "namespaces", kind: "Namespace" }
}

/// The key of a namespace object.
pub(crate) fn namespace_key(name: &str) -> Key {
    let storage: StorageId = "/namespaces".into();
    Key::new(&storage, "", name)
}

/// A stored object as a value of the resource's version.
pub(crate) fn in_version(resource: &Resource, object: &Object) -> Value {
    from_stored(resource, object).into_owned()
}

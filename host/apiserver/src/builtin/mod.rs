//! What the server knows of the kinds that are always there.
//!
//! [`resources`] lists them; each has a schema ([`BuiltinResource::schema`]), defaults
//! ([`default_object`]) and rules beyond its schema ([`validate`]). Only what clients meet is
//! here: the kinds that controllers, kubectl and this project use, with the defaults that show
//! up in reads and make repeated applies stable, and the refusals that people run into.

mod defaults;
mod definitions;
mod kinds;
mod merge_keys;
mod metadata;
pub mod names;
mod openapi;
mod validation;

pub use defaults::{default_object, prepare_create};
pub use kinds::{BuiltinResource, find, find_kind, resources};
pub use metadata::{
    check_finalizer_domains, check_metadata, check_metadata_update, check_name, finalizer_warnings,
};
pub use openapi::{OpenApiResource, openapi_v3};
pub use validation::{EVENT_FIELDS, validate};

use std::sync::Arc;

use crate::schema::Schema;

/// The schema of `metadata`, the same for every kind.
#[must_use]
pub fn object_meta() -> Arc<Schema> {
    definitions::DEFINITIONS.get("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
}

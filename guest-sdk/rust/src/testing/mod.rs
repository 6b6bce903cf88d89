//! A cluster in memory, to test a reconcile natively and without WASM.
//!
//! [`Fake`] holds objects, answers what [`crate::Context`] asks, refuses what the manifest
//! does not ask for (as the host would), and remembers what was done. A test puts objects
//! in, reconciles, and looks at objects, writes and events:
//!
//! ```
//! use polyreme_sdk::k8s_openapi::api::core::v1::{ConfigMap, Namespace};
//! use polyreme_sdk::testing::Fake;
//! use polyreme_sdk::{Action, Context, Controller, Error, Manifest, Object, ObjectMeta};
//!
//! struct Marker;
//!
//! impl Controller for Marker {
//!     type Primary = Namespace;
//!
//!     fn manifest() -> Manifest {
//!         Manifest::new("marker").owns::<ConfigMap>()
//!     }
//!
//!     fn reconcile(ctx: &Context, namespace: Namespace) -> Result<Action, Error> {
//!         let metadata = ObjectMeta { namespace: Some(namespace.name().into()), ..namespace.child("mark") };
//!         ctx.apply(&ConfigMap { metadata, ..Default::default() })?;
//!         Ok(Action::Done)
//!     }
//! }
//!
//! let namespace = Namespace {
//!     metadata: ObjectMeta { name: Some("shop".into()), ..Default::default() },
//!     ..Default::default()
//! };
//! let cluster = Fake::new().with(&namespace);
//! cluster.reconcile::<Marker>("shop").unwrap();
//! assert_eq!(cluster.take_writes(), ["apply ConfigMap shop/mark"]);
//!
//! cluster.reconcile::<Marker>("shop").unwrap();
//! assert!(cluster.take_writes().is_empty(), "a reconcile that changes nothing writes nothing");
//! ```
//!
//! What it keeps to: uid, resourceVersion and generation; conflicts; the status
//! subresource (every kind has one); finalizers; garbage collection by owner reference;
//! label and field selectors; a write that changes nothing is not a write. Server-side
//! apply merges objects field by field, and lists by `name`, `uid`, `type` or port where
//! all their items have it, else as a whole; what a manager applied before and does not
//! name now goes. What it does not do: schemas, defaults, admission, ownership conflicts
//! between managers, time passing by itself. The local API server has those.

#![allow(clippy::indexing_slicing, reason = "a Value indexed by name is null where there is nothing")]

mod access;
mod fake;
mod imports;
mod merge;
mod record;
mod store;

pub use fake::Fake;
pub(crate) use imports::Imports;
pub use record::{Event, LogLine, Sample, Write};

//! What a reconcile may ask of the world around it: one method per import of the contract.
//!
//! Two things stand behind it: in WASM the host's imports (`wasm.rs`), natively the
//! in-memory API of `testing`. Everything above this trait is the same code in both, so
//! that a native test runs what production runs. Which of the two is chosen by the target
//! and not by a trait object: through a table of methods a component would import all of
//! the contract, and it is to import only what its controller uses.

use crate::bindings::polyreme::controller::events::Severity;
use crate::bindings::polyreme::controller::http;
use crate::bindings::polyreme::controller::kubernetes::{
    DeleteOptions, ListQuery, Page, Source, WriteOptions, Written,
};
use crate::bindings::polyreme::controller::log::Level;
use crate::bindings::polyreme::controller::types::{Error, Kind, ObjectRef};

/// What stands behind the imports on this target.
#[cfg(target_arch = "wasm32")]
pub(crate) use crate::wasm::Imports as Handle;

/// What stands behind the imports on this target.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::Imports as Handle;

/// Labels of a metric, fields of a log line.
pub(crate) type Pairs = [(String, String)];

/// The imports of the contract.
pub(crate) trait Host {
    fn get(&self, object: &ObjectRef, source: Source) -> Result<String, Error>;
    fn list(&self, kind: &Kind, query: &ListQuery) -> Result<Page, Error>;
    fn create(&self, object: &str, options: &WriteOptions) -> Result<Written, Error>;
    fn update(&self, object: &str, options: &WriteOptions) -> Result<Written, Error>;
    fn merge_patch(&self, object: &ObjectRef, patch: &str, options: &WriteOptions) -> Result<Written, Error>;
    fn apply(&self, object: &str, options: &WriteOptions) -> Result<Written, Error>;
    fn apply_all(&self, objects: &[String], options: &WriteOptions) -> Vec<Result<Written, Error>>;
    fn delete(&self, object: &ObjectRef, options: &DeleteOptions) -> Result<(), Error>;
    fn emit(&self, regarding: &ObjectRef, severity: Severity, reason: &str, action: &str, note: &str);
    fn log(&self, level: Level, message: &str, fields: &Pairs);
    fn log_enabled(&self, level: Level) -> bool;
    fn add_counter(&self, name: &str, value: f64, labels: &Pairs);
    fn set_gauge(&self, name: &str, value: f64, labels: &Pairs);
    fn observe(&self, name: &str, value: f64, labels: &Pairs);
    fn settings(&self) -> String;
    fn now(&self) -> u64;
    fn monotonic(&self) -> u64;
    fn random_bytes(&self, len: u32) -> Vec<u8>;
    fn random_number(&self) -> u64;
    fn send(&self, request: &http::Request) -> Result<http::Response, http::Error>;
}

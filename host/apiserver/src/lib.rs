//! A local Kubernetes API server: what `polyreme apiserver`, `dev` and the tests talk to
//! when no cluster is at hand.
//!
//! It exists so that everything in this repository runs in seconds on a machine with no
//! etcd, no Go and no containers. It is a development tool: one process, one memory, no
//! authorization beyond a bearer token, loopback only, and no controllers except the ones
//! without which the API itself misbehaves (namespace deletion, garbage collection by owner
//! reference, the `default` service account, custom resource definitions). Nothing makes
//! Pods for a Deployment. The real kube-apiserver decides what is right:
//! `tests/conformance` runs one list of cases against both.
//!
//! From the outside in:
//!
//! - [`Server`] owns the listener, TLS, the token and the background tasks.
//! - `rest` turns a request into a verb on a resource and an answer into bytes: paths, query
//!   options, content types, tables, discovery, OpenAPI.
//! - `api` is the verbs: read, list, watch, create, update, patch, delete, and the order in
//!   which a write is pruned, defaulted, validated and stored.
//! - `kinds` is what the server knows about each resource, built in or from a
//!   CustomResourceDefinition.
//! - `store` keeps objects, one revision counter and a bounded history of changes, and
//!   optionally an append-only file.
//! - `controllers` are the four loops named above.
//! - `protobuf`, `schema`, `fields`, `patch`, `selector`, `table` and `builtin` are pure functions over
//!   JSON values.
//!
//! # Example
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use polyreme_apiserver::{Server, ServerConfig};
//!
//! let server = Server::start(ServerConfig::default()).await?;
//! assert!(server.kubeconfig().contains(server.url()));
//! server.shutdown().await;
//! # Ok(()) }
//! ```

mod api;
pub mod builtin;
mod clock;
mod controllers;
mod error;
pub mod fields;
mod json;
mod kinds;
pub mod patch;
mod protobuf;
mod rest;
pub mod schema;
pub mod selector;
mod server;
mod store;
pub mod table;

pub use server::{Embedded, IdentityError, Server, ServerConfig, StartError, User};
pub use store::LogError;

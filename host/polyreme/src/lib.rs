//! The host: runs controllers that are WebAssembly components against a Kubernetes API server.
//!
//! The binary `polyreme` is a thin command line over this library. `ARCHITECTURE.md` at the top of the
//! repository follows an object from the watch to the status; the modules here are the stations:
//! [`watch`] → [`cache`] → [`route`] → [`queue`] → [`reconcile`] → [`api`]. [`host`] puts them together.

pub mod admin;
pub mod api;
pub mod cache;
pub mod clock;
pub mod config;
pub mod events;
pub mod explain;
pub mod field_path;
pub mod guest_http;
pub mod guest_log;
pub mod guest_metrics;
pub mod host;
pub mod identity;
pub mod logging;
pub mod metrics;
pub mod object;
pub mod ownership;
pub mod permissions;
pub mod queue;
pub mod random;
pub mod rbac;
pub mod reconcile;
pub mod ring_status;
pub mod route;
pub mod watch;

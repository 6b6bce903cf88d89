//! The harness of everything that needs an API server: conformance cases, scenarios and the
//! demo.
//!
//! Which server is under test is decided outside (`environment`): `cargo xtask test` gives
//! the local one, `cargo xtask e2e` a real one, and with nothing set a local one is started
//! inside the test process. A test asks for the server ([`server`], or [`exclusive_server`]
//! when it disturbs others), takes a namespace of its own, starts hosts as child processes
//! ([`Host`]), and waits for states ([`eventually`]): nothing here waits for a fixed time,
//! and everything has a deadline.
//!
//! What a host did is judged from outside: from the API, from the server's audit log
//! ([`AuditLog`]) and from the host's metrics, never from its word.
//!
//! # Example
//!
//! ```no_run
//! # async fn a_site_becomes_ready() -> anyhow::Result<()> {
//! use polyreme_tests::{Host, Webhosting, exclusive_server};
//!
//! let server = exclusive_server().await?;
//! let sites = Webhosting::prepare(&server).await?;
//! let _host = Host::start(&server, &sites.host_configuration()?).await?;
//! sites.create_theme("dark", "darkcyan", "Futura").await?;
//! sites.create_site("museum", "dark").await?;
//! sites.wait_until_ready("museum").await?;
//! # Ok(()) }
//! ```

#![allow(
    clippy::indexing_slicing,
    reason = "an absent field of a JSON value reads as null, and a panic is a failed test"
)]

mod apply;
mod audit;
mod churn;
mod environment;
mod eventually;
mod guests;
mod host;
mod hosts;
mod in_process;
pub mod judge;
mod local;
mod memory;
mod metrics;
mod port;
mod probes;
mod recorder;
mod registry;
pub mod sdk_cases;
mod server;
pub mod vm;
mod webhosting;

pub use apply::{apply_files, apply_objects};
pub use audit::{AuditLog, ObjectRef, Request};
pub use churn::Churn;
pub use environment::{guests_dir, missing_tools, not_run, polyreme_binary, repository};
pub use eventually::{Stopwatch, eventually, for_a_while, now};
pub use guests::Guest;
pub use host::Host;
pub use hosts::{Hosts, RING, SLOTS};
pub use local::LocalServer;
pub use memory::Memory;
pub use metrics::Metrics;
pub use probes::{Probes, Scope};
pub use recorder::Recorder;
pub use registry::Registry;
pub use server::{Kind, Namespace, Outage, Server, exclusive_server, server};
pub use webhosting::{
    Child, Controller, Webhosting, example_configuration, install_definitions, with_controller,
};

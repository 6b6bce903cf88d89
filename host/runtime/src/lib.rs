//! Runs controllers: loads, compiles and calls WebAssembly components under limits.
//!
//! The path through this crate is short. [`Engine::load`] reads a component, refuses
//! what is not one of ours with a [`LoadError`] that names the remedy, compiles it on a
//! blocking thread (or takes the code from the cache on disk) and links it once.
//! [`Module::describe`] and [`Module::reconcile`] then run each call in a fresh
//! instance (or in one of those that [`Instances`] says are kept warm), with the
//! capabilities of a [`Session`] and nothing else: no files, no network, no clock but the
//! one handed in.
//!
//! Everything a guest can use is bounded by [`Limits`]: memory, CPU time, wall time,
//! payloads, log lines and calls to the host. What goes wrong is told apart by who can
//! fix it: [`GuestFault`] is for the controller's author, [`HostFault`] for whoever runs
//! the host, and a refusal is a [`wit::types::Error`] that the guest itself receives.
//!
//! This crate never talks to Kubernetes, never decides what a module is granted, and
//! never loads machine code that it did not compile itself.
//!
//! # Example
//! ```no_run
//! use std::{path::Path, sync::Arc};
//! use polyreme_runtime::{Engine, EngineConfig, Limits, Log, Session, wit};
//!
//! struct Quiet;
//! impl Log for Quiet {
//!     fn log(&self, _: wit::log::Level, _: &str, _: &[(String, String)]) {}
//!     fn enabled(&self, _: wit::log::Level) -> bool { false }
//! }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::new(EngineConfig::default())?;
//! let module = engine.load("hello", Path::new("hello.wasm"), Limits::default()).await?;
//! let manifest = module.describe(Session::for_describe("{}".into(), Arc::new(Quiet))).await?;
//! println!("{} watches {}", manifest.name, manifest.primary.kind);
//! # Ok(())
//! # }
//! ```

mod cache;
mod call;
mod capabilities;
mod compile;
mod contract;
mod describe;
mod engine;
mod fault;
mod instances;
mod limits;
mod linked;
mod load;
mod memory;
mod module;
mod residency;
mod session;
mod ticker;
mod turns;
mod usage;
pub mod wit;

pub use capabilities::clock::Clock;
pub use capabilities::events::Events;
pub use capabilities::http::Http;
pub use capabilities::kubernetes::Kubernetes;
pub use capabilities::log::Log;
pub use capabilities::metrics::Metrics;
pub use capabilities::random::Random;
pub use engine::{Engine, EngineConfig, EngineError};
pub use fault::{CallError, FaultKind, GuestFault, HostFault};
pub use instances::{InstanceCounters, Instances, NoRoom, Warm};
pub use limits::Limits;
pub use load::{LoadError, ModuleSource};
pub use module::Module;
pub use session::Session;
pub use usage::CallStats;

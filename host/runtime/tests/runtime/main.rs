//! What the runtime promises, seen from outside: guests in, verdicts and faults out.
//!
//! The guests are WebAssembly text (see `guest.rs`), so that no toolchain for
//! WebAssembly is needed to run these tests.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod built;
mod cache;
mod calls;
mod concurrency;
mod faults;
mod go;
mod guest;
mod instances;
mod interpreted;
mod limits;
mod loading;
mod session;

use polyreme_runtime::{Engine, EngineConfig, Limits, Module};

use guest::Guest;

/// An engine with a few places and no cache.
fn engine() -> Engine {
    let config = EngineConfig { max_instances: 4, ..EngineConfig::default() };
    Engine::new(config).expect("the engine starts")
}

/// `guest` loaded as module `probe` into an engine of its own.
async fn load(guest: &Guest, limits: Limits) -> Module {
    engine().load("probe", guest.component(), limits).await.expect("the guest loads")
}

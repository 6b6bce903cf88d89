//! Guests in the languages of people, which `cargo xtask guests` builds; `cargo xtask test` has that done.
//!
//! Where one is not there, its tests say so and do nothing.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use polyreme_runtime::{Instances, Limits, Module, Warm};

use crate::engine;

/// A guest; nothing, and a line that says why, when it is not there.
pub(crate) async fn built(name: &str) -> Option<Module> {
    let guests = std::env::var_os("POLYREME_GUESTS").map(PathBuf::from);
    let guests =
        guests.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/guests"));
    let Ok(bytes) = fs::read(guests.join(format!("{name}.wasm"))) else {
        let remedy = fs::read_to_string(guests.join(format!("{name}.missing")));
        let remedy = remedy.unwrap_or_else(|_| "run `cargo xtask guests`".to_owned());
        let note = format!("\nNOT RUN: a test of {name}, which is not there: {remedy}\n");
        // Not `eprint!`, which the test runner keeps to itself when a test passes.
        std::io::stderr().write_all(note.as_bytes()).expect("stderr is there");
        return None;
    };
    let module = engine().load(name, bytes, Limits::default()).await;
    Some(module.expect("the guest loads"))
}

/// A guest in one instance that does everything, and is made anew when it was ended.
pub(crate) async fn one_instance(name: &str) -> Option<Module> {
    let policy = Warm { count: 1, max_reconciles: 1_000_000, idle: Duration::from_secs(600) };
    let module = built(name).await?;
    Some(module.with_instances(Instances::Warm(policy)).expect("there is room"))
}

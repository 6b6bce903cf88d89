//! What one reconcile costs: `cargo xtask bench dispatch` and `cargo xtask bench languages`.
//!
//! ```sh
//! cargo run --release -p polyreme-runtime --example bench_dispatch -- dispatch-guest.wasm
//! cargo run --release -p polyreme-runtime --example bench_dispatch -- languages target/guests --svg languages.svg
//! ```
//!
//! Each measured call is a whole `Module::reconcile`: the object passed in, one read that the
//! session answers from memory, the result passed out ([`objects`]). The native side decodes the
//! same texts with the same types and decides by the same function. The two alternate
//! ([`sample`]), so that whatever else the machine does meets both. [`dispatch`] compares the
//! Rust guest with it, [`languages`] the guests of all languages that were built.
//!
//! A table for people goes first; the last line is one JSON object for scripts.

mod chart;
mod dispatch;
mod languages;
mod objects;
mod sample;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

const USAGE: &str =
    "usage: bench_dispatch COMPONENT.wasm, or bench_dispatch languages FOLDER [--svg FILE.svg]";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["languages", folder] => languages::run(Path::new(folder), None).await,
        ["languages", folder, "--svg", file] => {
            languages::run(Path::new(folder), Some(PathBuf::from(file))).await
        }
        [component] => dispatch::run(Path::new(component)).await,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed to measure: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One figure of the line for scripts; lower is better for all of them.
fn figure(name: &str, value: f64, unit: &str, goal: Option<f64>) -> Value {
    let value = (value * 100.0).round() / 100.0;
    json!({
        "name": name, "value": value, "unit": unit, "goal": goal, "better": "lower",
        "holds": goal.map(|goal| value <= goal),
    })
}

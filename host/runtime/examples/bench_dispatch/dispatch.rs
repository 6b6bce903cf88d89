//! The Rust guest in fresh instances beside the native function.

use std::path::Path;

use polyreme_runtime::{Engine, EngineConfig, Limits};
use serde_json::{Value, json};

use crate::objects::Objects;
use crate::sample::{Samples, percentile};
use crate::{Failure, figure};

/// Calls before measuring: caches fill, the pool is touched.
const WARM_UP: usize = 2_000;
/// Measured calls.
const CALLS: usize = 20_000;

/// Calls of one side before it is the other's turn, for the second pair of figures: a worker with a long
/// queue.
const IN_A_ROW: usize = 100;

/// Goals of issue 3, for calls that alternate with native ones.
const GOAL_P50_US: f64 = 50.0;
const GOAL_P99_US: f64 = 200.0;
const GOAL_RATIO: f64 = 2.0;

pub(crate) async fn run(component: &Path) -> Result<(), Failure> {
    let engine = Engine::new(EngineConfig::default())?;
    let module = engine.load("dispatch", component, Limits::default()).await?;
    let objects = Objects::new();
    let alternating = Samples::take(&module, &objects, WARM_UP, CALLS, 1).await?;
    let in_a_row = Samples::take(&module, &objects, 0, CALLS, IN_A_ROW).await?;
    report(&objects, &alternating, &in_a_row);
    Ok(())
}

fn report(objects: &Objects, samples: &Samples, in_a_row: &Samples) {
    let rows = [
        ("reconcile in WASM", &samples.guest),
        ("  of it on the guest's CPU", &samples.guest_cpu),
        ("the same natively", &samples.native),
        ("100 in a row: in WASM", &in_a_row.guest),
        ("100 in a row: natively", &in_a_row.native),
    ];
    println!("one reconcile of a {} byte object with one cached read,", objects.bytes());
    println!("{CALLS} calls, each in a fresh instance, after {WARM_UP} to warm up: one by one in turn,");
    println!("or {IN_A_ROW} of each side in a row\n");
    println!("{:<28} {:>10} {:>10} {:>10}", "µs", "p50", "p90", "p99");
    for (name, sorted) in rows {
        let [p50, p90, p99] = [50, 90, 99].map(|percent| percentile(sorted, percent));
        println!("{name:<28} {p50:>10.1} {p90:>10.1} {p99:>10.1}");
    }
    println!("\n{}", figures(samples, in_a_row));
}

/// The line for scripts.
fn figures(samples: &Samples, in_a_row: &Samples) -> Value {
    let (p50, p99) = (percentile(&samples.guest, 50), percentile(&samples.guest, 99));
    let native = percentile(&samples.native, 50);
    json!({"bench": "dispatch", "figures": [
        figure("reconcile p50", p50, "us", Some(GOAL_P50_US)),
        figure("reconcile p99", p99, "us", Some(GOAL_P99_US)),
        figure("native p50", native, "us", None),
        figure("native p99", percentile(&samples.native, 99), "us", None),
        figure("reconcile p50 / native p50", p50 / native, "ratio", Some(GOAL_RATIO)),
        figure("100 in a row: reconcile p50", percentile(&in_a_row.guest, 50), "us", None),
        figure("100 in a row: native p50", percentile(&in_a_row.native, 50), "us", None),
    ]})
}

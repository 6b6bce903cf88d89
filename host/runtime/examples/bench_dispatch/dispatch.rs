//! The Rust guest in fresh instances beside the native function.
//!
//! Issue 3 asks about an object of 2 to 4 KiB: both ends of that and the middle, each held against its goals.
//! The ratio depends on the size, because a fresh instance costs the same for any object.

use std::path::Path;

use polyreme_runtime::{Engine, EngineConfig, Limits, Module};
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

/// Containers beside the first: objects of 2.1, 3.0 and 3.9 KiB.
const SIDECARS: [usize; 3] = [0, 1, 2];

/// What was measured with an object of one size.
struct Measured {
    bytes: usize,
    samples: Samples,
}

impl Measured {
    async fn with(module: &Module, sidecars: usize, in_a_row: usize) -> Result<Self, Failure> {
        let objects = Objects::with_sidecars(sidecars);
        let samples = Samples::take(module, &objects, WARM_UP, CALLS, in_a_row).await?;
        Ok(Self { bytes: objects.bytes(), samples })
    }

    fn size(&self) -> String {
        format!("{:.1} KiB", self.bytes as f64 / 1024.0)
    }

    /// The median of the guest in that of the native function.
    fn ratio(&self) -> f64 {
        percentile(&self.samples.guest, 50) / percentile(&self.samples.native, 50)
    }

    fn print(&self, what: &str) {
        let rows = [
            ("in WASM", &self.samples.guest),
            ("  of it on the guest's CPU", &self.samples.guest_cpu),
            ("natively", &self.samples.native),
        ];
        println!("{}{what}: {:.2} times as long as natively", self.size(), self.ratio());
        for (name, sorted) in rows {
            let [p50, p90, p99] = [50, 90, 99].map(|percent| percentile(sorted, percent));
            println!("  {name:<28} {p50:>10.1} {p90:>10.1} {p99:>10.1}");
        }
    }

    /// For scripts; the goals are for calls that alternate.
    fn figures(&self, what: &str, goals: bool) -> Vec<Value> {
        let Samples { guest, native, .. } = &self.samples;
        let named = |name: &str| format!("{}{what}: {name}", self.size());
        let goal = |goal: f64| goals.then_some(goal);
        vec![
            figure(&named("reconcile p50"), percentile(guest, 50), "us", goal(GOAL_P50_US)),
            figure(&named("reconcile p99"), percentile(guest, 99), "us", goal(GOAL_P99_US)),
            figure(&named("native p50"), percentile(native, 50), "us", None),
            figure(&named("native p99"), percentile(native, 99), "us", None),
            figure(&named("reconcile p50 / native p50"), self.ratio(), "ratio", goal(GOAL_RATIO)),
        ]
    }
}

pub(crate) async fn run(component: &Path) -> Result<(), Failure> {
    let engine = Engine::new(EngineConfig::default())?;
    let module = engine.load("dispatch", component, Limits::default()).await?;
    println!("one reconcile of a Deployment with one cached read, {CALLS} calls, each in a fresh instance,");
    println!(
        "after {WARM_UP} to warm up: one by one in turn with native ones, or {IN_A_ROW} of each in a row\n"
    );
    println!("{:<30} {:>10} {:>10} {:>10}", "µs", "p50", "p90", "p99");
    let mut figures = Vec::new();
    for sidecars in SIDECARS {
        let alternating = Measured::with(&module, sidecars, 1).await?;
        alternating.print("");
        figures.extend(alternating.figures("", true));
    }
    for sidecars in SIDECARS {
        let in_a_row = Measured::with(&module, sidecars, IN_A_ROW).await?;
        let what = format!(", {IN_A_ROW} in a row");
        in_a_row.print(&what);
        figures.extend(in_a_row.figures(&what, false));
    }
    println!("\n{}", json!({"bench": "dispatch", "figures": figures}));
    Ok(())
}

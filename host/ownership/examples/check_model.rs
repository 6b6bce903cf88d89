//! `cargo xtask check-model`: explores rings of 3 to 5 hosts at random, a hundred million steps and more.
//!
//! ```sh
//! cargo run --release -p polyreme-ownership --example check_model -- --steps 100000000
//! cargo run --release -p polyreme-ownership --example check_model -- --seed 42    # one seed again
//! ```
//!
//! One thread for each core takes seeds in turn. The first violation ends it, with its trace made short.
//! Progress goes to standard error; the last line of standard output is one JSON object for scripts.

#[path = "../tests/world/mod.rs"]
mod world;

use std::num::NonZero;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use polyreme_ownership::Rules;
use serde_json::json;
use world::explore::{self, Failure, Run};
use world::shrink;

/// Steps of members, unless told.
const STEPS: u64 = 100_000_000;
/// Progress is printed this often.
const PROGRESS: Duration = Duration::from_secs(10);

/// What to explore.
struct Options {
    steps: u64,
    first: u64,
    only: Option<u64>,
}

/// What was explored so far.
#[derive(Default)]
struct Total {
    seeds: u64,
    steps: u64,
    actions: u64,
}

fn main() -> ExitCode {
    let Some(options) = options() else {
        eprintln!("usage: check_model [--steps N] [--first SEED] [--seed ONLY_THIS]");
        return ExitCode::from(2);
    };
    match options.only {
        Some(seed) => one(seed),
        None => all(&options),
    }
}

fn options() -> Option<Options> {
    let mut options = Options { steps: STEPS, first: 0, only: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next()?.replace('_', "").parse().ok()?;
        match name.as_str() {
            "--steps" => options.steps = value,
            "--first" => options.first = value,
            "--seed" => options.only = Some(value),
            _ => return None,
        }
    }
    Some(options)
}

fn one(seed: u64) -> ExitCode {
    let run = explore::explore(seed, Rules::all());
    println!("seed {seed}: {} steps", run.steps);
    match run.failure {
        Some(failure) => fail(seed, &failure),
        None => ExitCode::SUCCESS,
    }
}

fn fail(seed: u64, failure: &Failure) -> ExitCode {
    eprintln!("seed {seed}: {}; making the trace short …", failure.violation);
    println!("{}", shrink::describe(&shrink::shrink(failure)));
    println!("replay with: cargo xtask check-model -- --seed {seed}");
    ExitCode::FAILURE
}

fn all(options: &Options) -> ExitCode {
    let (begin, threads) = (clock::now(), std::thread::available_parallelism().map_or(1, NonZero::get));
    let (next, (sender, runs)) = (AtomicU64::new(options.first), channel());
    let (total, failure) = std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || explore_seeds(next, &sender));
        }
        drop(sender);
        collect(options, runs)
    });
    if let Some((seed, failure)) = failure {
        return fail(seed, &failure);
    }
    report(options, &total, clock::since(begin), threads);
    ExitCode::SUCCESS
}

/// Until nobody listens any more.
fn explore_seeds(next: &AtomicU64, runs: &Sender<(u64, Run)>) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if runs.send((seed, explore::explore(seed, Rules::all()))).is_err() {
            return;
        }
    }
}

fn collect(options: &Options, runs: Receiver<(u64, Run)>) -> (Total, Option<(u64, Failure)>) {
    let (begin, mut told, mut total) = (clock::now(), Duration::ZERO, Total::default());
    for (seed, run) in runs {
        total.seeds += 1;
        total.steps += run.steps;
        total.actions += run.actions;
        if let Some(failure) = run.failure {
            return (total, Some((seed, failure)));
        }
        let elapsed = clock::since(begin);
        if elapsed >= told + PROGRESS {
            told = elapsed;
            let share = total.steps as f64 * 100.0 / options.steps as f64;
            eprintln!(
                "{:>4} s  {share:>5.1} %  {} seeds, {} steps",
                elapsed.as_secs(),
                total.seeds,
                total.steps
            );
        }
        if total.steps >= options.steps {
            break;
        }
    }
    (total, None)
}

fn report(options: &Options, total: &Total, elapsed: Duration, threads: usize) {
    let seconds = elapsed.as_secs_f64();
    println!("rings of 3 to 5 hosts, every delay and fault drawn from a seed; no violation\n");
    println!("{:<34} {:>14}", "seeds", format!("{}..{}", options.first, options.first + total.seeds));
    println!("{:<34} {:>14}", "steps of members", total.steps);
    println!("{:<34} {:>14}", "actions of the world", total.actions);
    println!("{:<34} {:>14.0}", "seconds", seconds);
    println!("{:<34} {:>14}", "threads", threads);
    let figure = |name: &str, value: f64, unit: &str, goal: Option<f64>, better: &str| {
        let value = (value * 100.0).round() / 100.0;
        json!({
            "name": name, "value": value, "unit": unit, "goal": goal, "better": better,
            "holds": goal.map(|goal| if better == "lower" { value <= goal } else { value >= goal }),
        })
    };
    let figures = json!({"bench": "check-model", "figures": [
        figure("violations", 0.0, "count", Some(0.0), "lower"),
        figure("steps", total.steps as f64, "count", Some(STEPS as f64), "higher"),
        figure("seeds", total.seeds as f64, "count", None, "higher"),
        figure("first seed", options.first as f64, "seed", None, "lower"),
        figure("actions", total.actions as f64, "count", None, "higher"),
        figure("wall time", seconds, "s", None, "lower"),
        figure("steps per second", total.steps as f64 / seconds, "1/s", None, "higher"),
    ]});
    println!("\n{figures}");
}

/// The one place that tells time.
mod clock {
    #![allow(clippy::disallowed_types, reason = "there is no tokio here whose clock could be paused")]

    use std::time::{Duration, Instant};

    pub(super) fn now() -> Instant {
        Instant::now()
    }

    pub(super) fn since(begin: Instant) -> Duration {
        begin.elapsed()
    }
}

//! Random exploration of rings of 3 to 5 hosts: a million steps of members in the ordinary suite.
//!
//! `POLYREME_SEED=N cargo test --test protocol explore` replays one seed and prints what happened.

use polyreme_ownership::Rules;

use crate::world::explore::{Run, explore};
use crate::world::shrink;

/// Seeds of the ordinary suite; each is some thousands of steps.
const SEEDS: u64 = 400;

#[test]
fn no_seed_breaks_the_ring() {
    let replayed = std::env::var("POLYREME_SEED").ok().map(|seed| seed.parse().expect("a number"));
    let seeds = replayed.map_or(0..SEEDS, |seed: u64| seed..seed + 1);
    let mut steps = 0;
    for seed in seeds {
        let run = explore(seed, Rules::all());
        steps += run.steps;
        report(seed, &run);
    }
    println!("{steps} steps");
    assert!(replayed.is_some() || steps >= 1_000_000, "{steps} steps");
}

fn report(seed: u64, run: &Run) {
    if let Some(failure) = &run.failure {
        let told = shrink::describe(&shrink::shrink(failure));
        panic!("seed {seed}: {}\n{told}\nreplay with POLYREME_SEED={seed}", failure.violation);
    }
}

//! Rules taken away one by one: without any of them the explorer finds a ring that breaks, with all of them
//! it finds none in the same seeds. So each rule is needed, and the explorer can see what it is for.

use polyreme_ownership::invariants;
use polyreme_ownership::{Rule, Rules};

use crate::world::Violation;
use crate::world::explore::{Failure, explore};
use crate::world::shrink::{describe, shrink};

/// A mutant must be caught within this many seeds.
const SEEDS: u64 = 300;
/// The shortest trace is looked for among this many failing seeds.
const FAILURES: usize = 8;

/// Explores until the mutant was caught often enough, and prints the shortest trace that shows how.
fn caught(rule: Rule, is_it: impl Fn(&Violation) -> bool) {
    let mut failures: Vec<(u64, Failure)> = Vec::new();
    for seed in 0..SEEDS {
        let failure = explore(seed, Rules::without(rule)).failure;
        failures.extend(failure.filter(|failure| is_it(&failure.violation)).map(|failure| (seed, failure)));
        if failures.len() == FAILURES {
            break;
        }
    }
    let shortest = failures.iter().min_by_key(|(_, failure)| failure.trace.len());
    let (seed, failure) = shortest.expect("the explorer does not see what the rule is for");
    let sound = explore(*seed, Rules::all()).failure.map(|failure| failure.violation);
    assert_eq!(sound, None, "seed {seed} breaks the ring although all rules are in force");
    let shortest = shrink(failure);
    println!("without {rule:?}, seed {seed}, {} actions:\n{}", shortest.trace.len(), describe(&shortest));
    assert!(shortest.trace.len() <= failure.trace.len());
}

fn two_owners(violation: &Violation) -> bool {
    matches!(violation, Violation::Invariant(invariants::Violation::TwoOwners { .. }))
}

#[test]
fn without_waiting_before_fencing_two_own_a_slot() {
    caught(Rule::WaitBeforeFencing, two_owners);
}

#[test]
fn without_the_generation_in_acknowledgements_two_own_a_slot() {
    caught(Rule::SeenGeneration, two_owners);
}

#[test]
fn without_predecessors_two_own_a_slot() {
    caught(Rule::Preds, two_owners);
}

#[test]
fn without_compare_and_swap_a_fence_stops_somebody_who_lives() {
    caught(Rule::FenceSwap, two_owners);
}

#[test]
fn without_validity_from_the_sending_two_own_a_slot() {
    caught(Rule::ValidityFromSend, two_owners);
}

#[test]
fn without_room_for_clocks_that_differ_two_own_a_slot() {
    caught(Rule::DriftRatio, two_owners);
}

#[test]
fn without_regard_for_the_timing_of_others_two_own_a_slot() {
    caught(Rule::TheirTiming, two_owners);
}

#[test]
fn without_resource_versions_a_held_packet_overwrites_the_successor() {
    caught(Rule::ResourceVersion, |violation| matches!(violation, Violation::Overwritten { .. }));
}

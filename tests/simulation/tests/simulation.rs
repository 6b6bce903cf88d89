//! Simulations of whole hosts: some that must be clean, one that must be the same run twice, and hosts
//! without one safeguard each, which must be caught.
//!
//! `cargo xtask simulate` runs more and longer ones. What fails prints its seed and the command that runs
//! it again. Any change of a host changes every run, so mutants are looked for in as many seeds as it takes.

use std::process::{Command, Output};

/// What breaks a rule ends with this code; everything else that goes wrong with another.
const FAULT: i32 = 3;

fn simulation(arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_polyreme-simulation"));
    let output = command.args(arguments.split_whitespace()).output();
    output.expect("the program was built with this test")
}

fn text(output: &Output) -> String {
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{out}{errors}")
}

#[test]
fn hosts_break_no_rule_and_come_to_rest_whatever_goes_wrong() {
    let output = simulation("--seeds 3 --seconds 30 --jobs 1");
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn the_same_seed_is_the_same_run() {
    let [first, second] = [(); 2].map(|()| text(&simulation("--seed 3 --seconds 10")));
    assert!(first.contains("digest"), "{first}");
    assert_eq!(first, second);
    assert_ne!(first, text(&simulation("--seed 4 --seconds 0")));
}

/// Each mutant shows in every second to fourth seed.
fn caught(mutant: &str) {
    let output = simulation(&format!("--mutant {mutant} --seconds 40 --seeds 40 --jobs 1 --until-fault"));
    assert_eq!(output.status.code(), Some(FAULT), "{mutant} was not caught\n{}", text(&output));
}

#[test]
fn a_host_that_acknowledges_before_it_drained_is_caught() {
    caught("drain");
}

#[test]
fn a_host_that_goes_on_after_its_validity_is_caught() {
    caught("validity");
}

#[test]
fn a_host_that_does_not_wait_for_its_predecessors_is_caught() {
    caught("preds");
}

//! Controllers that a running member takes up and lays down.

use super::*;

fn loads(lanes: &[&str]) -> Input {
    Input::Loads(lanes.iter().map(|lane| Lane::from(*lane)).collect())
}

fn owned_of(driver: &Driver, lane: &str) -> usize {
    let slots = driver.member.slots().filter(|(l, _, _)| l.as_str() == lane);
    slots.filter(|(_, _, state)| matches!(state, SlotState::Owned { .. })).count()
}

#[test]
fn a_controller_that_is_added_is_published_before_it_is_given_slots() {
    let mut driver = alone();
    let effects = driver.step(loads(&["website", "vm"]), secs(1));
    let told: Vec<_> = renewals(&effects).iter().map(|record| record.lanes.len()).collect();
    assert_eq!(told, [2], "at once");
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::WriteTable { .. })));
    driver.settle(effects, secs(1));
    assert_eq!((owned_of(&driver, "vm"), owned_of(&driver, "website")), (1_024, 1_024));
    assert_eq!(driver.state(7), SlotState::Owned { epoch: 1 }, "the other controller noticed nothing");
}

#[test]
fn a_controller_that_is_removed_is_stopped_and_its_slots_are_acknowledged() {
    let mut driver = alone();
    let effects = driver.step(loads(&[]), secs(1));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Stop(slots) if slots.slots.len() == 1_024)));
    let while_draining = driver.member.record();
    assert_eq!((while_draining.held_count(), while_draining.lanes.len()), (1_024, 0));
    driver.settle(effects, secs(1));
    assert_eq!(driver.member.record().held_count(), 0);
    assert_eq!(driver.member.slots().count(), 0, "nothing is left of it");
}

#[test]
fn what_one_member_lays_down_another_one_that_loads_it_takes() {
    let mut driver = alone();
    driver.see(record_of(1, &[]), secs(1));
    driver.run(loads(&[]), secs(2));
    let table = driver.member.table().unwrap();
    assert_eq!(table.owned(&lane(), &other()).len(), 1_024);
    let last = driver.member.record();
    assert_eq!((last.seen, last.held_count()), (table.generation, 0), "it is acknowledged at that table");
}

#[test]
fn a_controller_that_comes_back_while_it_drains_waits_for_that() {
    let mut driver = alone();
    let first = driver.step(loads(&[]), secs(1));
    let again = driver.step(loads(&["website"]), secs(1));
    assert_eq!(driver.state(7), SlotState::Draining { epoch: 1 });
    driver.settle([first, again].concat(), secs(1));
    assert_eq!(driver.owned(), 1_024);
}

#[test]
fn a_controller_that_comes_back_takes_up_what_is_still_its_own() {
    let mut driver = alone();
    driver.run(loads(&[]), secs(1));
    assert_eq!(driver.owned(), 0);
    let generation = driver.member.table().unwrap().generation;
    driver.run(loads(&["website"]), secs(2));
    assert_eq!(driver.owned(), 1_024);
    assert_eq!(driver.member.table().unwrap().generation, generation, "nothing had to move");
}

#[test]
fn what_people_want_to_know_waits_for_the_next_renewal() {
    let mut driver = alone();
    let info = MemberInfo { profile: "web".to_owned(), ..MemberInfo::default() };
    assert!(renewals(&driver.step(Input::Describes(info), secs(1))).is_empty());
    let effects = driver.step(Input::Tick, secs(2));
    let told: Vec<_> = renewals(&effects).iter().map(|record| record.info.profile.clone()).collect();
    assert_eq!(told, ["web"]);
}

//! Leaving in good order.

use super::*;

#[test]
fn the_only_member_leaves_without_waiting_for_anybody() {
    let mut driver = alone();
    let effects = driver.run(Input::Leave, secs(1));
    assert!(effects.contains(&Effect::Left), "{effects:?}");
    assert_eq!(driver.member.phase(), Phase::Left);
    assert!(renewals(&effects).last().is_some_and(|record| record.fenced && record.held.is_empty()));
}

#[test]
fn a_leaver_that_cannot_reach_the_server_does_not_ask_again_at_once() {
    let mut driver = alone();
    let is_renewal = |effects: &[Effect]| effects.iter().any(|one| matches!(one, Effect::Renew { .. }));
    assert!(is_renewal(&driver.step(Input::Leave, secs(4))));
    let failed = Input::RenewFailed(Refusal::Unavailable);
    assert!(!is_renewal(&driver.step(failed, secs(4))), "refused connections fail at once");
    assert!(driver.member.wake_at(secs(4)) > secs(4));
    assert!(is_renewal(&driver.step(Input::Tick, secs(5))), "but soon");
}

#[test]
fn a_leaver_gives_its_slots_away_and_goes() {
    let mut driver = alone();
    driver.see(record_of(1, &[]), secs(1));
    let effects = driver.run(Input::Leave, secs(3));
    let writes = |effect: &&Effect| matches!(effect, Effect::WriteTable { .. });
    assert_eq!(effects.iter().filter(writes).count(), 1);
    assert!(effects.contains(&Effect::Left), "{effects:?}");
    assert!(driver.member.table().unwrap().owned(&lane(), driver.member.id()).is_empty());
}

#[test]
fn a_leaver_goes_although_nobody_else_loads_one_of_its_controllers() {
    let config = example_config();
    let mut driver = Driver::new(MemberConfig { lanes: [lane(), "theme".into()].into(), ..config });
    driver.run(Input::Tick, secs(0));
    driver.run(Input::Listed, secs(0));
    driver.see(record_of(1, &[]), secs(1));
    let effects = driver.run(Input::Leave, secs(3));
    assert!(effects.contains(&Effect::Left), "{effects:?}");
    let table = driver.member.table().unwrap();
    assert_eq!(table.owned(&lane(), &other()).len(), 1_024);
}

#[test]
fn a_leaver_takes_no_slot_up_while_its_last_renewal_is_under_way() {
    let mut driver = alone();
    let effects = driver.step(Input::Leave, secs(1));
    let drained: Vec<Input> = effects.iter().flat_map(|effect| driver.answer(effect)).collect();
    let effects: Vec<_> = drained.into_iter().flat_map(|input| driver.step(input, secs(1))).collect();
    let fenced = renewals(&effects).iter().any(|record| record.fenced);
    assert!(fenced, "{effects:?}");
    driver.table(5, 1_024, None, secs(1));
    assert_eq!(driver.state(0), SlotState::NotMine);
}

//! Validity, silence, fences, and what becomes of the own Lease.

use super::*;

#[test]
fn validity_counts_from_the_sending_of_a_renewal() {
    let mut driver = alone();
    let effects = driver.step(Input::Tick, secs(2));
    assert!(matches!(effects[..], [Effect::Renew { .. }]));
    assert_eq!(driver.member.valid_until(), Some(secs(10)));
    let lock = driver.next();
    driver.step(Input::Renewed { lock }, secs(5));
    assert_eq!(driver.member.valid_until(), Some(secs(12)));
    assert_eq!(driver.member.write_window(secs(9)), Some(secs(1)));
    assert_eq!(driver.member.write_window(secs(10)), None);
    assert!(driver.member.may_act(&lane(), SlotId(0), secs(11)));
    assert!(!driver.member.may_act(&lane(), SlotId(0), secs(12)));
}

#[test]
fn a_silent_member_is_fenced_only_after_the_whole_wait() {
    let mut driver = alone();
    driver.see(record_of(1, &[]), secs(1));
    let mut fenced_at = None;
    for tenth in 10..200 {
        let now = Duration::from_millis(tenth * 100);
        let effects = driver.run(Input::Tick, now);
        let fences = |effect: &Effect| matches!(effect, Effect::Fence { lock: Some(_), .. });
        if effects.iter().any(fences) {
            fenced_at.get_or_insert(now);
        }
    }
    assert_eq!(fenced_at, Some(secs(16)));
}

/// When a member with timing `fast`, that sees another say `record` at 1 s and no more, fences it.
fn fenced_by_a_fast_one(record: MemberRecord) -> Option<Duration> {
    let mut driver = alone_with(MemberConfig { timing: Timing::FAST, ..example_config() });
    driver.see(record, secs(1));
    (10..400).map(|tenth| Duration::from_millis(tenth * 100)).find(|now| {
        let effects = driver.run(Input::Tick, *now);
        effects.iter().any(|effect| matches!(effect, Effect::Fence { .. }))
    })
}

#[test]
fn a_member_that_holds_for_longer_is_waited_for_as_long_as_it_says() {
    let slow = MemberRecord { timing: Some(Timing::DEFAULT), ..record_of(1, &[]) };
    assert_eq!(fenced_by_a_fast_one(slow), Some(secs(16)));
    let like_it = MemberRecord { timing: Some(Timing::FAST), ..record_of(1, &[]) };
    assert_eq!(fenced_by_a_fast_one(like_it), Some(secs(7)));
    assert_eq!(fenced_by_a_fast_one(record_of(1, &[])), Some(secs(7)), "it does not say");
}

#[test]
fn a_member_that_can_no_longer_be_asked_is_waited_for_like_the_slowest() {
    let mut driver = alone_with(MemberConfig { timing: Timing::FAST, ..example_config() });
    driver.see(MemberRecord { timing: Some(Timing::DEFAULT), ..record_of(1, &[]) }, secs(1));
    driver.run(Input::Tick, secs(3));
    driver.run(Input::MemberGone { id: other() }, secs(4));
    let effects: Vec<Effect> =
        (40..100).flat_map(|tenth| driver.run(Input::Tick, Duration::from_millis(tenth * 100))).collect();
    let put_there = effects.iter().find_map(|effect| match effect {
        Effect::CreatePlaceholder { record, .. } => Some(record.timing),
        _ => None,
    });
    assert_eq!(put_there, Some(Some(Timing::DEFAULT)));
}

#[test]
fn the_slots_of_a_silent_member_are_promised_to_others_before_it_is_fenced() {
    let mut driver = alone();
    driver.see(record_of(1, &[]), secs(1));
    (2..=3).for_each(|second| drop(driver.run(Input::Tick, secs(second))));
    let theirs = driver.member.table().unwrap().owned(&lane(), &other());
    assert!(!theirs.is_empty());
    driver.see(record_of(driver.member.table().unwrap().generation, &[]), secs(3));
    let mut prepared_at = None;
    for tenth in 30..180 {
        let now = Duration::from_millis(tenth * 100);
        let effects = driver.run(Input::Tick, now);
        if effects.iter().any(|effect| matches!(effect, Effect::Prepare(_))) {
            prepared_at.get_or_insert(now);
        }
        let first = theirs.iter().next().unwrap();
        if matches!(driver.state(first.0), SlotState::Waiting) {
            assert!(now < secs(18), "it is fenced at 18 s, and then nothing is waited for");
        }
    }
    assert_eq!(
        prepared_at,
        Some(secs(16)),
        "by the first renewal that is answered 11.25 s after its last word"
    );
}

#[test]
fn after_an_outage_nobody_is_fenced_until_the_wait_has_passed_again() {
    let mut driver = alone();
    driver.see(record_of(1, &[]), secs(1));
    driver.step(Input::Tick, secs(2));
    driver.step(Input::RenewFailed(Refusal::Unavailable), secs(4));
    let effects = driver.run(Input::Tick, secs(70));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::Fence { .. })), "{effects:?}");
    for second in 71..85 {
        let effects = driver.run(Input::Tick, secs(second));
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Fence { .. })), "second {second}");
    }
    let effects = driver.run(Input::Tick, secs(86));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Fence { .. })), "{effects:?}");
}

#[test]
fn a_fence_that_conflicts_starts_the_wait_again() {
    let mut driver = alone();
    driver.see(record_of(1, &[]), secs(1));
    (2..16).for_each(|second| drop(driver.run(Input::Tick, secs(second))));
    driver.step(Input::Tick, secs(16));
    driver.run(Input::MemberAnswered { id: other(), conflict: true }, secs(16));
    for second in 17..31 {
        let effects = driver.run(Input::Tick, secs(second));
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Fence { .. })), "second {second}");
    }
}

#[test]
fn a_fenced_member_stops_and_asks_for_nothing_more() {
    let mut driver = alone();
    let record = MemberRecord { fenced: true, ..driver.member.record() };
    let (id, lock) = (driver.member.id().clone(), driver.next());
    let effects = driver.step(Input::MemberSeen { id, record: Arc::new(record), lock }, secs(3));
    assert!(matches!(effects[..], [Effect::Lost(Loss::Fenced)]));
    assert_eq!((driver.owned(), driver.member.valid_until()), (0, None));
    assert!(driver.step(Input::Tick, secs(100)).is_empty());
}

#[test]
fn a_lease_that_was_deleted_or_replaced_is_lost() {
    let id = example_config().id;
    for refusal in [true, false] {
        let mut driver = alone();
        driver.step(Input::Tick, secs(2));
        let effects = if refusal {
            driver.step(Input::RenewFailed(Refusal::Gone), secs(2))
        } else {
            let record = Arc::new(MemberRecord::placeholder(None));
            let lock = Lock { uid: "another".into(), version: "1".into() };
            driver.step(Input::MemberSeen { id: id.clone(), record, lock }, secs(2))
        };
        assert!(matches!(effects[..], [Effect::Lost(Loss::Deleted)]), "{effects:?}");
    }
}

#[test]
fn a_renewal_whose_answer_was_lost_is_taken_up() {
    let mut driver = alone();
    driver.step(Input::Tick, secs(2));
    driver.step(Input::RenewFailed(Refusal::Unavailable), secs(4));
    driver.step(Input::Tick, secs(5));
    let (record, lock) = (Arc::new(driver.member.record()), driver.next());
    let effects = driver.step(Input::RenewFailed(Refusal::Conflict { record, lock: lock.clone() }), secs(5));
    assert!(
        matches!(&effects[..], [Effect::Renew { lock: Some(taken), .. }] if *taken == lock),
        "{effects:?}"
    );
    assert_eq!(driver.member.valid_until(), Some(secs(10)), "nothing was promised meanwhile");
}

#[test]
fn a_lease_that_was_not_confirmed_in_time_is_never_created_again() {
    let mut driver = Driver::new(example_config());
    for second in 0..9 {
        driver.step(Input::Tick, secs(second));
        driver.step(Input::RenewFailed(Refusal::Unavailable), secs(second));
    }
    let effects = driver.step(Input::Tick, secs(10));
    assert_eq!(effects, [Effect::Lost(Loss::Unconfirmed)]);
}

#[test]
fn an_answer_that_confirms_a_lease_too_late_is_not_believed() {
    let mut driver = Driver::new(example_config());
    driver.step(Input::Tick, secs(0));
    let lock = driver.next();
    assert_eq!(driver.step(Input::Renewed { lock }, secs(60)), [Effect::Lost(Loss::Unconfirmed)]);
}

#[test]
fn nobody_asks_to_be_ticked_for_nothing() {
    let mut driver = alone();
    driver.see(record_of(1, &[]), secs(1));
    driver.step(Input::Tick, secs(2));
    // The API server answers no more: the others are silent, and the own validity ends.
    let mut now = secs(4);
    let mut ticks = 0;
    while now < secs(64) {
        driver.step(Input::Tick, now);
        driver.step(Input::RenewFailed(Refusal::Unavailable), now);
        let next = driver.member.wake_at(now);
        assert!(next > now, "at {now:?}");
        (now, ticks) = (next, ticks + 1);
    }
    assert!(ticks <= 130, "{ticks} ticks in a minute");
}

#[test]
fn a_placeholder_that_could_not_be_created_is_tried_again() {
    let mut driver = alone();
    driver.see(record_of(1, &[]), secs(1));
    driver.run(Input::Tick, secs(3));
    driver.run(Input::MemberGone { id: other() }, secs(4));
    let mut tries = 0;
    for tenth in 40..100 {
        let now = Duration::from_millis(tenth * 100);
        let effects = driver.run(Input::Tick, now);
        if effects.iter().any(|effect| matches!(effect, Effect::CreatePlaceholder { .. })) {
            tries += 1;
            driver.run(Input::MemberAnswered { id: other(), conflict: false }, now);
        }
    }
    assert!((4..=8).contains(&tries), "{tries}");
}

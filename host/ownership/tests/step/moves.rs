//! Joining, and slots that change hands.

use super::*;

#[test]
fn a_member_that_is_alone_owns_everything_at_once() {
    let driver = alone();
    assert_eq!(driver.member.table().unwrap().generation, 1);
    assert_eq!(driver.state(7), SlotState::Owned { epoch: 1 });
}

#[test]
fn a_quiet_member_only_renews() {
    let mut driver = alone();
    for second in 1..60 {
        let effects = driver.run(Input::Tick, secs(second));
        let expected = if second % 2 == 0 { 1 } else { 0 };
        assert_eq!(effects.len(), expected, "second {second}: {effects:?}");
    }
}

#[test]
fn a_slot_with_an_unproven_predecessor_is_waited_for() {
    let mut driver = beside_another();
    driver.table(5, 512, Some(&other()), secs(0));
    assert_eq!(driver.state(0), SlotState::Waiting);
    driver.see(record_of(4, &[]), secs(0));
    assert_eq!(driver.state(0), SlotState::Waiting, "it has not seen this generation");
    driver.see(record_of(6, &[]), secs(0));
    assert_eq!(driver.state(0), SlotState::Waiting, "it knows a newer one, which may be different");
    driver.see(record_of(5, &[3]), secs(0));
    assert_eq!((driver.state(3), driver.state(0)), (SlotState::Waiting, SlotState::Owned { epoch: 5 }));
    driver.see(record_of(5, &[]), secs(0));
    assert_eq!(driver.state(3), SlotState::Owned { epoch: 5 });
}

#[test]
fn a_fenced_predecessor_is_not_waited_for() {
    let mut driver = beside_another();
    driver.table(5, 512, Some(&other()), secs(0));
    driver.see(MemberRecord { fenced: true, ..record_of(1, &[0, 1]) }, secs(0));
    assert_eq!(driver.state(0), SlotState::Owned { epoch: 5 });
}

#[test]
fn a_slot_that_moves_away_is_acknowledged_once_it_is_drained() {
    let mut driver = alone();
    driver.see(record_of(1, &[]), secs(0));
    let id = driver.member.id().clone();
    let mut table = (**driver.member.table().unwrap()).clone();
    table.generation = 2;
    for entry in Arc::make_mut(table.lanes.get_mut(&lane()).unwrap()).iter_mut().take(10) {
        *entry = polyreme_ownership::Entry { owner: other(), preds: [id.clone()].into() };
    }
    let lock = Lock { uid: "table".into(), ..driver.next() };
    let effects = driver.step(Input::TableSeen { table: Arc::new(table), lock }, secs(0));
    assert!(matches!(&effects[..], [Effect::Stop(stopped)] if stopped.slots.len() == 10), "{effects:?}");
    assert_eq!(driver.state(0), SlotState::Draining { epoch: 1 });

    let drained = |slots: std::ops::Range<u16>| {
        Input::Drained(Slots { lane: lane(), slots: slots.map(SlotId).collect() })
    };
    assert!(renewals(&driver.step(drained(0..9), Duration::from_millis(10))).is_empty(), "batched");
    let effects = driver.run(Input::Tick, Duration::from_millis(110));
    let [record] = renewals(&effects)[..] else { panic!("{effects:?}") };
    assert!(record.seen == 2 && record.holds(&lane(), SlotId(9)) && !record.holds(&lane(), SlotId(8)));
    let effects = driver.run(drained(9..10), Duration::from_millis(120));
    let [record] = renewals(&effects)[..] else { panic!("{effects:?}") };
    assert!(!record.holds(&lane(), SlotId(9)), "the last one goes out at once");
}

#[test]
fn a_newcomer_is_given_its_share_after_it_settled() {
    let mut driver = alone();
    driver.see(record_of(1, &[]), secs(10));
    let early = driver.run(Input::Tick, Duration::from_millis(10_900));
    assert!(!early.iter().any(|effect| matches!(effect, Effect::WriteTable { .. })));
    driver.run(Input::Tick, secs(11));
    assert_eq!(driver.member.table().unwrap().owned(&lane(), &other()).len(), 512);
}

#[test]
fn who_is_not_first_in_name_order_acts_a_little_later() {
    let id = MemberId::from("polyreme-default-host-9-zzzzzz");
    let mut driver = Driver::new(MemberConfig { id, ..example_config() });
    driver.run(Input::Tick, secs(0));
    driver.run(Input::Listed, secs(0));
    driver.see(record_of(1, &[]), secs(10));
    let mut written_at = None;
    for tenth in 100..140 {
        let now = Duration::from_millis(tenth * 100);
        let effects = driver.run(Input::Tick, now);
        if effects.iter().any(|effect| matches!(effect, Effect::WriteTable { .. })) {
            written_at.get_or_insert(now);
        }
    }
    let written_at = written_at.unwrap();
    assert!(
        (Duration::from_millis(11_300)..=Duration::from_millis(11_600)).contains(&written_at),
        "{written_at:?}"
    );
}

#[test]
fn members_that_do_not_load_a_controller_get_none_of_its_slots() {
    let mut driver = alone();
    let record = MemberRecord { lanes: BTreeSet::from(["theme".into()]), ..record_of(1, &[]) };
    driver.see(record, secs(1));
    driver.run(Input::Tick, secs(3));
    let table = driver.member.table().unwrap();
    assert_eq!(table.owned(&lane(), driver.member.id()).len(), 1_024);
    assert_eq!(table.owned(&"theme".into(), &other()).len(), 1_024);
}

#[test]
fn a_crash_loop_is_damped() {
    let mut driver = alone();
    let mut moves = 0;
    for round in 0..60_u64 {
        let id = MemberId::from(format!("polyreme-default-host-1-{round:06}"));
        let now = secs(2 * round + 2);
        let lock = driver.next();
        driver.run(Input::MemberSeen { id: id.clone(), record: Arc::new(record_of(0, &[])), lock }, now);
        let effects = driver.run(Input::Tick, now + Duration::from_millis(1_500));
        moves += effects.iter().filter(|effect| matches!(effect, Effect::WriteTable { .. })).count();
        let (lock, gone) = (driver.next(), MemberRecord { fenced: true, ..record_of(0, &[]) });
        driver
            .run(Input::MemberSeen { id, record: Arc::new(gone), lock }, now + Duration::from_millis(1_900));
    }
    // The bucket holds 2048 slots and gets 1024 a minute: 2 bursts and 2 minutes of 512 in, 512 out.
    assert!((2..=8).contains(&moves), "{moves} rebalances for 60 crashes");
}

#[test]
fn a_member_that_is_not_the_first_changes_the_table_when_the_first_does_not() {
    let config = MemberConfig { id: "polyreme-default-host-9-zzzzzz".into(), ..example_config() };
    let mut driver = Driver::new(config);
    driver.run(Input::Tick, secs(0));
    driver.run(Input::Listed, secs(0));
    driver.see(record_of(1, &[]), secs(5));
    let mut now = secs(5);
    while now < secs(8) {
        now = driver.member.wake_at(now).max(now + Duration::from_millis(1));
        driver.run(Input::Tick, now);
    }
    assert_eq!(driver.member.table().unwrap().owned(&lane(), &other()).len(), 512);
}

#[test]
fn a_newcomer_that_is_the_first_takes_its_share_once_it_has_settled() {
    let mut driver = beside_another();
    driver.table(5, 0, None, secs(0));
    driver.run(Input::Listed, secs(0));
    let due = driver.member.wake_at(secs(0));
    assert!(due <= secs(1), "{due:?}");
    driver.run(Input::Tick, secs(1));
    assert_eq!(driver.member.table().unwrap().owned(&lane(), driver.member.id()).len(), 512);
}

#[test]
fn controllers_with_the_same_owners_are_acknowledged_each_for_itself() {
    let theme = Lane::from("theme");
    let config = MemberConfig { lanes: [lane(), theme.clone()].into(), ..example_config() };
    let mut driver = Driver::new(config);
    driver.run(Input::Tick, secs(0));
    let lanes: BTreeSet<Lane> = [lane(), theme.clone()].into();
    // Both columns are one in memory, as they come from the API server.
    let entry = polyreme_ownership::Entry { owner: driver.member.id().clone(), preds: [other()].into() };
    let mut table = Table::empty(driver.member.config().slots, driver.member.config().key);
    table.generation = 5;
    let column = Arc::new(vec![entry; 1_024]);
    table.lanes = lanes.iter().map(|lane| (lane.clone(), Arc::clone(&column))).collect();
    let lock = Lock { uid: "table".into(), ..driver.next() };
    driver.run(Input::TableSeen { table: Arc::new(table), lock }, secs(0));
    // The other one has released the slots of one controller and still holds those of the other.
    let mut record = MemberRecord { lanes, ..record_of(5, &[0, 1, 2, 3]) };
    record.held.insert(theme.clone(), SlotSet::default());
    driver.see(record, secs(0));
    driver.run(Input::Listed, secs(0));
    (1..5).for_each(|second| drop(driver.run(Input::Tick, secs(second))));
    let table = driver.member.table().unwrap();
    assert!(table.generation > 5, "the load was levelled");
    let held = (0..4).filter_map(|slot| table.entry(&lane(), SlotId(slot)));
    let kept: Vec<_> = held.filter(|entry| entry.owner != other()).collect();
    assert!(!kept.is_empty() && kept.iter().all(|entry| entry.preds.contains(&other())), "not proven gone");
}

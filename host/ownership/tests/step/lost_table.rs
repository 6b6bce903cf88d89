//! A table that is lost, replaced or old.

use super::*;

#[test]
fn a_table_that_was_deleted_is_not_recreated_before_everybody_could_have_stopped() {
    let mut driver = alone();
    driver.echoes = true;
    driver.see(record_of(1, &[]), secs(1));
    (2..5).for_each(|second| drop(driver.run(Input::Tick, secs(second))));
    let owned = driver.owned();
    driver.run(Input::TableGone, secs(5));
    assert_eq!(driver.owned(), owned, "who owns a slot keeps it");
    let mut created = None;
    for second in 6_u64..30 {
        let effects = driver.see(record_of(second, &[]), secs(second));
        let create = effects.into_iter().find_map(|effect| match effect {
            Effect::WriteTable { table, lock: None } => Some(table),
            _ => None,
        });
        if let Some(table) = create {
            created.get_or_insert((second, table));
        }
    }
    let (second, table) = created.unwrap();
    assert!(second >= 20, "{second}");
    assert!(table.generation > 20, "above everything that was ever seen");
    assert!(table.entry(&lane(), SlotId(0)).unwrap().preds.len() == 1, "everybody must acknowledge");
}

#[test]
fn a_ring_that_lost_every_lease_goes_on_from_the_generation_that_a_member_remembers() {
    let mut driver = Driver::new(MemberConfig { knew_generation: Some(41), ..example_config() });
    driver.run(Input::Tick, secs(0));
    driver.run(Input::Listed, secs(0));
    let mut created = (1..30).flat_map(|second| {
        let effects = driver.run(Input::Tick, secs(second)).into_iter();
        effects.map(move |effect| (second, effect)).collect::<Vec<_>>()
    });
    let (second, generation) = created
        .find_map(|(second, effect)| match effect {
            Effect::WriteTable { table, lock: None } => Some((second, table.generation)),
            _ => None,
        })
        .unwrap();
    assert!(second >= 15, "others may still act by the old one: {second}");
    assert_eq!(generation, 1_041, "above everything that others may have written meanwhile");
}

#[test]
fn members_whose_lease_vanishes_while_there_is_no_table_are_still_waited_for() {
    let mut driver = alone();
    driver.echoes = true;
    driver.see(record_of(1, &[]), secs(1));
    (2..5).for_each(|second| drop(driver.run(Input::Tick, secs(second))));
    driver.run(Input::TableGone, secs(5));
    driver.run(Input::MemberGone { id: other() }, secs(6));
    let effects: Vec<_> = (7..30).flat_map(|second| driver.run(Input::Tick, secs(second))).collect();
    let created = effects.iter().find_map(|effect| match effect {
        Effect::WriteTable { table, lock: None } => Some(table),
        _ => None,
    });
    let entry = created.unwrap().entry(&lane(), SlotId(0)).unwrap();
    assert!(entry.owner == other() || entry.preds.contains(&other()), "{entry:?}");
}

#[test]
fn a_table_that_is_lost_is_only_replaced_after_all_leases_are_known_as_they_are_without_it() {
    let mut driver = alone();
    driver.run(Input::TableGone, secs(1));
    for second in 2..60 {
        let effects = driver.run(Input::Tick, secs(second));
        assert!(effects.iter().all(|effect| matches!(effect, Effect::Renew { .. })), "{effects:?}");
    }
    driver.run(Input::Listed, secs(60));
    (61..75).for_each(|second| drop(driver.run(Input::Tick, secs(second))));
    assert!(driver.member.table().is_none());
    driver.run(Input::Tick, secs(75));
    assert!(driver.member.table().unwrap().generation > 1_000, "above all that anybody may have seen");
    assert_eq!(driver.state(0), SlotState::Owned { epoch: 1 }, "who owned a slot kept it");
}

#[test]
fn a_renewal_that_the_watch_shows_tells_that_all_leases_are_known() {
    let mut driver = alone();
    driver.run(Input::TableGone, secs(1));
    driver.echoes = true;
    (2..17).for_each(|second| drop(driver.run(Input::Tick, secs(second))));
    assert!(driver.member.table().is_none());
    driver.run(Input::Tick, secs(17));
    assert_eq!(driver.member.table().unwrap().generation, 1_001);
}

#[test]
fn an_older_table_in_the_place_of_the_table_is_overwritten_and_never_followed() {
    let mut driver = alone();
    driver.echoes = true;
    driver.table(7, 512, None, secs(1));
    let mut old = (**driver.member.table().unwrap()).clone();
    old.generation = 3;
    let lock = Lock { uid: "restored".into(), ..driver.next() };
    driver.run(Input::TableSeen { table: Arc::new(old), lock: lock.clone() }, secs(2));
    assert!(driver.member.table().is_none());
    assert_eq!(driver.state(0), SlotState::Owned { epoch: 1 });
    let effects: Vec<_> = (3..30).flat_map(|second| driver.run(Input::Tick, secs(second))).collect();
    let writes = effects.iter().find_map(|effect| match effect {
        Effect::WriteTable { table, lock } => Some((table.generation, lock.clone())),
        _ => None,
    });
    assert_eq!(writes, Some((1_007, Some(lock))));
}

/// The write that replaces what stands where the table was.
fn replacement(effects: Vec<Effect>) -> Option<(u64, Option<Lock>)> {
    effects.into_iter().find_map(|effect| match effect {
        Effect::WriteTable { table, lock } => Some((table.generation, lock)),
        _ => None,
    })
}

#[test]
fn a_table_that_nobody_can_read_is_overwritten_when_everybody_could_have_stopped() {
    let mut driver = alone();
    driver.echoes = true;
    driver.table(7, 512, None, secs(1));
    let damaged = driver.next();
    driver.run(Input::TableUnreadable { lock: damaged.clone() }, secs(2));
    assert!(driver.member.table().is_none());
    assert_eq!(driver.state(0), SlotState::Owned { epoch: 1 }, "who owns a slot keeps it");
    let early = (3..16).flat_map(|second| driver.run(Input::Tick, secs(second))).collect();
    assert_eq!(replacement(early), None);
    let late = (16..30).flat_map(|second| driver.run(Input::Tick, secs(second))).collect();
    assert_eq!(replacement(late), Some((1_007, Some(damaged))));
}

#[test]
fn a_table_that_is_put_right_by_hand_is_followed_again() {
    let mut driver = alone();
    let table = Arc::clone(driver.member.table().unwrap());
    let [damaged, mended] = [driver.next(), driver.next()].map(|lock| Lock { uid: "table".into(), ..lock });
    driver.run(Input::TableUnreadable { lock: damaged }, secs(1));
    driver.run(Input::TableSeen { table: Arc::clone(&table), lock: mended }, secs(2));
    assert!(driver.member.table().is_some_and(|known| Arc::ptr_eq(known, &table)));
}

#[test]
fn a_newcomer_takes_an_unreadable_table_for_the_trace_of_a_ring() {
    let mut driver = Driver::new(example_config());
    driver.echoes = true;
    let damaged = driver.next();
    driver.run(Input::Tick, secs(0));
    driver.run(Input::TableUnreadable { lock: damaged.clone() }, secs(0));
    driver.run(Input::Listed, secs(0));
    let early = (1..15).flat_map(|second| driver.run(Input::Tick, secs(second))).collect();
    assert_eq!(replacement(early), None, "others may still act by what it held");
    let late = (15..30).flat_map(|second| driver.run(Input::Tick, secs(second))).collect();
    assert_eq!(replacement(late).map(|(_, lock)| lock), Some(Some(damaged)));
}

#[test]
fn an_event_of_a_former_table_changes_nothing() {
    let mut driver = alone();
    let old = Arc::clone(driver.member.table().unwrap());
    let old_lock = Lock { uid: "table".into(), ..driver.next() };
    driver.run(Input::TableGone, secs(1));
    let next = Table { generation: 1_001, ..(*old).clone() };
    let lock = Lock { uid: "another".into(), ..driver.next() };
    driver.run(Input::TableSeen { table: Arc::new(next), lock }, secs(2));
    driver.run(Input::TableSeen { table: old, lock: old_lock }, secs(3));
    assert_eq!(driver.member.table().unwrap().generation, 1_001);
}

#[test]
fn a_lease_goes_on_telling_of_a_table_that_was_deleted() {
    let mut driver = alone();
    driver.run(Input::TableGone, secs(1));
    assert_eq!(driver.member.record().table.as_deref(), Some("table"));
}

#[test]
fn nobody_acts_by_a_table_of_which_its_lease_does_not_tell() {
    let mut driver = Driver::new(example_config());
    driver.run(Input::Tick, secs(0));
    let id = driver.member.id().clone();
    let mut table = Table::empty(driver.member.config().slots, driver.member.config().key);
    table.generation = 1;
    let entry = polyreme_ownership::Entry { owner: id, preds: BTreeSet::new() };
    table.lanes.insert(lane(), Arc::new(vec![entry; 1_024]));
    let lock = Lock { uid: "table".into(), ..driver.next() };
    let effects = driver.step(Input::TableSeen { table: Arc::new(table), lock }, secs(1));
    let [record] = renewals(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!((record.table.as_deref(), driver.state(0)), (Some("table"), SlotState::Waiting));
    driver.settle(effects, secs(1));
    assert_eq!(driver.state(0), SlotState::Owned { epoch: 1 });
}

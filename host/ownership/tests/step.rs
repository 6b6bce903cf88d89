//! The state machine of one member, driven by hand: each rule of `docs/handover.md` as a sentence.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use polyreme_ownership::member::{Loss, Phase, Refusal, Slots, example_config};
use polyreme_ownership::{
    Effect, Input, Lane, Lock, Member, MemberConfig, MemberId, MemberInfo, MemberRecord, SlotId, SlotSet,
    SlotState, Table,
};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn lane() -> Lane {
    "website".into()
}

fn lock(version: u64) -> Lock {
    Lock { uid: "uid".into(), version: version.to_string().into() }
}

fn other() -> MemberId {
    "polyreme-default-host-1-aaaaaa".into()
}

fn record_of(seen: u64, held: &[u16]) -> MemberRecord {
    let mut record = MemberRecord::new(100, [lane()].into(), MemberInfo::default());
    record.table = Some("table".into());
    record.seen = seen;
    let held: SlotSet = held.iter().copied().map(SlotId).collect();
    if !held.is_empty() {
        record.held.insert(lane(), held);
    }
    record
}

/// A member, and the API server as it sees it.
struct Driver {
    member: Member,
    version: u64,
    /// The watch shows renewals of the own Lease.
    echoes: bool,
}

impl Driver {
    fn new(config: MemberConfig) -> Self {
        Self { member: Member::new(config), version: 0, echoes: false }
    }

    fn step(&mut self, input: Input, now: Duration) -> Vec<Effect> {
        self.member.step(input, now)
    }

    fn next(&mut self) -> Lock {
        self.version += 1;
        lock(self.version)
    }

    /// Answers what the member asks for, until it asks for nothing more.
    fn settle(&mut self, effects: Vec<Effect>, now: Duration) -> Vec<Effect> {
        let mut all = Vec::new();
        let mut todo = effects;
        while !todo.is_empty() {
            let answers: Vec<Input> = todo.iter().flat_map(|effect| self.answer(effect)).collect();
            all.append(&mut todo);
            todo = answers.into_iter().flat_map(|input| self.step(input, now)).collect();
        }
        all
    }

    fn answer(&mut self, effect: &Effect) -> Vec<Input> {
        match effect {
            Effect::Renew { record, .. } => {
                let (id, record, lock) = (self.member.id().clone(), Arc::clone(record), self.next());
                let echo = Input::MemberSeen { id, record, lock: lock.clone() };
                self.echoes.then_some(echo).into_iter().chain([Input::Renewed { lock }]).collect()
            }
            Effect::WriteTable { table, .. } => {
                let lock = Lock { uid: "table".into(), ..self.next() };
                let seen = Input::TableSeen { table: Arc::clone(table), lock };
                vec![seen, Input::TableAnswered { conflict: false }]
            }
            Effect::Barrier { slots, epoch } => {
                vec![Input::BarrierPassed { slots: slots.clone(), epoch: *epoch }]
            }
            Effect::Stop(slots) => vec![Input::Drained(slots.clone())],
            _ => vec![],
        }
    }

    fn run(&mut self, input: Input, now: Duration) -> Vec<Effect> {
        let effects = self.step(input, now);
        self.settle(effects, now)
    }

    fn see(&mut self, record: MemberRecord, now: Duration) -> Vec<Effect> {
        let lock = self.next();
        self.run(Input::MemberSeen { id: other(), record: Arc::new(record), lock }, now)
    }

    /// A table that gives the slots below `mine` to this member and the rest to the other one.
    fn table(&mut self, generation: u64, mine: u16, pred: Option<&MemberId>, now: Duration) -> Vec<Effect> {
        let id = self.member.id().clone();
        let mut table = Table::empty(self.member.config().slots, self.member.config().key);
        table.generation = generation;
        let entry = |slot: u16| polyreme_ownership::Entry {
            owner: if slot < mine { id.clone() } else { other() },
            preds: pred.cloned().into_iter().collect(),
        };
        let column = (0..self.member.config().slots.get()).map(entry).collect();
        table.lanes.insert(lane(), Arc::new(column));
        let lock = Lock { uid: "table".into(), ..self.next() };
        self.run(Input::TableSeen { table: Arc::new(table), lock }, now)
    }

    fn state(&self, slot: u16) -> SlotState {
        self.member.slot(&lane(), SlotId(slot))
    }

    fn owned(&self) -> usize {
        let owned = |(_, _, state): &(&Lane, SlotId, SlotState)| matches!(state, SlotState::Owned { .. });
        self.member.slots().filter(owned).count()
    }
}

/// A member that is alone and owns everything.
fn alone() -> Driver {
    let mut driver = Driver::new(example_config());
    driver.run(Input::Tick, secs(0));
    driver.run(Input::Listed, secs(0));
    assert_eq!(driver.owned(), 1_024);
    driver
}

/// A member beside another, without a table.
fn beside_another() -> Driver {
    let mut driver = Driver::new(example_config());
    driver.run(Input::Tick, secs(0));
    driver.see(record_of(0, &[]), secs(0));
    driver
}

fn renewals(effects: &[Effect]) -> Vec<&MemberRecord> {
    fn record(effect: &Effect) -> Option<&MemberRecord> {
        match effect {
            Effect::Renew { record, .. } => Some(record),
            _ => None,
        }
    }
    effects.iter().filter_map(record).collect()
}

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
            let record = Arc::new(MemberRecord::placeholder());
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

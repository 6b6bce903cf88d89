//! The state machine of one member, driven by hand: each rule of `docs/handover.md` as a sentence.

mod leaving;
mod loading;
mod lost_table;
mod moves;
mod silence;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use polyreme_ownership::member::{Loss, Phase, Refusal, Slots, example_config};
use polyreme_ownership::{
    Effect, Input, Lane, Lock, Member, MemberConfig, MemberId, MemberInfo, MemberRecord, SlotId, SlotSet,
    SlotState, Table, Timing,
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
    alone_with(example_config())
}

fn alone_with(config: MemberConfig) -> Driver {
    let mut driver = Driver::new(config);
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

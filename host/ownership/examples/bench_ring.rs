//! `cargo xtask bench ring`: balance, moves, the cost of a step and the size of what is written.
//!
//! ```sh
//! cargo run --release -p polyreme-ownership --example bench_ring
//! ```
//!
//! Balance, moves and sizes are exact; times are of this machine, medians of many steps. A table for
//! people goes first; the last line is one JSON object for scripts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use polyreme_ownership::member::example_config;
use polyreme_ownership::placement::{Leveling, Weights, place};
use polyreme_ownership::slots::Root;
use polyreme_ownership::{
    Effect, Entry, Input, KeyBy, Lane, Lock, Member, MemberConfig, MemberId, MemberInfo, MemberRecord,
    SlotCount, Table,
};
use serde_json::{Value, json};

/// Goals of issue 4, and what a Kubernetes object may carry in annotations (262144 bytes).
const GOAL_OBJECTS: f64 = 1.05;
const GOAL_SLOTS: f64 = 1.05;
const GOAL_MOVES: f64 = 1.0;
const GOAL_ANNOTATION_BYTES: f64 = 262_144.0;

const SIZES: [u32; 7] = [2, 3, 5, 10, 20, 50, 100];
const OBJECTS: u32 = 9_000;
const STEPS: u32 = 1_000;

fn main() {
    let mut figures = Vec::new();
    balance(&mut figures);
    objects(&mut figures);
    sizes(&mut figures);
    steps(&mut figures);
    println!("\n{}", json!({ "bench": "ring", "figures": figures }));
}

fn member(n: u32) -> MemberId {
    format!("polyreme-default-web-6d4cf56db6-{n:05x}-{:06x}", n.wrapping_mul(7_919) & 0xff_ffff).into()
}

fn members(count: u32) -> Weights {
    (0..count).map(|n| (member(n), 100)).collect()
}

/// Today's owners, as far as they are still members.
fn stays(owners: &[MemberId], members: &Weights) -> Vec<Option<MemberId>> {
    owners.iter().map(|owner| members.contains_key(owner).then(|| owner.clone())).collect()
}

fn moved(before: &[MemberId], after: &[MemberId]) -> f64 {
    let moved = before.iter().zip(after).filter(|(a, b)| a != b).count();
    f64::from(u32::try_from(moved).unwrap_or(u32::MAX))
}

/// Most over mean.
fn hottest(owners: &[MemberId], members: u32) -> f64 {
    let mut loads: BTreeMap<&MemberId, u32> = BTreeMap::new();
    owners.iter().for_each(|owner| *loads.entry(owner).or_default() += 1);
    let most = loads.values().max().copied().unwrap_or(0);
    f64::from(most) * f64::from(members) / f64::from(u32::try_from(owners.len()).unwrap_or(1))
}

fn figure(figures: &mut Vec<Value>, name: &str, value: f64, unit: &str, goal: Option<f64>) {
    let value = (value * 1_000.0).round() / 1_000.0;
    figures.push(json!({
        "name": name, "value": value, "unit": unit, "goal": goal, "better": "lower",
        "holds": goal.map(|goal| value <= goal),
    }));
}

/// Members join one by one, then one leaves.
fn balance(figures: &mut Vec<Value>) {
    println!("1024 slots; members join one by one, then one leaves\n");
    println!(
        "{:>8} {:>14} {:>22} {:>22}",
        "members", "hottest/mean", "moves at join/minimum", "moves at leave/minimum"
    );
    let slots = SlotCount::DEFAULT;
    let mut owners = place(slots, &members(1), &[], Leveling::Level);
    let (mut worst_join, mut worst_leave, mut worst_balance) = (0_f64, 0_f64, 0_f64);
    for count in 2..=100_u32 {
        let before = owners;
        owners = place(slots, &members(count), &stays(&before, &members(count)), Leveling::Level);
        // A newcomer must be given its share for the load to be level; all slots are whole.
        let join = moved(&before, &owners) / f64::from(1_024_u32.div_ceil(count));
        let mut rest = members(count);
        rest.remove(&member(count / 2));
        let after = place(slots, &rest, &stays(&owners, &rest), Leveling::Level);
        let owned = owners.iter().filter(|owner| **owner == member(count / 2)).count();
        let leave = moved(&owners, &after) / f64::from(u32::try_from(owned).unwrap_or(1).max(1));
        let balance = hottest(&owners, count);
        // A slot is the least that can move: with 100 members one more is a tenth of the share.
        let level = f64::from(1_024_u32.div_ceil(count)) * f64::from(count) / 1_024.0;
        (worst_join, worst_leave) = (worst_join.max(join), worst_leave.max(leave));
        worst_balance = worst_balance.max(balance / level.max(1.0));
        if SIZES.contains(&count) {
            println!("{count:>8} {balance:>14.3} {join:>22.3} {leave:>22.3}");
        }
    }
    figure(
        figures,
        "hottest member / best possible, 2 to 100 members",
        worst_balance,
        "ratio",
        Some(GOAL_SLOTS),
    );
    figure(
        figures,
        "moves at a join / fair share of the newcomer, worst",
        worst_join,
        "ratio",
        Some(GOAL_MOVES),
    );
    figure(figures, "moves at a leave / slots of the leaver, worst", worst_leave, "ratio", Some(GOAL_MOVES));
}

/// Objects and not slots are what a host works on.
fn objects(figures: &mut Vec<Value>) {
    let slots = SlotCount::DEFAULT;
    let owners = place(slots, &members(5), &[], Leveling::Level);
    let owner = |n: u32| {
        let (name, namespace) = (format!("site-{n}"), format!("project-{}", n % 10));
        let root = Root {
            group: "webhosting.polyreme.dev",
            resource: "websites",
            namespace: &namespace,
            name: &name,
            uid: "",
        };
        owners.get(slots.slot_of(KeyBy::Name.hash(&root)).index()).cloned()
    };
    let owned: Vec<MemberId> = (0..OBJECTS).filter_map(owner).collect();
    let hottest = hottest(&owned, 5);
    println!("\n{OBJECTS} objects on 5 members: hottest/mean {hottest:.3}");
    figure(figures, "hottest member / mean, 9000 objects on 5 members", hottest, "ratio", Some(GOAL_OBJECTS));
}

/// A table in which everything is moving: the largest there is.
fn table(count: u32, slots: SlotCount) -> Table {
    let owners = place(slots, &members(count), &[], Leveling::Level);
    let entry = |(at, owner): (usize, &MemberId)| {
        let pred = member(u32::try_from(at).unwrap_or(0) % count);
        Entry { owner: owner.clone(), preds: [pred].into() }
    };
    let column = Arc::new(owners.iter().enumerate().map(entry).collect());
    let mut table = Table::empty(slots, KeyBy::Name);
    table.generation = 1_000_000;
    table.lanes.insert("website".into(), column);
    table
}

fn record(n: u32, table: &Table) -> MemberRecord {
    let mut record = MemberRecord::new(100, ["website".into()].into(), MemberInfo::default());
    record.table = Some("5f0d9c1e-6a52-4c1b-9a3f-0c2f8f4f7d11".into());
    record.seen = table.generation;
    record.held.insert("website".into(), table.owned(&"website".into(), &member(n)));
    record
}

fn sizes(figures: &mut Vec<Value>) {
    println!("\nbytes of annotations, every slot moving\n");
    println!("{:>8} {:>8} {:>10} {:>10}", "members", "slots", "table", "member");
    let mut largest = 0;
    for slots in [SlotCount::DEFAULT, SlotCount::new(16_384).unwrap_or(SlotCount::DEFAULT)] {
        for count in SIZES {
            let table = table(count, slots);
            let (bytes, record) = (table.encode().len(), record(0, &table).encode().len());
            largest = largest.max(bytes);
            println!("{count:>8} {:>8} {bytes:>10} {record:>10}", slots.get());
        }
    }
    let largest = f64::from(u32::try_from(largest).unwrap_or(u32::MAX));
    figure(figures, "largest table annotation", largest, "bytes", Some(GOAL_ANNOTATION_BYTES));
}

/// Names of controllers.
fn lanes(controllers: u32) -> BTreeSet<Lane> {
    (0..controllers).map(|n| format!("controller-{n:02}").into()).collect()
}

/// Members that share the slots of some controllers, nothing moving.
fn ring(count: u32, controllers: u32) -> Table {
    let mut table = table(count, SlotCount::DEFAULT);
    let column = table.lanes.values().next().cloned().unwrap_or_default();
    let settle = |entry: &Entry| Entry { owner: entry.owner.clone(), preds: BTreeSet::new() };
    let column: Arc<Vec<Entry>> = Arc::new(column.iter().map(settle).collect());
    table.lanes = lanes(controllers).into_iter().map(|lane| (lane, Arc::clone(&column))).collect();
    table
}

fn member_of(n: u32, table: &Table) -> MemberRecord {
    let mut record = record(n, table);
    record.lanes = table.lanes.keys().cloned().collect();
    record.held = table.lanes.keys().map(|lane| (lane.clone(), table.owned(lane, &member(n)))).collect();
    record
}

/// A settled member among others: everything that it asked for is answered.
fn settled(table: &Table, count: u32) -> Member {
    let config =
        MemberConfig { id: member(0), lanes: table.lanes.keys().cloned().collect(), ..example_config() };
    let lock = |version: u32| Lock { uid: "lease".into(), version: version.to_string().into() };
    let others = (1..count).map(|n| Input::MemberSeen {
        id: member(n),
        record: Arc::new(member_of(n, table)),
        lock: lock(n),
    });
    let seen = Input::TableSeen { table: Arc::new(table.clone()), lock: lock(0) };
    let mut settled = Member::new(config);
    let mut inputs: VecDeque<Input> =
        [Input::Tick].into_iter().chain(others).chain([seen, Input::Listed]).collect();
    while let Some(input) = inputs.pop_front() {
        for effect in settled.step(input, Duration::ZERO) {
            match effect {
                Effect::Renew { .. } => inputs.push_back(Input::Renewed { lock: lock(0) }),
                Effect::Barrier { slots, epoch } => inputs.push_back(Input::BarrierPassed { slots, epoch }),
                _ => (),
            }
        }
    }
    settled
}

/// The median time of a step, in microseconds.
fn median(mut step: impl FnMut(u32)) -> f64 {
    let mut times: Vec<Duration> = Vec::new();
    for n in 0..STEPS {
        #[allow(
            clippy::disallowed_methods,
            clippy::disallowed_types,
            reason = "a benchmark measures real time"
        )]
        let started = std::time::Instant::now();
        step(n);
        times.push(started.elapsed());
    }
    times.sort_unstable();
    times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

fn steps(figures: &mut Vec<Value>) {
    println!("\nmicroseconds of a step, 1024 slots, median of {STEPS}\n");
    println!(
        "{:>8} {:>12} {:>12} {:>18} {:>12}",
        "members", "controllers", "tick", "another's renewal", "new table"
    );
    for (count, controllers) in [(3, 1), (3, 40), (20, 1), (20, 40), (100, 1), (100, 40)] {
        let table = ring(count, controllers);
        let settled = settled(&table, count);
        let now = Duration::from_millis(1);
        let mut ticking = settled.clone();
        let tick = median(|_| drop(black_box(ticking.step(Input::Tick, now))));
        let mut hearing = settled.clone();
        let news = Arc::new(member_of(1, &table));
        let renewal = median(|n| {
            let lock = Lock { uid: "lease".into(), version: format!("r{n}").into() };
            let seen = Input::MemberSeen { id: member(1), record: Arc::clone(&news), lock };
            drop(black_box(hearing.step(seen, now)));
        });
        let mut following = settled;
        let new_table = median(|n| {
            let next = Table { generation: table.generation + u64::from(n) + 1, ..table.clone() };
            let lock = Lock { uid: "lease".into(), version: format!("t{n}").into() };
            let seen = Input::TableSeen { table: Arc::new(next), lock };
            drop(black_box(following.step(seen, now)));
        });
        println!("{count:>8} {controllers:>12} {tick:>12.2} {renewal:>18.2} {new_table:>12.2}");
        let of = format!("{count} members, {controllers} controllers");
        figure(figures, &format!("step: tick, {of}"), tick, "us", None);
        figure(figures, &format!("step: another's renewal, {of}"), renewal, "us", None);
        figure(figures, &format!("step: new table, {of}"), new_table, "us", None);
    }
}

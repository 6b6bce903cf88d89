//! How long things take when only one thing goes wrong, on worlds whose network is quick.

use std::collections::BTreeMap;
use std::time::Duration;

use polyreme_ownership::plan::Placement;
use polyreme_ownership::{Lane, MemberId, Rules, SlotCount, SlotState, Timing};

use crate::world::clock::Clock;
use crate::world::explore::Explorer;
use crate::world::node::Node;
use crate::world::{Action, Host, Setup, settled};

/// Worlds of each kind.
const SEEDS: u64 = 40;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A ring that has settled.
fn ring(seed: u64) -> Explorer {
    let mut ring = Explorer::quiet(seed);
    ring.run_for(secs(60)).unwrap();
    settled::check(&ring.world).unwrap();
    ring
}

fn owned(node: &Node) -> usize {
    node.member.slots().filter(|(_, _, state)| matches!(state, SlotState::Owned { .. })).count()
}

fn owned_by_the_living(ring: &Explorer) -> usize {
    ring.world.alive().map(|(_, node)| owned(node)).sum()
}

/// Runs until every slot is owned by somebody who lives; how long that takes.
fn until_all_is_owned(ring: &mut Explorer, slots: usize, limit: Duration) -> Duration {
    let begin = ring.world.now;
    while owned_by_the_living(ring) < slots {
        ring.run_for(Duration::from_millis(10)).unwrap();
        assert!(ring.world.now < begin + limit, "not taken over within {limit:?}");
    }
    ring.world.now - begin
}

/// A host without which every controller is still loaded by somebody.
fn dispensable(ring: &Explorer) -> Option<usize> {
    ring.world.alive().map(|(at, _)| at).find(|at| {
        let rest = || ring.world.alive().filter(|(other, _)| other != at);
        let loads = |lane| rest().any(|(_, node)| node.member.config().lanes.contains(lane));
        owned(&ring.world.nodes[*at]) > 0 && ring.world.setup.lanes.iter().all(loads)
    })
}

#[test]
fn a_crashed_hosts_slots_are_taken_over_within_the_published_bound() {
    for seed in 0..SEEDS {
        let mut ring = ring(seed);
        let Some(victim) = dispensable(&ring) else { continue };
        let slots = owned_by_the_living(&ring);
        ring.act(Action::Crash(victim)).unwrap();
        // The last sign of life was just before; then the silence, a rank or two, and a handover.
        let bound = ring.world.setup.slowest().fence_after + Duration::from_millis(1_500);
        let took = until_all_is_owned(&mut ring, slots, bound);
        assert!(took > secs(1), "seed {seed}: nobody may be fenced at once");
    }
}

#[test]
fn a_leavers_slots_are_taken_over_without_any_timer() {
    for seed in 0..SEEDS {
        let mut ring = ring(seed);
        let Some(leaver) = dispensable(&ring) else { continue };
        let slots = owned_by_the_living(&ring);
        ring.act(Action::Leave(leaver)).unwrap();
        until_all_is_owned(&mut ring, slots, secs(1));
        ring.run_for(secs(1)).unwrap();
        assert!(!ring.world.nodes[leaver].is_alive(), "seed {seed}: it has left");
    }
}

#[test]
fn after_a_minute_without_api_server_everybody_owns_what_it_owned() {
    for seed in 0..SEEDS {
        let mut ring = ring(seed);
        let states = |ring: &Explorer| -> BTreeMap<MemberId, Vec<SlotState>> {
            let states = |node: &Node| node.member.slots().map(|(_, _, state)| state).collect();
            ring.world.alive().map(|(_, node)| (node.member.id().clone(), states(node))).collect()
        };
        let (table, before) = (ring.world.api.table().cloned(), states(&ring));
        ring.act(Action::Outage).unwrap();
        ring.run_for(secs(20)).unwrap();
        for (_, node) in ring.world.alive() {
            let local = node.clock.at(ring.world.now);
            assert!(node.member.slots().all(|(lane, slot, _)| !node.member.may_act(lane, slot, local)));
        }
        ring.run_for(secs(40)).unwrap();
        ring.act(Action::Recovery).unwrap();
        ring.run_for(secs(60)).unwrap();
        settled::check(&ring.world).unwrap();
        assert_eq!(ring.world.api.table().cloned(), table, "seed {seed}: no move");
        assert_eq!(states(&ring), before, "seed {seed}");
    }
}

/// Replicas, one machine more, and a newcomer that is left alone for longer than a pod takes to become ready.
fn deployment(replicas: usize) -> Setup {
    let lane = Lane::from("website");
    let clock = Clock { origin: Duration::ZERO, permille: 1_000 };
    let host = Host { clock, lanes: [lane.clone()].into(), weight: 100, timing: [Timing::DEFAULT; 2] };
    Setup {
        hosts: vec![host; replicas + 1],
        slots: SlotCount::for_model(60),
        settle: secs(15),
        damping: (1_000, 1_000),
        placement: Placement::Sharded,
        rules: Rules::all(),
        lanes: vec![lane],
        in_order: true,
    }
}

fn owners(ring: &Explorer) -> Vec<MemberId> {
    let table = ring.world.api.table().unwrap();
    table.lanes.values().flat_map(|column| column.iter().map(|entry| entry.owner.clone())).collect()
}

/// As a Deployment does it: a new host becomes ready, then an old one is told to leave.
#[test]
fn a_rolling_update_moves_each_slot_once() {
    for seed in 0..SEEDS {
        let replicas = 2 + usize::try_from(seed % 4).unwrap();
        let mut ring = Explorer::empty(seed, deployment(replicas));
        for host in 0..replicas {
            ring.act(Action::Start(host)).unwrap();
        }
        ring.run_for(secs(60)).unwrap();
        let (mut before, mut moves) = (owners(&ring), 0);
        let mut run_for = |ring: &mut Explorer, seconds: u64| {
            for _ in 0..seconds * 10 {
                ring.run_for(Duration::from_millis(100)).unwrap();
                let now = owners(ring);
                moves += before.iter().zip(&now).filter(|(before, now)| before != now).count();
                before = now;
            }
        };
        let mut spare = replicas;
        for old in 0..replicas {
            ring.act(Action::Start(spare)).unwrap();
            run_for(&mut ring, 8);
            let leaver = ring.world.process_of(old).unwrap();
            ring.act(Action::Leave(leaver)).unwrap();
            run_for(&mut ring, 5);
            assert!(!ring.world.nodes[leaver].is_alive());
            spare = old;
        }
        run_for(&mut ring, 60);
        settled::check(&ring.world).unwrap();
        assert_eq!(moves, before.len(), "seed {seed}: {replicas} replicas");
    }
}

//! How long things take when only one thing goes wrong, on worlds whose network is quick.

use std::collections::BTreeMap;
use std::time::Duration;

use polyreme_ownership::{MemberId, SlotState};

use crate::world::explore::Explorer;
use crate::world::node::Node;
use crate::world::{Action, settled};

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
        let bound = ring.world.setup.timing.fence_after + Duration::from_millis(1_500);
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

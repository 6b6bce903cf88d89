//! Every order of events for two hosts, within bounds: stateright walks the world's states breadth first.
//!
//! Time passes in steps of 1.3 s, with durations scaled down (holdFor 4 s, fenceAfter 6 s, renewEvery
//! 1.3 s); one host's clock runs 1.49 times as fast as the other's. Any request and any event may stay on
//! its way, and any process may do nothing, for as long as the horizon lasts, so delays, pauses and
//! partitions need no actions of their own. What is bounded: how much time passes, how many processes
//! start, crash and leave, how many answers are given up, how many writes guests begin.
//!
//! To keep the states few, events of a Lease that is seen late are seen as one, as after a relist; a list
//! arrives as it was read; and a cache catches up at once, which is the dangerous case: a successor that
//! waits longer harms nobody.

use std::time::Duration;

use polyreme_ownership::plan::Placement;
use polyreme_ownership::{Rule, Rules, SlotCount, SlotState, Timing};
use stateright::{Checker as _, HasDiscoveries, Model, Property};

use crate::world::clock::Clock;
use crate::world::node::Node;
use crate::world::{Action, Host, Setup, Violation, World};

const SAFE: &str = "nothing that must never happen does";
const BOTH_OWN: &str = "both own a slot";
const LAID_DOWN: &str = "what was laid down is another one's";
const FENCED: &str = "somebody is fenced";

/// How time passes, and how often members renew. After three steps a member is still valid, and a fence
/// that came too early would come then; after four a member may be fenced.
const STEP: Duration = Duration::from_millis(1_300);

/// How much may still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Bounds {
    /// Steps of time.
    steps: u32,
    /// Requests and answers that stay on their way, apart from writes of guests.
    late: u32,
    /// Steps of time times hosts in which something of a host waits: its tick, a request, an answer or an event.
    delays: u32,
    starts: u32,
    crashes: u32,
    leaves: u32,
    loads: u32,
    give_ups: u32,
    writes: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    world: World,
    left: Bounds,
    broken: Option<String>,
}

/// Two hosts, and so many slots of one controller.
struct Ring {
    slots: u16,
    /// Both hosts have joined and share the slots; otherwise nobody has started.
    is_warm: bool,
    bounds: Bounds,
    rules: Rules,
}

/// A step of the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Move {
    /// An action, and at once whatever it asks of the API server, with the answers.
    Prompt(Action),
    /// An action; what it asks for stays on its way.
    Late(Action),
}

impl Move {
    /// Late for nothing: it left nothing on its way.
    fn is_in_vain(&self, before: usize, after: usize) -> bool {
        match self {
            Self::Prompt(_) => false,
            Self::Late(Action::Carry(_)) => after < before,
            Self::Late(_) => after <= before,
        }
    }
}

/// Does everything at once for some time.
fn warm_up(world: &mut World) {
    for _ in 0..8 {
        while let Some(action) = world.possible().into_iter().find(is_ordinary) {
            act(world, &Move::Prompt(action)).expect("nothing breaks while nothing goes wrong");
        }
        world.now += STEP;
    }
}

/// Whether an action happens when nothing goes wrong.
fn is_ordinary(action: &Action) -> bool {
    !matches!(
        action,
        Action::Crash(_) | Action::Leave(_) | Action::Load(..) | Action::GiveUp(_) | Action::Write(..)
    )
}

/// Carries out a step; whether it was possible.
fn act(world: &mut World, step: &Move) -> Result<bool, Violation> {
    let (Move::Prompt(action) | Move::Late(action)) = step;
    let is_possible = world.apply(action)?;
    loop {
        let fresh = std::mem::take(&mut world.journal.fresh);
        let at_once = |next: &&Action| match next {
            Action::Carry(_) | Action::Answer(_) => matches!(step, Move::Prompt(_)),
            Action::Listed(_) | Action::Barrier(_) => true,
            Action::Watch(at, name) => world.nodes[*at].is_own_renewal(name),
            _ => false,
        };
        let next: Vec<Action> = fresh.iter().filter(at_once).cloned().collect();
        if next.is_empty() {
            break;
        }
        for action in next {
            world.apply(&action)?;
        }
    }
    world.forget_journal();
    world.coalesce_watches();
    Ok(is_possible)
}

impl Ring {
    fn setup(&self) -> Setup {
        let seconds = Duration::from_secs;
        let host = |permille| Host {
            clock: Clock { origin: seconds(10), permille },
            lanes: ["website".into()].into(),
            weight: 100,
            timing: [Timing { hold_for: seconds(4), fence_after: seconds(6), renew_every: STEP }; 2],
        };
        Setup {
            hosts: vec![host(1_000), host(1_490)],
            lanes: vec!["website".into()],
            slots: SlotCount::for_model(self.slots),
            settle: Duration::ZERO,
            damping: (1_000, 1_000),
            placement: Placement::Sharded,
            rules: self.rules,
            in_order: false,
        }
    }
}

impl Model for Ring {
    type State = State;
    type Action = Move;

    fn init_states(&self) -> Vec<State> {
        let mut world = World::new(self.setup());
        if self.is_warm {
            warm_up(&mut world);
        }
        vec![State { world, left: self.bounds, broken: None }]
    }

    fn actions(&self, state: &State, moves: &mut Vec<Move>) {
        if state.broken.is_some() {
            return;
        }
        let possible = state.world.possible().into_iter().chain([Action::Advance(STEP)]);
        let both = |action: Action| [Move::Prompt(action.clone()), Move::Late(action)];
        moves.extend(possible.flat_map(both).filter(|step| state.afford(step).is_some()));
    }

    fn next_state(&self, last: &State, step: Move) -> Option<State> {
        let mut next = State { left: last.afford(&step)?, ..last.clone() };
        let waiting = next.world.requests_waiting();
        match act(&mut next.world, &step) {
            Ok(true) if step.is_in_vain(waiting, next.world.requests_waiting()) => None,
            Ok(true) => Some(next),
            Ok(false) => None,
            Err(violation) => {
                next.broken = Some(violation.to_string());
                Some(next)
            }
        }
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn owned(state: &State, host: usize) -> usize {
            let of_host = state.world.nodes.iter().filter(|node| node.host == host);
            let slots = of_host.flat_map(|node| node.member.slots());
            slots.filter(|(_, _, state)| matches!(state, SlotState::Owned { .. })).count()
        }
        fn laid_down(state: &State) -> bool {
            let table = state.world.api.table();
            let idle = |node: &Node| {
                let config = node.member.config();
                let lane = "website".into();
                config.lanes.is_empty()
                    && table.is_some_and(|table| table.owned(&lane, &config.id).is_empty())
            };
            state.world.alive().any(|(_, node)| idle(node))
        }
        vec![
            Property::always(SAFE, |_, state: &State| state.broken.is_none()),
            Property::sometimes(BOTH_OWN, |_, state: &State| owned(state, 0) > 0 && owned(state, 1) > 0),
            Property::sometimes(LAID_DOWN, |_, state: &State| laid_down(state)),
            Property::sometimes(FENCED, |_, state: &State| state.world.api.has_fenced()),
        ]
    }
}

impl State {
    /// What is left when a step was paid for; nothing if it cannot be.
    fn afford(&self, step: &Move) -> Option<Bounds> {
        let mut left = self.left;
        let (Move::Prompt(action) | Move::Late(action)) = step;
        if matches!(step, Move::Late(late) if !matches!(late, Action::Write(..))) {
            left.late = left.late.checked_sub(1)?;
        }
        let (price, purse) = match action {
            Action::Advance(_) => {
                left.steps = left.steps.checked_sub(1)?;
                (self.late_hosts(), &mut left.delays)
            }
            Action::Start(_) => (1, &mut left.starts),
            Action::Crash(_) => (1, &mut left.crashes),
            Action::Leave(_) => (1, &mut left.leaves),
            Action::Load(..) => (1, &mut left.loads),
            Action::GiveUp(_) => (1, &mut left.give_ups),
            Action::Write(..) => (1, &mut left.writes),
            _ => return Some(left),
        };
        *purse = purse.checked_sub(price)?;
        Some(left)
    }

    /// Hosts of which something waits.
    fn late_hosts(&self) -> u32 {
        let mut late = [0, 0];
        for action in self.world.possible().iter().filter(|action| is_ordinary(action)) {
            if let Some(host) = action.process().and_then(|at| self.world.nodes.get(at)).map(|node| node.host)
            {
                late[host] = 1;
            }
        }
        late.iter().sum()
    }
}

/// Walks all states and prints how many there are.
fn check(name: &str, slots: u16, is_warm: bool, bounds: Bounds, reached: &[&'static str]) {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let ring = Ring { slots, is_warm, bounds, rules: Rules::all() };
    let checker = ring.checker().threads(threads).spawn_bfs().join();
    println!(
        "{name}: {} unique states, {} transitions, depth {}",
        checker.unique_state_count(),
        checker.state_count(),
        checker.max_depth()
    );
    if let Some(path) = checker.discovery(SAFE) {
        let last = path.last_state().broken.clone().unwrap_or_default();
        let actions: Vec<Move> = path.into_actions();
        panic!("{name}: {last}\n{actions:#?}");
    }
    for name in reached {
        assert!(checker.discovery(name).is_some(), "{name}: never, so the bounds show nothing");
    }
}

/// Nothing may happen but time.
const STILL: Bounds = Bounds {
    steps: 0,
    late: 0,
    delays: 0,
    starts: 0,
    crashes: 0,
    leaves: 0,
    loads: 0,
    give_ups: 0,
    writes: 0,
};

/// Longer than any of these walks takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The walk sees what a rule is for: without it, it finds a violation within the same bounds.
fn misses(rule: Rule, slots: u16, bounds: Bounds) {
    let ring = Ring { slots, is_warm: true, bounds, rules: Rules::without(rule) };
    let found =
        ring.checker().finish_when(HasDiscoveries::AnyOf([SAFE].into())).timeout(PATIENCE).spawn_bfs().join();
    let path = found.discovery(SAFE).unwrap_or_else(|| panic!("without {rule:?} nothing happens"));
    let violation = path.last_state().broken.clone().unwrap_or_default();
    println!("without {rule:?}: {} states, {violation}", found.unique_state_count());
}

const PAUSES: Bounds = Bounds { steps: 5, delays: 4, ..STILL };
const HELD_WRITES: Bounds = Bounds { steps: 5, delays: 4, writes: 2, ..STILL };

#[test]
fn without_a_rule_the_same_walk_finds_what_it_is_for() {
    misses(Rule::DriftRatio, 2, PAUSES);
    misses(Rule::FenceSwap, 2, PAUSES);
    misses(Rule::Preds, 2, Bounds { leaves: 1, ..PAUSES });
    misses(Rule::ResourceVersion, 1, HELD_WRITES);
}

#[test]
fn two_hosts_that_are_stopped_or_cut_off_for_any_time_never_own_a_slot_together() {
    check("pauses and partitions", 2, true, PAUSES, &[FENCED]);
}

#[test]
fn requests_and_answers_that_are_late_make_no_two_owners() {
    let bounds = Bounds { steps: 4, late: 1, delays: 3, give_ups: 1, ..STILL };
    check("late requests", 1, true, bounds, &[FENCED]);
}

#[test]
fn two_hosts_that_start_in_any_order_make_one_ring() {
    let bounds = Bounds { steps: 3, late: 1, delays: 1, starts: 2, ..STILL };
    check("starts", 2, false, bounds, &[BOTH_OWN]);
}

#[test]
fn a_host_that_crashes_and_starts_again_never_meets_its_own_past() {
    let bounds = Bounds { steps: 4, delays: 1, starts: 1, crashes: 1, ..STILL };
    check("crashes", 1, true, bounds, &[FENCED]);
}

#[test]
fn a_host_that_leaves_hands_over_whatever_comes_late() {
    let bounds = Bounds { steps: 2, late: 1, delays: 2, leaves: 1, ..STILL };
    check("leaves", 2, true, bounds, &[]);
}

#[test]
fn a_controller_that_is_laid_down_and_taken_up_again_never_has_two_owners() {
    let bounds = Bounds { steps: 1, late: 1, delays: 1, loads: 2, ..STILL };
    check("loads", 2, true, bounds, &[LAID_DOWN]);
}

#[test]
fn a_write_that_is_held_in_the_network_never_lands_on_a_successors() {
    check("held writes", 1, true, HELD_WRITES, &[FENCED]);
}

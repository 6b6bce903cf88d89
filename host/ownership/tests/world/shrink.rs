//! Traces made short: what can be left out without losing the violation is left out.

use std::collections::BTreeSet;

use super::explore::Failure;
use super::{Action, Host, Setup, Violation, World};

/// Carries out a trace; the violation it ends in.
pub(crate) fn replay(setup: &Setup, trace: &[Action]) -> Option<(usize, Violation)> {
    let mut world = World::new(setup.clone());
    let broken = |(at, action)| match world.apply(action) {
        Ok(_) => {
            world.forget_journal();
            None
        }
        Err(violation) => Some((at + 1, violation)),
    };
    trace.iter().enumerate().find_map(broken)
}

/// Actions that may be carried out while a trace is made short.
const BUDGET: usize = 1_500_000;

/// Leaves out whatever can be, as long as a violation of the same kind remains: first everything of one
/// process or of one kind, then ever smaller parts (ddmin, Zeller 1999).
pub(crate) fn shrink(failure: &Failure) -> Failure {
    let Failure { violation, setup, trace } = failure;
    let best = Failure { violation: violation.clone(), setup: setup.clone(), trace: trace.clone() };
    let mut shrinker = Shrinker { best, budget: BUDGET };
    let kinds: BTreeSet<String> = trace.iter().flat_map(|action| [kind(action), process(action)]).collect();
    for unwanted in &kinds {
        let wanted = |action: &&Action| kind(action) != *unwanted && process(action) != *unwanted;
        let shorter = shrinker.best.trace.iter().filter(wanted).cloned().collect();
        shrinker.accept(shorter);
    }
    let mut part = shrinker.best.trace.len().div_ceil(2);
    while part > 0 && shrinker.budget > 0 {
        if !shrinker.without_parts(part) || part > 1 {
            part /= 2;
        }
    }
    shrinker.best
}

struct Shrinker {
    best: Failure,
    budget: usize,
}

impl Shrinker {
    /// Takes a shorter trace if it ends as the longer one did.
    fn accept(&mut self, mut shorter: Vec<Action>) -> bool {
        self.budget = self.budget.saturating_sub(shorter.len());
        let Some((end, violation)) = replay(&self.best.setup, &shorter) else { return false };
        let is_same = std::mem::discriminant(&violation) == std::mem::discriminant(&self.best.violation);
        if is_same {
            shorter.truncate(end);
            (self.best.trace, self.best.violation) = (shorter, violation);
        }
        is_same
    }

    /// Tries to do without each part of a length; whether that helped.
    fn without_parts(&mut self, part: usize) -> bool {
        let (mut from, mut is_shorter) = (0, false);
        while from < self.best.trace.len() && self.budget > 0 {
            let mut shorter = self.best.trace.clone();
            shorter.drain(from..(from + part).min(shorter.len()));
            if self.accept(shorter) {
                is_shorter = true;
            } else {
                from += part;
            }
        }
        is_shorter
    }
}

/// The kind of an action; time is needed always.
fn kind(action: &Action) -> String {
    let text = format!("{action:?}");
    text.split('(').next().unwrap_or_default().to_owned()
}

fn process(action: &Action) -> String {
    action.process().map_or_else(String::new, |at| format!("process {at}"))
}

/// A trace as text, a line for each action, with the time at which it happens.
pub(crate) fn describe(failure: &Failure) -> String {
    let mut world = World::new(failure.setup.clone());
    let mut lines = Vec::new();
    for (host, Host { timing, .. }) in failure.setup.hosts.iter().enumerate() {
        lines.push(format!("host {host}: {timing:?}"));
    }
    for action in &failure.trace {
        let (at, told) = (world.now.as_secs_f64(), world.tell(action));
        let possible = world.apply(action);
        world.forget_journal();
        if !matches!(action, Action::Advance(_)) && !matches!(possible, Ok(false)) {
            lines.push(format!("{at:>9.3}s  {told}"));
        }
    }
    lines.push(format!("           => {}", failure.violation));
    lines.join("\n")
}

//! Traces made short: what can be left out without losing the violation is left out.

use super::explore::Failure;
use super::{Action, Setup, Violation, World};

/// Carries out a trace; the violation it ends in.
pub(crate) fn replay(setup: &Setup, trace: &[Action]) -> Option<(usize, Violation)> {
    let mut world = World::new(setup.clone());
    let broken = |(at, action)| match world.apply(action) {
        Ok(_) => {
            world.journal.fresh.clear();
            world.journal.stepped.clear();
            None
        }
        Err(violation) => Some((at + 1, violation)),
    };
    trace.iter().enumerate().find_map(broken)
}

/// Leaves out ever smaller parts (ddmin, Zeller 1999) as long as a violation of the same kind remains.
pub(crate) fn shrink(failure: &Failure) -> Failure {
    let kind = std::mem::discriminant(&failure.violation);
    let mut best = Failure {
        violation: failure.violation.clone(),
        setup: failure.setup.clone(),
        trace: failure.trace.clone(),
    };
    let mut part = best.trace.len().div_ceil(2);
    while part > 0 {
        let mut from = 0;
        let mut is_shorter = false;
        while from < best.trace.len() {
            let mut shorter = best.trace.clone();
            shorter.drain(from..(from + part).min(best.trace.len()));
            match replay(&best.setup, &shorter) {
                Some((end, violation)) if std::mem::discriminant(&violation) == kind => {
                    shorter.truncate(end);
                    (best.trace, best.violation, is_shorter) = (shorter, violation, true);
                }
                _ => from += part,
            }
        }
        if !is_shorter || part > 1 {
            part /= 2;
        }
    }
    best
}

/// A trace as text, a line for each action, with the time at which it happens.
pub(crate) fn describe(failure: &Failure) -> String {
    let mut world = World::new(failure.setup.clone());
    let mut lines = vec![format!("{:#?}", failure.setup.timing)];
    for action in &failure.trace {
        let possible = world.apply(action);
        world.journal.fresh.clear();
        if !matches!(action, Action::Advance(_)) && !matches!(possible, Ok(false)) {
            lines.push(format!("{:>9.3}s  {}", world.now.as_secs_f64(), world.tell(action)));
        }
    }
    lines.push(format!("           => {}", failure.violation));
    lines.join("\n")
}

//! What must never be in a history, each rule a function that returns what breaks it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use anyhow::{Result, ensure};
use k8s_openapi::jiff::Timestamp;

use super::{Deed, History, ObjectName, Phase, Reconcile, TraceKind, Write};

/// Faults of one rule that an error shows.
const SHOWN: usize = 8;

/// Two reconciles of one object at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    /// The one that began first.
    pub first: Reconcile,
    /// The one that began before the first was over.
    pub second: Reconcile,
    /// What the first did after the second had begun.
    pub proof: Proof,
}

/// What shows that a reconcile went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A write that the server accepted.
    Write,
    /// A request without effect.
    Trace(TraceKind),
}

/// What a history has of everything that is forbidden.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Two reconciles of one object at once.
    pub overlaps: Vec<Overlap>,
    /// Accepted writes of a host after another had begun the object.
    pub overwrites: Vec<Write>,
    /// Objects whose last change was not reconciled.
    pub lost: Vec<LostChange>,
    /// Writes that no change explains.
    pub needless: Vec<Write>,
    /// Reconciles with an epoch that is not newer than the one of the host before.
    pub stale_epochs: Vec<Reconcile>,
    /// Marks that another user wrote than the host they name.
    pub impostors: Vec<Write>,
}

/// An object that nobody brought up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostChange {
    /// Which.
    pub object: ObjectName,
    /// Its last `spec.seq`.
    pub wanted: i64,
    /// The last one that a reconcile came to the end of.
    pub done: Option<i64>,
}

impl Faults {
    /// Applies every rule.
    #[must_use]
    pub fn of(history: &History) -> Self {
        Self {
            overlaps: overlaps(history),
            overwrites: overwrites(history),
            lost: lost_changes(history),
            needless: needless_writes(history),
            stale_epochs: stale_epochs(history),
            impostors: impostors(history),
        }
    }

    /// Passes over requests without effect: a host that was stopped and goes on may send some
    /// before it looks at its clock; what counts is that none is accepted.
    #[must_use]
    pub fn with_effect(mut self) -> Self {
        self.overlaps.retain(|overlap| overlap.proof == Proof::Write);
        self
    }

    /// An error that shows some of each kind, if there are any.
    ///
    /// # Errors
    /// As said.
    pub fn ensure_none(&self) -> Result<()> {
        let text = self.to_string();
        ensure!(text.is_empty(), "{text}");
        Ok(())
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, "two reconciles of one object at once", &self.overlaps)?;
        show(f, "a write over the successor's", &self.overwrites)?;
        show(f, "a change was lost", &self.lost)?;
        show(f, "a write that no change explains", &self.needless)?;
        show(f, "an epoch that is not newer than the last owner's", &self.stale_epochs)?;
        show(f, "a mark by another user than its host", &self.impostors)
    }
}

fn show(f: &mut fmt::Formatter<'_>, what: &str, faults: &[impl fmt::Debug]) -> fmt::Result {
    if !faults.is_empty() {
        writeln!(f, "{what}, {} times:", faults.len())?;
    }
    faults.iter().take(SHOWN).try_for_each(|fault| writeln!(f, "  {fault:?}"))
}

/// Reconciles of one object of which the first was not over when the second began: it still
/// wrote, or (where the history has traces) still asked for something. One that never ended is
/// over with the last that is known of it; its host may have died.
#[must_use]
pub fn overlaps(history: &History) -> Vec<Overlap> {
    let traces = last_traces(history);
    let mut found = Vec::new();
    for reconciles in history.reconciles().into_values() {
        for (place, first) in reconciles.iter().enumerate() {
            let later = reconciles.iter().skip(place + 1);
            found.extend(later.filter_map(|second| overlap(first, second, &traces)));
        }
    }
    found
}

/// When each reconcile was last heard of.
type LastTraces<'a> = HashMap<&'a str, (Timestamp, TraceKind)>;

fn last_traces(history: &History) -> LastTraces<'_> {
    let mut last = LastTraces::new();
    for trace in &history.traces {
        let known = last.entry(&trace.token).or_insert((trace.at, trace.kind));
        *known = (*known).max((trace.at, trace.kind));
    }
    last
}

fn overlap(first: &Reconcile, second: &Reconcile, traces: &LastTraces<'_>) -> Option<Overlap> {
    let trace = traces.get(first.token.as_str()).filter(|(at, _)| *at > second.begin.at);
    let proof = match trace {
        _ if first.last.order > second.begin.order => Proof::Write,
        Some((_, kind)) => Proof::Trace(*kind),
        None => return None,
    };
    Some(Overlap { first: first.clone(), second: second.clone(), proof })
}

/// Accepted writes of a reconcile after another host had begun the object: the writer had lost
/// it, and was let through.
#[must_use]
pub fn overwrites(history: &History) -> Vec<Write> {
    let reconciles = history.reconciles();
    let lost_at_the_time = |write: &&Write| {
        let Deed::Marked(mark) = &write.deed else { return false };
        let of_object = reconciles.get(&write.object).map(Vec::as_slice).unwrap_or_default();
        let Some(own) = of_object.iter().position(|one| one.token == mark.token) else { return false };
        let mut since = of_object.iter().skip(own + 1);
        since.any(|other| other.by != write.by && other.begin.order < write.order)
    };
    history.writes.iter().filter(lost_at_the_time).cloned().collect()
}

/// Objects whose last `spec.seq` no reconcile came to the end of. Ask when all is quiet.
#[must_use]
pub fn lost_changes(history: &History) -> Vec<LostChange> {
    let mut states: BTreeMap<&ObjectName, (Option<i64>, Option<i64>)> = BTreeMap::new();
    for write in &history.writes {
        let (wanted, done) = states.entry(&write.object).or_default();
        match &write.deed {
            Deed::Changed(seq) => *wanted = Some(*seq),
            Deed::Marked(mark) if mark.phase == Phase::End => *done = Some(mark.seq),
            Deed::Marked(_) | Deed::Other => (),
        }
    }
    let lost = |(object, (wanted, done)): (&ObjectName, (Option<i64>, Option<i64>))| {
        let wanted = wanted.filter(|_| wanted != done)?;
        Some(LostChange { object: object.clone(), wanted, done })
    };
    states.into_iter().filter_map(lost).collect()
}

/// Writes of hosts that no change explains: another reconcile of what was done already, and
/// whatever is no mark. This is what a rebalance must not cost.
#[must_use]
pub fn needless_writes(history: &History) -> Vec<Write> {
    let mut done: HashMap<&ObjectName, i64> = HashMap::new();
    let mut found = Vec::new();
    for write in &history.writes {
        let finished = done.get(&write.object).copied();
        match &write.deed {
            Deed::Changed(_) => (),
            Deed::Other => found.push(write.clone()),
            Deed::Marked(mark) if mark.phase == Phase::Begin => {
                found.extend((Some(mark.seq) <= finished).then(|| write.clone()));
            }
            Deed::Marked(mark) => {
                let finished = done.entry(&write.object).or_insert(mark.seq);
                *finished = mark.seq.max(*finished);
            }
        }
    }
    found
}

/// Reconciles of the same change as an earlier one that did not come to its end. No fault where
/// a host died or was interrupted; a planned handover should need few.
#[must_use]
pub fn repeats(history: &History) -> Vec<Reconcile> {
    let mut found = Vec::new();
    for reconciles in history.reconciles().into_values() {
        let pairs = reconciles.iter().zip(reconciles.iter().skip(1));
        found.extend(
            pairs.filter(|(one, next)| one.seq == next.seq && !one.ended).map(|(_, next)| next.clone()),
        );
    }
    found
}

/// Reconciles whose epoch does not tell them from what was before: it must grow with each change
/// of hands and never fall, or an outside system could not refuse a late request.
#[must_use]
pub fn stale_epochs(history: &History) -> Vec<Reconcile> {
    let mut found = Vec::new();
    for reconciles in history.reconciles().into_values() {
        let pairs = reconciles.iter().zip(reconciles.iter().skip(1));
        let stale = |(one, next): &(&Reconcile, &Reconcile)| {
            if one.by == next.by { next.epoch < one.epoch } else { next.epoch <= one.epoch }
        };
        found.extend(pairs.filter(stale).map(|(_, next)| next.clone()));
    }
    found
}

/// Marks that another user wrote than the host they name.
#[must_use]
pub fn impostors(history: &History) -> Vec<Write> {
    let forged = |write: &&Write| matches!(&write.deed, Deed::Marked(mark) if mark.host != write.by);
    history.writes.iter().filter(forged).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::tests::Story;

    /// Two hosts, one after the other, each with its own change.
    fn in_turn() -> Story {
        let first = Story::new().change(1).begin("host-0", "x", 1).end("host-0", "x", 1);
        first.change(2).epoch(2).begin("host-1", "y", 2).end("host-1", "y", 2)
    }

    #[test]
    fn reconciles_in_turn_break_no_rule() {
        let faults = Faults::of(&in_turn().told());
        assert_eq!(faults.to_string(), "");
        faults.ensure_none().unwrap();
    }

    #[test]
    fn an_end_after_the_successors_begin_is_an_overlap_and_an_overwrite() {
        let history = Story::new().change(1).begin("host-0", "x", 1).epoch(2).begin("host-1", "y", 1);
        let history = history.end("host-0", "x", 1).end("host-1", "y", 1).told();
        let found = overlaps(&history);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].first.by.as_str(), found[0].proof), ("host-0", Proof::Write));
        assert_eq!(overwrites(&history).len(), 1);
        assert!(Faults::of(&history).with_effect().ensure_none().is_err());
    }

    #[test]
    fn two_reconciles_at_once_on_one_host_overlap_too() {
        let history = Story::new().change(1).begin("host-0", "x", 1).begin("host-0", "y", 1);
        let history = history.end("host-0", "x", 1).told();
        assert_eq!(overlaps(&history).len(), 1);
        assert!(overwrites(&history).is_empty());
    }

    #[test]
    fn a_refused_write_or_a_read_after_the_successors_begin_is_an_overlap_without_effect() {
        for kind in [TraceKind::Read, TraceKind::Refused] {
            let history = Story::new().change(1).begin("host-0", "x", 1).epoch(2).begin("host-1", "y", 1);
            let history = history.trace("x", kind).end("host-1", "y", 1).told();
            assert_eq!(overlaps(&history)[0].proof, Proof::Trace(kind));
            Faults::of(&history).with_effect().ensure_none().unwrap();
        }
    }

    #[test]
    fn what_a_reconcile_did_before_its_successor_began_is_no_overlap() {
        let history = Story::new().change(1).begin("host-0", "x", 1).trace("x", TraceKind::Read).epoch(2);
        let history = history.begin("host-1", "y", 1).end("host-1", "y", 1).told();
        Faults::of(&history).ensure_none().unwrap();
    }

    #[test]
    fn reconciles_of_two_objects_never_overlap() {
        let history = Story::new().change(1).begin("host-0", "x", 1);
        let history = history.of("lab/b").change(1).begin("host-1", "y", 1).end("host-1", "y", 1);
        let history = history.of("lab/a").end("host-0", "x", 1).told();
        Faults::of(&history).ensure_none().unwrap();
    }

    #[test]
    fn a_change_that_nobody_brought_to_an_end_is_lost() {
        let object = ObjectName("lab/a".into());
        let never = in_turn().change(3).told();
        assert_eq!(lost_changes(&never), [LostChange { object: object.clone(), wanted: 3, done: Some(2) }]);
        let only_begun = in_turn().change(3).begin("host-1", "z", 3).told();
        assert_eq!(lost_changes(&only_begun).len(), 1);
        let put_back = in_turn().end("host-0", "x", 1).told();
        assert_eq!(lost_changes(&put_back), [LostChange { object, wanted: 2, done: Some(1) }]);
    }

    #[test]
    fn another_reconcile_of_what_was_done_is_needless() {
        let history = in_turn().begin("host-2", "z", 2).told();
        assert_eq!(needless_writes(&history).len(), 1);
        assert_eq!(needless_writes(&in_turn().other("host-2").told()).len(), 1);
        assert!(needless_writes(&in_turn().change(3).begin("host-2", "z", 3).told()).is_empty());
    }

    #[test]
    fn what_a_dead_host_began_may_be_repeated() {
        let history = Story::new().change(1).begin("host-0", "x", 1).epoch(2).begin("host-1", "y", 1);
        let history = history.end("host-1", "y", 1).told();
        Faults::of(&history).ensure_none().unwrap();
        assert_eq!(repeats(&history)[0].by, "host-1");
        assert!(repeats(&in_turn().told()).is_empty());
    }

    #[test]
    fn an_epoch_must_grow_when_the_object_changes_hands() {
        let same = Story::new().change(1).begin("host-0", "x", 1).end("host-0", "x", 1);
        let same = same.change(2).begin("host-1", "y", 2).told();
        assert_eq!(stale_epochs(&same)[0].by, "host-1");
        let fallen = in_turn().epoch(1).change(3).begin("host-1", "z", 3).told();
        assert_eq!(stale_epochs(&fallen).len(), 1);
        assert!(stale_epochs(&in_turn().told()).is_empty());
    }

    #[test]
    fn a_mark_in_anothers_name_is_found() {
        let history = in_turn().change(3).forge("host-0", "host-1", "z", 3).told();
        assert_eq!(impostors(&history).len(), 1);
    }

    #[test]
    fn an_error_names_every_kind_of_fault() {
        let history = Story::new().change(1).begin("host-0", "x", 1).begin("host-1", "y", 1);
        let error = Faults::of(&history.end("host-0", "x", 1).change(2).told()).ensure_none().unwrap_err();
        for word in ["at once", "over the successor's", "lost", "epoch"] {
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}

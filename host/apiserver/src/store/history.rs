//! The last changes of one kind, so that a watch can resume and a list can be continued.
//!
//! Bounded by count: an event holds its object alive, and 10,000 events of 4 KiB objects are
//! 40 MB of JSON. A watcher that falls further behind is told 410 and lists again, as etcd
//! compaction would have it do.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::object::Object;

/// How many changes of one kind are remembered.
pub(crate) const HISTORY_EVENTS: usize = 10_000;

/// One committed change.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) revision: u64,
    /// The key path within the kind.
    pub(crate) path: String,
    /// The object afterwards; for a deletion its last state at the deletion's revision.
    pub(crate) object: Arc<Object>,
    /// The object before, absent for a creation.
    pub(crate) previous: Option<Arc<Object>>,
    pub(crate) deleted: bool,
}

/// The revision asked for is no longer remembered; `oldest` is the first that is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooOld {
    pub(crate) oldest: u64,
}

#[derive(Debug)]
pub(crate) struct History {
    events: VecDeque<Arc<Event>>,
    /// Every change after this revision is in `events`.
    complete_after: u64,
    capacity: usize,
}

impl History {
    /// A history that knows nothing of what happened up to `revision`.
    pub(crate) fn starting_at(revision: u64, capacity: usize) -> Self {
        History { events: VecDeque::new(), complete_after: revision, capacity }
    }

    pub(crate) fn push(&mut self, event: Arc<Event>) {
        if self.events.len() >= self.capacity
            && let Some(dropped) = self.events.pop_front()
        {
            self.complete_after = dropped.revision;
        }
        self.events.push_back(event);
    }

    fn check(&self, revision: u64) -> Result<(), TooOld> {
        if revision < self.complete_after {
            return Err(TooOld { oldest: self.complete_after });
        }
        Ok(())
    }

    /// At most `max` changes after `revision`, oldest first.
    pub(crate) fn after(&self, revision: u64, max: usize) -> Result<Vec<Arc<Event>>, TooOld> {
        self.check(revision)?;
        let from = self.events.partition_point(|e| e.revision <= revision);
        Ok(self.events.iter().skip(from).take(max).cloned().collect())
    }

    /// Turns `objects` (the present) back into what they were at `revision`.
    pub(crate) fn rewind(
        &self,
        objects: &mut BTreeMap<String, Arc<Object>>,
        revision: u64,
    ) -> Result<(), TooOld> {
        self.check(revision)?;
        for event in self.events.iter().rev().take_while(|e| e.revision > revision) {
            match &event.previous {
                Some(previous) => objects.insert(event.path.clone(), previous.clone()),
                None => objects.remove(&event.path),
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(revision: u64) -> Arc<Object> {
        Arc::new(Object::new(json!({"at": revision}), revision))
    }

    fn event(revision: u64, path: &str, previous: Option<u64>, deleted: bool) -> Arc<Event> {
        let previous = previous.map(object);
        let object = object(revision);
        Arc::new(Event { revision, path: path.to_owned(), object, previous, deleted })
    }

    #[test]
    fn a_reader_gets_what_came_after_its_revision() {
        let mut history = History::starting_at(0, 10);
        history.push(event(3, "a", None, false));
        history.push(event(7, "a", Some(3), false));
        let revisions =
            |after| -> Vec<u64> { history.after(after, 9).unwrap().iter().map(|e| e.revision).collect() };
        assert_eq!(revisions(0), [3, 7]);
        assert_eq!(revisions(3), [7]);
        assert_eq!(revisions(5), [7]);
        assert!(revisions(7).is_empty());
    }

    #[test]
    fn a_full_history_forgets_the_oldest_and_says_so() {
        let mut history = History::starting_at(0, 2);
        for revision in [3, 7, 9] {
            history.push(event(revision, "a", None, false));
        }
        assert_eq!(history.after(2, 9).unwrap_err(), TooOld { oldest: 3 });
        assert_eq!(history.after(3, 9).unwrap().len(), 2);
    }

    #[test]
    fn the_past_is_rebuilt_by_undoing() {
        let mut history = History::starting_at(0, 10);
        history.push(event(1, "a", None, false));
        history.push(event(2, "b", None, false));
        history.push(event(3, "a", Some(1), false));
        history.push(event(4, "b", Some(2), true));
        let mut objects = BTreeMap::from([("a".to_owned(), object(3))]);
        history.rewind(&mut objects, 2).unwrap();
        let seen: Vec<_> = objects.iter().map(|(k, o)| (k.as_str(), o.revision)).collect();
        assert_eq!(seen, [("a", 1), ("b", 2)]);
    }
}

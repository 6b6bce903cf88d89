//! What is to be reconciled next: a pure value, with `now` as a parameter.
//!
//! The rules are those users of controller-runtime know. A key is queued once however often it is
//! added, is never handed out while a worker holds it, and what arrives meanwhile makes it run once
//! more afterwards. Within a priority the order is first in, first out; fresh changes overtake the
//! start-up backlog and resyncs ([`Priority::LOW`]). A failed key waits ([`Backoff`]); an event for it ends
//! the wait.
//!
//! Bounded by the number of objects: a key takes one entry, whatever happens to it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// How long a key waits after failures in a row: twice as long each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait.
    pub base: Duration,
    /// The longest.
    pub max: Duration,
}

/// Higher is served first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Priority(pub i32);

impl Priority {
    /// A change that somebody made.
    pub const NORMAL: Self = Self(0);
    /// The initial list and unchanged resyncs.
    pub const LOW: Self = Self(-100);
}

/// What a worker says of a key it hands back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, or not worth another try: forget the failures.
    Forget,
    /// Failed: again after the backoff.
    Backoff,
    /// Fine: forget the failures and come back after the delay.
    After(Duration),
}

/// A key on its way to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Popped<K> {
    /// What to reconcile.
    pub key: K,
    /// With which priority it was queued.
    pub priority: Priority,
    /// How long it was ready before a worker took it.
    pub waited: Duration,
    /// Failures since the last success.
    pub failures: u32,
}

#[derive(Clone, Copy)]
enum Place {
    Ready { order: u64, since: Instant },
    Waiting { order: u64, until: Instant },
    Processing { again: Option<Priority> },
}

struct Entry {
    priority: Priority,
    place: Place,
}

/// The queue of one controller, without time and tasks.
pub struct Schedule<K> {
    entries: HashMap<K, Entry>,
    ready: BTreeMap<(Reverse<Priority>, u64), K>,
    waiting: BTreeMap<(Instant, u64), K>,
    failures: HashMap<K, u32>,
    backoff: Backoff,
    /// Ready keys by priority; a priority that was once used stays, with 0.
    depth: BTreeMap<Priority, usize>,
    next_order: u64,
}

impl Default for Backoff {
    /// 5 ms to 1000 s, as client-go's `ItemExponentialFailureRateLimiter`.
    fn default() -> Self {
        Self { base: Duration::from_millis(5), max: Duration::from_secs(1000) }
    }
}

impl Backoff {
    /// The wait after `failures` earlier failures in a row.
    #[must_use]
    pub fn wait(self, failures: u32) -> Duration {
        let factor = 1u32.checked_shl(failures).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.max)
    }
}

impl<K: Clone + Eq + Hash> Default for Schedule<K> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            ready: BTreeMap::new(),
            waiting: BTreeMap::new(),
            failures: HashMap::new(),
            backoff: Backoff::default(),
            depth: BTreeMap::new(),
            next_order: 0,
        }
    }
}

impl<K: Clone + Eq + Hash> Schedule<K> {
    /// From the next failure on.
    pub fn set_backoff(&mut self, backoff: Backoff) {
        self.backoff = backoff;
    }

    /// Queues a key now. True when that put a key into the ready line.
    pub fn add(&mut self, key: K, priority: Priority, now: Instant) -> bool {
        let Some(entry) = self.entries.get_mut(&key) else {
            self.make_ready(key, priority, now);
            return true;
        };
        let raised = entry.priority.max(priority);
        match &mut entry.place {
            Place::Processing { again } => {
                *again = Some(again.map_or(priority, |p| p.max(priority)));
                false
            }
            Place::Ready { .. } if entry.priority == raised => false,
            Place::Ready { order, since } => {
                let (order, since) = (*order, *since);
                let lower = entry.priority;
                self.ready.remove(&(Reverse(lower), order));
                self.count(lower, -1);
                self.make_ready(key, raised, since);
                false
            }
            Place::Waiting { order, until } => {
                self.waiting.remove(&(*until, *order));
                self.make_ready(key, raised, now);
                true
            }
        }
    }

    /// Takes the next key that is due. The caller must [`finish`](Self::finish) it.
    pub fn pop(&mut self, now: Instant) -> Option<Popped<K>> {
        self.promote_due(now);
        let ((Reverse(priority), _), key) = self.ready.pop_first()?;
        self.count(priority, -1);
        let place = Place::Processing { again: None };
        let entry = self.entries.insert(key.clone(), Entry { priority, place });
        let since = match entry.map(|e| e.place) {
            Some(Place::Ready { since, .. }) => since,
            _ => now,
        };
        let failures = self.failures.get(&key).copied().unwrap_or(0);
        Some(Popped { key, priority, waited: now.saturating_duration_since(since), failures })
    }

    /// Hands a key back. Returns how long it will wait, when it waits.
    pub fn finish(&mut self, key: &K, outcome: Outcome, now: Instant) -> Option<Duration> {
        let entry = self.entries.remove(key)?;
        let delay = match outcome {
            Outcome::Backoff => Some(self.count_failure(key)),
            Outcome::Forget => self.forget(key, None),
            Outcome::After(delay) => self.forget(key, Some(delay)),
        };
        if let Place::Processing { again: Some(priority) } = entry.place {
            self.make_ready(key.clone(), priority, now);
            return None;
        }
        let delay = delay?;
        self.make_waiting(key.clone(), entry.priority, now + delay);
        Some(delay)
    }

    /// When the next waiting key is due, for a worker that found nothing ready.
    pub fn next_due(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|((until, _), _)| *until)
    }

    /// Keys ready to be taken, by priority; a priority once used stays, with 0.
    pub fn depth(&self) -> &BTreeMap<Priority, usize> {
        &self.depth
    }

    fn promote_due(&mut self, now: Instant) {
        while let Some(first) = self.waiting.first_entry() {
            let (until, _) = *first.key();
            if until > now {
                return;
            }
            let key = first.remove();
            let priority = self.entries.get(&key).map_or(Priority::NORMAL, |e| e.priority);
            self.make_ready(key, priority, until);
        }
    }

    fn make_ready(&mut self, key: K, priority: Priority, since: Instant) {
        let order = self.take_order();
        self.ready.insert((Reverse(priority), order), key.clone());
        self.count(priority, 1);
        self.entries.insert(key, Entry { priority, place: Place::Ready { order, since } });
    }

    fn make_waiting(&mut self, key: K, priority: Priority, until: Instant) {
        let order = self.take_order();
        self.waiting.insert((until, order), key.clone());
        self.entries.insert(key, Entry { priority, place: Place::Waiting { order, until } });
    }

    fn count(&mut self, priority: Priority, change: isize) {
        let depth = self.depth.entry(priority).or_default();
        *depth = depth.saturating_add_signed(change);
    }

    fn take_order(&mut self) -> u64 {
        self.next_order += 1;
        self.next_order
    }

    fn forget(&mut self, key: &K, delay: Option<Duration>) -> Option<Duration> {
        self.failures.remove(key);
        delay
    }

    fn count_failure(&mut self, key: &K) -> Duration {
        let failures = self.failures.entry(key.clone()).or_insert(0);
        let delay = self.backoff.wait(*failures);
        *failures = failures.saturating_add(1);
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(schedule: &mut Schedule<&'static str>, now: Instant) -> Vec<&'static str> {
        std::iter::from_fn(|| schedule.pop(now).map(|p| p.key)).collect()
    }

    fn at(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn a_key_added_twice_is_handed_out_once() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        assert!(schedule.add("a", Priority::NORMAL, now));
        assert!(!schedule.add("a", Priority::NORMAL, now));
        assert_eq!(keys(&mut schedule, now), ["a"]);
    }

    #[test]
    fn a_key_in_flight_is_not_handed_out_and_runs_once_more_afterwards() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        schedule.add("a", Priority::NORMAL, now);
        schedule.pop(now).unwrap();
        schedule.add("a", Priority::NORMAL, now);
        schedule.add("a", Priority::NORMAL, now);
        assert_eq!(schedule.pop(now), None);
        schedule.finish(&"a", Outcome::Forget, now);
        assert_eq!(keys(&mut schedule, now), ["a"]);
    }

    #[test]
    fn fresh_changes_overtake_the_backlog_in_order() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        for key in ["old1", "old2", "touched"] {
            schedule.add(key, Priority::LOW, now);
        }
        schedule.add("new", Priority::NORMAL, now);
        schedule.add("touched", Priority::NORMAL, now);
        assert_eq!(keys(&mut schedule, now), ["new", "touched", "old1", "old2"]);
    }

    #[test]
    fn a_failed_key_waits_longer_each_time_and_success_forgets_it() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        let fail = |schedule: &mut Schedule<_>, outcome| {
            schedule.add("a", Priority::NORMAL, now);
            schedule.pop(now).unwrap();
            schedule.finish(&"a", outcome, now)
        };
        assert_eq!(fail(&mut schedule, Outcome::Backoff), Some(Duration::from_millis(5)));
        assert_eq!(fail(&mut schedule, Outcome::Backoff), Some(Duration::from_millis(10)));
        assert_eq!(fail(&mut schedule, Outcome::Forget), None);
        assert_eq!(fail(&mut schedule, Outcome::Backoff), Some(Duration::from_millis(5)));
    }

    #[test]
    fn backoff_is_capped_at_1000_seconds_for_any_count() {
        let backoff = Backoff::default();
        assert_eq!(backoff.wait(17), Duration::from_millis(5 << 17));
        for failures in [18, 31, 32, 1000, u32::MAX] {
            assert_eq!(backoff.wait(failures), Duration::from_secs(1000), "{failures}");
        }
    }

    #[test]
    fn another_backoff_counts_the_failures_before() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        let fail = |schedule: &mut Schedule<_>| {
            schedule.add("a", Priority::NORMAL, now);
            schedule.pop(now).unwrap();
            schedule.finish(&"a", Outcome::Backoff, now)
        };
        fail(&mut schedule);
        schedule.set_backoff(Backoff { base: Duration::from_secs(1), max: Duration::from_secs(3) });
        assert_eq!(fail(&mut schedule), Some(Duration::from_secs(2)));
        assert_eq!(fail(&mut schedule), Some(Duration::from_secs(3)));
    }

    #[test]
    fn an_event_ends_the_wait() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        schedule.add("a", Priority::NORMAL, now);
        schedule.pop(now).unwrap();
        schedule.finish(&"a", Outcome::After(Duration::from_secs(60)), now);
        assert_eq!(schedule.pop(now), None);
        assert!(schedule.add("a", Priority::NORMAL, at(now, 1)));
        assert_eq!(keys(&mut schedule, at(now, 1)), ["a"]);
        schedule.finish(&"a", Outcome::Forget, at(now, 1));
        assert_eq!(schedule.pop(at(now, 120_000)), None, "the old delay is gone");
    }

    #[test]
    fn a_delayed_key_becomes_due_at_its_time() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        schedule.add("a", Priority::NORMAL, now);
        schedule.pop(now).unwrap();
        schedule.finish(&"a", Outcome::After(Duration::from_millis(50)), now);
        assert_eq!(schedule.next_due(), Some(at(now, 50)));
        assert_eq!(schedule.pop(at(now, 49)), None);
        let popped = schedule.pop(at(now, 70)).unwrap();
        assert_eq!(popped.waited, Duration::from_millis(20), "counted from when it was due");
    }

    #[test]
    fn an_event_during_a_failing_reconcile_is_processed_at_once_and_the_failure_counts() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        schedule.add("a", Priority::NORMAL, now);
        schedule.pop(now).unwrap();
        schedule.add("a", Priority::NORMAL, now);
        assert_eq!(schedule.finish(&"a", Outcome::Backoff, now), None);
        assert_eq!(schedule.pop(now).unwrap().failures, 1);
    }

    #[test]
    fn depth_counts_ready_keys_by_priority() {
        let (mut schedule, now) = (Schedule::default(), Instant::now());
        schedule.add("a", Priority::LOW, now);
        schedule.add("b", Priority::LOW, now);
        schedule.add("c", Priority::NORMAL, now);
        let depth = |schedule: &Schedule<_>| schedule.depth().values().copied().collect::<Vec<_>>();
        assert_eq!(depth(&schedule), [2, 1], "low, then normal");
        schedule.add("a", Priority::NORMAL, now);
        assert_eq!(depth(&schedule), [1, 2]);
        assert_eq!(keys(&mut schedule, now).len(), 3);
        assert_eq!(depth(&schedule), [0, 0]);
    }
}

//! The work queue of one controller: [`schedule`] under a lock, with time, wake-ups and metrics, and the last states of
//! objects that were removed under their finalizers ([`tombstones`]).

pub mod schedule;
pub mod tombstones;

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::error;

use crate::metrics::{QueueMetrics, WorkGuard};
use crate::object::{Object, ObjectKey};
use schedule::{Backoff, Outcome, Popped, Priority, Schedule};
use tombstones::Tombstones;

/// Hands keys to workers by the rules of [`schedule`]. Any number of tasks may use it.
pub struct Queue {
    inner: Mutex<Inner>,
    wake: Notify,
    metrics: QueueMetrics,
    /// Objects that are gone and still have to be seen to.
    pub tombstones: Tombstones,
}

struct Inner {
    schedule: Schedule<ObjectKey>,
    closed: bool,
}

/// A key in the hands of a worker.
pub struct Work {
    /// What the schedule says of it.
    pub popped: Popped<ObjectKey>,
    _working: WorkGuard,
}

impl Queue {
    /// An empty queue that reports to `metrics`.
    pub fn new(metrics: QueueMetrics) -> Self {
        let inner = Inner { schedule: Schedule::default(), closed: false };
        Self { inner: Mutex::new(inner), wake: Notify::new(), metrics, tombstones: Tombstones::default() }
    }

    /// How long keys wait that fail from now on.
    pub fn set_backoff(&self, backoff: Backoff) {
        self.inner.lock().schedule.set_backoff(backoff);
    }

    /// Queues a key now.
    pub fn add(&self, key: ObjectKey, priority: Priority) {
        let mut inner = self.inner.lock();
        if inner.schedule.add(key, priority, Instant::now()) {
            self.metrics.added();
        }
        self.publish_depth(&inner);
        drop(inner);
        self.wake.notify_one();
    }

    /// Queues an object that was removed although a finalizer held it; this was its last state.
    pub fn bury(&self, last: Arc<Object>) {
        let (key, uid) = (last.key.clone(), last.uid.clone());
        if !self.tombstones.add(last) {
            error!(
                object = %key, %uid,
                "an object was removed although a finalizer held it, and there are too many of those to keep \
                 its last state: it gets no clean-up; see why reconciles of earlier ones fail"
            );
        }
        self.add(key, Priority::NORMAL);
    }

    /// Waits for the next due key; `None` once the queue is closed.
    pub async fn next(&self) -> Option<Work> {
        loop {
            let woken = self.wake.notified();
            let due = match self.try_next() {
                Next::Closed => return None,
                Next::Work(work) => return Some(work),
                Next::Nothing(due) => due,
            };
            match due {
                None => woken.await,
                Some(due) => {
                    // Either way the next round decides; a timeout is not an error here.
                    let _ = tokio::time::timeout_at(due, woken).await;
                }
            }
        }
    }

    /// Hands a key back.
    pub fn finish(&self, work: Work, outcome: Outcome) {
        let mut inner = self.inner.lock();
        inner.schedule.finish(&work.popped.key, outcome, Instant::now());
        self.publish_depth(&inner);
        drop(inner);
        if outcome != Outcome::Forget {
            self.metrics.retried();
        }
        self.wake.notify_one();
    }

    /// Hands out nothing from now on; keys in flight may still be finished.
    pub fn close(&self) {
        let mut inner = self.inner.lock();
        inner.closed = true;
        inner.schedule.depth().keys().for_each(|priority| self.metrics.set_depth(priority.0, 0));
        drop(inner);
        self.wake.notify_waiters();
        self.wake.notify_one();
    }

    /// Keys that are ready to be taken.
    pub fn depth(&self) -> usize {
        self.inner.lock().schedule.depth().values().sum()
    }

    fn try_next(&self) -> Next {
        let mut inner = self.inner.lock();
        if inner.closed {
            // Pass the wake-up on to the next worker.
            self.wake.notify_one();
            return Next::Closed;
        }
        let Some(popped) = inner.schedule.pop(Instant::now()) else {
            return Next::Nothing(inner.schedule.next_due());
        };
        self.publish_depth(&inner);
        drop(inner);
        // One stored wake-up can stand for many additions: pass it on.
        self.wake.notify_one();
        let working = self.metrics.taken(popped.waited);
        Next::Work(Work { popped, _working: working })
    }

    fn publish_depth(&self, inner: &Inner) {
        for (priority, keys) in inner.schedule.depth() {
            self.metrics.set_depth(priority.0, *keys);
        }
    }
}

enum Next {
    Closed,
    Work(Work),
    Nothing(Option<Instant>),
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;

    impl Queue {
        pub(crate) fn for_test() -> Self {
            Self::new(crate::metrics::Metrics::new().queue("test"))
        }
    }

    /// The ready keys, in order.
    pub(crate) fn drain(queue: &Queue) -> Vec<String> {
        let take = || match queue.try_next() {
            Next::Work(work) => Some(work),
            _ => None,
        };
        std::iter::from_fn(take)
            .map(|work| {
                let key = work.popped.key.to_string();
                queue.finish(work, Outcome::Forget);
                key
            })
            .collect()
    }

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new(Some("ns"), name)
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_waits_for_a_key_and_for_a_delay() {
        let queue = Arc::new(Queue::for_test());
        queue.add(key("a"), Priority::NORMAL);
        let work = queue.next().await.unwrap();
        queue.finish(work, Outcome::After(Duration::from_secs(60)));
        let before = Instant::now();
        let again = queue.next().await.unwrap();
        assert_eq!(again.popped.key, key("a"));
        assert!(before.elapsed() >= Duration::from_secs(60));
    }

    #[tokio::test(start_paused = true)]
    async fn every_waiting_worker_ends_when_the_queue_closes() {
        let queue = Arc::new(Queue::for_test());
        let mut workers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let queue = Arc::clone(&queue);
            workers.spawn(async move { queue.next().await.is_none() });
        }
        tokio::task::yield_now().await;
        queue.close();
        assert!(workers.join_all().await.into_iter().all(|ended| ended));
    }

    #[tokio::test(start_paused = true)]
    async fn many_additions_wake_as_many_workers() {
        let queue = Arc::new(Queue::for_test());
        let mut workers = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let queue = Arc::clone(&queue);
            workers.spawn(async move { queue.next().await.map(|work| work.popped.key) });
        }
        tokio::task::yield_now().await;
        for name in ["a", "b", "c", "d"] {
            queue.add(key(name), Priority::NORMAL);
        }
        let mut taken: Vec<_> = workers.join_all().await.into_iter().flatten().collect();
        taken.sort();
        assert_eq!(taken, [key("a"), key("b"), key("c"), key("d")]);
    }
}

//! Turns of the calls that compute for long, so that they leave room for the others.
//!
//! A call that is over in a moment, as nearly all are, runs wherever a thread is free. One that goes on
//! computing ([`AT_ONCE`]) takes turns with its like from then on: a turn lasts one tick of the engine, and
//! fewer of them are given out at a time than there are CPUs, so that one CPU is always left for short calls,
//! watches and answers of the API server. Whatever a module does in all of its workers, the others wait for a
//! thread no longer than before.
//!
//! Turns go to modules in the order in which they asked. Of one module only as many calls stand in line as
//! there are turns at a time; its others wait behind these. So each module that computes gets the same share,
//! whether it has one such call or a hundred.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a call may compute before it has to take turns. A reconcile in Rust needs well under a millisecond.
pub(crate) const AT_ONCE: Duration = Duration::from_millis(3);

/// The turns of an engine.
#[derive(Debug)]
pub(crate) struct Turns {
    given: Arc<Semaphore>,
    at_a_time: usize,
}

/// One module's place among them.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    module: Arc<Semaphore>,
    given: Arc<Semaphore>,
}

/// A call may compute until this is dropped. The place in the module's own line goes last.
#[derive(Debug)]
pub(crate) struct Turn {
    _given: OwnedSemaphorePermit,
    _module: OwnedSemaphorePermit,
}

impl Turns {
    /// So many at a time, but at least one.
    pub(crate) fn new(at_a_time: usize) -> Self {
        let at_a_time = at_a_time.clamp(1, Semaphore::MAX_PERMITS);
        Self { given: Arc::new(Semaphore::new(at_a_time)), at_a_time }
    }

    /// The line of another module.
    pub(crate) fn line(&self) -> Line {
        Line { module: Arc::new(Semaphore::new(self.at_a_time)), given: Arc::clone(&self.given) }
    }
}

impl Line {
    /// Waits for a turn, first come, first served.
    pub(crate) async fn turn(&self) -> Turn {
        let module = acquire(&self.module).await;
        let given = acquire(&self.given).await;
        Turn { _given: given, _module: module }
    }
}

async fn acquire(semaphore: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    let permit = Arc::clone(semaphore).acquire_owned().await;
    permit.expect("the semaphore is never closed: nobody does")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use parking_lot::Mutex;
    use tokio::task::JoinSet;

    use super::*;

    /// How many turns each module had when all together had `total`, with so many calls each.
    async fn shares(
        at_a_time: usize,
        total: usize,
        calls: &[(&'static str, usize)],
    ) -> BTreeMap<&'static str, usize> {
        let turns = Turns::new(at_a_time);
        let had: Arc<Mutex<Vec<&str>>> = Arc::default();
        let mut tasks = JoinSet::new();
        for (name, calls) in calls {
            let line = turns.line();
            for _ in 0..*calls {
                let (line, had, name) = (line.clone(), Arc::clone(&had), *name);
                tasks.spawn(async move {
                    while had.lock().len() < total {
                        let turn = line.turn().await;
                        had.lock().push(name);
                        tokio::task::yield_now().await;
                        drop(turn);
                        tokio::task::yield_now().await;
                    }
                });
            }
        }
        tasks.join_all().await;
        let mut shares = BTreeMap::new();
        had.lock().iter().take(total).for_each(|name| *shares.entry(*name).or_insert(0) += 1);
        shares
    }

    #[tokio::test]
    async fn modules_have_equal_shares_however_many_calls_compute() {
        for at_a_time in [1, 3] {
            let shares = shares(at_a_time, 600, &[("one", at_a_time), ("a hundred", 100)]).await;
            assert!(shares.values().all(|share| (270..=330).contains(share)), "{shares:?}");
        }
    }

    #[tokio::test]
    async fn a_module_alone_has_every_turn() {
        assert_eq!(shares(2, 100, &[("one", 5)]).await, BTreeMap::from([("one", 100)]));
    }

    #[tokio::test]
    async fn there_is_always_one_turn() {
        drop(Turns::new(0).line().turn().await);
    }
}

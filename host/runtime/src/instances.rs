//! Which instance a reconcile runs in: a fresh one, or one that was kept warm.
//!
//! A fresh instance is the default: nothing of one reconcile is left for the next. A guest
//! whose start is slow (Go, Python) can have some kept: a reconcile takes the one that was
//! used last, and gives it back when it returned a verdict. What trapped, exceeded a limit
//! or was interrupted is never given back.
//!
//! While an instance is idle it has no session: the right to write, the log context and the
//! account of a reconcile end with it, and none of its code runs. What a guest keeps in its
//! memory is the guest's own affair, and bounded: an instance ends after
//! [`Warm::max_reconciles`], or when nobody needed it for [`Warm::idle`].
//!
//! An idle instance holds its place in the engine, so places for all of them are set aside
//! when a module is given the policy ([`NoRoom`]), and one always stays for fresh calls.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::engine::Reservation;
use crate::module::Attempt;
use crate::session::Session;

/// How instances of a module are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Instances {
    /// A new one for every reconcile.
    #[default]
    Fresh,
    /// Some are kept for further reconciles.
    Warm(Warm),
}

/// How many instances are kept, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warm {
    /// `instances.warm`: idle instances kept at most. More than the workers of the
    /// controller are never idle at once.
    pub count: u32,
    /// `instances.maxReconciles`: an instance that has done so many is replaced, which bounds
    /// what a guest that leaks can keep.
    pub max_reconciles: u32,
    /// `instances.idleSeconds`: an instance that nobody needed for this long is given up.
    pub idle: Duration,
}

/// There are not enough places for the instances to be kept.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "failed to keep {wanted} instances of module {module} warm: {free} of the engine's {places} places \
     are left for that; lower `instances.warm`, or raise `workers`, of which the places are the sum"
)]
pub struct NoRoom {
    /// The module.
    pub module: String,
    /// Instances to be kept.
    pub wanted: u32,
    /// Places that may still be set aside.
    pub free: u32,
    /// All places.
    pub places: u32,
}

/// What became of the instances of a module so far; for metrics.
#[derive(Debug, Default)]
pub struct InstanceCounters {
    pub(crate) made: AtomicU64,
    pub(crate) reused: AtomicU64,
    idle: AtomicU64,
    worn_out: AtomicU64,
    idled_out: AtomicU64,
    surplus: AtomicU64,
}

impl InstanceCounters {
    /// Instances made for a reconcile.
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// Reconciles that ran in an instance that was kept.
    pub fn reused(&self) -> u64 {
        self.reused.load(Ordering::Relaxed)
    }

    /// Instances that wait for a reconcile now.
    pub fn idle(&self) -> u64 {
        self.idle.load(Ordering::Relaxed)
    }

    /// Instances that ended after [`Warm::max_reconciles`].
    pub fn worn_out(&self) -> u64 {
        self.worn_out.load(Ordering::Relaxed)
    }

    /// Instances that ended after [`Warm::idle`].
    pub fn idled_out(&self) -> u64 {
        self.idled_out.load(Ordering::Relaxed)
    }

    /// Instances that ended because [`Warm::count`] were idle already.
    pub fn surplus(&self) -> u64 {
        self.surplus.load(Ordering::Relaxed)
    }
}

/// The idle instances of one module. Dropping it ends them.
pub(crate) struct WarmPool {
    policy: Warm,
    /// What was used last is at the end.
    idle: Mutex<Vec<Idle>>,
    counters: Arc<InstanceCounters>,
    /// Ends what was idle for too long; ended with the pool.
    reaper: OnceLock<JoinSet<()>>,
    /// The session of an instance without a reconcile.
    nobody: Session,
    _reservation: Reservation,
}

struct Idle {
    instance: Attempt,
    since: Instant,
}

impl WarmPool {
    pub(crate) fn new(policy: Warm, counters: Arc<InstanceCounters>, reservation: Reservation) -> Self {
        Self {
            policy,
            idle: Mutex::default(),
            counters,
            reaper: OnceLock::new(),
            nobody: Session::nothing(),
            _reservation: reservation,
        }
    }

    /// The instance that was used last.
    pub(crate) fn take(&self) -> Option<Attempt> {
        let taken = self.idle.lock().pop()?;
        self.counters.idle.fetch_sub(1, Ordering::Relaxed);
        self.counters.reused.fetch_add(1, Ordering::Relaxed);
        Some(taken.instance)
    }

    /// Keeps an instance whose guest returned, unless it did enough or there are enough.
    pub(crate) fn give_back(self: &Arc<Self>, mut instance: Attempt) {
        if instance.reconciles() >= self.policy.max_reconciles {
            self.counters.worn_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        instance.rest(self.nobody.clone());
        let mut idle = self.idle.lock();
        if idle.len() >= self.policy.count as usize {
            drop(idle);
            self.counters.surplus.fetch_add(1, Ordering::Relaxed);
            return;
        }
        idle.push(Idle { instance, since: Instant::now() });
        self.counters.idle.fetch_add(1, Ordering::Relaxed);
        drop(idle);
        self.reaper.get_or_init(|| {
            let mut task = JoinSet::new();
            task.spawn(reap(Arc::downgrade(self)));
            task
        });
    }

    /// Ends what was idle for too long, and says when that can be again at the earliest.
    fn expire(&self, now: Instant) -> Instant {
        let mut idle = self.idle.lock();
        let fresh = idle.partition_point(|one| one.since + self.policy.idle <= now);
        let ended: Vec<Idle> = idle.drain(..fresh).collect();
        let next = idle.first().map_or(now, |oldest| oldest.since);
        drop(idle);
        self.counters.idle.fetch_sub(ended.len() as u64, Ordering::Relaxed);
        self.counters.idled_out.fetch_add(ended.len() as u64, Ordering::Relaxed);
        next + self.policy.idle
    }
}

impl Drop for WarmPool {
    fn drop(&mut self) {
        let ended = self.idle.get_mut().drain(..).count();
        self.counters.idle.fetch_sub(ended as u64, Ordering::Relaxed);
    }
}

async fn reap(pool: Weak<WarmPool>) {
    loop {
        let Some(next) = pool.upgrade().map(|pool| pool.expire(Instant::now())) else { return };
        sleep_until(next).await;
    }
}

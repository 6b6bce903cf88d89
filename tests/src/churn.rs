//! Continuous change: keeps raising `spec.seq` of many probes at a bounded rate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use kube::api::ListParams;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::eventually::eventually;
use crate::probes::Probes;

/// Each changes objects of its own, one at a time, so that `seq` of an object only rises.
const WORKERS: usize = 8;
const ACCEPTED_LIMIT: Duration = Duration::from_secs(180);

/// Changes under way; dropping it ends them.
#[derive(Debug)]
pub struct Churn {
    state: Arc<State>,
    workers: JoinSet<()>,
}

#[derive(Debug, Default)]
struct State {
    stop: AtomicBool,
    accepted: AtomicU64,
}

impl Churn {
    /// Changes the probes that exist now in turn, `per_second` changes a second in all. A
    /// change that the server does not take (it may be down) is tried again at the object's
    /// next turn.
    ///
    /// # Errors
    /// When probes cannot be listed.
    pub async fn start(probes: &Probes, per_second: u32) -> Result<Self> {
        let listed = probes.api().list(&ListParams::default()).await?;
        let mut shares: Vec<Vec<Turn>> = (0..WORKERS).map(|_| Vec::new()).collect();
        for (place, probe) in listed.items.iter().enumerate() {
            let turn = Turn {
                name: probe.metadata.name.clone().unwrap_or_default(),
                seq: probe.data["spec"]["seq"].as_i64().unwrap_or_default(),
            };
            shares[place % WORKERS].push(turn);
        }
        let state = Arc::new(State::default());
        let mut workers = JoinSet::new();
        let every = Duration::from_secs(1) * u32::try_from(WORKERS)? / per_second.max(1);
        for share in shares.into_iter().filter(|share| !share.is_empty()) {
            workers.spawn(change(probes.clone(), share, every, Arc::clone(&state)));
        }
        Ok(Self { state, workers })
    }

    /// How many changes the server took.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.state.accepted.load(Ordering::Relaxed)
    }

    /// Waits until the server has taken `more` changes from now on.
    ///
    /// # Errors
    /// When it does not.
    pub async fn wait_for(&self, more: u64) -> Result<()> {
        let goal = self.accepted() + more;
        eventually("more changes", ACCEPTED_LIMIT, async || {
            ensure!(self.accepted() >= goal, "{} of {goal}", self.accepted());
            Ok(())
        })
        .await
    }

    /// Ends it, after the changes under way, and returns how many were taken.
    pub async fn stop(mut self) -> u64 {
        self.state.stop.store(true, Ordering::Relaxed);
        while self.workers.join_next().await.is_some() {}
        self.accepted()
    }
}

/// An object of a worker.
struct Turn {
    name: String,
    /// The last one that the server took.
    seq: i64,
}

async fn change(probes: Probes, mut share: Vec<Turn>, every: Duration, state: Arc<State>) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        for turn in &mut share {
            ticks.tick().await;
            if state.stop.load(Ordering::Relaxed) {
                return;
            }
            let next = turn.seq + 1;
            if probes.change(&turn.name, &json!({ "seq": next })).await.is_ok() {
                turn.seq = next;
                state.accepted.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

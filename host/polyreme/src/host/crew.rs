//! The workers of one controller, as many as the configuration says at the moment.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::reconcile::Controller;

/// See the module's story. Dropping it interrupts what runs.
pub(super) struct Crew {
    controller: Arc<Controller>,
    workers: JoinSet<()>,
    /// One for each worker that was not told to end.
    ends: Vec<CancellationToken>,
}

impl Crew {
    pub(super) fn new(controller: Arc<Controller>, workers: u32) -> Self {
        let mut crew = Self { controller, workers: JoinSet::new(), ends: Vec::new() };
        crew.resize(workers);
        crew
    }

    /// Adds workers, or lets some end after the reconcile that they are at.
    pub(super) fn resize(&mut self, workers: u32) {
        let workers = usize::try_from(workers).unwrap_or(usize::MAX);
        while self.ends.len() < workers {
            let end = CancellationToken::new();
            self.workers.spawn(Arc::clone(&self.controller).work(end.clone()));
            self.ends.push(end);
        }
        self.ends.drain(workers..).for_each(|end| end.cancel());
    }

    /// Waits until all have ended: the queue was closed.
    pub(super) async fn ended(&mut self) {
        while self.workers.join_next().await.is_some() {}
    }

    /// Lets all end after the reconciles that they are at, and waits for that.
    pub(super) async fn rest(&mut self) {
        self.resize(0);
        self.ended().await;
    }
}

//! A loaded module, ready to be called any number of times, also at once.
//!
//! Every call gets a fresh instance and a store of its own, so nothing of one reconcile
//! is left for the next. The number of live instances is bounded by the engine: calls
//! beyond it wait for their turn, and that waiting counts against no limit.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use wasmtime::Store;

use crate::call::Call;
use crate::engine::Engine;
use crate::fault::{CallError, FaultKind, classify, guest_fault};
use crate::limits::Limits;
use crate::linked::Linked;
use crate::session::Session;
use crate::usage::CallStats;
use crate::wit::reconciler::{Action, Failure, Manifest, Request};

/// A compiled and linked controller. Cheap to clone.
#[derive(Clone)]
pub struct Module {
    inner: Arc<Inner>,
}

struct Inner {
    name: Arc<str>,
    digest: String,
    limits: Arc<Limits>,
    linked: Linked,
    engine: Engine,
}

impl Module {
    pub(crate) fn new(name: &str, digest: String, limits: Limits, linked: Linked, engine: Engine) -> Self {
        Self {
            inner: Arc::new(Inner { name: name.into(), digest, limits: Arc::new(limits), linked, engine }),
        }
    }

    /// The name it was loaded under.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// `sha256:` and the digest of the component's bytes in hex.
    pub fn digest(&self) -> &str {
        &self.inner.digest
    }

    /// The limits of each of its calls.
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// Asks what the module is; see [`Session::for_describe`].
    pub async fn describe(&self, session: Session) -> Result<Manifest, CallError> {
        let mut attempt = self.attempt("describe", session).await;
        let answer = attempt.within_deadline(async |store| self.inner.linked.describe(store).await).await;
        attempt.end(answer).map(|(manifest, _)| manifest)
    }

    /// Reconciles one object in a fresh instance.
    ///
    /// The inner result is the guest's own verdict; a [`CallError`] means it gave none.
    /// Dropping the future ends the guest at once and frees its instance.
    pub async fn reconcile(
        &self,
        request: Request,
        session: Session,
    ) -> Result<(Result<Action, Failure>, CallStats), CallError> {
        let mut attempt = self.attempt("reconcile", session).await;
        let answer =
            attempt.within_deadline(async |store| self.inner.linked.reconcile(store, &request).await).await;
        attempt.end(answer)
    }

    async fn attempt(&self, export: &'static str, session: Session) -> Attempt {
        let place = self.inner.engine.place().await;
        let call = Call::new(Arc::clone(&self.inner.name), session, Arc::clone(&self.inner.limits));
        Attempt { export, store: call.into_store(self.inner.engine.wasmtime()), _place: place }
    }
}

/// One call and its place among the live instances, which it gives back last.
struct Attempt {
    export: &'static str,
    store: Store<Call>,
    _place: OwnedSemaphorePermit,
}

/// Absent when the wall deadline passed first.
type Answer<T> = Option<wasmtime::Result<T>>;

impl Attempt {
    async fn within_deadline<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Store<Call>) -> wasmtime::Result<T>,
    ) -> Answer<T> {
        let wall_time = self.store.data().limits.wall_time;
        self.store.data().usage.enter();
        let answer = tokio::time::timeout(wall_time, work(&mut self.store)).await;
        self.store.data().usage.leave();
        answer.ok()
    }

    fn end<T>(self, answer: Answer<T>) -> Result<(T, CallStats), CallError> {
        let call = self.store.data();
        match answer {
            Some(Ok(value)) => Ok((value, call.usage.stats())),
            Some(Err(error)) => Err(classify(self.export, call, error)),
            None => Err(guest_fault(
                self.export,
                call,
                FaultKind::WallTime { limit: call.limits.wall_time, pending: call.usage.pending() },
            )),
        }
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module")
            .field("name", &self.inner.name)
            .field("digest", &self.inner.digest)
            .finish_non_exhaustive()
    }
}

//! A loaded module, ready to be called any number of times, also at once.
//!
//! Every call has an instance of its own while it runs, so several run side by side.
//! Unless [`Instances`] says otherwise the instance is fresh, so nothing of one reconcile is
//! left for the next. The number of live instances is bounded by the engine: calls
//! beyond it wait for their turn, and that waiting counts against no limit.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use wasmtime::Store;

use crate::call::{Call, PayloadTooLarge};
use crate::engine::Engine;
use crate::fault::{CallError, FaultKind, classify, guest_fault};
use crate::instances::{InstanceCounters, Instances, NoRoom, WarmPool};
use crate::limits::Limits;
use crate::linked::{Linked, Reconcile};
use crate::residency::{self, Residency};
use crate::session::Session;
use crate::turns::Line;
use crate::usage::CallStats;
use crate::wit::reconciler::{Action, Failure, Manifest, Request};

/// A compiled and linked controller. Cheap to clone; the last clone ends its idle instances.
#[derive(Clone)]
pub struct Module {
    inner: Arc<Inner>,
    warm: Option<Arc<WarmPool>>,
    counters: Arc<InstanceCounters>,
}

struct Inner {
    name: Arc<str>,
    digest: String,
    limits: Arc<Limits>,
    linked: Linked,
    residency: Residency,
    line: Line,
    engine: Engine,
}

impl Module {
    pub(crate) fn new(name: &str, digest: String, limits: Limits, linked: Linked, engine: Engine) -> Self {
        let line = engine.line();
        let (name, limits, residency) = (name.into(), Arc::new(limits), Residency::default());
        let inner = Inner { name, digest, limits, linked, residency, line, engine };
        Self { inner: Arc::new(inner), warm: None, counters: Arc::default() }
    }

    /// The same code with another policy, and with counters of its own.
    ///
    /// # Errors
    /// When the engine has too few places for the instances to be kept.
    ///
    /// # Example
    /// ```no_run
    /// # fn keep(module: &polyreme_runtime::Module) -> Result<(), polyreme_runtime::NoRoom> {
    /// use std::time::Duration;
    /// use polyreme_runtime::{Instances, Warm};
    ///
    /// let warm = Warm { count: 2, max_reconciles: 1_000, idle: Duration::from_secs(60) };
    /// let module = module.with_instances(Instances::Warm(warm))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_instances(&self, instances: Instances) -> Result<Self, NoRoom> {
        let counters: Arc<InstanceCounters> = Arc::default();
        let warm = match instances {
            Instances::Fresh => None,
            Instances::Warm(warm) => {
                let reservation = self.inner.engine.reserve(warm.count);
                let reservation = reservation.map_err(|(free, places)| NoRoom {
                    module: self.name().to_owned(),
                    wanted: warm.count,
                    free,
                    places,
                })?;
                Some(Arc::new(WarmPool::new(warm, Arc::clone(&counters), reservation)))
            }
        };
        Ok(Self { inner: Arc::clone(&self.inner), warm, counters })
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

    /// What became of its instances. They go on counting after the module is gone.
    pub fn instances(&self) -> Arc<InstanceCounters> {
        Arc::clone(&self.counters)
    }

    /// Gives the memory of its code back to the system when nobody called it for half a minute; the next
    /// call reads it from the disk again. Says whether it did. To be called now and then.
    pub fn release_idle_code(&self) -> bool {
        let is_due = self.inner.residency.is_due(Instant::now());
        if is_due {
            residency::give_back(&self.inner.linked.code());
        }
        is_due
    }

    /// Asks what the module is, in a fresh instance; see [`Session::for_describe`].
    pub async fn describe(&self, session: Session) -> Result<Manifest, CallError> {
        self.inner.residency.called();
        let mut attempt = self.attempt("describe", session).await;
        let linked = &self.inner.linked;
        let answer = attempt.within_deadline(async |attempt| linked.describe(&mut attempt.store).await).await;
        attempt.end(answer).map(|(manifest, _)| manifest)
    }

    /// Reconciles one object.
    ///
    /// The inner result is the guest's own verdict; a [`CallError`] means it gave none.
    /// Dropping the future ends the guest at once and frees its instance.
    pub async fn reconcile(
        &self,
        request: Request,
        session: Session,
    ) -> Result<(Result<Action, Failure>, CallStats), CallError> {
        self.inner.residency.called();
        let mut attempt = match self.warm.as_ref().and_then(|pool| pool.take()) {
            Some(mut kept) => {
                kept.begin(session);
                kept
            }
            None => {
                let fresh = self.attempt("reconcile", session).await;
                self.counters.made.fetch_add(1, Ordering::Relaxed);
                fresh
            }
        };
        let linked = &self.inner.linked;
        let answer =
            attempt.within_deadline(async |attempt| attempt.reconcile_once(linked, request).await).await;
        match (answer, &self.warm) {
            (Some(Ok(verdict)), Some(pool)) => {
                let stats = attempt.stats();
                attempt.store.data().usage.give_turn_back();
                pool.give_back(attempt);
                Ok((verdict, stats))
            }
            (answer, _) => attempt.end(answer),
        }
    }

    async fn attempt(&self, export: &'static str, session: Session) -> Attempt {
        let place = self.inner.engine.place().await;
        let Inner { name, limits, line, .. } = &*self.inner;
        let call = Call::new(Arc::clone(name), session, Arc::clone(limits), line.clone());
        let store = call.into_store(self.inner.engine.wasmtime());
        Attempt { export, store, reconcile: None, reconciles: 0, _place: place }
    }
}

/// One call, or an instance between two, with its place among the live instances, which it
/// gives back last.
pub(crate) struct Attempt {
    export: &'static str,
    store: Store<Call>,
    /// Absent before the instance is made.
    reconcile: Option<Reconcile>,
    reconciles: u32,
    _place: OwnedSemaphorePermit,
}

/// Absent when the wall deadline passed first.
type Answer<T> = Option<wasmtime::Result<T>>;

impl Attempt {
    /// Another call in the same instance, with limits and quotas as for a fresh one.
    pub(crate) fn begin(&mut self, session: Session) {
        self.store.data_mut().begin(session);
        self.store.set_epoch_deadline(1);
    }

    /// No call: takes the session of the last one away.
    pub(crate) fn rest(&mut self, nobody: Session) {
        self.store.data_mut().session = nobody;
    }

    /// Calls that the instance has had.
    pub(crate) fn reconciles(&self) -> u32 {
        self.reconciles
    }

    async fn reconcile_once(
        &mut self,
        linked: &Linked,
        request: Request,
    ) -> wasmtime::Result<Result<Action, Failure>> {
        let reconcile = match self.reconcile {
            Some(reconcile) => reconcile,
            None => linked.start(&mut self.store).await?,
        };
        self.reconcile = Some(reconcile);
        self.reconciles += 1;
        let verdict = reconcile.call_async(&mut self.store, (request,)).await?.0;
        // What wasmtime refuses to copy begins at twice the limit.
        if let Err(Failure::Retry(text) | Failure::Terminal(text)) = &verdict
            && text.len() > self.store.data().limits.payload_bytes as usize
        {
            return Err(PayloadTooLarge.into());
        }
        Ok(verdict)
    }

    async fn within_deadline<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Self) -> wasmtime::Result<T>,
    ) -> Answer<T> {
        let wall_time = self.store.data().limits.wall_time;
        self.store.data().usage.enter();
        let answer = tokio::time::timeout(wall_time, work(self)).await;
        self.store.data().usage.end();
        answer.ok()
    }

    fn stats(&self) -> CallStats {
        self.store.data().usage.stats()
    }

    /// Ends the instance. Giving back the memory of a large one takes a while, so its turn lasts until then.
    fn end<T>(self, answer: Answer<T>) -> Result<(T, CallStats), CallError> {
        let outcome = self.outcome(answer);
        let usage = Arc::clone(&self.store.data().usage);
        drop(self);
        usage.give_turn_back();
        outcome
    }

    fn outcome<T>(&self, answer: Answer<T>) -> Result<(T, CallStats), CallError> {
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

//! The reconcile loop: the only place that calls a guest's `reconcile`.
//!
//! A worker takes a key, asks for the right to reconcile it, reads the object from the cache (or takes the last
//! state of one that was removed under its finalizers), runs the module in an instance of its own, and tells the
//! queue what came of it. The key is handed back only when every write that the guest sent has been answered, so
//! the next reconcile of the object reads them.
//!
//! What runs can be replaced while it runs ([`Program`]): a reconcile ends with what it began with.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use kube::api::{Api, DynamicObject};
use parking_lot::{Mutex, RwLock};
use polyreme_runtime::wit::reconciler::{Action, Failure, Request};
use polyreme_runtime::wit::types::ObjectRef;
use polyreme_runtime::{CallError, CallStats, Clock, Events, FaultKind, Metrics, Module, Random, Session};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, error, info_span, warn};

use crate::api::{ControllerApi, ReconcileApi};
use crate::cache::Cache;
use crate::guest_http::ReconcileHttp;
use crate::guest_log::{self, GuestLog};
use crate::metrics::{ControllerMetrics, ModuleMetrics, ReconcileResult, TrapKind};
use crate::object::{Kind, Object, ObjectKey};
use crate::ownership::{LaneSlots, Permit, Refused, ShardLabels};
use crate::queue::schedule::{Outcome, Popped, Priority};
use crate::queue::{Queue, Work};
use polyreme_ownership::SlotId;
use polyreme_ownership::slots::Root;

/// Shortest `requeue-after`: a guest that asks for 0 would otherwise spin.
const MIN_REQUEUE: Duration = Duration::from_millis(5);
/// Longest `requeue-after`: 30 days, far beyond any resync.
const MAX_REQUEUE: Duration = Duration::from_secs(30 * 24 * 3600);

/// One controller, ready to work.
pub struct Controller {
    /// Its name in the configuration.
    pub name: String,
    /// What it runs.
    pub program: RwLock<Arc<Program>>,
    /// The objects it reconciles.
    pub primaries: Arc<Cache>,
    /// Everything it watches, the primaries included.
    pub caches: Vec<Arc<Cache>>,
    /// Which of them are due.
    pub queue: Arc<Queue>,
    /// What this host owns of it.
    pub lane: Arc<LaneSlots>,
    /// The labels that say which objects are this host's, where an external sharder decides.
    pub labels: Option<ShardLabels>,
    /// Where its events go.
    pub events: Arc<dyn Events>,
    /// Where its metrics go.
    pub guest_metrics: Arc<dyn Metrics>,
    /// Its clock.
    pub clock: Arc<dyn Clock>,
    /// Its randomness.
    pub random: Arc<dyn Random>,
    /// `controller_runtime_*`.
    pub metrics: ControllerMetrics,
    /// `polyreme_module_*`.
    pub module_metrics: ModuleMetrics,
    /// Uids of the objects reconciled so far, for the last reconcile after they are gone.
    pub last_uids: Mutex<HashMap<ObjectKey, Box<str>>>,
}

/// What a controller runs: replaced as a whole when its module or its configuration changes.
pub struct Program {
    /// Its code.
    pub module: Module,
    /// The API, as far as it is granted.
    pub api: Arc<ControllerApi>,
    /// `settings` as JSON text.
    pub settings: Arc<str>,
}

/// When an object that may not be reconciled now is looked at again: about a renewal later.
const SUSPENDED_RETRY: Duration = Duration::from_secs(1);

type Verdict = Result<(Result<Action, Failure>, CallStats), CallError>;

impl Controller {
    /// Works until the queue is closed, or until told to end between two reconciles.
    pub async fn work(self: Arc<Self>, end: CancellationToken) {
        while let Some(Some(work)) = end.run_until_cancelled(self.queue.next()).await {
            let outcome = self.take(&work).await;
            self.queue.finish(work, outcome);
        }
    }

    /// What it runs now.
    pub fn program(&self) -> Arc<Program> {
        Arc::clone(&self.program.read())
    }

    async fn take(&self, work: &Work) -> Outcome {
        let key = &work.popped.key;
        let removed = self.queue.tombstones.first(key);
        let permit = match self.lane.permit(self.slot(key, removed.as_deref())) {
            Ok(permit) => permit,
            Err(Refused::NotOwner) => return Outcome::Forget,
            Err(Refused::NotYet | Refused::Suspended) => return Outcome::After(SUSPENDED_RETRY),
        };
        let elsewhere = match &removed {
            Some(last) => self.is_still_there(last, &permit).await,
            None => self.give_away(key).await,
        };
        if let Some(outcome) = elsewhere {
            return outcome;
        }
        let _active = self.metrics.active_worker();
        let id = format!("{:016x}", self.random.number());
        let span = info_span!("reconcile", controller = self.name, object = %key, reconcile_id = id);
        let outcome = self.reconcile(&work.popped, removed.clone(), id, permit).instrument(span).await;
        if let (Some(last), Outcome::Forget) = (&removed, outcome) {
            self.settle(last);
        }
        outcome
    }

    async fn reconcile(
        &self,
        popped: &Popped<ObjectKey>,
        removed: Option<Arc<Object>>,
        id: String,
        permit: Permit,
    ) -> Outcome {
        let started = tokio::time::Instant::now();
        let is_removed = removed.is_some();
        if is_removed {
            warn!(
                "the API server removed this object although a finalizer held it \
                 (kubernetes/kubernetes#77988): it is reconciled by its last state until that succeeds"
            );
        }
        let current = removed.or_else(|| self.primaries.get(&popped.key));
        let uid = self.uid_of(&popped.key, current.as_deref());
        let outstanding = TaskTracker::new();
        let request = self.request(popped, current.as_deref(), &uid, id, &permit);
        let revocation = permit.clone();
        let program = self.program();
        let api = ReconcileApi {
            shared: Arc::clone(&program.api),
            kind: self.primaries.id.kind.clone(),
            key: popped.key.clone(),
            uid: current.as_deref().map(|object| object.uid.clone()),
            is_removed,
            permit,
            outstanding: outstanding.clone(),
        };
        let session = self.session(&program, api);
        let verdict = tokio::select! {
            biased;
            verdict = program.module.reconcile(request, session) => Some(verdict),
            () = revocation.revoked() => None,
        };
        outstanding.close();
        outstanding.wait().await;
        let Some(verdict) = verdict else {
            warn!(
                "reconcile interrupted: this host gave the object away or lost contact with the API server"
            );
            return Outcome::After(SUSPENDED_RETRY);
        };
        let (result, outcome) = self.judge(&verdict);
        self.account(&verdict);
        self.metrics.reconcile_done(result, started.elapsed().as_secs_f64());
        if current.is_none() && outcome == Outcome::Forget {
            self.last_uids.lock().remove(&popped.key);
        }
        outcome
    }

    /// Acknowledges that an object which an external sharder moves is not reconciled here any more. What
    /// is gone from the cache may as well have moved, so it gets no last reconcile.
    async fn give_away(&self, key: &ObjectKey) -> Option<Outcome> {
        let labels = self.labels.as_ref()?;
        let Some(object) = self.primaries.get(key) else { return Some(Outcome::Forget) };
        if !labels.is_leaving(&object) {
            return None;
        }
        let client = &self.program().api.client;
        match labels.acknowledge(client, &self.primaries.resource, &object).await {
            Ok(()) => Some(Outcome::Forget),
            Err(failure) => {
                warn!(object = %key, "failed to acknowledge a drain: {}", crate::explain::request_error(&failure));
                Some(Outcome::Backoff)
            }
        }
    }

    /// What to do instead with an object that seemed removed and is not: a watch with a selector shows as
    /// deleted what it no longer selects.
    async fn is_still_there(&self, last: &Object, permit: &Permit) -> Option<Outcome> {
        if self.primaries.id.selector.is_empty() {
            return None;
        }
        let (client, api) = (self.program().api.client.clone(), &self.primaries.resource.api);
        let objects: Api<DynamicObject> = match &last.key.namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, api),
            None => Api::all_with(client, api),
        };
        let answer = tokio::select! {
            answer = objects.get_metadata_opt(&last.key.name) => answer,
            () = permit.revoked() => return Some(Outcome::After(SUSPENDED_RETRY)),
        };
        match answer {
            Ok(Some(there)) if there.metadata.uid.as_deref() == Some(&*last.uid) => {
                self.settle(last);
                Some(Outcome::Forget)
            }
            Ok(_) => None,
            Err(failure) => {
                let why = crate::explain::request_error(&failure);
                warn!(object = %last.key, "failed to see whether an object is gone: {why}");
                Some(Outcome::Backoff)
            }
        }
    }

    /// A removed object is done with; whatever has its name now is looked at next.
    fn settle(&self, last: &Object) {
        self.queue.tombstones.remove(last);
        self.queue.add(last.key.clone(), Priority::NORMAL);
    }

    /// The slot of a primary.
    fn slot(&self, key: &ObjectKey, removed: Option<&Object>) -> SlotId {
        let uid = removed.map(|object| object.uid.clone());
        let uid = uid.or_else(|| self.primaries.get(key).map(|object| object.uid.clone()));
        let uid = uid.or_else(|| self.last_uids.lock().get(key).cloned()).unwrap_or_default();
        self.slot_of(key, &uid)
    }

    fn slot_of(&self, key: &ObjectKey, uid: &str) -> SlotId {
        let api = &self.primaries.resource.api;
        let namespace = key.namespace.as_deref().unwrap_or_default();
        let root = Root { group: &api.group, resource: &api.plural, namespace, name: &key.name, uid };
        self.lane.slot(&root)
    }

    /// Forgets what it remembers of objects that are another host's now; `evicted` were cached.
    pub fn forget_released(&self, evicted: &HashSet<(Kind, ObjectKey)>) {
        self.program().api.applied.forget(evicted);
        let is_wanted = |key: &ObjectKey, uid: &str| self.lane.wants(self.slot_of(key, uid));
        self.last_uids.lock().retain(|key, uid| is_wanted(key, uid));
        self.queue.tombstones.retain(|last| is_wanted(&last.key, &last.uid));
    }

    fn uid_of(&self, key: &ObjectKey, current: Option<&Object>) -> Box<str> {
        let mut uids = self.last_uids.lock();
        let Some(object) = current else {
            return uids.get(key).cloned().unwrap_or_else(|| "unknown".into());
        };
        uids.insert(key.clone(), object.uid.clone());
        object.uid.clone()
    }

    fn request(
        &self,
        popped: &Popped<ObjectKey>,
        current: Option<&Object>,
        uid: &str,
        id: String,
        permit: &Permit,
    ) -> Request {
        let generation = current.map_or("gone".to_owned(), |object| object.generation.to_string());
        Request {
            object: self.object_ref(&popped.key),
            current: current.map(|object| object.json.to_string()),
            id,
            attempt: popped.failures,
            idempotency_key: format!("{uid}-{generation}"),
            epoch: permit.epoch,
        }
    }

    fn object_ref(&self, key: &ObjectKey) -> ObjectRef {
        let kind = &self.primaries.id.kind;
        ObjectRef {
            api_version: kind.api_version.to_string(),
            kind: kind.kind.to_string(),
            namespace: key.namespace.as_deref().map(str::to_owned),
            name: key.name.to_string(),
        }
    }

    fn session(&self, program: &Program, api: ReconcileApi) -> Session {
        let http = ReconcileHttp {
            shared: Arc::clone(&program.api.http),
            permit: api.permit.clone(),
            outstanding: api.outstanding.clone(),
        };
        Session {
            kubernetes: Arc::new(api),
            http: Arc::new(http),
            events: Arc::clone(&self.events),
            log: Arc::new(GuestLog),
            metrics: Arc::clone(&self.guest_metrics),
            settings: Arc::clone(&program.settings),
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
        }
    }

    /// What the verdict means for the queue and the metrics, with a line in the log.
    fn judge(&self, verdict: &Verdict) -> (ReconcileResult, Outcome) {
        match verdict {
            Ok((Ok(Action::Done), _)) => {
                debug!("reconciled");
                (ReconcileResult::Success, Outcome::Forget)
            }
            Ok((Ok(Action::RequeueAfter(millis)), _)) => {
                let delay = Duration::from_millis(*millis).clamp(MIN_REQUEUE, MAX_REQUEUE);
                debug!(?delay, "reconciled, to be requeued");
                (ReconcileResult::RequeueAfter, Outcome::After(delay))
            }
            Ok((Err(Failure::Retry(why)), _)) => {
                warn!("reconcile failed, to be retried: {}", guest_log::verdict(why));
                (ReconcileResult::Error, Outcome::Backoff)
            }
            Ok((Err(Failure::Terminal(why)), _)) => {
                let why = guest_log::verdict(why);
                error!("reconcile failed, not to be retried until the object changes: {why}");
                (ReconcileResult::TerminalError, Outcome::Forget)
            }
            Err(failure) => {
                error!("{}", guest_log::verdict(&failure.to_string()));
                (self.count_fault(failure), Outcome::Backoff)
            }
        }
    }

    fn count_fault(&self, failure: &CallError) -> ReconcileResult {
        let CallError::Guest(fault) = failure else { return ReconcileResult::Error };
        self.module_metrics.trapped(trap_kind(&fault.kind));
        match fault.kind {
            FaultKind::WallTime { .. } => ReconcileResult::Timeout,
            _ => ReconcileResult::Panic,
        }
    }

    fn account(&self, verdict: &Verdict) {
        let stats = match verdict {
            Ok((_, stats)) => stats,
            Err(failure) => failure.stats(),
        };
        self.module_metrics.cpu(stats.cpu_time);
        self.module_metrics.memory_high_water(stats.memory_high_water_bytes);
    }
}

fn trap_kind(kind: &FaultKind) -> TrapKind {
    match kind {
        FaultKind::Trap { .. } | FaultKind::StackOverflow { .. } => TrapKind::Trap,
        FaultKind::CpuTime { .. } => TrapKind::CpuTime,
        FaultKind::WallTime { .. } => TrapKind::WallTime,
        FaultKind::Memory { .. } => TrapKind::Memory,
        _ => TrapKind::Other,
    }
}

//! The cluster a test talks to.

use std::cell::{Ref, RefCell, RefMut};
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::access::Access;
use super::imports::Imports;
use super::record::{Event, LogLine, Sample, Write};
use super::store::Store;
use crate::bindings::exports::polyreme::controller::reconciler::Request;
use crate::bindings::polyreme::controller::types::{ObjectRef, Reason};
use crate::controller::{Action, Controller, run};
use crate::error::Error;
use crate::http::{HttpReason, HttpRequest, HttpResponse};
use crate::merge;
use crate::resource::{Object, decode, reference};

/// Where the fake's clock starts: 2026-01-01T00:00:00Z.
const START_SECONDS: i64 = 1_767_225_600;

/// How often [`Fake::settle`] reconciles before it gives up.
const MAX_ROUNDS: usize = 16;

/// A request that is to fail.
pub(super) struct Fault {
    pub(super) verb: String,
    pub(super) kind: String,
    pub(super) reason: Reason,
}

/// Everything the fake knows.
pub(super) struct State {
    pub(super) store: Store,
    pub(super) access: Option<Access>,
    pub(super) faults: Vec<Fault>,
    pub(super) settings: Value,
    pub(super) now: Timestamp,
    pub(super) drawn: u64,
    pub(super) reconciles: u64,
    pub(super) writes: Vec<Write>,
    pub(super) events: Vec<Event>,
    pub(super) logs: Vec<LogLine>,
    pub(super) samples: Vec<Sample>,
    pub(super) server: Option<Server>,
    pub(super) requests: Vec<HttpRequest>,
}

/// What answers requests to outside servers.
pub(super) type Server = Box<dyn FnMut(&HttpRequest) -> Result<HttpResponse, HttpReason>>;

/// A cluster in memory; see the [module](super). Clones share it.
///
/// Objects are named by key: `namespace/name`, or `name` for cluster-scoped kinds.
#[derive(Clone)]
pub struct Fake {
    state: Rc<RefCell<State>>,
}

impl Default for Fake {
    fn default() -> Self {
        let state = State {
            store: Store::default(),
            access: None,
            faults: Vec::new(),
            settings: Value::Object(serde_json::Map::new()),
            now: Timestamp::from_second(START_SECONDS).unwrap_or_default(),
            drawn: 0,
            reconciles: 0,
            writes: Vec::new(),
            events: Vec::new(),
            logs: Vec::new(),
            samples: Vec::new(),
            server: None,
            requests: Vec::new(),
        };
        Self { state: Rc::new(RefCell::new(state)) }
    }
}

#[allow(clippy::panic, reason = "a test that asks for the impossible fails at its own line")]
impl Fake {
    /// An empty cluster at 2026-01-01T00:00:00Z.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an object as it is, status included; uid, generation and timestamps are filled
    /// in where they are missing.
    #[must_use]
    pub fn with<T: Object + Serialize>(self, object: &T) -> Self {
        self.add(object);
        self
    }

    /// The `settings:` of the controller.
    #[must_use]
    pub fn with_settings(self, settings: Value) -> Self {
        self.state_mut().settings = settings;
        self
    }

    /// What stands for the servers outside of Kubernetes. Without one every request is refused as not granted.
    ///
    /// ```
    /// use polyreme_sdk::testing::Fake;
    /// use polyreme_sdk::{HttpReason, HttpResponse};
    ///
    /// let cluster = Fake::new().with_server(|request| match request.method() {
    ///     "GET" => Ok(HttpResponse::new(200, r#"{"state": "running"}"#)),
    ///     _ => Err(HttpReason::Timeout),
    /// });
    /// ```
    #[must_use]
    pub fn with_server(
        self,
        answer: impl FnMut(&HttpRequest) -> Result<HttpResponse, HttpReason> + 'static,
    ) -> Self {
        self.state_mut().server = Some(Box::new(answer));
        self
    }

    /// As [`Fake::with`], later on; replaces an object of the same name.
    #[track_caller]
    pub fn add<T: Object + Serialize>(&self, object: &T) {
        let value = serde_json::to_value(object);
        let value = value.unwrap_or_else(|error| panic!("{} is no JSON: {error}", object.name()));
        let now = self.timestamp();
        self.state_mut().store.seed(&object.object_ref(), value, &now);
    }

    /// Edits an object, status included, as a user or another controller would: the
    /// generation rises when more than metadata and status changed. What the type does not
    /// know stays. Not recorded as a write of the controller.
    #[track_caller]
    pub fn edit<T>(&self, key: &str, edit: impl FnOnce(&mut T))
    where
        T: Object + Serialize + DeserializeOwned,
    {
        let mut object: T = self.get(key);
        let json = |object: &T| serde_json::to_value(object).unwrap_or_default();
        let before = json(&object);
        edit(&mut object);
        if let Some(difference) = merge::difference(&before, &json(&object)) {
            self.state_mut().store.edit(&target::<T>(key), &difference);
        }
    }

    /// Deletes an object as a user would: finalizers hold it, children go with it.
    #[track_caller]
    pub fn remove<T: Object>(&self, key: &str) {
        let (target, now) = (target::<T>(key), self.timestamp());
        let removed = self.state_mut().store.delete(&target, &now);
        removed.unwrap_or_else(|error| panic!("{}", error.message));
    }

    /// Reconciles an object once, with the permissions of the controller's manifest; an
    /// object that is not there is reconciled as a deleted one.
    ///
    /// # Errors
    /// What the controller returns.
    pub fn reconcile<C: Controller>(&self, key: &str) -> Result<Action, Error> {
        let object = target::<C::Primary>(key);
        let request = self.request(&object);
        self.grant::<C>(&object);
        let result = run::<C>(Imports(self.clone()), request);
        self.state_mut().access = None;
        result
    }

    /// Reconciles an object until a reconcile writes nothing, as the host would while the
    /// writes of one reconcile lead to the next.
    ///
    /// # Errors
    /// What the controller returns, at the first failure.
    #[track_caller]
    pub fn settle<C: Controller>(&self, key: &str) -> Result<Action, Error> {
        for _ in 0..MAX_ROUNDS {
            let before = self.state().writes.len();
            let action = self.reconcile::<C>(key)?;
            if self.state().writes.len() == before {
                return Ok(action);
            }
        }
        panic!("{key} still changes after {MAX_ROUNDS} reconciles");
    }

    /// An object that must be there.
    #[track_caller]
    pub fn get<T: Object + DeserializeOwned>(&self, key: &str) -> T {
        self.find(key).unwrap_or_else(|| panic!("there is no {} {key}", T::KIND))
    }

    /// An object, if it is there.
    #[track_caller]
    pub fn find<T: Object + DeserializeOwned>(&self, key: &str) -> Option<T> {
        let target = target::<T>(key);
        let json = self.state().store.find(&target)?.to_string();
        match decode(&json, &target) {
            Ok(object) => Some(object),
            Err(error) => panic!("{}", error.chain()),
        }
    }

    /// All objects of a kind, by namespace and name.
    #[track_caller]
    pub fn list<T: Object + DeserializeOwned>(&self) -> Vec<T> {
        let state = self.state();
        let all = state.store.objects(T::API_VERSION, T::KIND);
        let decoded = all.map(|object| serde_json::from_value(object.clone()));
        decoded.map(|object| object.unwrap_or_else(|error| panic!("{}: {error}", T::KIND))).collect()
    }

    /// What was written since the last call, apart from writes that changed nothing.
    pub fn take_writes(&self) -> Vec<Write> {
        std::mem::take(&mut self.state_mut().writes)
    }

    /// The requests to outside servers since the last call.
    pub fn take_requests(&self) -> Vec<HttpRequest> {
        std::mem::take(&mut self.state_mut().requests)
    }

    /// The events since the last call.
    pub fn take_events(&self) -> Vec<Event> {
        std::mem::take(&mut self.state_mut().events)
    }

    /// The log lines since the last call.
    pub fn take_logs(&self) -> Vec<LogLine> {
        std::mem::take(&mut self.state_mut().logs)
    }

    /// The metric values since the last call.
    pub fn take_samples(&self) -> Vec<Sample> {
        std::mem::take(&mut self.state_mut().samples)
    }

    /// Makes the next request of this verb to this kind fail: `fail_next("apply",
    /// "Deployment", Reason::Conflict)`. An `apply_all` asks for each of its objects.
    pub fn fail_next(&self, verb: &str, kind: &str, reason: Reason) {
        let (verb, kind) = (verb.to_owned(), kind.to_owned());
        self.state_mut().faults.push(Fault { verb, kind, reason });
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        let mut state = self.state_mut();
        state.now = state.now.saturating_add(by).unwrap_or(Timestamp::MAX);
    }

    /// The time of the cluster.
    pub fn now(&self) -> Timestamp {
        self.state().now
    }

    pub(super) fn state(&self) -> Ref<'_, State> {
        self.state.borrow()
    }

    pub(super) fn state_mut(&self) -> RefMut<'_, State> {
        self.state.borrow_mut()
    }

    /// The time as `creationTimestamp` has it.
    pub(super) fn timestamp(&self) -> String {
        self.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    fn grant<C: Controller>(&self, object: &ObjectRef) {
        let manifest = C::manifest().describe::<C::Primary>("test");
        let mut state = self.state_mut();
        let held = state.store.find(object);
        let uid = held.map_or(Value::Null, |held| held["metadata"]["uid"].clone());
        state.access = Some(Access { manifest, object: object.clone(), uid });
    }

    fn request(&self, object: &ObjectRef) -> Request {
        let mut state = self.state_mut();
        state.reconciles += 1;
        let held = state.store.find(object);
        let metadata = held.map(|held| &held["metadata"]);
        let key = metadata.map(|metadata| format!("{}/{}", metadata["uid"], metadata["generation"]));
        Request {
            object: object.clone(),
            current: held.map(Value::to_string),
            id: format!("test-{}", state.reconciles),
            attempt: 0,
            idempotency_key: key.unwrap_or_default(),
            epoch: 1,
        }
    }
}

fn target<T: Object>(key: &str) -> ObjectRef {
    match key.split_once('/') {
        Some((namespace, name)) => reference::<T>(Some(namespace), name),
        None => reference::<T>(None, key),
    }
}

//! Capabilities for the tests: an API that answers or never does, a log that remembers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use polyreme_runtime::wit::events::Severity;
use polyreme_runtime::wit::http;
use polyreme_runtime::wit::kubernetes::{
    DeleteOptions, ListQuery, Page, PatchType, Source, WriteOptions, Written,
};
use polyreme_runtime::wit::log::Level;
use polyreme_runtime::wit::reconciler::Request;
use polyreme_runtime::wit::types::{Error, Kind, ObjectRef, Reason};
use polyreme_runtime::{Clock, Events, Http, Kubernetes, Log, Metrics, Random, Session};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// An API server that has one object, and answers when it is let to.
pub(crate) struct Api {
    answers: Semaphore,
    asked: AtomicUsize,
    arrived: Semaphore,
    busy_for: Duration,
}

impl Api {
    /// Answers everything at once.
    pub(crate) fn ready() -> Arc<Self> {
        Self::with_answers(Semaphore::MAX_PERMITS, Duration::ZERO)
    }

    /// Waits for a moment, then computes for a while, then answers.
    pub(crate) fn busy_for(cost: Duration) -> Arc<Self> {
        Self::with_answers(Semaphore::MAX_PERMITS, cost)
    }

    /// Answers nothing until [`Api::answer`].
    pub(crate) fn silent() -> Arc<Self> {
        Self::with_answers(0, Duration::ZERO)
    }

    fn with_answers(answers: usize, busy_for: Duration) -> Arc<Self> {
        Arc::new(Self {
            answers: Semaphore::new(answers),
            asked: AtomicUsize::new(0),
            arrived: Semaphore::new(0),
            busy_for,
        })
    }

    /// How many requests have arrived.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Lets `n` requests be answered.
    pub(crate) fn answer(&self, n: usize) {
        self.answers.add_permits(n);
    }

    /// Waits until `n` more requests have arrived.
    pub(crate) async fn arrived(&self, n: u32) {
        let arrived = self.arrived.acquire_many(n).await;
        arrived.expect("never closed").forget();
    }

    async fn turn(&self) {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.arrived.add_permits(1);
        if !self.busy_for.is_zero() {
            tokio::task::yield_now().await;
            let started = Instant::now();
            while started.elapsed() < self.busy_for {
                std::hint::spin_loop();
            }
        }
        let answer = self.answers.acquire().await;
        answer.expect("never closed").forget();
    }
}

fn unsupported() -> Error {
    Error::new(Reason::Other, "the test's API server cannot do this")
}

#[async_trait]
impl Kubernetes for Api {
    async fn get(&self, object: ObjectRef, _: Source) -> Result<String, Error> {
        self.turn().await;
        Ok(format!("{{\"name\":\"{}\"}}", object.name))
    }

    async fn list(&self, _: Kind, _: ListQuery) -> Result<Page, Error> {
        Err(unsupported())
    }

    async fn create(&self, _: String, _: WriteOptions) -> Result<Written, Error> {
        Err(unsupported())
    }

    async fn update(&self, _: String, _: WriteOptions) -> Result<Written, Error> {
        Err(unsupported())
    }

    async fn patch(&self, _: ObjectRef, _: PatchType, _: String, _: WriteOptions) -> Result<Written, Error> {
        Err(unsupported())
    }

    async fn apply(&self, _: String, _: WriteOptions) -> Result<Written, Error> {
        Err(unsupported())
    }

    async fn apply_all(&self, objects: Vec<String>, _: WriteOptions) -> Vec<Result<Written, Error>> {
        objects.iter().map(|_| Err(unsupported())).collect()
    }

    async fn delete(&self, _: ObjectRef, _: DeleteOptions) -> Result<(), Error> {
        self.turn().await;
        Ok(())
    }
}

/// Answers every request with its own body.
#[async_trait]
impl Http for Api {
    async fn send(&self, request: http::Request) -> Result<http::Response, http::Error> {
        self.turn().await;
        let body = request.body.unwrap_or_default();
        Ok(http::Response { status: 200, headers: request.headers, body })
    }
}

/// Remembers every line.
#[derive(Default)]
pub(crate) struct Lines(pub(crate) Mutex<Vec<(Level, String)>>);

impl Lines {
    /// Each line after the word for its level.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.0.lock().iter().map(|(level, line)| format!("{} {line}", word(*level))).collect()
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

impl Log for Lines {
    fn log(&self, level: Level, message: &str, _: &[(String, String)]) {
        self.0.lock().push((level, message.to_owned()));
    }

    fn enabled(&self, _: Level) -> bool {
        true
    }
}

struct Nothing;

impl Events for Nothing {
    fn emit(&self, _: ObjectRef, _: Severity, _: String, _: String, _: String) {}
}

impl Metrics for Nothing {
    fn add_counter(&self, _: &str, _: f64, _: &[(String, String)]) {}
    fn set_gauge(&self, _: &str, _: f64, _: &[(String, String)]) {}
    fn observe(&self, _: &str, _: f64, _: &[(String, String)]) {}
}

impl Clock for Nothing {
    fn now(&self) -> u64 {
        1
    }

    fn monotonic(&self) -> u64 {
        2
    }
}

impl Random for Nothing {
    fn bytes(&self, len: u32) -> Vec<u8> {
        vec![4; len as usize]
    }

    fn number(&self) -> u64 {
        4
    }
}

/// A session over `api` that logs to `log`.
pub(crate) fn session(api: &Arc<Api>, log: &Arc<Lines>) -> Session {
    let nothing = Arc::new(Nothing);
    Session {
        kubernetes: api.clone(),
        http: api.clone(),
        events: nothing.clone(),
        log: log.clone(),
        metrics: nothing.clone(),
        settings: "{}".into(),
        clock: nothing.clone(),
        random: nothing,
    }
}

/// A request to reconcile the ConfigMap `site`.
pub(crate) fn request() -> Request {
    Request {
        object: ObjectRef {
            api_version: "v1".to_owned(),
            kind: "ConfigMap".to_owned(),
            namespace: Some("default".to_owned()),
            name: "site".to_owned(),
        },
        current: None,
        id: "r-1".to_owned(),
        attempt: 0,
        idempotency_key: "key".to_owned(),
        epoch: 1,
    }
}

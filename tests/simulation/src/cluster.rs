//! The API server, the users who change probes, and the observer that sees every version of them.
//!
//! Users and observer are at the server's side: nothing between them and the server is late or lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::BodyExt as _;
use k8s_openapi::jiff::Timestamp;
use parking_lot::Mutex;
use polyreme_apiserver::{Embedded, User};
use polyreme_tests::judge::{ObjectName, Sighting, Status};
use polyreme_tests::repository;
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};
use tower::ServiceExt as _;

use crate::machine::{runtime, server_clocks};
use crate::network::Arrival;
use crate::system;
use crate::wire::{Part, Sent, Wire};

/// Where probes and Leases are.
pub(crate) const NAMESPACE: &str = "lab";
const ADMIN: &str = "admin";
const PROBES: &str = "/apis/probe.polyreme.dev/v1alpha1/namespaces/lab/probes";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/lab/leases";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// See the module's story.
pub(crate) struct Cluster {
    wire: Wire,
    router: Router,
    streams: BTreeMap<u64, AbortHandle>,
    tape: Arc<Mutex<Vec<Sighting>>>,
    started: Instant,
    now: Duration,
    // Dropped last: everything above runs in it.
    runtime: Runtime,
}

impl Cluster {
    /// A server that knows the hosts as users, with this many probes.
    pub(crate) fn new(wire: Wire, hosts: &[String], probes: usize) -> Result<Self> {
        system::enter(server_clocks(Duration::ZERO));
        let runtime = runtime()?;
        let users: Vec<User> = hosts.iter().map(String::as_str).chain([ADMIN]).map(user).collect();
        let server = Embedded::new(&users).context("failed to start the API server")?;
        let router = server.router();
        runtime.spawn(async move { server.run_controllers().await });
        let started = runtime.block_on(async { Instant::now() });
        let tape = Arc::default();
        let cluster =
            Self { wire, router, streams: BTreeMap::new(), tape, started, now: Duration::ZERO, runtime };
        cluster.furnish(probes)?;
        Ok(cluster)
    }

    fn furnish(&self, probes: usize) -> Result<()> {
        let definitions = repository().join("tests/probe/crds.yaml");
        let definitions = std::fs::read_to_string(&definitions)
            .with_context(|| format!("failed to read {}", definitions.display()))?;
        for document in definitions.split("\n---") {
            let definition: Value =
                serde_saphyr::from_str(document).context("failed to read a definition")?;
            self.ask(Method::POST, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &definition)?;
        }
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        self.ask(Method::POST, "/api/v1/namespaces", &namespace)?;
        self.runtime.spawn(observe(self.router.clone(), Arc::clone(&self.tape), self.started));
        for probe in 0..probes {
            let probe = json!({
                "apiVersion": "probe.polyreme.dev/v1alpha1", "kind": "Probe",
                "metadata": {"name": name(probe)}, "spec": {"seq": 1, "reads": probe % 4},
            });
            self.ask(Method::POST, PROBES, &probe)?;
        }
        Ok(())
    }

    /// Asks the server here and now.
    fn ask(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        system::enter(server_clocks(self.now));
        let (status, answer) = self.runtime.block_on(call(self.router.clone(), method, path, body))?;
        ensure!(status.is_success(), "failed to ask for {path}: {answer}");
        Ok(answer)
    }

    /// All probes as they are stored.
    pub(crate) fn probes(&self) -> Result<Vec<Value>> {
        self.items(PROBES)
    }

    /// All Leases as they are stored.
    pub(crate) fn leases(&self) -> Result<Vec<Value>> {
        self.items(LEASES)
    }

    fn items(&self, path: &str) -> Result<Vec<Value>> {
        let mut list = self.ask(Method::GET, path, &Value::Null)?;
        Ok(list["items"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    /// A user gives a probe something to do.
    pub(crate) fn change(&self, probe: usize, spec: &Value) -> Result<()> {
        let path = format!("{PROBES}/{}", name(probe));
        self.ask(Method::PATCH, &path, &json!({"spec": spec})).map(drop)
    }

    /// Somebody deletes the Leases of a host.
    pub(crate) fn forget_member(&self, prefix: &str) -> Result<()> {
        for lease in self.leases()? {
            let name = lease["metadata"]["name"].as_str().unwrap_or_default();
            if name.starts_with(prefix) {
                self.ask(Method::DELETE, &format!("{LEASES}/{name}"), &Value::Null)?;
            }
        }
        Ok(())
    }

    /// Every version of every probe so far.
    pub(crate) fn sightings(&self) -> Vec<Sighting> {
        self.tape.lock().clone()
    }

    /// Takes what arrives.
    pub(crate) fn take(&mut self, arrivals: Vec<Arrival>) {
        for arrival in arrivals {
            match arrival {
                Arrival::Request { exchange, copy, request } => {
                    let answering = answer(self.router.clone(), self.wire.clone(), exchange, copy, request);
                    let answering = self.runtime.spawn(answering);
                    self.streams.insert(exchange, answering.abort_handle());
                }
                Arrival::Abandoned(exchange) => {
                    if let Some(stream) = self.streams.remove(&exchange) {
                        stream.abort();
                    }
                }
            }
        }
        self.streams.retain(|_, stream| !stream.is_finished());
    }

    /// Runs everything that is due until its clock shows `now`.
    pub(crate) fn advance(&mut self, now: Duration) {
        self.now = now;
        system::enter(server_clocks(now));
        let target = self.started + now;
        self.runtime.block_on(async { sleep_until(target).await });
    }
}

fn name(probe: usize) -> String {
    format!("p-{probe}")
}

fn user(name: &str) -> User {
    User { name: name.to_owned(), token: name.to_owned(), groups: Vec::new() }
}

async fn call(router: Router, method: Method, path: &str, body: &Value) -> Result<(http::StatusCode, Value)> {
    let content = if method == Method::PATCH { MERGE_PATCH } else { "application/json" };
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, content);
    let request = request.header(header::AUTHORIZATION, format!("Bearer {ADMIN}")).body(body)?;
    let Ok(answer) = router.oneshot(request).await;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.context("failed to read an answer")?.to_bytes();
    Ok((head.status, serde_json::from_slice(&body).unwrap_or_default()))
}

/// Answers one copy of a request, part by part.
async fn answer(router: Router, wire: Wire, exchange: u64, copy: u8, request: Request<Bytes>) {
    let Ok(answer) = router.oneshot(request.map(Body::from)).await;
    let (head, mut body) = answer.into_parts();
    let send = |part| wire.send(Sent::Answered { exchange, copy, part });
    send(Part::Head(Box::new(head)));
    while let Some(frame) = body.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(bytes)) => send(Part::Data(bytes)),
            Ok(Err(_)) => (),
            Err(_) => return send(Part::Broken),
        }
    }
    send(Part::End);
}

/// Watches all probes from the beginning.
async fn observe(router: Router, tape: Arc<Mutex<Vec<Sighting>>>, started: Instant) {
    let path = format!("{PROBES}?watch=true&timeoutSeconds=1000000");
    let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {ADMIN}"));
    let request = request.body(Body::empty()).expect("the parts are constants");
    let Ok(answer) = router.oneshot(request).await;
    let mut body = answer.into_body();
    while let Some(Ok(frame)) = body.frame().await {
        let at = Timestamp::UNIX_EPOCH + (Instant::now() - started);
        // Whole lines, as `rest::stream` of the server sends them.
        let text = frame.into_data().unwrap_or_default();
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let event: Value = serde_json::from_slice(line).unwrap_or_default();
            tape.lock().extend(sighting(&event["object"], at));
        }
    }
}

fn sighting(probe: &Value, at: Timestamp) -> Option<Sighting> {
    let metadata = &probe["metadata"];
    let status = probe.get("status").map(Status::deserialize);
    Some(Sighting {
        at,
        object: ObjectName::new(NAMESPACE, metadata["name"].as_str()?),
        order: metadata["resourceVersion"].as_str()?.parse().ok()?,
        seq: probe["spec"]["seq"].as_i64()?,
        status: status.transpose().ok()?.unwrap_or_default(),
    })
}

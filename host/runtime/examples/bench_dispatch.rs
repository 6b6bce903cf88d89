//! `cargo xtask bench dispatch`: what one reconcile costs beside the same work natively.
//!
//! ```sh
//! cargo run --release -p polyreme-runtime --example bench_dispatch -- dispatch-guest.wasm
//! ```
//!
//! Each measured call is a whole [`Module::reconcile`]: a fresh instance, the object passed
//! in, one read that the session answers from memory, the result passed out. The native
//! side decodes the same texts with the same types and decides by the same function. The
//! two alternate, so that whatever else the machine does meets both.
//!
//! A table for people goes first; the last line is one JSON object for scripts.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dispatch_guest::{CHECKSUM, checksum, reconcile_natively};
use polyreme_runtime::wit::kubernetes::{
    DeleteOptions, ListQuery, Page, PatchType, Source, WriteOptions, Written,
};
use polyreme_runtime::wit::log::Level;
use polyreme_runtime::wit::reconciler::{Action, Request};
use polyreme_runtime::wit::types::{Error, Kind, ObjectRef, Reason};
use polyreme_runtime::{Engine, EngineConfig, Kubernetes, Limits, Log, Module, Session};
use serde_json::{Value, json};
use tokio::time::Instant;

/// Calls before measuring: caches fill, the pool is touched.
const WARM_UP: usize = 2_000;
/// Measured calls.
const CALLS: usize = 20_000;

/// Goals of issue 3.
const GOAL_P50_US: f64 = 50.0;
const GOAL_P99_US: f64 = 200.0;
const GOAL_RATIO: f64 = 2.0;

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: bench_dispatch COMPONENT.wasm");
        return ExitCode::from(2);
    };
    match measure(Path::new(&path)).await {
        Ok(samples) => {
            report(&samples);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("failed to measure: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Times of both sides, each sorted.
struct Samples {
    object_bytes: usize,
    guest: Vec<Duration>,
    guest_cpu: Vec<Duration>,
    native: Vec<Duration>,
}

async fn measure(path: &Path) -> Result<Samples, Failure> {
    let engine = Engine::new(EngineConfig::default())?;
    let module = engine.load("dispatch", path, Limits::default()).await?;
    let objects = Objects::new()?;
    for _ in 0..WARM_UP {
        run_guest(&module, &objects).await?;
        run_natively(&objects)?;
    }
    let mut samples = Samples {
        object_bytes: objects.deployment.len(),
        guest: Vec::with_capacity(CALLS),
        guest_cpu: Vec::with_capacity(CALLS),
        native: Vec::with_capacity(CALLS),
    };
    for _ in 0..CALLS {
        let started = Instant::now();
        let cpu_time = run_guest(&module, &objects).await?;
        samples.guest.push(started.elapsed());
        samples.guest_cpu.push(cpu_time);
        let started = Instant::now();
        run_natively(&objects)?;
        samples.native.push(started.elapsed());
    }
    samples.guest.sort_unstable();
    samples.guest_cpu.sort_unstable();
    samples.native.sort_unstable();
    Ok(samples)
}

async fn run_guest(module: &Module, objects: &Objects) -> Result<Duration, Failure> {
    let (verdict, stats) = module.reconcile(objects.request(), objects.session()).await?;
    match verdict {
        Ok(Action::Done) => Ok(stats.cpu_time),
        other => Err(format!("the guest found something to do: {other:?}").into()),
    }
}

fn run_natively(objects: &Objects) -> Result<(), Failure> {
    let current = objects.deployment.as_str().to_owned();
    let settled = reconcile_natively(&current, |_| objects.api.config.clone())?;
    settled.then_some(()).ok_or_else(|| "the native function found something to do".into())
}

fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    let sample = sorted.get(at).copied().unwrap_or_default();
    sample.as_secs_f64() * 1e6
}

fn report(samples: &Samples) {
    let rows = [
        ("reconcile in WASM", &samples.guest),
        ("  of it on the guest's CPU", &samples.guest_cpu),
        ("the same natively", &samples.native),
    ];
    println!("one reconcile of a {} byte object with one cached read,", samples.object_bytes);
    println!("{CALLS} calls, each in a fresh instance, after {WARM_UP} to warm up\n");
    println!("{:<28} {:>10} {:>10} {:>10}", "µs", "p50", "p90", "p99");
    for (name, sorted) in rows {
        let [p50, p90, p99] = [50, 90, 99].map(|percent| percentile(sorted, percent));
        println!("{name:<28} {p50:>10.1} {p90:>10.1} {p99:>10.1}");
    }
    println!("\n{}", figures(samples));
}

/// The line for scripts.
fn figures(samples: &Samples) -> Value {
    let (p50, p99) = (percentile(&samples.guest, 50), percentile(&samples.guest, 99));
    let native = percentile(&samples.native, 50);
    json!({"bench": "dispatch", "figures": [
        figure("reconcile p50", p50, "us", Some(GOAL_P50_US)),
        figure("reconcile p99", p99, "us", Some(GOAL_P99_US)),
        figure("native p50", native, "us", None),
        figure("native p99", percentile(&samples.native, 99), "us", None),
        figure("reconcile p50 / native p50", p50 / native, "ratio", Some(GOAL_RATIO)),
    ]})
}

fn figure(name: &str, value: f64, unit: &str, goal: Option<f64>) -> Value {
    let value = (value * 100.0).round() / 100.0;
    json!({
        "name": name, "value": value, "unit": unit, "goal": goal, "better": "lower",
        "holds": goal.map(|goal| value <= goal),
    })
}

/// What is reconciled, and the session that knows it.
struct Objects {
    deployment: String,
    api: Arc<Cache>,
    template: Session,
}

impl Objects {
    fn new() -> Result<Self, Failure> {
        let config = config_map();
        let checksum = checksum(&serde_json::from_value(config.clone())?);
        let api = Arc::new(Cache { config: config.to_string() });
        let template =
            Session { kubernetes: api.clone(), ..Session::for_describe("{}".into(), Arc::new(Quiet)) };
        Ok(Self { deployment: deployment(&checksum).to_string(), api, template })
    }

    fn session(&self) -> Session {
        self.template.clone()
    }

    fn request(&self) -> Request {
        Request {
            object: ObjectRef {
                api_version: "apps/v1".to_owned(),
                kind: "Deployment".to_owned(),
                namespace: Some("project-foo".to_owned()),
                name: "kubecon-3f2a1c".to_owned(),
            },
            current: Some(self.deployment.clone()),
            id: "bench".to_owned(),
            attempt: 0,
            idempotency_key: "bench-1".to_owned(),
            epoch: 1,
        }
    }
}

fn metadata(name: &str) -> Value {
    json!({
        "name": name, "namespace": "project-foo", "generation": 3, "resourceVersion": "184467",
        "uid": "5f0d9c1e-6a52-4c1b-9a3f-0c2f8f4f7d11", "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {"app": "website", "website": "kubecon", "server": name, "managed-by": "webhosting-operator"},
        "ownerReferences": [{
            "apiVersion": "webhosting.polyreme.dev/v1alpha1", "kind": "Website", "name": "kubecon",
            "uid": "0a1b2c3d-1111-2222-3333-444455556666", "controller": true, "blockOwnerDeletion": true,
        }],
        "managedFields": [{
            "manager": "website", "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
            "time": "2026-01-01T00:00:00Z",
            "fieldsV1": {"f:metadata": {"f:labels": {"f:app": {}, "f:website": {}, "f:server": {}, "f:managed-by": {}}},
                         "f:spec": {"f:replicas": {}, "f:selector": {}, "f:template": {"f:spec": {"f:containers": {}}}}},
        }],
    })
}

fn deployment(checksum: &str) -> Value {
    let name = "kubecon-3f2a1c";
    let labels = json!({"app": "website", "server": name});
    let mount =
        |path: &str, key: &str| json!({"name": "data", "mountPath": path, "subPath": key, "readOnly": true});
    let probe = json!({"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 10, "failureThreshold": 3});
    let condition = |kind: &str, reason: &str| {
        json!({"type": kind, "status": "True", "reason": reason, "message": "as it should be",
               "lastUpdateTime": "2026-01-01T00:00:05Z", "lastTransitionTime": "2026-01-01T00:00:05Z"})
    };
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(name),
        "spec": {
            "replicas": 1, "revisionHistoryLimit": 2, "selector": {"matchLabels": labels},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "template": {
                "metadata": {"labels": labels, "annotations": {CHECKSUM: checksum}},
                "spec": {
                    "containers": [{
                        "name": "nginx", "image": "nginx:1.27-alpine", "imagePullPolicy": "IfNotPresent",
                        "ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}],
                        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
                        "livenessProbe": probe, "readinessProbe": probe,
                        "volumeMounts": [mount("/usr/share/nginx/html", "index.html"), mount("/etc/nginx/nginx.conf", "nginx.conf")],
                    }],
                    "volumes": [{"name": "data", "configMap": {"name": name, "defaultMode": 420}}],
                    "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
                },
            },
        },
        "status": {
            "observedGeneration": 3, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
            "conditions": [condition("Available", "MinimumReplicasAvailable"), condition("Progressing", "NewReplicaSetAvailable")],
        },
    })
}

fn config_map() -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("kubecon-3f2a1c"),
        "data": {
            "index.html": "<!doctype html><html><head><title>kubecon</title></head><body style=\"background: darkcyan; \
                           font-family: Futura, sans-serif\"><h1>Welcome to kubecon</h1></body></html>",
            "nginx.conf": "events {}\nhttp {\n  server {\n    listen 80;\n    listen [::]:80;\n    location / {\n      \
                           rewrite ^/project-foo/kubecon(.*)$ /$1 break;\n      root /usr/share/nginx/html;\n    }\n  }\n}\n",
        },
    })
}

/// A cache with one object.
struct Cache {
    config: String,
}

fn unexpected() -> Error {
    Error::new(Reason::Other, "the benchmark only reads one object")
}

#[async_trait]
impl Kubernetes for Cache {
    async fn get(&self, _: ObjectRef, _: Source) -> Result<String, Error> {
        Ok(self.config.clone())
    }

    async fn list(&self, _: Kind, _: ListQuery) -> Result<Page, Error> {
        Err(unexpected())
    }

    async fn create(&self, _: String, _: WriteOptions) -> Result<Written, Error> {
        Err(unexpected())
    }

    async fn update(&self, _: String, _: WriteOptions) -> Result<Written, Error> {
        Err(unexpected())
    }

    async fn patch(&self, _: ObjectRef, _: PatchType, _: String, _: WriteOptions) -> Result<Written, Error> {
        Err(unexpected())
    }

    async fn apply(&self, _: String, _: WriteOptions) -> Result<Written, Error> {
        Err(unexpected())
    }

    async fn apply_all(&self, objects: Vec<String>, _: WriteOptions) -> Vec<Result<Written, Error>> {
        objects.iter().map(|_| Err(unexpected())).collect()
    }

    async fn delete(&self, _: ObjectRef, _: DeleteOptions) -> Result<(), Error> {
        Err(unexpected())
    }
}

struct Quiet;

impl Log for Quiet {
    fn log(&self, _: Level, _: &str, _: &[(String, String)]) {}

    fn enabled(&self, _: Level) -> bool {
        false
    }
}

//! What is reconciled: a settled Deployment, and a session whose cache holds its ConfigMap.

use std::sync::Arc;

use async_trait::async_trait;
use dispatch_guest::{VERSION, reconcile_natively};
use polyreme_runtime::wit::kubernetes::{
    DeleteOptions, ListQuery, Page, PatchType, Source, WriteOptions, Written,
};
use polyreme_runtime::wit::log::Level;
use polyreme_runtime::wit::reconciler::{Action, Request};
use polyreme_runtime::wit::types::{Error, Kind, ObjectRef, Reason};
use polyreme_runtime::{CallStats, Kubernetes, Log, Module, Session};
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::Failure;

/// `metadata.resourceVersion` of everything.
const RESOURCE_VERSION: &str = "184467";

/// What is reconciled, and the session that knows it.
pub(crate) struct Objects {
    deployment: String,
    api: Arc<Cache>,
    template: Session,
}

impl Objects {
    pub(crate) fn new() -> Self {
        Self::with_sidecars(0)
    }

    /// A larger object: up to two containers beside the first, about 900 bytes each.
    pub(crate) fn with_sidecars(sidecars: usize) -> Self {
        Self::of(&deployment(sidecars), None)
    }

    /// The cached read answers when as many reads as the gate wants are under way.
    pub(crate) fn with_gate(gate: Barrier) -> Self {
        Self::of(&deployment(0), Some(gate))
    }

    fn of(deployment: &Value, gate: Option<Barrier>) -> Self {
        let api = Arc::new(Cache { config: config_map().to_string(), gate });
        let template =
            Session { kubernetes: api.clone(), ..Session::for_describe("{}".into(), Arc::new(Quiet)) };
        Self { deployment: deployment.to_string(), api, template }
    }

    /// Bytes of the object under reconcile.
    pub(crate) fn bytes(&self) -> usize {
        self.deployment.len()
    }

    /// One reconcile by the guest, which must find nothing to do.
    pub(crate) async fn reconcile(&self, module: &Module) -> Result<CallStats, Failure> {
        let (verdict, stats) = module.reconcile(self.request(), self.template.clone()).await?;
        match verdict {
            Ok(Action::Done) => Ok(stats),
            other => Err(format!("the guest found something to do: {other:?}").into()),
        }
    }

    /// The same work by a native function.
    pub(crate) fn reconcile_natively(&self) -> Result<(), Failure> {
        let current = self.deployment.as_str().to_owned();
        let settled = reconcile_natively(&current, |_| self.api.config.clone())?;
        settled.then_some(()).ok_or_else(|| "the native function found something to do".into())
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

/// As a guest sees it: the host cuts `managedFields` off whatever it reads.
fn metadata(name: &str) -> Value {
    json!({
        "name": name, "namespace": "project-foo", "generation": 3, "resourceVersion": RESOURCE_VERSION,
        "uid": "5f0d9c1e-6a52-4c1b-9a3f-0c2f8f4f7d11", "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {"app": "website", "website": "kubecon", "server": name, "managed-by": "webhosting-operator"},
        "ownerReferences": [{
            "apiVersion": "webhosting.polyreme.dev/v1alpha1", "kind": "Website", "name": "kubecon",
            "uid": "0a1b2c3d-1111-2222-3333-444455556666", "controller": true, "blockOwnerDeletion": true,
        }],
    })
}

/// A container beside the first, with what an API server adds to it.
fn sidecar(name: &str, image: &str, port: u16, path: &str, argument: &str) -> Value {
    let probe = json!({
        "httpGet": {"path": path, "port": name, "scheme": "HTTP"},
        "periodSeconds": 10, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3,
    });
    let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}});
    json!({
        "name": name, "image": image, "imagePullPolicy": "IfNotPresent", "args": [argument],
        "env": [field("POD_NAME", "metadata.name"), field("POD_NAMESPACE", "metadata.namespace")],
        "ports": [{"name": name, "containerPort": port, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "5m", "memory": "8Mi"}, "limits": {"memory": "32Mi"}},
        "livenessProbe": probe, "readinessProbe": probe,
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
    })
}

fn containers(sidecars: usize) -> Vec<Value> {
    let mount =
        |path: &str, key: &str| json!({"name": "data", "mountPath": path, "subPath": key, "readOnly": true});
    let probe = json!({"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 10, "failureThreshold": 3});
    let exporter = "--nginx.scrape-uri=http://127.0.0.1:8080/stub_status";
    let all = [
        json!({
            "name": "nginx", "image": "nginx:1.27-alpine", "imagePullPolicy": "IfNotPresent",
            "ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}],
            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
            "livenessProbe": probe, "readinessProbe": probe,
            "volumeMounts": [mount("/usr/share/nginx/html", "index.html"), mount("/etc/nginx/nginx.conf", "nginx.conf")],
        }),
        sidecar("metrics", "nginx/nginx-prometheus-exporter:1.4.2", 9113, "/metrics", exporter),
        sidecar(
            "logs",
            "fluent/fluent-bit:3.2.10",
            2020,
            "/api/v1/health",
            "--config=/fluent-bit/etc/fluent-bit.yaml",
        ),
    ];
    all.into_iter().take(1 + sidecars).collect()
}

fn deployment(sidecars: usize) -> Value {
    let name = "kubecon-3f2a1c";
    let labels = json!({"app": "website", "server": name});
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
                "metadata": {"labels": labels, "annotations": {VERSION: RESOURCE_VERSION}},
                "spec": {
                    "containers": containers(sidecars),
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
    gate: Option<Barrier>,
}

fn unexpected() -> Error {
    Error::new(Reason::Other, "the benchmark only reads one object")
}

#[async_trait]
impl Kubernetes for Cache {
    async fn get(&self, _: ObjectRef, _: Source) -> Result<String, Error> {
        if let Some(gate) = &self.gate {
            gate.wait().await;
        }
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

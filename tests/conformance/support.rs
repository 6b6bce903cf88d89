//! A namespace, an HTTP client, and answers that can be asked questions.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::io::{AsyncBufRead, AsyncBufReadExt, Lines};
use futures::{StreamExt, future};
use http::{Method, Request};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use polyreme_tests::{Namespace, Server, eventually, server};
use serde_json::{Value, json};

/// How long a state may take to come: the real controllers are slow on a busy machine.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

pub(super) const MERGE: &str = "application/merge-patch+json";
pub(super) const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub(super) const JSON_PATCH: &str = "application/json-patch+json";
pub(super) const APPLY: &str = "application/apply-patch+yaml";

/// Where the custom resources of the cases live.
pub(super) const GADGETS: &str = "/apis/conformance.polyreme.dev/v1/namespaces/{ns}/gadgets";
pub(super) const CONFIG_MAPS: &str = "/api/v1/namespaces/{ns}/configmaps";
pub(super) const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/{ns}/deployments";
pub(super) const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// One case's place on the server.
pub(super) struct Bench {
    pub(super) client: Client,
    pub(super) ns: Namespace,
    server: Server,
}

/// What the server said.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) headers: http::HeaderMap,
    pub(super) text: String,
    pub(super) body: Value,
}

impl Answer {
    /// Checks the HTTP status.
    #[track_caller]
    pub(super) fn is(self, code: u16) -> Self {
        assert_eq!(self.code, code, "{}", self.text);
        self
    }

    /// Checks the HTTP status and the reason of a Status.
    #[track_caller]
    pub(super) fn refused(self, code: u16, reason: &str) -> Self {
        let answer = self.is(code);
        assert_eq!(answer.str("/reason"), reason, "{}", answer.text);
        answer
    }

    pub(super) fn at(&self, pointer: &str) -> &Value {
        self.body.pointer(pointer).unwrap_or(&Value::Null)
    }

    pub(super) fn str(&self, pointer: &str) -> &str {
        self.at(pointer).as_str().unwrap_or_default()
    }

    pub(super) fn version(&self) -> String {
        self.str("/metadata/resourceVersion").to_owned()
    }

    pub(super) fn message(&self) -> &str {
        self.str("/message")
    }

    /// Names of the items of a list.
    pub(super) fn names(&self) -> Vec<&str> {
        let items = self.at("/items").as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(|i| i.pointer("/metadata/name")?.as_str()).collect()
    }

    /// The fields of the causes of a refusal, sorted, each once.
    pub(super) fn cause_fields(&self) -> Vec<&str> {
        let causes = self.at("/details/causes").as_array().map(Vec::as_slice).unwrap_or_default();
        let mut fields: Vec<&str> = causes.iter().filter_map(|c| c.get("field")?.as_str()).collect();
        fields.sort_unstable();
        fields.dedup();
        fields
    }
}

impl Bench {
    pub(super) async fn new(hint: &str) -> Result<Self> {
        let server = server().await?;
        let ns = server.namespace(&format!("c-{hint}")).await?;
        Ok(Bench { client: client(&server, None).await?, ns, server })
    }

    /// The same with a bearer token of another.
    pub(super) async fn with_token(mut self, token: &str) -> Result<Self> {
        self.client = client(&self.server, Some(token)).await?;
        Ok(self)
    }

    /// With the kind `Gadget` installed.
    pub(super) async fn with_gadgets(hint: &str) -> Result<Self> {
        let bench = Self::new(hint).await?;
        bench.install(gadgets()).await?;
        Ok(bench)
    }

    /// Puts the namespace's name into a path.
    pub(super) fn path(&self, path: &str) -> String {
        path.replace("{ns}", self.ns.name())
    }

    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Answer> {
        let mut request = Request::builder().method(method).uri(self.path(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.client.send(request.body(Body::from(body))?).await?;
        let (parts, body) = response.into_parts();
        let bytes = body.collect_bytes().await?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or_default();
        Ok(Answer { code: parts.status.as_u16(), headers: parts.headers, text, body })
    }

    async fn json(&self, method: Method, path: &str, media_type: &str, body: &Value) -> Result<Answer> {
        self.send(method, path, &[("content-type", media_type)], serde_json::to_vec(body)?).await
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, &[], Vec::new()).await
    }

    pub(super) async fn get_as(&self, path: &str, accept: &str) -> Result<Answer> {
        self.send(Method::GET, path, &[("accept", accept)], Vec::new()).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Result<Answer> {
        self.json(Method::POST, path, "application/json", &body).await
    }

    pub(super) async fn put(&self, path: &str, body: Value) -> Result<Answer> {
        self.json(Method::PUT, path, "application/json", &body).await
    }

    pub(super) async fn patch(&self, path: &str, media_type: &str, body: Value) -> Result<Answer> {
        self.json(Method::PATCH, path, media_type, &body).await
    }

    /// Server-side apply by a manager.
    pub(super) async fn apply(&self, path: &str, manager: &str, body: Value) -> Result<Answer> {
        let path = format!("{path}{}fieldManager={manager}", if path.contains('?') { '&' } else { '?' });
        self.patch(&path, APPLY, body).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Answer> {
        self.send(Method::DELETE, path, &[], Vec::new()).await
    }

    pub(super) async fn delete_with(&self, path: &str, options: Value) -> Result<Answer> {
        self.json(Method::DELETE, path, "application/json", &options).await
    }

    /// Creates a ConfigMap with one label and one datum.
    pub(super) async fn config_map(&self, name: &str, app: &str) -> Result<Answer> {
        let body = json!({"metadata": {"name": name, "labels": {"app": app}}, "data": {"key": "value"}});
        Ok(self.post(CONFIG_MAPS, body).await?.is(201))
    }

    /// Opens a watch.
    pub(super) async fn watch(&self, path: &str) -> Result<Watch> {
        self.watch_as(path, "application/json").await
    }

    pub(super) async fn watch_as(&self, path: &str, accept: &str) -> Result<Watch> {
        let request = Request::get(self.path(path)).header("accept", accept).body(Vec::new())?;
        let stream = self.client.request_stream(request).await?;
        Ok(Watch { lines: (Box::pin(stream) as Reader).lines() })
    }

    /// Waits until an object is gone.
    pub(super) async fn until_gone(&self, path: &str) -> Result<()> {
        eventually(&format!("{path} being gone"), LIMIT, async || {
            let answer = self.get(path).await?;
            ensure!(answer.code == 404, "it is {}", answer.text);
            Ok(())
        })
        .await
    }

    /// A pod is refused before its namespace has a service account.
    pub(super) async fn until_pods_are_possible(&self) -> Result<()> {
        eventually("the default service account", LIMIT, async || {
            ensure!(self.get("/api/v1/namespaces/{ns}/serviceaccounts/default").await?.code == 200);
            Ok(())
        })
        .await
    }

    /// Creates a definition if it is not there, and waits until its kind is served.
    pub(super) async fn install(&self, definition: Value) -> Result<()> {
        let name =
            definition.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let created = self.post(DEFINITIONS, definition.clone()).await?;
        ensure!(matches!(created.code, 201 | 409), "{}", created.text);
        eventually(&format!("{name} being served"), LIMIT, async || {
            let answer = self.get(&collection_of(&definition)).await?;
            ensure!(answer.code == 200, "it is {}", answer.text);
            // A real server gathers its groups beside serving them.
            let groups = self.get("/apis").await?;
            let mut names = groups.body["groups"].as_array().into_iter().flatten().map(|one| &one["name"]);
            ensure!(names.any(|name| *name == definition["spec"]["group"]), "there are {}", groups.text);
            Ok(())
        })
        .await
    }
}

/// A client that does not try again by itself: cases look at refusals.
async fn client(server: &Server, token: Option<&str>) -> Result<Client> {
    let file = Kubeconfig::read_from(server.kubeconfig())?;
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    config.default_retry = false;
    if let Some(token) = token {
        config.auth_info = serde_json::from_value(json!({"token": token}))?;
    }
    Ok(Client::try_from(config)?)
}

/// The path that lists all objects of a definition's first version.
fn collection_of(definition: &Value) -> String {
    let text = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    format!("/apis/{}/{}/{}", text("/spec/group"), text("/spec/versions/0/name"), text("/spec/names/plural"))
}

type Reader = std::pin::Pin<Box<dyn AsyncBufRead + Send>>;

/// The events of a watch, one at a time.
pub(super) struct Watch {
    lines: Lines<Reader>,
}

impl Watch {
    /// The next event, or an error when none comes in time.
    pub(super) async fn next(&mut self) -> Result<Value> {
        let line = tokio::time::timeout(LIMIT, self.lines.next()).await.context("no event came")?;
        let line = line.context("the watch ended")??;
        serde_json::from_str(&line).with_context(|| format!("not an event: {line}"))
    }

    /// Type and name of the next event.
    pub(super) async fn step(&mut self) -> Result<(String, String)> {
        let event = self.next().await?;
        let text =
            |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok((text("/type"), text("/object/metadata/name")))
    }

    /// Whether the watch ends, once what is left has been read.
    pub(super) async fn ends(self) -> Result<()> {
        let rest = self.lines.for_each(|_| future::ready(()));
        tokio::time::timeout(LIMIT, rest).await.context("the watch goes on")
    }
}

/// Type and name as `step` gives them.
pub(super) fn event(kind: &str, name: &str) -> (String, String) {
    (kind.to_owned(), name.to_owned())
}

/// A small Deployment.
pub(super) fn deployment(name: &str, replicas: i64) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": "example.invalid/main:1"}]},
            },
        },
    })
}

/// A small Gadget.
pub(super) fn gadget(name: &str) -> Value {
    json!({
        "apiVersion": "conformance.polyreme.dev/v1", "kind": "Gadget",
        "metadata": {"name": name}, "spec": {"size": 3},
    })
}

/// The definition of Gadget: status, scale, columns, defaults, rules, list types.
pub(super) fn gadgets() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.conformance.polyreme.dev"},
        "spec": {
            "group": "conformance.polyreme.dev", "scope": "Namespaced",
            "names": {"plural": "gadgets", "kind": "Gadget", "shortNames": ["gd"], "categories": ["toys"]},
            "versions": [
                {
                    "name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": gadget_schema()},
                    "subresources": {
                        "status": {},
                        "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"},
                    },
                    "additionalPrinterColumns": [
                        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
                        {"name": "Mode", "type": "string", "jsonPath": ".spec.mode", "priority": 1},
                        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
                    ],
                    "selectableFields": [{"jsonPath": ".spec.mode"}],
                },
                {
                    "name": "v1beta1", "served": true, "storage": false,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                },
            ],
        },
    })
}

fn gadget_schema() -> Value {
    let text = || json!({"type": "string"});
    json!({
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "required": ["size"],
                "properties": {
                    "size": {"type": "integer", "minimum": 0, "maximum": 100},
                    "mode": {"type": "string", "enum": ["fast", "slow"], "default": "slow"},
                    "code": {"type": "string", "pattern": "^[a-z]+$"},
                    "port": {"x-kubernetes-int-or-string": true},
                    "fixed": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "fixed cannot change"}]},
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                    "tags": {"type": "array", "items": text(), "x-kubernetes-list-type": "set"},
                    "parts": {
                        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                        "items": {"type": "object", "required": ["name"], "properties": {"name": text(), "value": text()}},
                    },
                },
                "x-kubernetes-validations": [{"rule": "self.size != 13", "message": "size must not be 13"}],
            },
            "status": {"type": "object", "properties": {"phase": text(), "size": {"type": "integer"}}},
        },
    })
}

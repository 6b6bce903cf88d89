//! One reconcile's API before a scripted API server, all in memory, so that time can be paused.
//!
//! The client is what kube builds its own of, hyper's, with a pipe for a connection: it knows whether a
//! request found one.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use kube::Client;
use kube::api::ApiResource;
use kube::client::middleware::BaseUriLayer;
use kube::core::GroupVersionKind;
use parking_lot::Mutex;
use polyreme_runtime::wit::reconciler::{Manifest, Permission};
use polyreme_runtime::wit::types::{Kind as WitKind, ObjectRef};
use polyreme_selector::LabelSelector;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio_util::task::TaskTracker;
use tower::Layer as _;

use super::*;
use crate::api::resources::Resources;
use crate::api::{ControllerApi, Requests};
use crate::cache::state::Source as Seen;
use crate::cache::{Cache, CacheId, Resource, View};
use crate::config::{Grant, Limits};
use crate::guest_http::GuestHttp;
use crate::metrics::Metrics;
use crate::ownership::{LaneSlots, Permit, Safeguards};
use crate::permissions::Policy;
use polyreme_ownership::SlotId;

/// What the server says to one request.
pub(super) enum Say {
    Answer(u16, Value),
    /// The same, so much later.
    After(Duration, u16, Value),
    /// Closes the connection without a word.
    HangUp,
}

/// A request that reached the server.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) query: Vec<(String, String)>,
    pub(super) text: String,
}

impl Asked {
    pub(super) fn query(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    pub(super) fn body(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(super) fn version(&self) -> Value {
        self.body()["metadata"]["resourceVersion"].clone()
    }
}

struct Server {
    script: Mutex<VecDeque<Say>>,
    asked: Mutex<Vec<Asked>>,
    connections: TaskTracker,
}

pub(super) struct Bench {
    pub(super) api: ReconcileApi,
    pub(super) maps: Arc<Cache>,
    server: Arc<Server>,
}

pub(super) fn kind() -> Kind {
    Kind::new("v1", "ConfigMap")
}

pub(super) fn the_map() -> ObjectRef {
    ObjectRef {
        api_version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: Some("ns".into()),
        name: "a".into(),
    }
}

/// The ConfigMap of the cases, a child of the object under reconcile.
pub(super) fn map(uid: &str, version: u64) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": "a", "namespace": "ns", "uid": uid, "resourceVersion": version.to_string(),
            "ownerReferences": [
                {"apiVersion": "h/v1", "kind": "Website", "name": "w", "uid": "owner", "controller": true},
            ],
        },
        "data": {"v": version.to_string()},
    })
}

/// A refusal.
pub(super) fn status(code: u16, reason: &str) -> Say {
    Say::Answer(code, json!({"kind": "Status", "code": code, "reason": reason, "message": reason}))
}

fn lane() -> Arc<LaneSlots> {
    Arc::new(LaneSlots::everything("w".into()))
}

pub(super) fn permit() -> Permit {
    lane().permit(SlotId(0)).ok().unwrap()
}

pub(super) fn window() -> Duration {
    permit().write_window().unwrap()
}

impl Bench {
    /// May write any ConfigMap.
    pub(super) fn new(script: impl IntoIterator<Item = Say>) -> Self {
        Self::build(script, true, true)
    }

    /// May write children only.
    pub(super) fn for_children(script: impl IntoIterator<Item = Say>) -> Self {
        Self::build(script, false, true)
    }

    /// In front of a server that takes no connection.
    pub(super) fn unconnected() -> Self {
        Self::build([], true, false)
    }

    fn build(script: impl IntoIterator<Item = Say>, granted: bool, connects: bool) -> Self {
        let server = Arc::new(Server {
            script: Mutex::new(script.into_iter().collect()),
            asked: Mutex::default(),
            connections: TaskTracker::new(),
        });
        let caches = Arc::new(Caches::default());
        let api = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "ConfigMap"));
        let resource = Resource { api, namespaced: true };
        let id = CacheId { kind: kind(), selector: String::new() };
        let (maps, _) = caches.get_or_create(id, &resource, LabelSelector::parse("").unwrap());
        maps.begin_relist();
        maps.end_relist();
        let resources = Resources::default();
        resources.learn(kind(), resource);
        let metrics = Metrics::new().module("website");
        let one_at_a_time = Limits { api_calls_in_flight: 1, ..Limits::default() };
        let shared = ControllerApi {
            client: client(Arc::clone(&server), connects),
            resources: Arc::new(resources),
            view: View::new(vec![Arc::clone(&maps)], Arc::clone(&caches), lane()),
            caches,
            policy: policy(granted),
            field_manager: "website".into(),
            applied: Arc::default(),
            requests: Requests::new(&one_at_a_time, metrics.clone()),
            http: Arc::new(GuestHttp::for_test(&[], &Limits::default())),
            metrics,
            safeguards: Safeguards::all(),
        };
        let api = ReconcileApi {
            is_removed: false,
            shared: Arc::new(shared),
            kind: Kind::new("h/v1", "Website"),
            key: ObjectKey::new(Some("ns"), "w"),
            uid: Some("owner".into()),
            permit: permit(),
            outstanding: TaskTracker::new(),
        };
        Self { api, maps, server }
    }

    /// Puts the ConfigMap into the cache.
    pub(super) fn knowing(self, uid: &str, version: u64) -> Self {
        self.maps.observe(Object::parse(&map(uid, version).to_string(), &kind()).unwrap(), Seen::Watch);
        self
    }

    /// Reconciles the ConfigMap itself.
    pub(super) fn of_the_map(mut self, uid: &str) -> Self {
        self.api.kind = kind();
        self.api.key = ObjectKey::new(Some("ns"), "a");
        self.api.uid = Some(uid.into());
        self
    }

    /// What the cache holds: the version.
    pub(super) fn cached(&self) -> Option<String> {
        let object = self.maps.get(&ObjectKey::new(Some("ns"), "a"));
        object.map(|object| object.resource_version.0.to_string())
    }

    /// What the server was asked, in order.
    pub(super) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.server.asked.lock())
    }

    /// Waits until nothing that was sent can take effect any more; answers how long that took.
    pub(super) async fn settle(&self) -> Duration {
        let started = Instant::now();
        self.api.outstanding.close();
        self.api.outstanding.wait().await;
        started.elapsed()
    }
}

fn policy(granted: bool) -> Policy {
    let wit = |api_version: &str, kind: &str| WitKind { api_version: api_version.into(), kind: kind.into() };
    let verbs: Vec<String> =
        ["get", "list", "create", "update", "patch", "apply", "delete"].map(Into::into).to_vec();
    let kinds = vec!["ConfigMap".to_owned()];
    let permission = Permission { api_version: "v1".into(), kinds: kinds.clone(), verbs: verbs.clone() };
    let grant = Grant { api_version: "v1".into(), kinds, verbs, namespaces: None, names: None, line: None };
    let manifest = Manifest {
        name: "website".into(),
        version: "1".into(),
        primary: wit("h/v1", "Website"),
        label_selector: String::new(),
        owns: vec![wit("v1", "ConfigMap")],
        watches: vec![],
        indexes: vec![],
        permissions: if granted { vec![permission] } else { vec![] },
        settings_schema: None,
    };
    let path = std::path::Path::new("polyreme.yaml").into();
    Policy::new("website", path, &manifest, if granted { vec![grant] } else { vec![] })
}

fn client(server: Arc<Server>, connects: bool) -> Client {
    let connector = tower::service_fn(move |_: Uri| {
        let server = Arc::clone(&server);
        Box::pin(async move {
            if !connects {
                return futures::future::pending().await;
            }
            let (ours, theirs) = tokio::io::duplex(64 * 1024);
            let connections = server.connections.clone();
            let service = service_fn(move |request| answer(Arc::clone(&server), request));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(theirs), service);
            connections.spawn(connection);
            Ok::<_, io::Error>(TokioIo::new(Pipe(ours)))
        })
    });
    let hyper = legacy::Client::builder(TokioExecutor::new()).build(connector);
    Client::new(BaseUriLayer::new(Uri::from_static("http://server")).layer(hyper), "default")
}

async fn answer(
    server: Arc<Server>,
    request: http::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let received = Instant::now();
    let (parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    server.asked.lock().push(Asked {
        method: parts.method,
        query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        text: String::from_utf8_lossy(&body).into_owned(),
    });
    let say = server.script.lock().pop_front();
    let (code, value) = match say {
        None => futures::future::pending().await,
        Some(Say::HangUp) => return Err(io::ErrorKind::ConnectionReset.into()),
        Some(Say::Answer(code, value)) => (code, value),
        Some(Say::After(delay, code, value)) => {
            tokio::time::sleep_until(received + delay).await;
            (code, value)
        }
    };
    Response::builder().status(code).body(Full::new(value.to_string().into())).map_err(io::Error::other)
}

/// A pipe that hyper takes for a connection.
struct Pipe(DuplexStream);

impl Connection for Pipe {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

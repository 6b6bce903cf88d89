//! The Kubernetes API as one reconcile may use it.
//!
//! [`ReconcileApi`] stands behind the guest's `kubernetes` import. Every call goes the same way: parse
//! what the guest sent ([`draft`]), ask the policy (`crate::permissions`), then either answer from the
//! cache ([`read`]) or check the write ([`write`]) and pass the ownership gate ([`gate`]), which pins what
//! the write is for ([`pin`]) and sends it. Responses to writes are put into the caches before the guest
//! sees them, so nothing that a controller reads is ever older than what it wrote. Writes that would
//! change nothing are not sent ([`elide`]).

mod draft;
pub mod elide;
mod error;
mod gate;
mod manager;
mod pin;
mod rate;
mod read;
mod request;
mod requests;
pub mod resources;
mod write;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kube::Client;
use polyreme_runtime::Kubernetes;
use polyreme_runtime::wit::kubernetes::{
    DeleteOptions, ListQuery, Page, PatchType, Source, WriteOptions, Written,
};
use polyreme_runtime::wit::types::{Error, Kind as WitKind, ObjectRef, Reason};
use tokio_util::task::TaskTracker;

use crate::cache::{Caches, Resource, View};
use crate::guest_http::GuestHttp;
use crate::metrics::ModuleMetrics;
use crate::object::{Kind, Object, ObjectKey};
use crate::ownership::{Permit, Safeguards};
use crate::permissions::{Access, Decision, Part, Policy, Verb};
pub(crate) use draft::checked_kind;
use elide::Applied;
pub use requests::Requests;
use resources::Resources;

/// Reads have no ownership to outlive; this is what a reconcile would wait for at most.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// What all reconciles of one controller share.
pub struct ControllerApi {
    /// The connection to the API server.
    pub client: Client,
    /// How kinds are served.
    pub resources: Arc<Resources>,
    /// What is watched; every cache hears of a write.
    pub caches: Arc<Caches>,
    /// What this controller reads.
    pub view: View,
    /// What the module may do.
    pub policy: Policy,
    /// The controller's name, and its field manager.
    pub field_manager: String,
    /// What was applied before, by whatever version of the module.
    pub applied: Arc<Applied>,
    /// How many requests it sends.
    pub requests: Requests,
    /// Outside servers.
    pub http: Arc<GuestHttp>,
    /// Counts refusals and elided writes.
    pub metrics: ModuleMetrics,
    /// All of them, except in tests that show what one is there for.
    pub safeguards: Safeguards,
}

/// The API of one reconcile. See the module's story.
#[derive(Clone)]
pub struct ReconcileApi {
    /// Shared with the controller's other reconciles.
    pub shared: Arc<ControllerApi>,
    /// The kind under reconcile.
    pub kind: Kind,
    /// The object under reconcile.
    pub key: ObjectKey,
    /// Its uid; absent when the object is gone.
    pub uid: Option<Box<str>>,
    /// It is gone, and reconciled by its last state.
    pub is_removed: bool,
    /// The right to write.
    pub permit: Permit,
    /// Writes that were sent and may still take effect: until their response came, or a margin after
    /// their window ended. They are seen by the caches even when the guest is interrupted or was told
    /// that they timed out.
    pub outstanding: TaskTracker,
}

impl ReconcileApi {
    fn is_self(&self, kind: &Kind, key: &ObjectKey) -> bool {
        self.kind == *kind && self.key == *key
    }

    /// Asks the policy; `Ok(true)` means that only children may be touched.
    fn permitted(&self, function: &'static str, access: &Access<'_>) -> Result<bool, Error> {
        match self.shared.policy.decide(access) {
            Decision::Allow => Ok(false),
            Decision::AllowChildren => Ok(true),
            Decision::Deny(why) => Err(self.denied(function, why)),
        }
    }

    fn denied(&self, function: &'static str, why: String) -> Error {
        self.shared.metrics.denied(function);
        Error::new(Reason::NotGranted, why)
    }

    fn is_child(&self, object: &Object) -> bool {
        matches!((&object.controller, &self.uid), (Some(owner), Some(uid)) if owner.uid == *uid)
    }

    fn not_a_child(&self, function: &'static str, kind: &Kind, key: &ObjectKey) -> Error {
        let why = format!(
            "{} {key} is not a child of {} {}: by default a module manages only objects whose controller \
             owner reference names the object under reconcile; for others ask for a permission in describe \
             and grant {{apiVersion: {}, kinds: [{}], verbs: […]}}",
            kind.kind, self.kind.kind, self.key, kind.api_version, kind.kind
        );
        self.denied(function, why)
    }

    async fn timed<T>(&self, function: &'static str, call: impl Future<Output = T>) -> T {
        let started = tokio::time::Instant::now();
        let answer = call.await;
        self.shared.metrics.host_call(function, started.elapsed());
        answer
    }

    async fn resource(&self, kind: &Kind) -> Result<Resource, Error> {
        self.shared.resources.resolve(&self.shared.client, kind).await
    }

    /// Refuses a namespace on a cluster-scoped kind and asks for one on a namespaced kind.
    fn check_scope(kind: &Kind, key: &ObjectKey, resource: &Resource) -> Result<(), Error> {
        match (resource.namespaced, &key.namespace) {
            (true, None) => Err(bad_request(format!("{} {key} needs metadata.namespace", kind.kind))),
            (false, Some(_)) => {
                Err(bad_request(format!("{} is cluster-scoped: {key} must have no namespace", kind.kind)))
            }
            _ => Ok(()),
        }
    }
}

fn bad_request(message: String) -> Error {
    Error::new(Reason::BadRequest, message)
}

fn access<'a>(verb: Verb, kind: &'a Kind, key: &'a ObjectKey, part: Part<'a>, is_self: bool) -> Access<'a> {
    let (namespace, name) = (key.namespace.as_deref(), Some(&*key.name));
    Access { verb, kind, namespace, name, part, is_self }
}

#[async_trait]
impl Kubernetes for ReconcileApi {
    async fn get(&self, object: ObjectRef, source: Source) -> Result<String, Error> {
        self.timed("get", self.read_one(object, source)).await
    }

    async fn list(&self, kind: WitKind, query: ListQuery) -> Result<Page, Error> {
        self.timed("list", self.read_many(kind, query)).await
    }

    async fn create(&self, object: String, options: WriteOptions) -> Result<Written, Error> {
        self.timed("create", self.write_object(Verb::Create, object, options)).await
    }

    async fn update(&self, object: String, options: WriteOptions) -> Result<Written, Error> {
        self.timed("update", self.write_object(Verb::Update, object, options)).await
    }

    async fn patch(
        &self,
        object: ObjectRef,
        patch_type: PatchType,
        patch: String,
        options: WriteOptions,
    ) -> Result<Written, Error> {
        self.timed("patch", self.write_patch(object, patch_type, patch, options)).await
    }

    async fn apply(&self, object: String, options: WriteOptions) -> Result<Written, Error> {
        self.timed("apply", self.write_object(Verb::Apply, object, options)).await
    }

    async fn apply_all(&self, objects: Vec<String>, options: WriteOptions) -> Vec<Result<Written, Error>> {
        let applies =
            objects.into_iter().map(|object| self.write_object(Verb::Apply, object, options.clone()));
        self.timed("apply-all", futures::future::join_all(applies)).await
    }

    async fn delete(&self, object: ObjectRef, options: DeleteOptions) -> Result<(), Error> {
        self.timed("delete", self.delete_one(object, options)).await
    }
}

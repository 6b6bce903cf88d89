//! What a reconcile is given: the request, and the cluster as far as it is granted.
//!
//! Reads come from the host's cache when the kind is watched and never go back behind this
//! controller's own writes; [`Context::live`] asks the API server. Writes that change
//! nothing are not sent. No method panics or waits for other objects.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::bindings::exports::polyreme::controller::reconciler::Request;
use crate::bindings::polyreme::controller::kubernetes::{
    DeleteOptions, Propagation, Source, WriteOptions, Written,
};
use crate::bindings::polyreme::controller::types::{self, ObjectRef};
use crate::error::Error;
use crate::host::{Handle, Host as _};
use crate::manifest::Manifest;
use crate::merge;
use crate::query::Query;
use crate::resource::{Object, Writable, decode, display, kind_of, reference};

/// The world of one reconcile.
///
/// # Example
/// ```
/// use polyreme_sdk::k8s_openapi::api::core::v1::ConfigMap;
/// use polyreme_sdk::{Context, Error, Object};
///
/// fn copy(ctx: &Context, from: &str, to: &ConfigMap) -> Result<(), Error> {
///     let source: ConfigMap = ctx.get(from)?;
///     let copy = ConfigMap { metadata: to.child("copy"), data: source.data, ..Default::default() };
///     ctx.apply(&copy)?;
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Context {
    pub(crate) host: Handle,
    request: Rc<Request>,
    manifest: fn() -> Manifest,
    controller: Rc<OnceCell<String>>,
    source: Source,
    /// What `patch_status` last made of the status of the object under reconcile.
    wrote: Rc<RefCell<Option<Value>>>,
}

impl Context {
    /// The manifest is asked for only when somebody asks for the name in it: most
    /// reconciles do not, and it is built anew in each instance.
    pub(crate) fn new(host: Handle, request: Request, manifest: fn() -> Manifest) -> Self {
        Self {
            host,
            request: Rc::new(request),
            manifest,
            controller: Rc::default(),
            source: Source::Cache,
            wrote: Rc::default(),
        }
    }

    /// The object under reconcile.
    pub fn object(&self) -> &ObjectRef {
        &self.request.object
    }

    /// Its JSON as cached when the reconcile began; `None` when it is gone.
    pub fn current(&self) -> Option<&str> {
        self.request.current.as_deref()
    }

    /// The name that this controller gives itself in its manifest, for people and logs. Its field managers begin with
    /// its name in the host's configuration, which may be another.
    pub fn controller(&self) -> &str {
        self.controller.get_or_init(|| (self.manifest)().into_name())
    }

    /// The id of this reconcile, as in the host's logs and traces.
    pub fn id(&self) -> &str {
        &self.request.id
    }

    /// 0 for the first try since the last success.
    pub fn attempt(&self) -> u32 {
        self.request.attempt
    }

    /// The same for every try at the same generation of the object, whichever host makes
    /// it: send it with side effects outside the cluster that are to happen once for each
    /// change. What is to be made once for each object carries its uid instead.
    pub fn idempotency_key(&self) -> &str {
        &self.request.idempotency_key
    }

    /// Grows whenever the object changes hands between hosts: an outside system that
    /// refuses a lower one than it has seen is safe from late requests.
    pub fn epoch(&self) -> u64 {
        self.request.epoch
    }

    /// The same world, read from the API server instead of the cache.
    #[must_use = "reads through the returned context are live, reads through this one are not"]
    pub fn live(&self) -> Self {
        Self { source: Source::Live, ..self.clone() }
    }

    /// Reads an object, in the namespace of the object under reconcile when its kind is
    /// namespaced.
    pub fn get<T: Object + DeserializeOwned>(&self, name: &str) -> Result<T, Error> {
        self.read(reference::<T>(self.namespace(), name))
    }

    /// Reads an object of another namespace.
    pub fn get_in<T>(&self, namespace: &str, name: &str) -> Result<T, Error>
    where
        T: Object + DeserializeOwned,
    {
        self.read(reference::<T>(Some(namespace), name))
    }

    /// As [`Context::get`]; `None` when there is no such object.
    pub fn get_opt<T: Object + DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        match self.get(name) {
            Err(error) if error.is_not_found() => Ok(None),
            read => read.map(Some),
        }
    }

    /// All objects that a query selects; follows pages.
    pub fn list<T: Object + DeserializeOwned>(&self, query: &Query) -> Result<Vec<T>, Error> {
        let kind = kind_of::<T>();
        let whole = reference::<T>(query.namespace(), "list");
        let mut wanted = query.contract(self.source);
        let mut objects = Vec::new();
        loop {
            let page = self.host.list(&kind, &wanted);
            let page = page.map_err(|cause| api("list", &whole, cause))?;
            for item in &page.items {
                objects.push(decode(item, &whole)?);
            }
            wanted.continue_ = page.continue_.filter(|token| !token.is_empty());
            if wanted.continue_.is_none() {
                return Ok(objects);
            }
        }
    }

    /// Creates an object. It needs a name; [already exists](Error::is_already_exists) is an
    /// error, so prefer [`Context::apply`].
    pub fn create(&self, object: &dyn Writable) -> Result<Written, Error> {
        let written = self.host.create(&object.encode()?, &WriteOptions::default());
        written.map_err(|cause| api("create", &object.target(), cause))
    }

    /// Replaces an object that was read before; a [conflict](Error::is_conflict) when it
    /// has changed since.
    pub fn update(&self, object: &dyn Writable) -> Result<Written, Error> {
        let written = self.host.update(&object.encode()?, &WriteOptions::default());
        written.map_err(|cause| api("update", &object.target(), cause))
    }

    /// Server-side apply: name every field this controller cares about and no other. What
    /// was applied before and is not named now is removed. Takes fields over from other
    /// managers; [`Context::apply_with`] can decline that.
    ///
    /// Build the object afresh: one that was read names the fields of everybody, which this
    /// would take over.
    pub fn apply(&self, object: &dyn Writable) -> Result<Written, Error> {
        self.apply_with(object, &WriteOptions::forced())
    }

    /// [`Context::apply`] with options: another subresource or manager, no force, dry run.
    pub fn apply_with(&self, object: &dyn Writable, options: &WriteOptions) -> Result<Written, Error> {
        let written = self.host.apply(&object.encode()?, options);
        written.map_err(|cause| api("apply", &object.target(), cause))
    }

    /// Several applies at once, in no particular order. All are tried; the first failure is
    /// returned.
    pub fn apply_all(&self, objects: &[&dyn Writable]) -> Result<Vec<Written>, Error> {
        let encoded: Result<Vec<_>, _> = objects.iter().map(|object| object.encode()).collect();
        let results = self.host.apply_all(&encoded?, &WriteOptions::forced());
        let named = results.into_iter().zip(objects);
        named.map(|(result, object)| result.map_err(|cause| api("apply", &object.target(), cause))).collect()
    }

    /// Changes the fields that `patch` names (JSON merge patch; null removes).
    pub fn merge_patch<T: Object>(&self, object: &T, patch: &Value) -> Result<Written, Error> {
        self.merge_patch_with(object, patch, &WriteOptions::default())
    }

    /// [`Context::merge_patch`] with options: a subresource, another manager, dry run. With
    /// `metadata.resourceVersion` in the patch it is a [conflict](Error::is_conflict) when the
    /// object has changed since.
    pub fn merge_patch_with<T: Object>(
        &self,
        object: &T,
        patch: &Value,
        options: &WriteOptions,
    ) -> Result<Written, Error> {
        let target = object.object_ref();
        let text = patch.to_string();
        let written = self.host.merge_patch(&target, &text, options);
        written.map_err(|cause| api("patch", &target, cause))
    }

    /// Writes `status` where it differs from the status that `object` was read with, and
    /// returns whether anything did. Fields that `status` no longer has are removed; fields
    /// its type does not know stay.
    ///
    /// What `status` encodes to is what is to be there: a `false` is written where there was
    /// nothing, unless its type leaves it out by `skip_serializing_if`. That there was nothing
    /// is known of the object under reconcile as the controller was given it, or as this
    /// function last left it; of other objects, and when it was read anew, such a default
    /// counts as there.
    pub fn patch_status<T, S>(&self, object: &T, status: &S) -> Result<bool, Error>
    where
        T: Object + Serialize + DeserializeOwned,
        S: Serialize,
    {
        let held = self.held_status(object)?;
        let wanted = encode(&object.object_ref(), status)?;
        let Some(difference) = merge::difference(&held, &wanted) else {
            return Ok(false);
        };
        let options = WriteOptions::subresource("status");
        self.merge_patch_with(object, &json!({ "status": difference }), &options)?;
        if object.object_ref() == *self.object() {
            *self.wrote.borrow_mut() = Some(wanted);
        }
        Ok(true)
    }

    /// Deletes exactly this incarnation of an object, its children in the background.
    /// Returns false when it was gone already.
    pub fn delete<T: Object>(&self, object: &T) -> Result<bool, Error> {
        let uid = object.metadata().uid.clone();
        self.remove(object.object_ref(), uid)
    }

    /// Deletes whatever object has this name, in the namespace of the object under
    /// reconcile. Returns false when there is none.
    pub fn delete_named<T: Object>(&self, name: &str) -> Result<bool, Error> {
        self.remove(reference::<T>(self.namespace(), name), None)
    }

    fn namespace(&self) -> Option<&str> {
        self.request.object.namespace.as_deref()
    }

    /// The status of an object as far as its type knows it. Of the object under reconcile it
    /// is what was written or else the request has, whatever was made of the object since.
    fn held_status<T>(&self, object: &T) -> Result<Value, Error>
    where
        T: Object + Serialize + DeserializeOwned,
    {
        let target = object.object_ref();
        let current = self.current().filter(|_| target == *self.object());
        if let Some(json) = current {
            let read: Read = decode(json, &target)?;
            if read.metadata.resource_version == object.metadata().resource_version {
                if let Some(wrote) = &*self.wrote.borrow() {
                    return Ok(wrote.clone());
                }
                let known = status_of(&decode::<T>(json, &target)?)?;
                return Ok(merge::present(known, &read.status));
            }
        }
        status_of(object)
    }

    fn read<T: Object + DeserializeOwned>(&self, target: ObjectRef) -> Result<T, Error> {
        let json = self.host.get(&target, self.source);
        let json = json.map_err(|cause| api("get", &target, cause))?;
        decode(&json, &target)
    }

    fn remove(&self, target: ObjectRef, uid: Option<String>) -> Result<bool, Error> {
        let options = DeleteOptions { propagation: Propagation::Background, uid, resource_version: None };
        match self.host.delete(&target, &options) {
            Ok(()) => Ok(true),
            Err(cause) if cause.reason == types::Reason::NotFound => Ok(false),
            Err(cause) => Err(api("delete", &target, cause)),
        }
    }
}

/// What of an object's text tells its status, and whether it is the one in hand.
#[derive(Deserialize)]
struct Read {
    metadata: Version,
    #[serde(default)]
    status: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    resource_version: Option<String>,
}

fn status_of<T: Object + Serialize>(object: &T) -> Result<Value, Error> {
    let mut whole = encode(&object.object_ref(), object)?;
    Ok(whole.get_mut("status").map(Value::take).unwrap_or_default())
}

fn encode(object: &ObjectRef, value: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|source| Error::Encode { object: display(object), source })
}

fn api(verb: &'static str, object: &ObjectRef, cause: types::Error) -> Error {
    Error::Api { verb, object: display(object), source: Box::new(cause.into()) }
}

#[allow(clippy::derivable_impls, reason = "the type is generated, and derives go to all of them or none")]
impl Default for WriteOptions {
    fn default() -> Self {
        Self { subresource: None, field_manager: None, force: false, dry_run: false, want_object: false }
    }
}

impl WriteOptions {
    /// Takes over fields that other managers own.
    pub fn forced() -> Self {
        Self { force: true, ..Self::default() }
    }

    /// Writes a subresource: `status`, `scale`.
    pub fn subresource(name: &str) -> Self {
        Self { subresource: Some(name.into()), ..Self::default() }
    }
}

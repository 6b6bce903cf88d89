//! Writes: policy, elision, ownership gate, request, and the response into the caches.
//!
//! A request that was sent is always waited for, in a task of its own, so that the caches learn of
//! its outcome even when the guest was interrupted meanwhile; the reconcile loop takes the object up
//! again only after that. Each request is bounded by the ownership permit.

use std::sync::Arc;

use http::Request;
use polyreme_runtime::wit::kubernetes::{
    DeleteOptions, PatchType, Propagation, Source, WriteOptions, Written,
};
use polyreme_runtime::wit::types::{Error, ObjectRef, Reason};
use serde_json::{Value, json};

use super::draft::{self, Draft};
use super::elide::ApplyId;
use super::{ReconcileApi, access, bad_request, error, request};
use crate::cache::{Answer, Caches};
use crate::object::{Kind, Object, ObjectKey};
use crate::permissions::{Part, Verb};

/// A write that passed the policy.
struct Checked {
    kind: Kind,
    /// What the caches know of the object.
    known: Option<Arc<Object>>,
    /// Remembered once it succeeded.
    apply: Option<(ApplyId, String)>,
    options: WriteOptions,
}

impl ReconcileApi {
    pub(super) async fn write_object(
        &self,
        verb: Verb,
        object: String,
        options: WriteOptions,
    ) -> Result<Written, Error> {
        let draft = Draft::parse(&object)?;
        if verb == Verb::Update && draft.resource_version.is_none() {
            return Err(bad_request(format!(
                "update of {} {} needs metadata.resourceVersion, so that a change made meanwhile is not lost",
                draft.kind.kind, draft.key
            )));
        }
        let part =
            draft::part(options.subresource.as_deref(), verb != Verb::Create && draft.finalizers_only)?;
        let known = self.known(&draft.kind, &draft.key, verb, part, Some(&draft)).await?;
        let apply = (verb == Verb::Apply && !options.dry_run)
            .then(|| (self.apply_id(&draft, &options), object.clone()));
        if let (Some(current), Some((id, text))) = (&known, &apply)
            && self.shared.applied.is_unchanged(id, text, current)
        {
            return Ok(self.elided(current, &options));
        }
        let resource = self.resource(&draft.kind).await?;
        Self::check_scope(&draft.kind, &draft.key, &resource)?;
        let build = match verb {
            Verb::Create => request::create,
            Verb::Update => request::update,
            _ => request::apply,
        };
        let request = build(&resource, &draft.key, object, &options, &self.shared.field_manager)?;
        self.send(request, Checked { kind: draft.kind, known, apply, options }).await
    }

    pub(super) async fn write_patch(
        &self,
        object: ObjectRef,
        patch_type: PatchType,
        patch: String,
        options: WriteOptions,
    ) -> Result<Written, Error> {
        let (kind, key) = draft::reference(&object)?;
        let finalizers_only = draft::patches_only_finalizers(patch_type, &patch)?;
        let part = draft::part(options.subresource.as_deref(), finalizers_only)?;
        let known = self.known(&kind, &key, Verb::Patch, part, None).await?;
        if let (PatchType::Merge, Some(current), false) = (patch_type, &known, options.dry_run)
            && merge_changes_nothing(current, &patch)
        {
            return Ok(self.elided(current, &options));
        }
        let resource = self.resource(&kind).await?;
        Self::check_scope(&kind, &key, &resource)?;
        let request =
            request::patch(&resource, &key, patch_type, patch, &options, &self.shared.field_manager)?;
        self.send(request, Checked { kind, known, apply: None, options }).await
    }

    pub(super) async fn delete_one(&self, object: ObjectRef, options: DeleteOptions) -> Result<(), Error> {
        let (kind, key) = draft::reference(&object)?;
        let known = self.known(&kind, &key, Verb::Delete, Part::Body, None).await?;
        let resource = self.resource(&kind).await?;
        Self::check_scope(&kind, &key, &resource)?;
        let known_uid = known.map(|object| object.uid.to_string());
        let body = delete_body(&options, options.uid.clone().or(known_uid.clone()));
        let request = request::delete(&resource, &key, body)?;
        let shared = Arc::clone(&self.shared);
        self.run(request, move |text| observe_delete(&shared.caches, &kind, &key, text, known_uid)).await?;
        Ok(())
    }

    /// Asks the policy and, for a child, makes sure that it is one and will stay one.
    async fn known(
        &self,
        kind: &Kind,
        key: &ObjectKey,
        verb: Verb,
        part: Part<'_>,
        draft: Option<&Draft>,
    ) -> Result<Option<Arc<Object>>, Error> {
        let function = verb.as_str();
        let children_only =
            self.permitted(function, &access(verb, kind, key, part, self.is_self(kind, key)))?;
        if !children_only {
            return Ok(match self.shared.view.get(kind, key) {
                Answer::Found(known) => Some(known),
                Answer::Absent | Answer::Unknown => None,
            });
        }
        self.check_draft_of_child(function, kind, key, draft)?;
        let existing = match self.fetch(kind, key, Source::Cache).await {
            Ok(existing) => existing,
            Err(Error { reason: Reason::NotFound, .. }) => return Ok(None),
            Err(other) => return Err(other),
        };
        if self.is_child(&existing) { Ok(Some(existing)) } else { Err(self.not_a_child(function, kind, key)) }
    }

    fn check_draft_of_child(
        &self,
        function: &'static str,
        kind: &Kind,
        key: &ObjectKey,
        draft: Option<&Draft>,
    ) -> Result<(), Error> {
        if self.key.namespace.is_some() && key.namespace != self.key.namespace {
            return Err(self.not_a_child(function, kind, key));
        }
        let Some(draft) = draft else { return Ok(()) };
        let owned = self.uid.as_deref().is_some_and(|uid| draft.controllers.iter().any(|owner| owner == uid));
        if owned { Ok(()) } else { Err(self.not_a_child(function, kind, key)) }
    }

    fn apply_id(&self, draft: &Draft, options: &WriteOptions) -> ApplyId {
        ApplyId {
            kind: draft.kind.clone(),
            key: draft.key.clone(),
            subresource: options.subresource.clone(),
            field_manager: options.field_manager.clone().unwrap_or_else(|| self.shared.field_manager.clone()),
            force: options.force,
        }
    }

    fn elided(&self, current: &Object, options: &WriteOptions) -> Written {
        self.shared.metrics.elided();
        written(current, false, options)
    }

    async fn send(&self, request: Request<Vec<u8>>, checked: Checked) -> Result<Written, Error> {
        let text = self.dispatch(request, &checked).await?;
        let object = Object::parse(&text, &checked.kind)
            .map_err(|e| Error::new(Reason::Other, format!("failed to read the answer to a write: {e}")))?;
        let changed = checked.known.is_none_or(|known| known.resource_version != object.resource_version);
        Ok(written(&object, changed, &checked.options))
    }

    /// Sends a write in a task of its own that also tells the caches.
    async fn dispatch(&self, request: Request<Vec<u8>>, checked: &Checked) -> Result<String, Error> {
        let shared = Arc::clone(&self.shared);
        let (kind, apply) = (checked.kind.clone(), checked.apply.clone());
        let observe = !checked.options.dry_run
            && matches!(checked.options.subresource.as_deref(), None | Some("status"));
        self.run(request, move |text| {
            let Ok(object) = Object::parse(text, &kind) else { return };
            if observe {
                shared.caches.observe_write(&kind, &object);
            }
            if let Some((id, applied)) = apply {
                shared.applied.remember(id, &applied, &object);
            }
        })
        .await
    }

    /// The gate: nothing is sent once the object is no longer owned, nor outlives the permit.
    async fn run(
        &self,
        request: Request<Vec<u8>>,
        on_success: impl FnOnce(&str) + Send + 'static,
    ) -> Result<String, Error> {
        let shared = Arc::clone(&self.shared);
        let permit = self.permit.clone();
        let sent = self.outstanding.spawn(async move {
            let _place = shared.in_flight.acquire().await;
            let window = permit.write_window().ok_or_else(not_owner)?;
            let answer = tokio::time::timeout(window, shared.client.request_text(request)).await;
            let text = answer.map_err(|_| timed_out())?.map_err(|failure| error::to_guest(&failure))?;
            on_success(&text);
            Ok(text)
        });
        sent.await.unwrap_or_else(|lost| Err(Error::new(Reason::Other, format!("a write was lost: {lost}"))))
    }
}

/// A Status says that the object is gone; an object is still there while a finalizer holds it.
fn observe_delete(caches: &Caches, kind: &Kind, key: &ObjectKey, text: &str, known_uid: Option<String>) {
    let answer: Value = serde_json::from_str(text).unwrap_or_default();
    let held = answer.pointer("/metadata/deletionTimestamp").is_some();
    if held && let Ok(object) = Object::parse(text, kind) {
        return caches.observe_write(kind, &object);
    }
    let uid = answer.pointer("/details/uid").or_else(|| answer.pointer("/metadata/uid"));
    if let Some(uid) = uid.and_then(Value::as_str).map(str::to_owned).or(known_uid) {
        caches.forget_deleted(kind, key, &uid);
    }
}

fn written(object: &Object, changed: bool, options: &WriteOptions) -> Written {
    Written {
        changed,
        uid: object.uid.to_string(),
        resource_version: object.resource_version.0.to_string(),
        generation: object.generation,
        object: options.want_object.then(|| object.json.to_string()),
    }
}

fn not_owner() -> Error {
    Error::new(
        Reason::NotOwner,
        "this host no longer owns the object under reconcile; return without retrying",
    )
}

fn timed_out() -> Error {
    Error::new(Reason::Timeout, "the API server did not answer in time; the write may still take effect")
}

fn delete_body(options: &DeleteOptions, uid: Option<String>) -> String {
    let propagation = match options.propagation {
        Propagation::Background => "Background",
        Propagation::Foreground => "Foreground",
        Propagation::Orphan => "Orphan",
    };
    let mut preconditions = json!({});
    for (key, value) in [("uid", uid), ("resourceVersion", options.resource_version.clone())] {
        if let (Some(value), Some(map)) = (value, preconditions.as_object_mut()) {
            map.insert(key.to_owned(), value.into());
        }
    }
    json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": propagation,
        "preconditions": preconditions,
    })
    .to_string()
}

/// Whether a merge patch leaves the object as it is.
fn merge_changes_nothing(current: &Object, patch: &str) -> bool {
    let (Ok(before), Ok(patch)) = (serde_json::from_str::<Value>(&current.json), serde_json::from_str(patch))
    else {
        return false;
    };
    let mut after = before.clone();
    json_patch::merge(&mut after, &patch);
    before == after
}

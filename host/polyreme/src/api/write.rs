//! Writes: policy, elision, the gate, and the answer.
//!
//! A write is checked here, completely, before the gate ([`super::gate`]) sends it; everything that can
//! be refused without a request is.

use polyreme_runtime::wit::kubernetes::{DeleteOptions, PatchType, Source, WriteOptions, Written};
use polyreme_runtime::wit::types::{Error, ObjectRef, Reason};
use serde_json::Value;

use super::draft::{self, Draft};
use super::elide::ApplyId;
use super::gate::{Effect, Known, Outgoing};
use super::pin::{Payload, Pin};
use super::request::{Change, Write};
use super::{ReconcileApi, access, bad_request, gate, manager};
use crate::cache::{Answer, Resource};
use crate::object::{Kind, Object, ObjectKey};
use crate::permissions::{Part, Verb};

impl ReconcileApi {
    pub(super) async fn write_object(
        &self,
        verb: Verb,
        object: String,
        options: WriteOptions,
    ) -> Result<Written, Error> {
        let draft = Draft::parse(&object)?;
        let payload = Payload::Object(object);
        let said = payload.said()?;
        check_form(verb, &draft, &said, &options)?;
        self.check_manager(verb, &options)?;
        // A create and an update say all that the object is to be.
        let says_part = !matches!(verb, Verb::Create | Verb::Update);
        let part = draft::part(options.subresource.as_deref(), says_part && draft.finalizers_only)?;
        let known = self.known(&draft.kind, &draft.key, verb, part, Some(&draft)).await?;
        let apply = self.apply_to_remember(verb, &draft, &payload, &options);
        if let (Some(current), Some((id, text))) = (&known.object, &apply)
            && self.shared.applied.is_unchanged(id, text, current)
        {
            return Ok(self.elided(current, &options));
        }
        let change = match verb {
            Verb::Create => Change::Create,
            Verb::Update => Change::Update,
            _ => Change::Apply,
        };
        let Draft { kind, key, .. } = draft;
        let request = self.request(change, &kind, &key, &options).await?;
        let effect = effect(&options, apply);
        self.write(Outgoing { verb, kind, key, request, payload, said, known, effect }, &options).await
    }

    pub(super) async fn write_patch(
        &self,
        object: ObjectRef,
        patch_type: PatchType,
        patch: String,
        options: WriteOptions,
    ) -> Result<Written, Error> {
        self.check_manager(Verb::Patch, &options)?;
        let (kind, key) = draft::reference(&object)?;
        let finalizers_only = draft::patches_only_finalizers(patch_type, &patch)?;
        let part = draft::part(options.subresource.as_deref(), finalizers_only)?;
        let payload = Payload::patch(patch_type, patch);
        let said = payload.said()?;
        let known = self.known(&kind, &key, Verb::Patch, part, None).await?;
        if let (PatchType::Merge, Payload::Object(patch), Some(current), false) =
            (patch_type, &payload, &known.object, options.dry_run)
            && merge_changes_nothing(current, patch)
        {
            return Ok(self.elided(current, &options));
        }
        let request = self.request(Change::Patch(patch_type), &kind, &key, &options).await?;
        let (verb, effect) = (Verb::Patch, effect(&options, None));
        self.write(Outgoing { verb, kind, key, request, payload, said, known, effect }, &options).await
    }

    pub(super) async fn delete_one(&self, object: ObjectRef, options: DeleteOptions) -> Result<(), Error> {
        let (kind, key) = draft::reference(&object)?;
        let known = self.known(&kind, &key, Verb::Delete, Part::Body, None).await?;
        let request = Write::delete(&self.scoped(&kind, &key).await?, &key);
        let payload = Payload::Delete(options);
        let said = payload.said()?;
        let (verb, effect) = (Verb::Delete, Effect::Deleted);
        self.pass(Outgoing { verb, kind, key, request, payload, said, known, effect }).await?;
        Ok(())
    }

    async fn write(&self, outgoing: Outgoing, options: &WriteOptions) -> Result<Written, Error> {
        let kind = outgoing.kind.clone();
        let reply = self.pass(outgoing).await?;
        let object = Object::parse(&reply.text, &kind)
            .map_err(|e| Error::new(Reason::Other, format!("failed to read the answer to a write: {e}")))?;
        let changed = reply.known.is_none_or(|known| known.resource_version != object.resource_version);
        Ok(written(&object, changed, options))
    }

    async fn request(
        &self,
        change: Change,
        kind: &Kind,
        key: &ObjectKey,
        options: &WriteOptions,
    ) -> Result<Write, Error> {
        let resource = self.scoped(kind, key).await?;
        Ok(Write::new(change, &resource, key, options, &self.shared.field_manager))
    }

    fn check_manager(&self, verb: Verb, options: &WriteOptions) -> Result<(), Error> {
        let checked = manager::check(&self.shared.field_manager, options.field_manager.as_deref());
        checked.map_err(|why| self.denied(verb.as_str(), why))
    }

    async fn scoped(&self, kind: &Kind, key: &ObjectKey) -> Result<Resource, Error> {
        let resource = self.resource(kind).await?;
        Self::check_scope(kind, key, &resource)?;
        Ok(resource)
    }

    /// Asks the policy and, for a child, makes sure that it is one and will stay one. The object under
    /// reconcile must be the one that the reconcile began with.
    async fn known(
        &self,
        kind: &Kind,
        key: &ObjectKey,
        verb: Verb,
        part: Part<'_>,
        draft: Option<&Draft>,
    ) -> Result<Known, Error> {
        let function = verb.as_str();
        let children_only =
            self.permitted(function, &access(verb, kind, key, part, self.is_self(kind, key)))?;
        if !children_only {
            if self.is_removed && self.is_self(kind, key) {
                return Err(gate::removed(kind, key));
            }
            let object = match self.shared.view.get(kind, key) {
                Answer::Found(known) => Some(known),
                Answer::Absent | Answer::Unknown => None,
            };
            let reconciled = self.uid.as_deref().filter(|_| self.is_self(kind, key));
            return match (object, reconciled) {
                (Some(now), Some(uid)) if *now.uid != *uid => Err(gate::replaced(kind, key, uid, &now.uid)),
                (object, own_uid) => Ok(Known { object, children_only, own_uid: own_uid.map(Box::from) }),
            };
        }
        self.check_draft_of_child(function, kind, key, draft)?;
        let existing = match self.fetch(kind, key, Source::Cache).await {
            Ok(existing) => existing,
            // Only these make it; of anything else nobody knows whose it would be.
            Err(Error { reason: Reason::NotFound, .. }) if matches!(verb, Verb::Create | Verb::Apply) => {
                return Ok(Known { object: None, children_only, own_uid: None });
            }
            Err(other) => return Err(other),
        };
        if !self.is_child(&existing) {
            return Err(self.not_a_child(function, kind, key));
        }
        Ok(Known { object: Some(existing), children_only, own_uid: None })
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

    /// An apply that is stored is remembered by what the guest wrote.
    fn apply_to_remember(
        &self,
        verb: Verb,
        draft: &Draft,
        payload: &Payload,
        options: &WriteOptions,
    ) -> Option<(ApplyId, String)> {
        let Payload::Object(text) = payload else { return None };
        (verb == Verb::Apply && !options.dry_run).then(|| (self.apply_id(draft, options), text.clone()))
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
}

/// Refuses what the verb does not do.
fn check_form(verb: Verb, draft: &Draft, said: &Pin, options: &WriteOptions) -> Result<(), Error> {
    let (kind, key) = (&draft.kind.kind, &draft.key);
    match verb {
        Verb::Update if said.version.is_none() => Err(bad_request(format!(
            "update of {kind} {key} needs metadata.resourceVersion, so that a change made meanwhile is not lost"
        ))),
        Verb::Create if options.subresource.is_some() => {
            Err(bad_request(format!("create of {kind} {key} makes the object: it has no subresource")))
        }
        _ => Ok(()),
    }
}

fn effect(options: &WriteOptions, apply: Option<(ApplyId, String)>) -> Effect {
    let whole = matches!(options.subresource.as_deref(), None | Some("status"));
    Effect::Written { observe: !options.dry_run && whole, apply }
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

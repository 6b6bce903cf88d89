//! The objects of the fake, and what every write keeps to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::merge;
use crate::bindings::polyreme::controller::kubernetes::{WriteOptions, Written};
use crate::bindings::polyreme::controller::types::{Error, ObjectRef, Reason};
use crate::resource::display;

/// What identifies an object: apiVersion, kind, namespace (empty for none), name.
pub(super) type Key = (String, String, String, String);

/// Objects by key, and what each manager applied last.
#[derive(Default)]
pub(super) struct Store {
    objects: BTreeMap<Key, Value>,
    applied: BTreeMap<(Key, String), Value>,
    version: u64,
}

pub(super) fn key(object: &ObjectRef) -> Key {
    let namespace = object.namespace.clone().unwrap_or_default();
    let (api, kind) = (object.api_version.clone(), object.kind.clone());
    (api, kind, namespace, object.name.clone())
}

/// A refusal in the words of the contract.
pub(super) fn refusal(reason: Reason, message: impl Into<String>) -> Error {
    Error { reason, message: message.into(), retry_after_ms: None, causes: Vec::new() }
}

/// Parses what a guest sent; an object needs apiVersion, kind and a name.
pub(super) fn parse(json: &str) -> Result<(ObjectRef, Value), Error> {
    let bad = |message: String| refusal(Reason::BadRequest, message);
    let object: Value = serde_json::from_str(json).map_err(|error| bad(error.to_string()))?;
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let need = |value: &Value, what: &str| text(value).ok_or(bad(format!("object has no {what}")));
    let reference = ObjectRef {
        api_version: need(&object["apiVersion"], "apiVersion")?,
        kind: need(&object["kind"], "kind")?,
        namespace: text(&object["metadata"]["namespace"]),
        name: text(&object["metadata"]["name"]).unwrap_or_default(),
    };
    ensure_named(&reference)?;
    Ok((reference, object))
}

/// Refuses what names no object, in the host's words.
pub(super) fn ensure_named(object: &ObjectRef) -> Result<(), Error> {
    if !object.name.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{} has no metadata.name: names must be set by the module, a generated one could not be retried safely",
        object.kind
    );
    Err(refusal(Reason::BadRequest, message))
}

impl Store {
    pub(super) fn get(&self, object: &ObjectRef) -> Result<&Value, Error> {
        self.find(object).ok_or_else(|| refusal(Reason::NotFound, format!("{} not found", display(object))))
    }

    pub(super) fn find(&self, object: &ObjectRef) -> Option<&Value> {
        self.objects.get(&key(object))
    }

    pub(super) fn objects<'a>(
        &'a self,
        api_version: &'a str,
        kind: &'a str,
    ) -> impl Iterator<Item = &'a Value> {
        let of_kind = move |key: &Key| key.0 == api_version && key.1 == kind;
        let all = self.objects.iter();
        all.filter(move |(key, _)| of_kind(key)).map(|(_, object)| object)
    }

    /// Puts an object in as it is, with what the API server would add.
    pub(super) fn seed(&mut self, target: &ObjectRef, mut object: Value, now: &str) {
        self.version += 1;
        let defaults = json!({
            "uid": format!("00000000-0000-0000-0000-{:012x}", self.version),
            "generation": 1,
            "creationTimestamp": now,
        });
        let metadata = &mut object["metadata"];
        for (field, value) in defaults.as_object().into_iter().flatten() {
            if metadata[field].is_null() {
                metadata[field] = value.clone();
            }
        }
        metadata["resourceVersion"] = self.version.to_string().into();
        self.objects.insert(key(target), object);
    }

    /// Changes an object as nobody's controller would: any part of it at once.
    pub(super) fn edit(&mut self, target: &ObjectRef, patch: &Value) {
        let Some(held) = self.find(target) else {
            return;
        };
        let mut next = held.clone();
        merge::patch(&mut next, patch);
        raise_generation(held, &mut next);
        self.store(target, next);
        self.drop_if_released(target);
    }

    /// Keeps an object under a new version.
    fn store(&mut self, target: &ObjectRef, mut object: Value) {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.objects.insert(key(target), object);
    }

    pub(super) fn create(
        &mut self,
        target: &ObjectRef,
        mut object: Value,
        now: &str,
    ) -> Result<Written, Error> {
        if self.find(target).is_some() {
            let message = format!("{} exists", display(target));
            return Err(refusal(Reason::AlreadyExists, message));
        }
        if let Some(fields) = object.as_object_mut() {
            fields.remove("status");
        }
        self.seed(target, object, now);
        Ok(written(true, self.get(target)?))
    }

    pub(super) fn update(
        &mut self,
        target: &ObjectRef,
        object: &Value,
        options: &WriteOptions,
    ) -> Result<Written, Error> {
        self.get(target)?;
        if object["metadata"]["resourceVersion"].is_null() {
            let message = "metadata.resourceVersion must be specified for an update";
            return Err(refusal(Reason::Invalid, message));
        }
        self.change(target, object, options, |held| *held = object.clone())
    }

    pub(super) fn merge_patch(
        &mut self,
        target: &ObjectRef,
        patch: &Value,
        options: &WriteOptions,
    ) -> Result<Written, Error> {
        self.change(target, patch, options, |held| merge::patch(held, patch))
    }

    pub(super) fn apply(
        &mut self,
        target: &ObjectRef,
        object: &Value,
        manager: &str,
        options: &WriteOptions,
        now: &str,
    ) -> Result<Written, Error> {
        if !object["metadata"]["managedFields"].is_null() {
            let message = "metadata.managedFields must be nil";
            return Err(refusal(Reason::BadRequest, message));
        }
        let place = (key(target), manager.to_owned());
        let before = self.applied.get(&place).cloned().unwrap_or_default();
        let written = if self.find(target).is_none() {
            self.create(target, object.clone(), now)?
        } else {
            let apply = |held: &mut Value| merge::apply(held, &before, object);
            self.change(target, object, options, apply)?
        };
        self.applied.insert(place, object.clone());
        Ok(written)
    }

    /// Changes an object under the rules every write keeps to; `sent` may carry a version
    /// or uid that must still hold.
    fn change(
        &mut self,
        target: &ObjectRef,
        sent: &Value,
        options: &WriteOptions,
        edit: impl FnOnce(&mut Value),
    ) -> Result<Written, Error> {
        let held = self.get(target)?;
        for field in ["resourceVersion", "uid"] {
            check_unmoved(target, &held["metadata"], &sent["metadata"], field)?;
        }
        let mut edited = held.clone();
        edit(&mut edited);
        let next = settle(held, edited, options.subresource.as_deref());
        if next == *held {
            return Ok(written(false, held));
        }
        self.store(target, next);
        let result = written(true, self.get(target)?);
        self.drop_if_released(target);
        Ok(result)
    }

    /// Deletes an object, or marks it when a finalizer holds it.
    pub(super) fn delete(&mut self, target: &ObjectRef, now: &str) -> Result<(), Error> {
        self.get(target)?;
        if let Some(object) = self.objects.get_mut(&key(target)) {
            let metadata = &mut object["metadata"];
            metadata["deletionTimestamp"] = now.into();
        }
        self.drop_if_released(target);
        Ok(())
    }

    /// Removes a deleted object without finalizers, and then what it owned.
    fn drop_if_released(&mut self, target: &ObjectRef) {
        let released = |object: &Value| {
            let metadata = &object["metadata"];
            let held = metadata["finalizers"].as_array();
            !metadata["deletionTimestamp"].is_null() && held.is_none_or(Vec::is_empty)
        };
        if self.find(target).is_some_and(released) {
            self.objects.remove(&key(target));
            self.applied.retain(|(place, _), _| *place != key(target));
            self.collect_garbage();
        }
    }

    /// Removes objects whose owners are all gone, until there are none.
    fn collect_garbage(&mut self) {
        loop {
            let orphan = |object: &&Value| {
                let owners = object["metadata"]["ownerReferences"].as_array();
                owners.is_some_and(|owners| {
                    !owners.is_empty() && !owners.iter().any(|owner| self.has_uid(&owner["uid"]))
                })
            };
            let Some(orphan) = self.objects.values().find(orphan).cloned() else {
                return;
            };
            self.objects.retain(|_, object| *object != orphan);
        }
    }

    fn has_uid(&self, uid: &Value) -> bool {
        let mut all = self.objects.values();
        all.any(|object| object["metadata"]["uid"] == *uid)
    }
}

fn check_unmoved(target: &ObjectRef, held: &Value, sent: &Value, field: &str) -> Result<(), Error> {
    if sent[field].is_null() || sent[field] == held[field] {
        return Ok(());
    }
    let message = format!("{} has another {field}", display(target));
    Err(refusal(Reason::Conflict, message))
}

/// Keeps what a write may not change: status without its subresource, everything else
/// with it, and what the server alone sets. Raises the generation when wishes changed.
fn settle(held: &Value, edited: Value, subresource: Option<&str>) -> Value {
    let (mut next, status) = match subresource {
        Some("status") => (held.clone(), edited["status"].clone()),
        _ => (edited, held["status"].clone()),
    };
    set(&mut next, "status", status);
    for field in ["uid", "creationTimestamp", "deletionTimestamp", "resourceVersion", "generation"] {
        set(&mut next["metadata"], field, held["metadata"][field].clone());
    }
    raise_generation(held, &mut next);
    next
}

/// Counts a change of what users wish for.
fn raise_generation(held: &Value, next: &mut Value) {
    if wishes(next) != wishes(held) {
        let generation = held["metadata"]["generation"].as_i64().unwrap_or_default();
        next["metadata"]["generation"] = (generation + 1).into();
    }
}

/// Everything outside metadata and status.
fn wishes(object: &Value) -> Value {
    let mut rest = object.clone();
    set(&mut rest, "metadata", Value::Null);
    set(&mut rest, "status", Value::Null);
    rest
}

/// Sets a field; null removes it.
fn set(object: &mut Value, field: &str, value: Value) {
    let Some(fields) = object.as_object_mut() else {
        return;
    };
    if value.is_null() {
        fields.remove(field);
    } else {
        fields.insert(field.into(), value);
    }
}

fn written(changed: bool, object: &Value) -> Written {
    let metadata = &object["metadata"];
    let text = |field: &str| metadata[field].as_str().unwrap_or_default().to_owned();
    Written {
        changed,
        uid: text("uid"),
        resource_version: text("resourceVersion"),
        generation: metadata["generation"].as_i64().unwrap_or_default(),
        object: None,
    }
}

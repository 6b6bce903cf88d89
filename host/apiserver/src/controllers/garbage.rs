//! Garbage collection by owner reference: background, foreground and orphaning.
//!
//! The rules are those of `k8s.io/kubernetes/pkg/controller/garbagecollector`: an object
//! goes when it has owner references and none of them names an object that exists with that
//! uid; a namespaced owner is looked for in the dependent's own namespace; a reference to an
//! unknown kind, or from a cluster-scoped object to a namespaced kind, keeps the object.

use std::sync::Arc;

use serde_json::{Value, json};

use super::unless_raced;
use crate::api::delete::{FOREGROUND, ORPHAN};
use crate::api::{Api, At, DeleteOptions, Part};
use crate::error::ApiError;
use crate::json as read;
use crate::kinds::split_api_version;
use crate::rest::query::Propagation;
use crate::store::{Key, Object};

/// What an owner reference turned out to be.
#[derive(Debug, PartialEq, Eq)]
enum Owner {
    Present,
    /// Being deleted, and waiting for its dependents.
    Waiting,
    Absent,
    /// It cannot be known, so the dependent stays.
    Unknown,
}

pub(super) fn round(api: &Arc<Api>) -> Result<(), ApiError> {
    for key in api.store.take_suspects() {
        if let Some(object) = api.store.get(&key) {
            unless_raced(examine(api, &key, &object))?;
        }
    }
    Ok(())
}

fn examine(api: &Api, key: &Key, object: &Object) -> Result<(), ApiError> {
    let finalizers = read::finalizers(&object.value);
    if read::is_deleting(&object.value) && finalizers.contains(&ORPHAN) {
        return orphan(api, key, object);
    }
    if read::is_deleting(&object.value) && finalizers.contains(&FOREGROUND) {
        return foreground(api, key, object);
    }
    if read::is_deleting(&object.value) {
        return Ok(());
    }
    collect(api, key, object)
}

/// Deletes an object whose owners are all gone; lets go of the ones that are.
fn collect(api: &Api, key: &Key, object: &Object) -> Result<(), ApiError> {
    let references = read::items(object.value.pointer("/metadata/ownerReferences"));
    let owners: Vec<Owner> = references.iter().map(|r| look_up(api, key, r)).collect();
    if references.is_empty() || owners.contains(&Owner::Unknown) {
        return Ok(());
    }
    if owners.contains(&Owner::Present) {
        let gone = references.iter().zip(&owners).filter(|(_, o)| **o != Owner::Present);
        let uids: Vec<&str> = gone.filter_map(|(r, _)| r.get("uid")?.as_str()).collect();
        return drop_references(api, key, object, &uids);
    }
    let has_dependents = !api.store.dependents(read::uid(&object.value)).is_empty();
    let foreground = owners.contains(&Owner::Waiting) && has_dependents;
    let propagation = if foreground { Propagation::Foreground } else { Propagation::Background };
    let finalizers = read::finalizers(&object.value);
    let policy = match finalizers.iter().any(|f| matches!(*f, FOREGROUND | ORPHAN)) {
        true => None,
        false => Some(propagation),
    };
    delete(api, key, object, policy)
}

fn look_up(api: &Api, dependent: &Key, reference: &Value) -> Owner {
    let text = |field: &str| reference.get(field).and_then(Value::as_str).unwrap_or_default();
    let (group, _) = split_api_version(text("apiVersion"));
    let Some(resource) = api.registry().by_group_kind(group, text("kind")) else {
        return Owner::Unknown;
    };
    if resource.namespaced && dependent.namespace().is_empty() {
        return Owner::Unknown;
    }
    let namespace = if resource.namespaced { dependent.namespace() } else { "" };
    let key = Key::new(&resource.storage, namespace, text("name"));
    match api.store.get(&key).filter(|o| read::uid(&o.value) == text("uid")) {
        None => Owner::Absent,
        Some(o) if read::is_deleting(&o.value) && read::finalizers(&o.value).contains(&FOREGROUND) => {
            Owner::Waiting
        }
        Some(_) => Owner::Present,
    }
}

fn delete(api: &Api, key: &Key, object: &Object, propagation: Option<Propagation>) -> Result<(), ApiError> {
    let Some(resource) = api.registry().of_storage(&key.storage) else { return Ok(()) };
    let at =
        At { resource, namespace: key.namespace().to_owned(), name: key.name().to_owned(), part: Part::Main };
    let uid = Some(read::uid(&object.value).to_owned());
    api.delete(&at, &DeleteOptions { propagation, uid, ..DeleteOptions::default() }).map(drop)
}

/// Lets the dependents go, then the object.
fn orphan(api: &Api, key: &Key, object: &Object) -> Result<(), ApiError> {
    let uid = read::uid(&object.value);
    for dependent in api.store.dependents(uid) {
        if let Some(found) = api.store.get(&dependent) {
            drop_references(api, &dependent, &found, &[uid])?;
        }
    }
    release(api, key, object, ORPHAN)
}

/// Deletes the dependents, and the object when none that blocks is left.
fn foreground(api: &Api, key: &Key, object: &Object) -> Result<(), ApiError> {
    let uid = read::uid(&object.value);
    let mut blocked = false;
    for dependent in api.store.dependents(uid) {
        let Some(found) = api.store.get(&dependent) else { continue };
        blocked |= blocks(&found.value, uid);
        if !read::is_deleting(&found.value) {
            unless_raced(collect(api, &dependent, &found))?;
        }
    }
    if blocked {
        return Ok(());
    }
    release(api, key, object, FOREGROUND)
}

fn blocks(dependent: &Value, owner_uid: &str) -> bool {
    let references = read::items(dependent.pointer("/metadata/ownerReferences"));
    references.iter().any(|r| {
        r.get("uid").and_then(Value::as_str) == Some(owner_uid)
            && r.get("blockOwnerDeletion") == Some(&json!(true))
    })
}

fn drop_references(api: &Api, key: &Key, object: &Object, uids: &[&str]) -> Result<(), ApiError> {
    if uids.is_empty() {
        return Ok(());
    }
    let mut value = object.value.clone();
    let references = read::items(value.pointer("/metadata/ownerReferences"));
    let names = |r: &Value| r.get("uid").and_then(Value::as_str).is_some_and(|u| uids.contains(&u));
    let kept: Vec<Value> = references.iter().filter(|r| !names(r)).cloned().collect();
    let kept = (!kept.is_empty()).then(|| Value::from(kept));
    read::set_meta(&mut value, "ownerReferences", kept);
    store(api, key, object, value)
}

fn release(api: &Api, key: &Key, object: &Object, finalizer: &str) -> Result<(), ApiError> {
    let mut value = object.value.clone();
    let kept = read::finalizers(&object.value);
    let kept: Vec<&str> = kept.into_iter().filter(|f| *f != finalizer).collect();
    read::set_finalizers(&mut value, &kept);
    store(api, key, object, value)
}

/// Stores a change of metadata, or deletes what nothing holds any more. A lost race needs
/// no care: the winner's write makes the object a suspect again.
fn store(api: &Api, key: &Key, object: &Object, value: Value) -> Result<(), ApiError> {
    let finished = read::is_deleting(&value)
        && read::finalizers(&value).is_empty()
        && read::grace(&value) == 0
        && read::items(value.pointer("/spec/finalizers")).is_empty();
    let done = match finished {
        true => api.store.delete(key, object.revision),
        false => api.store.put(key, Some(object.revision), value, |_| Ok(())),
    };
    match done {
        Err(crate::store::Lost::Refused(error)) => Err(error),
        _ => Ok(()),
    }
}

//! Delete: at once, or by marking an object that something holds.

use std::sync::Arc;

use serde_json::Value;

use super::{Api, At, ListQuery, WRITE_ATTEMPTS};
use crate::clock;
use crate::error::ApiError;
use crate::json;
use crate::kinds::Resource;
use crate::rest::query::Propagation;
use crate::store::{Lost, Object};

/// The finalizer that waits for dependents.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer that waits until dependents have been let go.
pub(crate) const ORPHAN: &str = "orphan";
/// Pods get this long when they do not say.
const DEFAULT_POD_GRACE_SECONDS: i64 = 30;

/// What a client asks of a deletion.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeleteOptions {
    pub(crate) grace_seconds: Option<i64>,
    pub(crate) propagation: Option<Propagation>,
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
    pub(crate) dry_run: bool,
}

/// An accepted deletion.
#[derive(Debug)]
pub(crate) struct Deleted {
    /// Its last, or its present, state.
    pub(crate) object: Arc<Object>,
    /// Whether it is gone, rather than waiting for a finalizer or a grace period.
    pub(crate) gone: bool,
}

impl Api {
    /// Deletes one object.
    pub(crate) fn delete(&self, at: &At, options: &DeleteOptions) -> Result<Deleted, ApiError> {
        for _ in 0..WRITE_ATTEMPTS {
            let live = self.get(at)?;
            check(at, &live.value, options)?;
            match self.try_delete(at, &live, options) {
                Err(Lost::Changed) => {}
                Err(Lost::Refused(error)) => return Err(error),
                Ok(deleted) => return Ok(deleted),
            }
        }
        Err(ApiError::modified(at.resource.subject(), &at.name))
    }

    fn try_delete(&self, at: &At, live: &Arc<Object>, options: &DeleteOptions) -> Result<Deleted, Lost> {
        let marked = mark(&at.resource, &live.value, options);
        if !holds(&marked) {
            let object = match options.dry_run {
                true => live.clone(),
                false => self.store.delete(&at.key(), live.revision)?,
            };
            return Ok(Deleted { object, gone: true });
        }
        if marked == live.value || options.dry_run {
            return Ok(Deleted { object: live.clone(), gone: false });
        }
        let object = self.store.put(&at.key(), Some(live.revision), marked, |_| Ok(()))?;
        Ok(Deleted { object, gone: false })
    }

    /// Deletes every object that a list would show; answers what it deleted.
    pub(crate) fn delete_collection(
        &self,
        resource: &Arc<Resource>,
        query: &ListQuery,
        options: &DeleteOptions,
    ) -> Result<Vec<Arc<Object>>, ApiError> {
        let listed = self.list(resource, query)?;
        let mut deleted = Vec::new();
        for object in listed.objects {
            let at = At {
                resource: resource.clone(),
                namespace: json::namespace(&object.value).to_owned(),
                name: json::name(&object.value).to_owned(),
                part: super::Part::Main,
            };
            match self.delete(&at, options) {
                Ok(done) => deleted.push(done.object),
                Err(error) if error.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        Ok(deleted)
    }
}

fn check(at: &At, live: &Value, options: &DeleteOptions) -> Result<(), ApiError> {
    let (subject, name) = (at.resource.subject(), at.name.as_str());
    let mismatch = |what: &str, wanted: &str, found: &str, might: &str| {
        let why = format!(
            "the {what} in the precondition ({wanted}) does not match the {what} in record ({found}). The object might have been {might}"
        );
        Err(ApiError::precondition(subject, name, &why))
    };
    let (uid, version) = (json::uid(live), json::meta(live, "resourceVersion").unwrap_or_default());
    match (&options.uid, &options.resource_version) {
        (Some(wanted), _) if wanted != uid => mismatch("UID", wanted, uid, "deleted and then recreated"),
        (_, Some(wanted)) if wanted != version => mismatch("ResourceVersion", wanted, version, "modified"),
        _ => refuse_system_namespace(at),
    }
}

/// The namespaces that the real server protects.
fn refuse_system_namespace(at: &At) -> Result<(), ApiError> {
    let protected = matches!(at.name.as_str(), "default" | "kube-system" | "kube-public");
    if at.resource.is_namespace() && protected {
        let why = "this namespace may not be deleted";
        return Err(ApiError::forbidden(at.resource.subject(), &at.name, why));
    }
    Ok(())
}

/// The object as it is while something holds it.
fn mark(resource: &Resource, live: &Value, options: &DeleteOptions) -> Value {
    let mut marked = live.clone();
    set_propagation(resource, &mut marked, options.propagation);
    let grace = grace_seconds(resource, live, options);
    if json::is_deleting(live) {
        if grace < json::grace(live) {
            json::set_meta(&mut marked, "deletionGracePeriodSeconds", Some(grace.into()));
        }
        return marked;
    }
    let when = clock::now() + chrono::Duration::seconds(grace);
    json::set_meta(&mut marked, "deletionTimestamp", Some(clock::seconds(when).into()));
    json::set_meta(&mut marked, "deletionGracePeriodSeconds", Some(grace.into()));
    if json::generation(live) > 0 {
        let generation = json::generation(live) + 1;
        json::set_meta(&mut marked, "generation", Some(generation.into()));
    }
    if resource.is_namespace() {
        json::map_at(&mut marked, "status").insert("phase".to_owned(), "Terminating".into());
    }
    marked
}

fn holds(marked: &Value) -> bool {
    !json::finalizers(marked).is_empty()
        || json::grace(marked) > 0
        || !json::items(marked.pointer("/spec/finalizers")).is_empty()
}

/// The garbage collector's finalizers follow from the policy; no policy leaves what is
/// there, which by default is neither.
fn set_propagation(resource: &Resource, object: &mut Value, policy: Option<Propagation>) {
    let has_either = json::finalizers(object).iter().any(|f| matches!(*f, FOREGROUND | ORPHAN));
    let policy = match policy {
        None if has_either => return,
        None if resource.traits.orphans_by_default => Propagation::Orphan,
        None => Propagation::Background,
        Some(policy) => policy,
    };
    let add = match policy {
        Propagation::Background => None,
        Propagation::Foreground => Some(FOREGROUND),
        Propagation::Orphan => Some(ORPHAN),
    };
    let kept = json::finalizers(object).into_iter().filter(|f| !matches!(*f, FOREGROUND | ORPHAN));
    let finalizers: Vec<String> = kept.chain(add).map(str::to_owned).collect();
    let finalizers: Vec<&str> = finalizers.iter().map(String::as_str).collect();
    json::set_finalizers(object, &finalizers);
}

/// Only a pod that runs somewhere is given time.
fn grace_seconds(resource: &Resource, live: &Value, options: &DeleteOptions) -> i64 {
    let is_pod = resource.group.is_empty() && resource.plural == "pods";
    let bound = live.pointer("/spec/nodeName").and_then(Value::as_str).is_some_and(|n| !n.is_empty());
    let phase = live.pointer("/status/phase").and_then(Value::as_str);
    if !is_pod || !bound || matches!(phase, Some("Succeeded" | "Failed")) {
        return 0;
    }
    let own = live.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64);
    options.grace_seconds.or(own).unwrap_or(DEFAULT_POD_GRACE_SECONDS).max(0)
}

//! Update: PUT, and the common end of every change to an object that exists.

use std::sync::Arc;

use serde_json::Value;

use super::intake::Source;
use super::{Api, At, Part, WRITE_ATTEMPTS, WriteOptions, Written, admission, from_stored, meta, to_stored};
use crate::error::{ApiError, Subject};
use crate::fields;
use crate::json;
use crate::store::{Lost, Object};

/// What a verb wants an object to become.
pub(super) struct Proposal {
    /// In the version of the request.
    pub(super) object: Value,
    /// Apply has already worked out the managed fields.
    pub(super) tracked: bool,
    pub(super) warnings: Vec<String>,
}

impl Api {
    /// Replaces an object by a request body.
    pub(crate) fn update(
        &self,
        at: &At,
        mut body: Value,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        let warnings = Self::intake(&at.resource, &mut body, options.validation, Source::Body)?;
        meta::check_name(at, &mut body)?;
        if self.store.get(&at.key()).is_none() {
            return self.create_by_update(at, body, warnings, options);
        }
        let pinned = version_of(&body).is_some();
        self.change(at, options, pinned, |live| {
            check_preconditions(at, live, &body, true)?;
            let (object, warnings) = (body.clone(), warnings.clone());
            Ok(Proposal { object, tracked: false, warnings })
        })
    }

    /// PUT of something absent, which some kinds allow. A resourceVersion does not stop it,
    /// a uid does: that is how the real server behaves.
    fn create_by_update(
        &self,
        at: &At,
        body: Value,
        warnings: Vec<String>,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        if !at.resource.traits.create_on_update || at.part != Part::Main {
            return Err(at.not_found());
        }
        refuse_uid_of_absent(at, &body)?;
        let object = self.insert(&at.resource, body, options, None)?;
        Ok(Written::new(&at.resource, object, warnings))
    }

    /// Computes a change and stores it, again when another writer was faster, unless the
    /// client pinned a version.
    pub(super) fn change(
        &self,
        at: &At,
        options: &WriteOptions,
        pinned: bool,
        propose: impl Fn(&Value) -> Result<Proposal, ApiError>,
    ) -> Result<Written, ApiError> {
        for _ in 0..WRITE_ATTEMPTS {
            let live = self.get(at)?;
            let proposal = propose(&from_stored(&at.resource, &live))?;
            match self.settle(at, &live, proposal, options) {
                Ok(written) => return Ok(written),
                Err(Lost::Refused(error)) => return Err(error),
                Err(Lost::Changed) if pinned => break,
                Err(Lost::Changed) => {}
            }
        }
        Err(ApiError::modified(at.resource.subject(), &at.name))
    }

    /// Steps 2 to 7 of a write.
    fn settle(
        &self,
        at: &At,
        live: &Arc<Object>,
        proposal: Proposal,
        options: &WriteOptions,
    ) -> Result<Written, Lost> {
        let (object, mut warnings) = self.prepare(at, live, proposal, options).map_err(Lost::Refused)?;
        warnings.extend(at.resource.warnings(&object, Some(&live.value)));
        let stored = to_stored(&at.resource, object);
        let object = match () {
            () if stored == live.value => live.clone(),
            () if options.dry_run => Arc::new(Object::new(stored, live.revision)),
            () if is_finished(&stored) => self.store.delete(&at.key(), live.revision)?,
            () => self.store.put(&at.key(), Some(live.revision), stored, |_| Ok(()))?,
        };
        Ok(Written { object, created: false, warnings })
    }

    /// What is to be stored, and warnings.
    fn prepare(
        &self,
        at: &At,
        live: &Object,
        proposal: Proposal,
        options: &WriteOptions,
    ) -> Result<(Value, Vec<String>), ApiError> {
        let resource = &*at.resource;
        let old = from_stored(resource, live);
        let Proposal { mut object, tracked, mut warnings } = proposal;
        let causes = meta::carry_over(&old, &mut object);
        let mut object = only_part(at, &old, object);
        admission::on_update(resource, &mut object);
        resource.default(&mut object);
        meta::count_generation(at, &old, &mut object);
        if !tracked {
            let tracking = options.tracking(resource, at.part);
            object = fields::update(&resource.schema, Some(&old), object, &tracking);
        }
        admission::keep_allocated(resource, &old, &mut object);
        warnings.extend(self.refuse_invalid(resource, &object, Some(&old), causes)?);
        admission::allocate(self, resource, Some(&old), &mut object)?;
        Ok((object, warnings))
    }
}

/// Keeps from the old object what this part of the API may not change.
fn only_part(at: &At, old: &Value, mut object: Value) -> Value {
    match at.part {
        Part::Main if at.resource.splits_status() => {
            keep(old, &mut object, "status");
            if at.resource.is_namespace() {
                keep_namespace_finalizers(old, &mut object);
            }
            object
        }
        Part::Main => object,
        Part::Status => status_only(at, old, object),
        Part::Finalize => {
            let finalizers = object.pointer("/spec/finalizers").cloned();
            let mut kept = old.clone();
            json::set(json::map_at(&mut kept, "spec"), "finalizers", finalizers);
            kept
        }
    }
}

fn keep(old: &Value, object: &mut Value, field: &str) {
    json::set(json::as_map(object), field, old.get(field).cloned());
}

fn keep_namespace_finalizers(old: &Value, object: &mut Value) {
    let finalizers = old.pointer("/spec/finalizers").cloned();
    json::set(json::map_at(object, "spec"), "finalizers", finalizers);
}

/// `/status` changes the status; of built-in kinds also annotations and finalizers, as
/// their strategies allow.
fn status_only(at: &At, old: &Value, mut object: Value) -> Value {
    let mut kept = old.clone();
    let status = json::as_map(&mut object).remove("status");
    json::set(json::as_map(&mut kept), "status", status);
    let carried: &[&str] = match at.resource.is_custom() {
        true => &["managedFields"],
        false => &["managedFields", "annotations", "finalizers"],
    };
    for field in carried {
        let value = json::meta_mut(&mut object).remove(*field);
        json::set_meta(&mut kept, field, value);
    }
    kept
}

/// Whether nothing holds a deleted object any more.
fn is_finished(object: &Value) -> bool {
    json::is_deleting(object)
        && json::finalizers(object).is_empty()
        && json::grace(object) == 0
        && json::items(object.pointer("/spec/finalizers")).is_empty()
}

/// The resourceVersion that a body pins, if any: a number that is zero means "any".
pub(super) fn version_of(body: &Value) -> Option<&str> {
    json::meta(body, "resourceVersion").filter(|v| v.bytes().any(|digit| digit != b'0'))
}

/// Checks the uid and resourceVersion that a body names against the live object.
pub(super) fn check_preconditions(
    at: &At,
    live: &Value,
    body: &Value,
    replaces: bool,
) -> Result<(), ApiError> {
    let (subject, name) = (at.resource.subject(), at.name.as_str());
    let uid = json::uid(body);
    // A patch that changes the uid is told that it is immutable.
    if replaces && !uid.is_empty() && uid != json::uid(live) {
        return Err(uid_precondition(at, uid, json::uid(live)));
    }
    match version_of(body) {
        Some(version) if version.parse::<u64>().is_err() => {
            Err(ApiError::unforeseen(format!("strconv.ParseUint: parsing \"{version}\": invalid syntax")))
        }
        Some(version) if Some(version) != json::meta(live, "resourceVersion") => {
            Err(ApiError::modified(subject, name))
        }
        None if replaces && !at.resource.traits.unconditional_update => Err(version_required(at)),
        _ => Ok(()),
    }
}

fn version_required(at: &At) -> ApiError {
    let cause = crate::schema::Cause::invalid(
        "metadata.resourceVersion",
        &Value::from(0),
        "must be specified for an update",
    );
    // The real server names the resource here, not the kind.
    let subject = at.resource.subject();
    ApiError::invalid(Subject { kind: subject.plural, ..subject }, &at.name, &[cause])
}

fn uid_precondition(at: &At, wanted: &str, found: &str) -> ApiError {
    let resource = &at.resource;
    let group = if resource.is_custom() { format!("{}/", resource.group) } else { String::new() };
    let key = format!("/registry/{group}{}/{}", resource.plural, at.key().path);
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: \
         Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}"
    );
    ApiError::conflict(resource.subject(), &at.name, &why)
}

/// A body that names a uid means an object that exists.
fn refuse_uid_of_absent(at: &At, body: &Value) -> Result<(), ApiError> {
    match json::uid(body) {
        "" => Ok(()),
        uid => Err(uid_precondition(at, uid, "")),
    }
}

//! Patch: JSON patch, merge patch, strategic merge patch and server-side apply.

use serde_json::Value;

use super::intake::Source;
use super::update::{Proposal, check_preconditions, version_of};
use super::{Api, At, Part, WriteOptions, Written, meta};
use crate::error::ApiError;
use crate::fields::{self, ApplyError, ApplyOptions};
use crate::json;
use crate::kinds::split_api_version;
use crate::patch::{self, PatchError};
use crate::schema::Cause;

/// The content types of PATCH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PatchType {
    Json,
    Merge,
    Strategic,
    Apply,
}

impl PatchType {
    /// Parses a media type; custom resources have no strategic merge patch.
    pub(crate) fn of(media_type: &str, custom: bool) -> Result<Self, ApiError> {
        match media_type {
            "application/json-patch+json" => Ok(Self::Json),
            "application/merge-patch+json" => Ok(Self::Merge),
            "application/strategic-merge-patch+json" if !custom => Ok(Self::Strategic),
            "application/apply-patch+yaml" => Ok(Self::Apply),
            _ if custom => Err(ApiError::unsupported_media_type(&CUSTOM)),
            _ => Err(ApiError::no_such_media_type()),
        }
    }
}

const CUSTOM: [&str; 3] =
    ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"];

impl Api {
    /// Changes an object by a patch.
    pub(crate) fn patch(
        &self,
        at: &At,
        kind: PatchType,
        body: &Value,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        check_options(kind, options)?;
        if kind == PatchType::Apply {
            return self.apply(at, body, options);
        }
        let pinned = kind != PatchType::Json && version_of(body).is_some();
        self.change(at, options, pinned, |live| {
            let mut object = patched(at, kind, live, body)?;
            let warnings = Self::intake(&at.resource, &mut object, options.validation, Source::Patch)?;
            meta::check_name(at, &mut object)?;
            check_preconditions(at, live, &object, false)?;
            Ok(Proposal { object, tracked: false, warnings })
        })
    }

    /// Server-side apply; creates what is not there.
    fn apply(&self, at: &At, body: &Value, options: &WriteOptions) -> Result<Written, ApiError> {
        let mut applied = body.clone();
        check_applied(at, &mut applied)?;
        if self.store.get(&at.key()).is_none() {
            match self.create_by_apply(at, &applied, options) {
                // Somebody else created it in between: apply to that one.
                Err(error) if error.reason == "AlreadyExists" && !options.dry_run => {}
                other => return other,
            }
        }
        self.change(at, options, version_of(&applied).is_some(), |live| {
            // Fields of others are told before an old version.
            let object = self.merged(at, Some(live), &applied, options)?;
            check_preconditions(at, live, &applied, false)?;
            Ok(Proposal { object, tracked: true, warnings: Vec::new() })
        })
    }

    fn create_by_apply(&self, at: &At, applied: &Value, options: &WriteOptions) -> Result<Written, ApiError> {
        if at.part != Part::Main {
            return Err(at.not_found());
        }
        if !json::uid(applied).is_empty() {
            let why = format!(
                "uid mismatch: the provided object specified uid {}, and no existing object was found",
                json::uid(applied)
            );
            return Err(ApiError::conflict(at.resource.subject(), &at.name, &why));
        }
        let mut object = self.merged(at, None, applied, options)?;
        let managed = json::meta_mut(&mut object).remove("managedFields");
        let object = self.insert(&at.resource, object, options, managed)?;
        Ok(Written::new(&at.resource, object, Vec::new()))
    }

    fn merged(
        &self,
        at: &At,
        live: Option<&Value>,
        applied: &Value,
        options: &WriteOptions,
    ) -> Result<Value, ApiError> {
        let apply = ApplyOptions {
            manager: options.manager.clone(),
            force: options.force.unwrap_or_default(),
            api_version: at.resource.api_version(),
            subresource: at.part.name().to_owned(),
            now: crate::clock::now(),
        };
        let merged = fields::apply(&at.resource.schema, live, applied, &apply);
        let mut merged = merged.map_err(|e| apply_refused(&e))?;
        // Not before: what is applied to an object that exists need not name it, and a namespace
        // that only the URL names belongs to nobody.
        meta::check_name(at, &mut merged)?;
        Ok(merged)
    }
}

fn check_options(kind: PatchType, options: &WriteOptions) -> Result<(), ApiError> {
    let cause = match kind {
        PatchType::Apply if !options.manager_given => {
            Cause::required("fieldManager", "is required for apply patch")
        }
        PatchType::Apply => return Ok(()),
        _ if options.force.is_some() => Cause::forbidden("force", "may not be specified for non-apply patch"),
        _ => return Ok(()),
    };
    Err(ApiError::invalid_options("PatchOptions", &[cause]))
}

/// An applied configuration must say what it is and must not bring managed fields.
fn check_applied(at: &At, applied: &mut Value) -> Result<(), ApiError> {
    if !applied.is_object() {
        return Err(ApiError::bad_request(
            "error decoding YAML: the applied configuration must be an object",
        ));
    }
    let said = |field: &str| applied.get(field).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (at.resource.api_version(), at.resource.kind.as_str());
    if said("apiVersion") != api_version || said("kind") != kind {
        let (group, version) = split_api_version(said("apiVersion"));
        return Err(ApiError::bad_request(format!(
            "invalid object type: {group}/{version}, Kind={}",
            said("kind")
        )));
    }
    if json::items(applied.pointer("/metadata/managedFields")).is_empty() {
        json::set_meta(applied, "managedFields", None);
        return Ok(());
    }
    Err(ApiError::bad_request("metadata.managedFields must be nil"))
}

fn patched(at: &At, kind: PatchType, live: &Value, body: &Value) -> Result<Value, ApiError> {
    let schema = &at.resource.schema;
    let done = match kind {
        PatchType::Json => patch::json_patch(live, body, schema),
        PatchType::Merge | PatchType::Apply => patch::merge_patch(live, body, schema),
        PatchType::Strategic => patch::strategic_merge(live, body, schema),
    };
    done.map_err(|error| patch_refused(&error))
}

fn patch_refused(error: &PatchError) -> ApiError {
    match error {
        PatchError::Malformed(message) => ApiError::bad_request(message.clone()),
        PatchError::Inapplicable(message) => ApiError::unapplicable(message),
    }
}

fn apply_refused(error: &ApplyError) -> ApiError {
    match error {
        ApplyError::Conflicts(conflicts) => {
            ApiError::apply_conflict(conflicts.to_string(), &conflicts.causes())
        }
        ApplyError::Typed { .. } => ApiError::unforeseen(error.to_string()),
        ApplyError::BadRequest(message) => ApiError::bad_request(message.clone()),
    }
}

//! Query parameters and bodies into the options of each verb.

use std::time::Duration;

use http::{Method, header};
use serde_json::Value;

use super::Call;
use super::body;
use super::path::Target;
use super::query::Propagation;
use crate::api::{DeleteOptions, ListQuery, Revision, Selection, WatchQuery, WriteOptions};
use crate::error::ApiError;
use crate::json;
use crate::schema::Cause;
use crate::selector::{FieldSelector, LabelSelector};

/// The longest name of a field manager.
const MAX_MANAGER: usize = 128;

/// Options of create, update and patch.
pub(super) fn write(call: &Call) -> Result<WriteOptions, ApiError> {
    let name = match call.method {
        Method::POST => "CreateOptions",
        Method::PUT => "UpdateOptions",
        _ => "PatchOptions",
    };
    let given = call.query.get("fieldManager");
    if given.is_some_and(|manager| manager.len() > MAX_MANAGER) {
        let cause = Cause::too_long("fieldManager", MAX_MANAGER as u64);
        return Err(ApiError::invalid_options(name, &[cause]));
    }
    let force = call.query.get("force").map(|f| matches!(f, "true" | "1"));
    Ok(WriteOptions {
        manager: given.map_or_else(|| default_manager(call), str::to_owned),
        manager_given: given.is_some(),
        dry_run: call.query.dry_run(name)?,
        validation: call.query.field_validation(name)?,
        force,
    })
}

/// The program's name from the user agent.
fn default_manager(call: &Call) -> String {
    let agent = call.headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok());
    let program = agent.and_then(|a| a.split('/').next()).unwrap_or("unknown");
    program.chars().take(MAX_MANAGER).collect()
}

/// Which objects a collection request is about.
pub(super) fn selection(call: &Call, target: &Target) -> Result<Selection, ApiError> {
    let labels = call.query.get("labelSelector").unwrap_or_default();
    let fields = call.query.get("fieldSelector").unwrap_or_default();
    let labels = LabelSelector::parse(labels)
        .map_err(|e| ApiError::bad_request(format!("unable to parse requirement: {e}")))?;
    let fields = FieldSelector::parse(fields).map_err(|e| ApiError::bad_request(e.to_string()))?;
    Ok(Selection { namespace: target.namespace.clone(), name: target.name.clone(), labels, fields })
}

/// Options of a list.
pub(super) fn list(call: &Call, target: &Target) -> Result<ListQuery, ApiError> {
    if call.query.get("sendInitialEvents").is_some() {
        let cause = Cause::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list");
        return Err(ApiError::invalid_options("ListOptions", &[cause]));
    }
    let limit = call.query.number("limit")?.unwrap_or_default();
    let limit = usize::try_from(limit).unwrap_or_default();
    let version = call.query.get("resourceVersion");
    let continue_ = call.query.get("continue").map(str::to_owned);
    if continue_.is_some() && version.is_some_and(|v| v != "0") {
        return Err(ApiError::bad_request("specifying resource version is not allowed when using continue"));
    }
    let matching = call.query.get("resourceVersionMatch");
    let revision = match continue_ {
        Some(_) => Revision::Newest,
        None => Revision::parse(version, matching, limit > 0)?,
    };
    Ok(ListQuery { selection: selection(call, target)?, limit, continue_, revision })
}

/// Options of a watch.
pub(super) fn watch(call: &Call, target: &Target) -> Result<WatchQuery, ApiError> {
    let query = &call.query;
    let initial = query.get("sendInitialEvents").is_some_and(|v| v == "true" || v == "1");
    check_initial(call, initial)?;
    let version = query.get("resourceVersion");
    let from = version.map(|text| text.parse().map_err(|_| garbage_version(text))).transpose()?;
    let seconds = query.number("timeoutSeconds")?.and_then(|s| u64::try_from(s).ok()).filter(|s| *s > 0);
    Ok(WatchQuery {
        selection: selection(call, target)?,
        from,
        bookmarks: query.flag("allowWatchBookmarks"),
        initial,
        timeout: seconds.map(Duration::from_secs),
    })
}

fn check_initial(call: &Call, initial: bool) -> Result<(), ApiError> {
    let matching = call.query.get("resourceVersionMatch");
    let refused = |field, why| Err(ApiError::invalid_options("ListOptions", &[Cause::forbidden(field, why)]));
    match (initial, matching) {
        (true, Some("NotOlderThan")) => Ok(()),
        (true, _) => refused(
            "resourceVersionMatch",
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
        (false, Some(_)) if call.query.get("sendInitialEvents").is_none() => refused(
            "resourceVersionMatch",
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
        (false, _) => Ok(()),
    }
}

/// A watch from nowhere is a 500 in the real server; on a list it is a 400.
fn garbage_version(text: &str) -> ApiError {
    let why = "strconv.ParseUint: parsing";
    let message = format!("Invalid value: \"{text}\": {why} \"{text}\": invalid syntax");
    ApiError::unforeseen(format!("resourceVersion: {message}"))
}

/// Options of a deletion, from the body and the query; the body wins.
pub(super) fn delete(call: &Call, bytes: &[u8]) -> Result<DeleteOptions, ApiError> {
    let body = match bytes.is_empty() {
        true => Value::Null,
        false => body::object(body::media_type(&call.headers), bytes)?,
    };
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let policy =
        text("/propagationPolicy").or_else(|| call.query.get("propagationPolicy").map(str::to_owned));
    let grace = body.get("gracePeriodSeconds").and_then(Value::as_i64);
    let dry_run =
        json::strings(body.get("dryRun")).contains(&"All") || call.query.dry_run("DeleteOptions")?;
    Ok(DeleteOptions {
        grace_seconds: grace.or(call.query.number("gracePeriodSeconds")?),
        propagation: propagation(policy.as_deref(), &body)?,
        uid: text("/preconditions/uid"),
        resource_version: text("/preconditions/resourceVersion"),
        dry_run,
    })
}

fn propagation(policy: Option<&str>, body: &Value) -> Result<Option<Propagation>, ApiError> {
    let Some(word) = policy else {
        // The deprecated form.
        let orphan = body.get("orphanDependents").and_then(Value::as_bool);
        return Ok(orphan.map(|o| if o { Propagation::Orphan } else { Propagation::Background }));
    };
    let found = Propagation::parse(word).ok_or_else(|| {
        let allowed = ["Foreground", "Background", "Orphan", "nil"].map(str::to_owned);
        let cause = Cause::not_supported("propagationPolicy", &Value::from(word), &allowed);
        ApiError::invalid_options("DeleteOptions", &[cause])
    })?;
    Ok(Some(found))
}

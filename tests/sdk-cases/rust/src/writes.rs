//! Every way of writing, with its options.

use polyreme_sdk::bindings::polyreme::controller::kubernetes::{self, PatchType};
use polyreme_sdk::bindings::polyreme::controller::types;
use polyreme_sdk::k8s_openapi::api::core::v1::ConfigMap;
use polyreme_sdk::{Context, Error, Object, Reason, Writable, WriteOptions, info};
use serde_json::{Value, json};

use crate::{Case, CaseStatus, child, field, plain, reason, text};

/// Just below what a ConfigMap holds.
const COPIED_BYTES: usize = 917_504;
const ENDS_BYTES: usize = 16;
const NO_UID: &str = "00000000-0000-0000-0000-000000000000";

pub(crate) fn large(ctx: &Context, case: &Case) -> Result<Value, Error> {
    let text = text(&case.spec.input, "text")?;
    let too_short = || Error::terminal("spec.input.text is too short");
    let copied = text.get(..COPIED_BYTES).ok_or_else(too_short)?;
    let first = text.get(..ENDS_BYTES).ok_or_else(too_short)?;
    let last = text.get(text.len() - ENDS_BYTES..).ok_or_else(too_short)?;
    ctx.apply(&child(case, "large-copy", &[("text", copied)]))?;
    Ok(json!({ "bytes": text.len(), "first": first, "last": last }))
}

pub(crate) fn create(ctx: &Context, case: &Case) -> Result<Value, Error> {
    let written = ctx.create(&child(case, "create-child", &[("made", "yes")]))?;
    Ok(json!({
        "changed": written.changed, "uid": written.uid,
        "resourceVersion": written.resource_version, "generation": written.generation,
    }))
}

pub(crate) fn create_existing(ctx: &Context, case: &Case) -> Value {
    let created = ctx.create(&plain(case, "create-existing-target", &[("made", "again")]));
    json!({ "reason": reason(&created) })
}

pub(crate) fn update(ctx: &Context) -> Result<Value, Error> {
    let written = ctx.update(&changed(ctx, "update-target")?)?;
    Ok(json!({ "changed": written.changed }))
}

pub(crate) fn update_conflict(ctx: &Context) -> Result<Value, Error> {
    let mut target = changed(ctx, "update-conflict-target")?;
    target.metadata.resource_version = Some("1".to_owned());
    Ok(json!({ "reason": reason(&ctx.update(&target)) }))
}

fn changed(ctx: &Context, name: &str) -> Result<ConfigMap, Error> {
    let mut target: ConfigMap = ctx.get(name)?;
    target.data.get_or_insert_default().insert("changed".to_owned(), "after".to_owned());
    Ok(target)
}

pub(crate) fn apply(ctx: &Context, case: &Case) -> Result<Value, Error> {
    let both = child(case, "apply-child", &[("kept", "1"), ("left", "1")]);
    let one = child(case, "apply-child", &[("kept", "1")]);
    let written = [ctx.apply(&both)?, ctx.apply(&one)?, ctx.apply(&one)?];
    Ok(json!({ "changed": written.map(|written| written.changed) }))
}

pub(crate) fn apply_force(ctx: &Context, case: &Case) -> Result<Value, Error> {
    let target = plain(case, "apply-force-target", &[("owner", "guest")]);
    let reason = reason(&ctx.apply_with(&target, &WriteOptions::default()));
    Ok(json!({ "reason": reason, "forced": ctx.apply(&target)?.changed }))
}

pub(crate) fn apply_all(ctx: &Context, case: &Case) -> Value {
    let one = |index: usize| {
        let text = index.to_string();
        let data = if index == 4 { [("not/valid", "")] } else { [("index", text.as_str())] };
        child(case, &format!("apply-all-{index}"), &data)
    };
    let objects: Vec<_> = (0..8).map(one).collect();
    let objects: Vec<_> = objects.iter().map(|object| object as &dyn Writable).collect();
    json!({ "reason": reason(&ctx.apply_all(&objects)) })
}

pub(crate) fn options(ctx: &Context, case: &Case) -> Result<Value, Error> {
    let dry = WriteOptions { dry_run: true, ..WriteOptions::default() };
    let dry = ctx.apply_with(&child(case, "write-options-dry", &[]), &dry);
    let asking = WriteOptions {
        field_manager: Some("sdk-cases/another".to_owned()),
        want_object: true,
        ..WriteOptions::default()
    };
    let written = ctx.apply_with(&child(case, "write-options-child", &[("returned", "1")]), &asking)?;
    let object: Option<ConfigMap> =
        written.object.as_deref().and_then(|json| serde_json::from_str(json).ok());
    Ok(json!({ "dryRun": dry.is_ok(), "returned": object.and_then(|object| field(&object, "returned")) }))
}

pub(crate) fn patch_merge(ctx: &Context) -> Result<Value, Error> {
    let target: ConfigMap = ctx.get("patch-merge-target")?;
    let written = ctx.merge_patch(&target, &json!({ "data": { "gone": null, "changed": "after" } }))?;
    Ok(json!({ "changed": written.changed }))
}

pub(crate) fn patch_json(case: &Case) -> Result<Value, Error> {
    let first = json!([
        { "op": "test", "path": "/data/from", "value": "1" },
        { "op": "move", "from": "/data/from", "path": "/data/to" },
        { "op": "replace", "path": "/metadata/annotations/example.com~1note", "value": "after" },
    ]);
    let changed = patch(case, "patch-json-target", PatchType::JsonPatch, &first)
        .map_err(|error| Error::retry(error.message))?;
    let second = json!([{ "op": "test", "path": "/data/to", "value": "2" }]);
    let refused = match patch(case, "patch-json-target", PatchType::JsonPatch, &second) {
        Err(error) if error.reason == Reason::Invalid => "invalid".to_owned(),
        other => format!("{other:?}"),
    };
    Ok(json!({ "changed": changed, "refused": refused }))
}

pub(crate) fn patch_strategic(case: &Case) -> Result<Value, Error> {
    let added = json!({ "metadata": { "finalizers": ["example.com/second"] } });
    let changed = patch(case, "patch-strategic-target", PatchType::Strategic, &added)
        .map_err(|error| Error::retry(error.message))?;
    Ok(json!({ "changed": changed }))
}

/// By the raw binding: typed controllers have little use for patches other than merge patches.
fn patch(case: &Case, name: &str, patch_type: PatchType, patch: &Value) -> Result<bool, types::Error> {
    let target = plain(case, name, &[]).object_ref();
    let written = kubernetes::patch(&target, patch_type, &patch.to_string(), &WriteOptions::default());
    written.map(|written| written.changed)
}

pub(crate) fn status(ctx: &Context, case: &Case) -> Result<Value, Error> {
    let output = json!({ "list": [{ "a": 1 }, { "b": [] }], "text": "", "flag": false, "zero": 0 });
    let status = CaseStatus { observed_generation: case.generation(), output };
    info!(ctx, "changed {}", ctx.patch_status(case, &status)?);
    let again: Case = ctx.get(case.name())?;
    info!(ctx, "changed {}", ctx.patch_status(&again, &status)?);
    Ok(status.output)
}

pub(crate) fn delete(ctx: &Context) -> Result<Value, Error> {
    let existed =
        [ctx.delete_named::<ConfigMap>("delete-target")?, ctx.delete_named::<ConfigMap>("delete-target")?];
    Ok(json!({ "existed": existed }))
}

pub(crate) fn delete_precondition(ctx: &Context, case: &Case) -> Value {
    let mut target = plain(case, "delete-precondition-target", &[]);
    target.metadata.uid = Some(NO_UID.to_owned());
    json!({ "reason": reason(&ctx.delete(&target)) })
}

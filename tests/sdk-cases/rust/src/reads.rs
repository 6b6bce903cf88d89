//! `get` and `list`: from the cache and live, one object and many, by label, by index and by page.

use polyreme_sdk::k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use polyreme_sdk::{Context, Error, Object, Query};
use serde_json::{Value, json};

use crate::{Case, child, field, reason};

const ROUNDS: usize = 10;

pub(crate) fn colour(ctx: &Context, name: &str) -> Result<Value, Error> {
    let source: ConfigMap = ctx.get(name)?;
    Ok(json!({ "colour": field(&source, "colour") }))
}

pub(crate) fn own_namespace(ctx: &Context, case: &Case) -> Result<Value, Error> {
    let namespace: Namespace = ctx.get(case.namespace().unwrap_or_default())?;
    let phase = namespace.status.as_ref().and_then(|status| status.phase.clone());
    Ok(json!({ "name": namespace.name(), "phase": phase }))
}

pub(crate) fn own_write(ctx: &Context, case: &Case) -> Result<Value, Error> {
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        ctx.apply(&child(case, "read-own-write-child", &[("round", &round.to_string())]))?;
        let read: ConfigMap = ctx.get("read-own-write-child")?;
        rounds.push(field(&read, "round"));
    }
    Ok(json!({ "rounds": rounds }))
}

pub(crate) fn labelled(
    ctx: &Context,
    case: &Case,
    selector: &str,
    page: Option<u32>,
) -> Result<Value, Error> {
    let query = here(case).labels(selector);
    let query = page.into_iter().fold(query, Query::pages_of);
    all_of(case, &ctx.list::<ConfigMap>(&query)?)
}

pub(crate) fn indexed(ctx: &Context, case: &Case) -> Result<Value, Error> {
    let violet = here(case).labels(crate::LABEL).fields("spec.input.group=violet");
    all_of(case, &ctx.list::<Case>(&violet)?)
}

/// The names, when the cache has heard of all objects.
fn all_of<T: Object>(case: &Case, objects: &[T]) -> Result<Value, Error> {
    let wanted = case.spec.input.get("count").and_then(Value::as_u64).unwrap_or(0);
    if (objects.len() as u64) < wanted {
        return Err(Error::retry(format!("only {} yet", objects.len())));
    }
    Ok(json!({ "names": names(objects) }))
}

pub(crate) fn live(ctx: &Context, case: &Case) -> Result<Value, Error> {
    let unindexed = here(case).labels(crate::LABEL).fields("spec.case=list-live");
    let cached = reason(&ctx.list::<Case>(&unindexed));
    Ok(json!({ "cached": cached, "live": names(&ctx.live().list::<Case>(&unindexed)?) }))
}

fn here(case: &Case) -> Query {
    Query::in_namespace(case.namespace().unwrap_or_default())
}

fn names<T: Object>(objects: &[T]) -> Vec<&str> {
    objects.iter().map(Object::name).collect()
}

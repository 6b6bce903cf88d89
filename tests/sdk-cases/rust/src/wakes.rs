//! Objects whose changes lead back to the case.

use polyreme_sdk::k8s_openapi::api::core::v1::ConfigMap;
use polyreme_sdk::{Context, Error};
use serde_json::{Value, json};

use crate::{Case, child, field};

pub(crate) fn owned(ctx: &Context, case: &Case) -> Result<Value, Error> {
    ctx.apply(&child(case, "owned-child", &[("made", "yes")]))?;
    Ok(json!({}))
}

pub(crate) fn value(ctx: &Context, source: &str) -> Result<Value, Error> {
    let source: Option<ConfigMap> = ctx.get_opt(source)?;
    let value = source.map_or(Some("nothing".to_owned()), |source| field(&source, "value"));
    Ok(json!({ "value": value }))
}

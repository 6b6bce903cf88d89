//! Requests that are not carried out.

use polyreme_sdk::{Context, Error, ObjectMeta};
use serde_json::{Value, json};

use crate::{Case, child, config_map, reason, refusal, text};

/// More than `limits.payload` by default.
const TOO_MUCH_BYTES: usize = 4 << 20;

pub(crate) fn invalid(ctx: &Context, case: &Case) -> Value {
    let refused = ctx.apply(&child(case, "invalid-child", &[("not/valid", "")]));
    let cause = match &refused {
        Err(Error::Api { source, .. }) => source.causes.first().cloned(),
        _ => None,
    };
    json!({ "reason": reason(&refused), "cause": cause })
}

pub(crate) fn forbidden(ctx: &Context, input: &Value) -> Result<Value, Error> {
    let namespace = Some(text(input, "namespace")?.to_owned());
    let metadata = ObjectMeta { name: Some("late".to_owned()), namespace, ..Default::default() };
    Ok(refusal(ctx.create(&config_map(metadata, &[]))))
}

pub(crate) fn limit_exceeded(ctx: &Context, case: &Case) -> Value {
    let text = "x".repeat(TOO_MUCH_BYTES);
    refusal(ctx.apply(&child(case, "limit-exceeded-child", &[("text", &text)])))
}

//! How a reconcile can end, and the finalizer flow.

use std::time::Duration;

use polyreme_sdk::k8s_openapi::api::core::v1::ConfigMap;
use polyreme_sdk::{Context, Error, Phase, info};
use serde_json::{Value, json};

use crate::{Case, Outcome, plain};

const FINALIZER: &str = "cases.polyreme.dev/cleanup";
const OUTSIDE: &str = "finalizer-outside";
const COUNTS: u64 = 3;
const DELAY: Duration = Duration::from_millis(20);
const FAILURES: u32 = 2;

pub(crate) fn requeue(case: &Case) -> Outcome {
    let count = case.status.as_ref().and_then(|status| status.output.get("count")?.as_u64()).unwrap_or(0);
    match count {
        COUNTS => Outcome::Silent,
        _ if count + 1 == COUNTS => Outcome::Output(json!({ "count": COUNTS })),
        _ => Outcome::Again(json!({ "count": count + 1 }), DELAY),
    }
}

pub(crate) fn retry(ctx: &Context) -> Result<Value, Error> {
    let (attempt, key) = (ctx.attempt(), ctx.idempotency_key());
    if attempt < FAILURES {
        return Err(Error::retry(format!("not yet: attempt {attempt}, key {key}")));
    }
    Ok(json!({ "attempt": attempt, "key": key }))
}

pub(crate) fn terminal(input: &Value) -> Result<Value, Error> {
    match input.get("fixed") {
        Some(Value::Bool(true)) => Ok(json!({ "fixed": true })),
        _ => Err(Error::terminal("never again")),
    }
}

#[allow(clippy::panic, reason = "that is the case")]
pub(crate) fn panic(ctx: &Context) -> Value {
    assert!(ctx.attempt() > 0, "the guest gave up");
    json!({ "attempt": ctx.attempt() })
}

pub(crate) fn finalizer(ctx: &Context, case: &Case) -> Result<Outcome, Error> {
    match ctx.finalizer(case, FINALIZER)? {
        Phase::Apply => {
            ctx.apply(&plain(case, OUTSIDE, &[("for", "finalizer")]))?;
            Ok(Outcome::Output(json!({ "phase": "apply" })))
        }
        Phase::Cleanup => {
            ctx.delete_named::<ConfigMap>(OUTSIDE)?;
            info!(ctx, "cleaned up");
            ctx.finalized(case, FINALIZER)?;
            Ok(Outcome::Silent)
        }
        Phase::Gone => Ok(Outcome::Silent),
    }
}

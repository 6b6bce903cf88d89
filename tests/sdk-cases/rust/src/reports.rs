//! What people and dashboards see; time and chance.

use polyreme_sdk::{Context, Level, Severity, debug, error, info, trace, warn};
use serde_json::{Value, json};

use crate::{Case, plain};

const RANDOM_BYTES: u32 = 16;

pub(crate) fn events(ctx: &Context, case: &Case) -> Value {
    ctx.event(Severity::Normal, "Greeted", "hello, 世界");
    ctx.event(Severity::Warning, "Worried", "something is off");
    let other = plain(case, "events-other", &[]);
    ctx.event_on(&other, Severity::Normal, "Touched", "from another object");
    json!({})
}

pub(crate) fn logs(ctx: &Context) -> Value {
    trace!(ctx, number = 0, text = "two words"; "a trace line");
    debug!(ctx, number = 1, text = "two words"; "a debug line");
    info!(ctx, number = 2, text = "two words"; "an info line");
    warn!(ctx, number = 3, text = "two words"; "a warn line");
    error!(ctx, number = 4, text = "two words"; "an error line");
    info!(ctx, "first\nsecond");
    json!({ "enabled": {
        "trace": ctx.log_enabled(Level::Trace),
        "debug": ctx.log_enabled(Level::Debug),
        "info": ctx.log_enabled(Level::Info),
        "warn": ctx.log_enabled(Level::Warn),
        "error": ctx.log_enabled(Level::Error),
    } })
}

#[allow(clippy::print_stdout, reason = "that is the case")]
pub(crate) fn print() -> Value {
    println!("printed by the guest");
    json!({ "printed": true })
}

pub(crate) fn metrics(ctx: &Context) -> Value {
    ctx.count("case_things_total", 2.0, &[("colour", "red")]);
    ctx.count("case_things_total", 3.0, &[("colour", "red")]);
    ctx.count("case_things_total", 0.5, &[("colour", "blue")]);
    ctx.gauge("case_level", 7.0, &[]);
    ctx.gauge("case_level", -2.5, &[]);
    ctx.observe("case_seconds", 0.25, &[("step", "one")]);
    ctx.observe("case_seconds", 0.5, &[("step", "one")]);
    json!({})
}

pub(crate) fn clock(ctx: &Context) -> Value {
    let now = ctx.now().as_nanosecond();
    let start = ctx.monotonic();
    let elapsed = ctx.monotonic() - start;
    json!({ "now": now.to_string(), "elapsed": elapsed.as_nanos().to_string() })
}

pub(crate) fn random(ctx: &Context) -> Value {
    let hex = |len| ctx.random_bytes(len).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let numbers = [ctx.random_number().to_string(), ctx.random_number().to_string()];
    json!({ "bytes": [hex(RANDOM_BYTES), hex(RANDOM_BYTES), hex(0)], "numbers": numbers })
}

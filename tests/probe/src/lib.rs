//! A guest that shows from outside who reconciles an object, and when.
//!
//! A reconcile writes a begin mark to the object's status, works as long as the spec says,
//! and writes an end mark. Both carry a token that the reconcile drew for itself, so the
//! history of the status is a list of begin..end pairs that anybody can check: no pair may
//! begin inside another one. An object that is done (its last end mark saw the present
//! `spec.seq`) is not written at all, so whatever else wakes it costs nothing.
//!
//! While it works it reads live, and the query carries the token: in the audit log of the API
//! server each read is proof that this reconcile still runs.
//!
//! It is not well-behaved. When the end mark is refused it reads the object afresh and writes
//! again over whatever is there: only its host can stop it.

mod api;

use std::hint::black_box;
use std::time::Duration;

use polyreme_sdk::{Action, Context, Controller, Error, Manifest, Object, Query, WriteOptions};
use serde::Deserialize;
use serde_json::json;

pub use api::{Mark, Phase, Probe, ProbeSpec, ProbeStatus};

/// No object has this label: the read is for the audit log only.
const TOKEN_LABEL: &str = "probe.polyreme.dev/token";
/// How often a reconcile that holds reads: often enough to prove that it runs.
const READ_EVERY: Duration = Duration::from_millis(50);
/// Writes of an end mark before the reconcile fails.
const TRIES: usize = 3;

struct Marker;

/// `settings:` of this controller.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    host: String,
}

impl Controller for Marker {
    type Primary = Probe;

    fn manifest() -> Manifest {
        Manifest::new("probe").settings_schema(include_str!("settings.schema.json"))
    }

    fn reconcile(ctx: &Context, probe: Probe) -> Result<Action, Error> {
        let done = probe.status.as_ref().and_then(|status| status.done);
        if probe.is_deleting() || done >= Some(probe.spec.seq) {
            return Ok(Action::Done);
        }
        let mark = begin(ctx, &probe)?;
        work(ctx, &probe, &mark)?;
        end(ctx, &probe, mark)?;
        Ok(Action::Done)
    }
}

polyreme_sdk::controller!(Marker);

fn begin(ctx: &Context, probe: &Probe) -> Result<Mark, Error> {
    let mark = Mark {
        host: ctx.settings::<Settings>()?.host,
        token: format!("{:016x}", ctx.random_number()),
        phase: Phase::Begin,
        epoch: ctx.epoch(),
        seq: probe.spec.seq,
    };
    write(ctx, probe, &ProbeStatus { done: None, mark: Some(mark.clone()) })?;
    Ok(mark)
}

fn work(ctx: &Context, probe: &Probe, mark: &Mark) -> Result<(), Error> {
    for _ in 0..probe.spec.reads {
        leave_trace(ctx, mark)?;
    }
    let until = ctx.monotonic() + Duration::from_millis(probe.spec.hold_millis);
    while ctx.monotonic() < until {
        leave_trace(ctx, mark)?;
        spin(ctx, until.min(ctx.monotonic() + READ_EVERY));
    }
    Ok(())
}

fn end(ctx: &Context, probe: &Probe, mark: Mark) -> Result<(), Error> {
    let done = Some(mark.seq);
    let status = ProbeStatus { done, mark: Some(Mark { phase: Phase::End, ..mark }) };
    let mut outcome = write(ctx, probe, &status);
    for _ in 1..TRIES {
        match outcome {
            Err(error) if error.is_conflict() || error.is_not_owner() => {
                outcome = overwrite(ctx, probe, &status);
            }
            _ => return outcome,
        }
    }
    outcome
}

/// The whole mark every time, so that each request can be understood by itself.
fn write(ctx: &Context, probe: &Probe, status: &ProbeStatus) -> Result<(), Error> {
    let blank = Probe { status: None, ..probe.clone() };
    ctx.patch_status(&blank, status).map(drop)
}

/// The same at the version that the object has now, whoever made it.
fn overwrite(ctx: &Context, probe: &Probe, status: &ProbeStatus) -> Result<(), Error> {
    let now: Probe = ctx.live().get(probe.name())?;
    let version = &now.metadata.resource_version;
    let change = json!({ "metadata": { "resourceVersion": version }, "status": status });
    ctx.merge_patch_with(probe, &change, &WriteOptions::subresource("status")).map(drop)
}

/// A live read that names the reconcile.
fn leave_trace(ctx: &Context, mark: &Mark) -> Result<(), Error> {
    let namespace = ctx.object().namespace.clone().unwrap_or_default();
    let query = Query::in_namespace(&namespace).labels(&format!("{TOKEN_LABEL}={}", mark.token));
    ctx.live().list::<Probe>(&query).map(drop)
}

/// There is no sleep in a guest.
fn spin(ctx: &Context, until: Duration) {
    const TURNS: u32 = 100_000;
    while ctx.monotonic() < until {
        for turn in 0..TURNS {
            black_box(turn);
        }
    }
}

#[cfg(test)]
mod tests;

//! The reconcile of a probe, of either scope: begin mark, work, end mark.

use std::hint::black_box;
use std::time::Duration;

use polyreme_sdk::{Context, Error, Object, Query, WriteOptions};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The schema of `settings:`.
pub const SETTINGS_SCHEMA: &str = include_str!("settings.schema.json");
/// No object has this label: the read is for the audit log only.
const TOKEN_LABEL: &str = "probe.polyreme.dev/token";
/// How often a reconcile that holds reads: often enough to prove that it runs.
const READ_EVERY: Duration = Duration::from_millis(50);
/// Writes of an end mark before the reconcile fails.
const TRIES: usize = 3;

/// A probe of either scope.
pub trait Probed: Object + Serialize + DeserializeOwned + Clone {
    /// What a reconcile is to do.
    fn spec(&self) -> &ProbeSpec;
    /// What reconciles left.
    fn status(&mut self) -> &mut Option<ProbeStatus>;
}

/// The kind of one scope, and its controller `Marker`.
macro_rules! probe {
    ($(#[$doc:meta])* $kind:ident, $plural:literal, $scope:ident, $controller:literal) => {
        polyreme_sdk::resource! {
            $(#[$doc])*
            pub struct $kind {
                api_version: "probe.polyreme.dev/v1alpha1",
                plural: $plural,
                scope: $scope,
                spec: $crate::marker::ProbeSpec,
                status: $crate::marker::ProbeStatus,
            }
        }

        impl $crate::marker::Probed for $kind {
            fn spec(&self) -> &$crate::marker::ProbeSpec {
                &self.spec
            }

            fn status(&mut self) -> &mut Option<$crate::marker::ProbeStatus> {
                &mut self.status
            }
        }

        struct Marker;

        impl polyreme_sdk::Controller for Marker {
            type Primary = $kind;

            fn manifest() -> polyreme_sdk::Manifest {
                polyreme_sdk::Manifest::new($controller).settings_schema($crate::marker::SETTINGS_SCHEMA)
            }

            fn reconcile(
                ctx: &polyreme_sdk::Context,
                probe: $kind,
            ) -> Result<polyreme_sdk::Action, polyreme_sdk::Error> {
                $crate::marker::reconcile(ctx, probe).map(|()| polyreme_sdk::Action::Done)
            }
        }

        polyreme_sdk::controller!(Marker);
    };
}
pub(crate) use probe;

/// What a reconcile is to do.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeSpec {
    /// Counts the changes that users made.
    pub seq: i64,
    /// How long a reconcile takes at least between its marks.
    #[serde(default)]
    pub hold_millis: u64,
    /// Live reads of a reconcile between its marks.
    #[serde(default)]
    pub reads: u64,
}

/// The last mark, and how far reconciles came.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ProbeStatus {
    /// The `seq` of the last reconcile that came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<i64>,
    /// The last mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
}

/// Which reconcile, on which host, of which state of the object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// The host, from the settings.
    pub host: String,
    /// Drawn by each reconcile for itself.
    pub token: String,
    /// Which end of the reconcile.
    pub phase: Phase,
    /// The epoch that the host gave.
    pub epoch: u64,
    /// `spec.seq` as the reconcile saw it.
    pub seq: i64,
}

/// Which end of a reconcile a mark is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Before anything else is done.
    Begin,
    /// After everything was done.
    End,
}

/// `settings:` of this controller.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    host: String,
}

/// Marks a reconcile, unless the object is done.
///
/// # Errors
/// When a mark is refused, the end mark as often as it was tried.
pub fn reconcile<P: Probed>(ctx: &Context, mut probe: P) -> Result<(), Error> {
    let done = probe.status().take().and_then(|status| status.done);
    if probe.is_deleting() || done >= Some(probe.spec().seq) {
        return Ok(());
    }
    let mark = begin(ctx, &probe)?;
    work(ctx, &probe, &mark)?;
    end(ctx, &probe, mark)
}

fn begin<P: Probed>(ctx: &Context, probe: &P) -> Result<Mark, Error> {
    let mark = Mark {
        host: ctx.settings::<Settings>()?.host,
        token: format!("{:016x}", ctx.random_number()),
        phase: Phase::Begin,
        epoch: ctx.epoch(),
        seq: probe.spec().seq,
    };
    write(ctx, probe, &ProbeStatus { done: None, mark: Some(mark.clone()) })?;
    Ok(mark)
}

fn work<P: Probed>(ctx: &Context, probe: &P, mark: &Mark) -> Result<(), Error> {
    for _ in 0..probe.spec().reads {
        leave_trace::<P>(ctx, mark)?;
    }
    let until = ctx.monotonic() + Duration::from_millis(probe.spec().hold_millis);
    while ctx.monotonic() < until {
        leave_trace::<P>(ctx, mark)?;
        spin(ctx, until.min(ctx.monotonic() + READ_EVERY));
    }
    Ok(())
}

fn end<P: Probed>(ctx: &Context, probe: &P, mark: Mark) -> Result<(), Error> {
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
fn write<P: Probed>(ctx: &Context, probe: &P, status: &ProbeStatus) -> Result<(), Error> {
    let change = json!({ "status": status });
    ctx.merge_patch_with(probe, &change, &WriteOptions::subresource("status")).map(drop)
}

/// The same at the version that the object has now, whoever made it.
fn overwrite<P: Probed>(ctx: &Context, probe: &P, status: &ProbeStatus) -> Result<(), Error> {
    let now: P = ctx.live().get(probe.name())?;
    let version = &now.metadata().resource_version;
    let change = json!({ "metadata": { "resourceVersion": version }, "status": status });
    ctx.merge_patch_with(probe, &change, &WriteOptions::subresource("status")).map(drop)
}

/// A live read that names the reconcile.
fn leave_trace<P: Probed>(ctx: &Context, mark: &Mark) -> Result<(), Error> {
    let query = ctx.object().namespace.as_deref().map_or_else(Query::all, Query::in_namespace);
    let query = query.labels(&format!("{TOKEN_LABEL}={}", mark.token));
    ctx.live().list::<P>(&query).map(drop)
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

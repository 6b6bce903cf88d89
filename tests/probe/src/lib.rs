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

mod marker;

use polyreme_sdk::{Action, Context, Controller, Error, Manifest};

pub use marker::{Mark, Phase, ProbeSpec, ProbeStatus, Probed, SETTINGS_SCHEMA, reconcile};

polyreme_sdk::resource! {
    /// An object whose reconciles can be told apart from outside.
    pub struct Probe {
        api_version: "probe.polyreme.dev/v1alpha1",
        plural: "probes",
        scope: Namespaced,
        spec: ProbeSpec,
        status: ProbeStatus,
    }
}

impl Probed for Probe {
    fn spec(&self) -> &ProbeSpec {
        &self.spec
    }

    fn status(&mut self) -> &mut Option<ProbeStatus> {
        &mut self.status
    }
}

struct Marker;

impl Controller for Marker {
    type Primary = Probe;

    fn manifest() -> Manifest {
        Manifest::new("probe").settings_schema(SETTINGS_SCHEMA)
    }

    fn reconcile(ctx: &Context, probe: Probe) -> Result<Action, Error> {
        reconcile(ctx, probe).map(|()| Action::Done)
    }
}

polyreme_sdk::controller!(Marker);

#[cfg(test)]
mod tests;

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

pub use marker::{Mark, Phase, ProbeSpec, ProbeStatus, Probed, SETTINGS_SCHEMA, reconcile};

marker::probe! {
    /// An object whose reconciles can be told apart from outside.
    Probe, "probes", Namespaced, "probe"
}

#[cfg(test)]
mod tests;

//! `Probe` of `probe.polyreme.dev/v1alpha1`, as `crds.yaml` defines it.

use serde::{Deserialize, Serialize};

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

//! The probe (`tests/probe`) of cluster-scoped objects.
//!
//! A component has one primary kind, and a crate is one component: this one shares the other's
//! source, since linking it would export its controller as well.

#[path = "../../probe/src/marker.rs"]
pub mod marker;

use polyreme_sdk::{Action, Context, Controller, Error, Manifest};

use marker::{ProbeSpec, ProbeStatus, Probed, SETTINGS_SCHEMA, reconcile};

polyreme_sdk::resource! {
    /// A probe that is in no namespace.
    pub struct ClusterProbe {
        api_version: "probe.polyreme.dev/v1alpha1",
        plural: "clusterprobes",
        scope: Cluster,
        spec: ProbeSpec,
        status: ProbeStatus,
    }
}

impl Probed for ClusterProbe {
    fn spec(&self) -> &ProbeSpec {
        &self.spec
    }

    fn status(&mut self) -> &mut Option<ProbeStatus> {
        &mut self.status
    }
}

struct Marker;

impl Controller for Marker {
    type Primary = ClusterProbe;

    fn manifest() -> Manifest {
        Manifest::new("cluster-probe").settings_schema(SETTINGS_SCHEMA)
    }

    fn reconcile(ctx: &Context, probe: ClusterProbe) -> Result<Action, Error> {
        reconcile(ctx, probe).map(|()| Action::Done)
    }
}

polyreme_sdk::controller!(Marker);

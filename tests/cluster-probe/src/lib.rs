//! The probe (`tests/probe`) of cluster-scoped objects.
//!
//! A component has one primary kind, and a crate is one component: this one shares the other's
//! source, since linking it would export its controller as well.

#[path = "../../probe/src/marker.rs"]
pub mod marker;

marker::probe! {
    /// A probe that is in no namespace.
    ClusterProbe, "clusterprobes", Cluster, "cluster-probe"
}

//! What a Kubernetes API server does, case by case, checked on the local server and on a
//! real one. Where the two differ, the local one is wrong.
//!
//! Each case is one sentence about one behaviour that clients rely on. Cases speak HTTP, so
//! that they see exactly what a client sees, and use a namespace of their own, so that they
//! run at the same time. Cases that need a custom resource share the kind of
//! `support::gadgets`.

mod apply;
mod clients;
mod containers;
mod custom;
mod deletion;
mod discovery;
mod events;
mod finalizers;
mod garbage;
mod generation;
mod leases;
mod lists;
mod namespaces;
mod objects;
mod patches;
mod preconditions;
mod redefined;
mod refusals;
mod schemas;
mod services;
mod subresources;
mod support;
mod tables;
mod typed;
mod versions;
mod watches;

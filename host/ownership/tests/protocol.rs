//! Tests of the protocol: rules as sentences, and the world that tries to break them.

#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "these are tests, though not in modules that say so"
)]

mod bounds;
mod exhaustive;
mod explore;
mod mutants;
mod plan;
mod step;
mod world;

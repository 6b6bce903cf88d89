//! Tests of the protocol: rules as sentences, and the world that tries to break them.

#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests, though not in a module that says so"
)]

mod exhaustive;
mod explore;
mod mutants;
mod step;
mod world;

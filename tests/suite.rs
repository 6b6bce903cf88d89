//! One binary for everything that needs an API server: conformance cases and scenarios.
//!
//! `cargo xtask test` runs it against the local server, `cargo xtask e2e` against a real one.

#![allow(
    clippy::indexing_slicing,
    reason = "an absent field of a JSON value reads as null, and a panic is a failed test"
)]

mod conformance;
mod scenarios;

//! One binary for everything that needs an API server: conformance cases and scenarios.
//!
//! `cargo xtask test` runs it against the local server, `cargo xtask e2e` against a real one.

mod conformance;
mod scenarios;

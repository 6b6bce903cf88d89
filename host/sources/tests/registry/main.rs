//! Fetching and pushing against a real registry server, and against servers that lie.
//!
//! The real one is Debian's `docker-registry`, started on loopback for each test with its own storage. Without it
//! those tests say NOT RUN and how to install it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "in a test a panic is the report; clippy exempts #[test] functions only"
)]

mod auth;
mod faults;
mod fixture;
mod liar;
mod mirrors;
mod other_tools;
mod round_trip;
mod signed;
mod web;

//! Tests of the protocol: rules as sentences, and the world that tries to break them.

#![allow(clippy::panic, reason = "these are tests, though not in a module that says so")]

mod explore;
mod step;
mod world;

//! The SDK from a controller's side, on the cluster in memory.

mod kinds;

mod access;
mod finalizers;
mod objects;
mod reports;
mod requests;

//! The host behind the imports of the contract: every method passes straight through.
//!
//! Compiled for WASM only. The panic hook lives here because it is the one thing that
//! must reach the host without a [`crate::Context`]: a panic on
//! `wasm32-unknown-unknown` otherwise ends in a bare trap without its message.

use std::panic::PanicHookInfo;
use std::sync::Once;

use crate::bindings::polyreme::controller::events::Severity;
use crate::bindings::polyreme::controller::kubernetes::{
    DeleteOptions, ListQuery, Page, PatchType, Source, WriteOptions, Written,
};
use crate::bindings::polyreme::controller::log::Level;
use crate::bindings::polyreme::controller::types::{Error, Kind, ObjectRef};
use crate::bindings::polyreme::controller::{
    clock, events, http, kubernetes, log, metrics, random, settings,
};
use crate::host::{Host, Pairs};

/// The host that runs this component.
#[derive(Clone)]
pub(crate) struct Imports;

impl Host for Imports {
    fn get(&self, object: &ObjectRef, source: Source) -> Result<String, Error> {
        kubernetes::get(object, source)
    }

    fn list(&self, kind: &Kind, query: &ListQuery) -> Result<Page, Error> {
        kubernetes::list(kind, query)
    }

    fn create(&self, object: &str, options: &WriteOptions) -> Result<Written, Error> {
        kubernetes::create(object, options)
    }

    fn update(&self, object: &str, options: &WriteOptions) -> Result<Written, Error> {
        kubernetes::update(object, options)
    }

    fn merge_patch(&self, object: &ObjectRef, patch: &str, options: &WriteOptions) -> Result<Written, Error> {
        kubernetes::patch(object, PatchType::Merge, patch, options)
    }

    fn apply(&self, object: &str, options: &WriteOptions) -> Result<Written, Error> {
        kubernetes::apply(object, options)
    }

    fn apply_all(&self, objects: &[String], options: &WriteOptions) -> Vec<Result<Written, Error>> {
        kubernetes::apply_all(objects, options)
    }

    fn delete(&self, object: &ObjectRef, options: &DeleteOptions) -> Result<(), Error> {
        kubernetes::delete(object, options)
    }

    fn emit(&self, regarding: &ObjectRef, severity: Severity, reason: &str, action: &str, note: &str) {
        events::emit(regarding, severity, reason, action, note);
    }

    fn log(&self, level: Level, message: &str, fields: &Pairs) {
        log::log(level, message, fields);
    }

    fn log_enabled(&self, level: Level) -> bool {
        log::enabled(level)
    }

    fn add_counter(&self, name: &str, value: f64, labels: &Pairs) {
        metrics::add_counter(name, value, labels);
    }

    fn set_gauge(&self, name: &str, value: f64, labels: &Pairs) {
        metrics::set_gauge(name, value, labels);
    }

    fn observe(&self, name: &str, value: f64, labels: &Pairs) {
        metrics::observe(name, value, labels);
    }

    fn settings(&self) -> String {
        settings::get()
    }

    fn now(&self) -> u64 {
        clock::now()
    }

    fn monotonic(&self) -> u64 {
        clock::monotonic()
    }

    fn random_bytes(&self, len: u32) -> Vec<u8> {
        random::bytes(len)
    }

    fn random_number(&self) -> u64 {
        random::number()
    }

    fn send(&self, request: &http::Request) -> Result<http::Response, http::Error> {
        http::send(request)
    }
}

/// Sends the message and place of a panic to the host's log before the trap that follows.
pub(crate) fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(report_panic)));
}

/// `PanicHookInfo` reads `panicked at src/lib.rs:12:5:\nmessage`.
fn report_panic(info: &PanicHookInfo<'_>) {
    let text = info.to_string().replacen(":\n", ": ", 1);
    log::log(Level::Error, &text, &[]);
}

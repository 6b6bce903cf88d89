//! `metrics`: the module's own counters, gauges and histograms.
//!
//! The quota on series belongs to whoever keeps them; here only the number of calls is
//! bounded, and past it they are dropped.

use crate::call::{Call, text_bytes};
use crate::wit::bindings::polyreme::controller::metrics::Host;

/// The module's own metrics. Must not block.
pub trait Metrics: Send + Sync {
    /// Adds to a counter.
    fn add_counter(&self, name: &str, value: f64, labels: &[(String, String)]);
    /// Sets a gauge.
    fn set_gauge(&self, name: &str, value: f64, labels: &[(String, String)]);
    /// Records one observation in a histogram.
    fn observe(&self, name: &str, value: f64, labels: &[(String, String)]);
}

impl Host for Call {
    fn add_counter(&mut self, name: String, value: f64, labels: Vec<(String, String)>) {
        if self.admit("metrics.add-counter", text_bytes(&name, &labels)).is_ok() {
            self.session.metrics.add_counter(&name, value, &labels);
        }
    }

    fn set_gauge(&mut self, name: String, value: f64, labels: Vec<(String, String)>) {
        if self.admit("metrics.set-gauge", text_bytes(&name, &labels)).is_ok() {
            self.session.metrics.set_gauge(&name, value, &labels);
        }
    }

    fn observe(&mut self, name: String, value: f64, labels: Vec<(String, String)>) {
        if self.admit("metrics.observe", text_bytes(&name, &labels)).is_ok() {
            self.session.metrics.observe(&name, value, &labels);
        }
    }
}

//! What a reconcile tells people and dashboards: events, logs, metrics; and what it may
//! know of time, chance and configuration. All of it comes from the host, so that a
//! reconcile can be replayed.

use std::fmt::Display;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use serde::de::DeserializeOwned;

use crate::bindings::polyreme::controller::events::Severity;
use crate::bindings::polyreme::controller::log::Level;
use crate::context::Context;
use crate::error::Error;
use crate::host::Host as _;
use crate::place;
use crate::resource::Object;

/// The `action` of events that name none.
const ACTION: &str = "Reconcile";

impl Context {
    /// An event on the object under reconcile, as `kubectl describe` shows it. `reason` is
    /// CamelCase; the host cuts `note` at 1 KiB and counts repeated events.
    pub fn event(&self, severity: Severity, reason: &str, note: impl Display) {
        let note = note.to_string();
        self.host.emit(self.object(), severity, reason, ACTION, &note);
    }

    /// An event on another object.
    pub fn event_on<T: Object>(&self, object: &T, severity: Severity, reason: &str, note: impl Display) {
        let note = note.to_string();
        self.host.emit(&object.object_ref(), severity, reason, ACTION, &note);
    }

    /// Whether anybody reads logs of this level.
    pub fn log_enabled(&self, level: Level) -> bool {
        self.host.log_enabled(level)
    }

    /// Writes a log line; [`crate::info!`] and its kin are shorter.
    pub fn log(&self, level: Level, message: &str, fields: &[(&str, &dyn Display)]) {
        let fields = fields.iter();
        let fields: Vec<_> = fields.map(|(key, value)| ((*key).to_owned(), value.to_string())).collect();
        self.host.log(level, message, &fields);
    }

    /// Adds to the counter `polyreme_module_<name>`. Labels must have few values: there is
    /// a quota.
    pub fn count(&self, name: &str, value: f64, labels: &[(&str, &str)]) {
        self.host.add_counter(name, value, &owned(labels));
    }

    /// Sets the gauge `polyreme_module_<name>`.
    pub fn gauge(&self, name: &str, value: f64, labels: &[(&str, &str)]) {
        self.host.set_gauge(name, value, &owned(labels));
    }

    /// Adds an observation to the histogram `polyreme_module_<name>`.
    pub fn observe(&self, name: &str, value: f64, labels: &[(&str, &str)]) {
        self.host.observe(name, value, &owned(labels));
    }

    /// The `settings:` of this controller in the host's configuration.
    ///
    /// # Errors
    /// [`Error::Settings`] names the field that does not fit. Give fields defaults by
    /// `#[serde(default)]`, and refuse unknown ones by `#[serde(deny_unknown_fields)]`.
    ///
    /// # Example
    /// ```
    /// use polyreme_sdk::{Context, Error};
    ///
    /// #[derive(serde::Deserialize)]
    /// #[serde(default, deny_unknown_fields)]
    /// struct Settings { image: String }
    ///
    /// impl Default for Settings {
    ///     fn default() -> Self { Self { image: "nginx:alpine".into() } }
    /// }
    ///
    /// fn image(ctx: &Context) -> Result<String, Error> {
    ///     Ok(ctx.settings::<Settings>()?.image)
    /// }
    /// ```
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let json = self.host.settings();
        serde_json::from_str(&json)
            .map_err(|source| Error::Settings { path: place::path(&json, &source), source })
    }

    /// The host's wall clock. `k8s_openapi`'s `Time` and `MicroTime` are made from it by
    /// `Time(ctx.now())`.
    pub fn now(&self) -> Timestamp {
        // A clock past the year 9999 saturates: no reconcile depends on it.
        Timestamp::from_nanosecond(self.host.now().into()).unwrap_or(Timestamp::MAX)
    }

    /// Time since an arbitrary start, never going back: for measuring durations.
    pub fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.host.monotonic())
    }

    /// Random bytes; not for keys, since they are recorded.
    pub fn random_bytes(&self, len: u32) -> Vec<u8> {
        self.host.random_bytes(len)
    }

    /// A random number.
    pub fn random_number(&self) -> u64 {
        self.host.random_number()
    }
}

fn owned(labels: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    labels.iter().map(owned).collect()
}

//! What a reconcile did, as the fake remembers it.

use std::fmt;

use serde_json::Value;

use crate::bindings::polyreme::controller::events::Severity;
use crate::bindings::polyreme::controller::log::Level;
use crate::bindings::polyreme::controller::types::ObjectRef;
use crate::resource::display;

/// A write that changed something. Equal to its text: `apply Deployment project-foo/web`,
/// `patch Website/status project-foo/kubecon`.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// create, update, patch, apply or delete.
    pub verb: &'static str,
    /// What was written.
    pub object: ObjectRef,
    /// `status`, or absent for the object itself.
    pub subresource: Option<String>,
    /// The object or the patch that was sent; null for a delete.
    pub body: Value,
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut object = self.object.clone();
        if let Some(subresource) = &self.subresource {
            object.kind = format!("{}/{subresource}", object.kind);
        }
        write!(f, "{} {}", self.verb, display(&object))
    }
}

impl PartialEq<&str> for Write {
    fn eq(&self, text: &&str) -> bool {
        let own = self.to_string();
        own == *text
    }
}

/// An event that was emitted. Equal to its text: `Warning ThemeNotFound: no theme "x"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The object it is about.
    pub regarding: ObjectRef,
    /// Normal or warning.
    pub severity: Severity,
    /// CamelCase.
    pub reason: String,
    /// What was being done.
    pub action: String,
    /// For people.
    pub note: String,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Normal => "Normal",
            Severity::Warning => "Warning",
        };
        write!(f, "{severity} {}: {}", self.reason, self.note)
    }
}

impl PartialEq<&str> for Event {
    fn eq(&self, text: &&str) -> bool {
        let own = self.to_string();
        own == *text
    }
}

/// A line of log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How loud.
    pub level: Level,
    /// The message.
    pub message: String,
    /// Fields beside it.
    pub fields: Vec<(String, String)>,
}

/// A value given to a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The name, without `polyreme_module_`.
    pub name: String,
    /// What was added, set or observed.
    pub value: f64,
    /// Its labels.
    pub labels: Vec<(String, String)>,
}

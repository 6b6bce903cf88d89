//! Field ownership: server-side apply, and the bookkeeping of every other write.
//!
//! [`apply`] merges what a manager wants into the live object, takes away what it wanted
//! before and nobody else owns, and refuses to change what others own unless forced.
//! [`update`] records after a create, update or patch which manager changed what. Both follow
//! `sigs.k8s.io/structured-merge-diff/v6` and `k8s.io/apimachinery/pkg/util/managedfields` in
//! our own code; `now` is a parameter and times move only when something changed.
//!
//! Built-in kinds and custom resources take the same way; what differs is the schema: for
//! built-in kinds, members that are Go structs by value count as always present (so that a
//! Deployment's `spec` is nobody's, while a custom resource's `spec` belongs to its creator).

mod apply;
mod check;
mod encode;
mod last_applied;
mod managers;
mod set;
mod typed;
mod update;

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

pub use apply::apply;
pub use encode::{decode, encode};
pub use managers::MAX_UPDATERS;
pub use set::{Element, Set};
pub use update::update;

use crate::schema::{Cause, Schema};

/// Who applies, through what, and when.
#[derive(Debug, Clone)]
pub struct ApplyOptions {
    /// The field manager's name.
    pub manager: String,
    /// Take over fields that others own.
    pub force: bool,
    /// `apps/v1`: the version the object is written in.
    pub api_version: String,
    /// `status`, `scale`, or empty for the object itself.
    pub subresource: String,
    /// Time of the request.
    pub now: DateTime<Utc>,
}

/// Who creates, updates or patches, through what, and when.
#[derive(Debug, Clone)]
pub struct UpdateOptions {
    /// The field manager's name.
    pub manager: String,
    /// `apps/v1`: the version the object is written in.
    pub api_version: String,
    /// `status`, `scale`, or empty for the object itself.
    pub subresource: String,
    /// Time of the request.
    pub now: DateTime<Utc>,
}

/// Which part of an object a request can change at all. The rest is neither owned nor in
/// conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Whole,
    /// The main resource of a kind with a status.
    AllButStatus,
    /// The status subresource.
    OnlyStatus,
}

impl Scope {
    /// A kind with a declared `status` is taken to have the subresource.
    fn of(schema: &Schema, subresource: &str) -> Self {
        match subresource {
            "status" => Self::OnlyStatus,
            _ if schema.properties.contains_key("status") => Self::AllButStatus,
            _ => Self::Whole,
        }
    }

    fn filter(self, set: &Set) -> Set {
        match self {
            Self::Whole => set.clone(),
            Self::OnlyStatus => set.only_under("status"),
            Self::AllButStatus => {
                let mut status = Set::default();
                status.insert(&["status"]);
                set.recursive_difference(&status)
            }
        }
    }
}

/// A request in the form in which both ways share it.
#[derive(Debug, Clone, Copy)]
struct Request<'a> {
    manager: &'a str,
    api_version: &'a str,
    subresource: &'a str,
    scope: Scope,
    now: DateTime<Utc>,
}

impl Request<'_> {
    fn time(&self) -> String {
        self.now.to_rfc3339_opts(SecondsFormat::Secs, true)
    }
}

/// One field that somebody else owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The owner as the real server prints it: `"kubectl" using apps/v1`.
    pub manager: String,
    /// The field: `.spec.replicas`.
    pub field: String,
}

/// Everything that stands against an apply. Displayed as the message of the 409.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflicts(pub Vec<Conflict>);

impl Conflicts {
    /// One cause for each field, for `status.details.causes`.
    #[must_use]
    pub fn causes(&self) -> Vec<Cause> {
        let cause = |c: &Conflict| Cause::field_manager_conflict(&c.field, &c.manager);
        self.0.iter().map(cause).collect()
    }
}

impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.0.as_slice() {
            return write!(f, "Apply failed with 1 conflict: conflict with {}: {}", only.manager, only.field);
        }
        let mut lines: Vec<String> = Vec::new();
        for conflict in &self.0 {
            let head = format!("conflicts with {}:", conflict.manager);
            if !lines.contains(&head) {
                lines.push(head);
            }
            lines.push(format!("- {}", conflict.field));
        }
        write!(f, "Apply failed with {} conflicts: {}", self.0.len(), lines.join("\n"))
    }
}

/// Why an apply is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Others own fields that would change: 409, one cause for each.
    #[error("{0}")]
    Conflicts(Conflicts),
    /// The applied object does not fit its schema: a 500 without a reason on the real server.
    #[error("failed to create typed patch object ({object}): {problem}")]
    Typed {
        /// `namespace/name; apps/v1, Kind=Deployment`.
        object: String,
        /// What does not fit, with its path.
        problem: String,
    },
    /// The applied object is not an apply configuration: 400.
    #[error("{0}")]
    BadRequest(String),
}

/// Metadata that nobody owns, because the server writes it or it names the object.
fn unowned() -> Set {
    let mut set = Set::default();
    for field in ["apiVersion", "kind", "metadata"] {
        set.insert(&[field]);
    }
    for field in [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    ] {
        set.insert(&["metadata", field]);
    }
    set
}

/// An object as it is compared: without its managers, with the structs that are always there.
fn comparable(schema: &Schema, object: Option<&Value>) -> Value {
    let mut object = object.cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    managers::strip(&mut object);
    crate::schema::fill_structs(schema, &mut object);
    object
}

/// An object for comparison only: lists and maps that Go writes even when they are empty are
/// there as `null`, so that filling one does not count as adding it.
fn with_nulls(schema: &Schema, object: &Value) -> Value {
    let mut object = object.clone();
    crate::schema::fill_required(schema, &mut object);
    object
}

/// Whether two objects differ in nothing but the times of their managers.
fn same_but_times(left: &Value, right: &Value) -> bool {
    let without_times = |object: &Value| {
        let mut copy = object.clone();
        let entries = copy.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut);
        for entry in entries.into_iter().flatten().filter_map(Value::as_object_mut) {
            entry.remove("time");
        }
        copy
    };
    without_times(left) == without_times(right)
}

#[cfg(test)]
mod tests;

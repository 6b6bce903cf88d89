//! Rules of events. Those of `events.k8s.io/v1` are strict; core `v1` events keep the rules
//! that they always had (`k8s.io/kubernetes/pkg/apis/core/validation/events.go`).
//!
//! Refusals name fields as the core kind does, whatever the client called them.

use serde_json::Value;

use super::{Place, names};
use crate::schema::{Cause, child};

const LONGEST_SHORT: usize = 128;
const LONGEST_NOTE: usize = 1024;

/// Fields of a core event and what `events.k8s.io/v1` calls them.
pub const EVENT_FIELDS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// In the order in which the real server speaks of them.
const FIXED: [&str; 10] = [
    "involvedObject",
    "reason",
    "message",
    "source",
    "firstTimestamp",
    "lastTimestamp",
    "count",
    "type",
    "eventTime",
    "action",
];

/// An event of either group.
struct Event<'a> {
    root: &'a Place<'a>,
    is_strict: bool,
}

pub(super) fn event(group: &str, root: &Place<'_>, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let event = Event { root, is_strict: !group.is_empty() };
    event.always(causes);
    match old {
        _ if !event.is_strict => {}
        None => event.when_created(causes),
        Some(old) => event.when_changed(old, causes),
    }
}

impl Event<'_> {
    /// The name in this group of a field of core events.
    fn name(&self, core: &'static str) -> &'static str {
        let renamed = EVENT_FIELDS.iter().find(|(name, _)| self.is_strict && *name == core);
        renamed.map_or(core, |(_, new)| new)
    }

    fn field(&self, core: &'static str) -> Place<'_> {
        Place { value: self.root.child(self.name(core)).value, path: core.to_owned() }
    }

    fn reporting_controller(&self) -> Place<'_> {
        self.root.child(self.name("reportingComponent"))
    }

    fn always(&self, causes: &mut Vec<Cause>) {
        let namespace = self.root.at("metadata.namespace");
        let involved = self.field("involvedObject").child("namespace");
        let is_new = has_time(&self.field("eventTime"));
        let fits = match involved.text() {
            "" if is_new => matches!(namespace.text(), "default" | "kube-system"),
            "" => namespace.text() == "default",
            other => is_new || other == namespace.text(),
        };
        if !fits {
            let shown = Value::from(involved.text());
            causes.push(Cause::invalid(&involved.path, &shown, "does not match event.namespace"));
        }
        if is_new {
            self.reporter(causes);
        }
    }

    /// Who says it, what was done and why.
    fn reporter(&self, causes: &mut Vec<Cause>) {
        let controller = self.reporting_controller();
        controller.require(causes);
        for problem in names::label_key(controller.text()) {
            causes.push(Cause::invalid(&controller.path, &Value::from(controller.text()), &problem));
        }
        for name in ["reportingInstance", "action", "reason"] {
            let field = self.field(name);
            field.require(causes);
            at_most(&field, LONGEST_SHORT, causes);
        }
        at_most(&self.field("message"), LONGEST_NOTE, causes);
    }

    fn when_created(&self, causes: &mut Vec<Cause>) {
        self.series(causes);
        if !has_time(&self.field("eventTime")) {
            causes.push(Cause::required("eventTime", ""));
        }
        let kind = self.field("type");
        if !matches!(kind.text(), "Normal" | "Warning") {
            let why = format!("has invalid value: {}", kind.text());
            causes.push(Cause::invalid("type", &Value::from(""), &why));
        }
        let unset = |name: &'static str, is_set: bool| {
            is_set.then(|| Cause::invalid(name, &Value::from(""), "needs to be unset"))
        };
        for name in ["firstTimestamp", "lastTimestamp"] {
            causes.extend(unset(name, has_time(&self.field(name))));
        }
        causes.extend(unset("count", self.field("count").number().unwrap_or(0) != 0));
        causes.extend(unset("source", !self.field("source").is_empty()));
    }

    fn when_changed(&self, old: &Value, causes: &mut Vec<Cause>) {
        let series = self.root.child("series");
        if series.value != old.get("series") {
            self.series(causes);
        }
        for name in FIXED {
            self.field(name).immutable(Some(old), &format!("/{}", self.name(name)), causes);
        }
        for name in ["related", "reportingController", "reportingInstance"] {
            self.root.child(name).immutable(Some(old), &format!("/{name}"), causes);
        }
    }

    fn series(&self, causes: &mut Vec<Cause>) {
        let series = self.root.child("series");
        if series.value.is_none() {
            return;
        }
        if series.child("count").number().unwrap_or(0) < 2 {
            causes.push(Cause::invalid("series.count", &Value::from(""), "should be at least 2"));
        }
        if !has_time(&series.child("lastObservedTime")) {
            causes.push(Cause::required(&child(&series.path, "lastObservedTime"), ""));
        }
    }
}

/// Go's zero time counts as none.
fn has_time(place: &Place<'_>) -> bool {
    !place.is_empty() && !place.text().starts_with("0001-01-01T00:00:00")
}

fn at_most(place: &Place<'_>, most: usize, causes: &mut Vec<Cause>) {
    if place.text().len() > most {
        let why = format!("can have at most {most} characters");
        causes.push(Cause::invalid(&place.path, &Value::from(""), &why));
    }
}

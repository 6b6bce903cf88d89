//! The outside judge of ownership: what hosts did to probes, and whether they were allowed to.
//!
//! A probe (`tests/probe`) carries in its status the begin or end mark of the reconcile that
//! wrote it last. A [`History`] is every write of every probe in the order in which the store
//! accepted it, read either from a watch ([`History::from_watch`], either server) or from the
//! audit log ([`History::from_audit`], which also knows the user of each request and what was
//! refused). The rules ([`rules`]) and figures ([`figures`]) are functions of a history: no
//! clock, no server, and never a host's own word.
//!
//! Order is the resourceVersion: one counter for all objects of the store, so it is the order
//! in which writes took effect, whatever clocks say.

pub mod figures;
pub mod rules;
mod sources;

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;

pub use sources::Sighting;

/// `namespace/name` of a probe; the namespace is empty for cluster-scoped ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(pub String);

impl ObjectName {
    /// From both parts.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self(format!("{namespace}/{name}"))
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a reconcile says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Mark {
    /// The host, from its settings.
    pub host: String,
    /// Drawn by each reconcile for itself.
    pub token: String,
    /// Which end of the reconcile.
    pub phase: Phase,
    /// The epoch that its host gave it.
    pub epoch: u64,
    /// `spec.seq` as it saw it.
    pub seq: i64,
}

/// Which end of a reconcile a mark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Phase {
    /// Before anything else is done.
    Begin,
    /// After everything was done.
    End,
}

/// The status of a probe, or what a request wants it to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The `seq` of the last reconcile that came to its end.
    pub done: Option<i64>,
    /// The last mark.
    pub mark: Option<Mark>,
}

/// One write that the server accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// To which probe.
    pub object: ObjectName,
    /// Its resourceVersion.
    pub order: u64,
    /// When it was answered (audit log) or seen (watch).
    pub at: Timestamp,
    /// The user (audit log), or the host that the mark names (watch).
    pub by: String,
    /// What it did.
    pub deed: Deed,
}

/// What a write did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A user's change: the new `spec.seq`.
    Changed(i64),
    /// A host's mark.
    Marked(Mark),
    /// Anything else.
    Other,
}

/// A sign, other than an accepted write, that a reconcile still ran. Only the audit log has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Of which reconcile.
    pub token: String,
    /// When the server received it.
    pub at: Timestamp,
    /// What it was.
    pub kind: TraceKind,
}

/// Kinds of [`Trace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TraceKind {
    /// A live read.
    Read,
    /// A write that the server refused.
    Refused,
}

/// Everything that happened to the probes.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// In the order in which they took effect.
    pub writes: Vec<Write>,
    /// In no order.
    pub traces: Vec<Trace>,
}

/// Where in the history, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The resourceVersion.
    pub order: u64,
    /// The time.
    pub at: Timestamp,
}

/// One reconcile, as its marks show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconcile {
    /// Of which probe.
    pub object: ObjectName,
    /// On which host.
    pub by: String,
    /// Its own token.
    pub token: String,
    /// The epoch that its host gave it.
    pub epoch: u64,
    /// The `spec.seq` that it saw.
    pub seq: i64,
    /// Its begin mark.
    pub begin: Point,
    /// Its last accepted write: the end mark, if it came that far.
    pub last: Point,
    /// Whether it came to its end.
    pub ended: bool,
}

impl History {
    fn sorted(mut writes: Vec<Write>, traces: Vec<Trace>) -> Self {
        writes.sort_by_key(|write| write.order);
        Self { writes, traces }
    }

    /// Every reconcile that began, by object, in order.
    #[must_use]
    pub fn reconciles(&self) -> BTreeMap<ObjectName, Vec<Reconcile>> {
        let mut places = HashMap::new();
        let mut found: BTreeMap<ObjectName, Vec<Reconcile>> = BTreeMap::new();
        for write in &self.writes {
            let Deed::Marked(mark) = &write.deed else { continue };
            let of_object = found.entry(write.object.clone()).or_default();
            let place = *places.entry((&write.object, &mark.token)).or_insert(of_object.len());
            match of_object.get_mut(place) {
                Some(begun) => begun.went_on(write, mark),
                None => of_object.push(Reconcile::begun(write, mark)),
            }
        }
        found
    }

    /// Accepted writes of hosts in a span of time.
    pub fn host_writes(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = &Write> {
        let by_host = |write: &&Write| !matches!(write.deed, Deed::Changed(_));
        self.writes.iter().filter(by_host).filter(move |write| from <= write.at && write.at < to)
    }

    /// How many reconciles each host began since a time.
    #[must_use]
    pub fn reconciles_by_host(&self, since: Timestamp) -> BTreeMap<String, usize> {
        let mut count = BTreeMap::new();
        for reconcile in self.reconciles().into_values().flatten().filter(|one| one.begin.at >= since) {
            *count.entry(reconcile.by).or_default() += 1;
        }
        count
    }
}

impl Reconcile {
    fn begun(write: &Write, mark: &Mark) -> Self {
        let point = Point { order: write.order, at: write.at };
        Self {
            object: write.object.clone(),
            by: write.by.clone(),
            token: mark.token.clone(),
            epoch: mark.epoch,
            seq: mark.seq,
            begin: point,
            last: point,
            ended: mark.phase == Phase::End,
        }
    }

    fn went_on(&mut self, write: &Write, mark: &Mark) {
        self.last = Point { order: write.order, at: write.at };
        self.ended |= mark.phase == Phase::End;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;

    /// A history of one object, `lab/a`, made step by step; each step is a second later.
    #[derive(Default)]
    pub(crate) struct Story {
        history: History,
        object: &'static str,
        steps: u64,
        epoch: u64,
    }

    pub(crate) fn at(seconds: u64) -> Timestamp {
        Timestamp::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    impl Story {
        pub(crate) fn new() -> Self {
            Self { object: "lab/a", epoch: 1, ..Self::default() }
        }

        pub(crate) fn of(mut self, object: &'static str) -> Self {
            self.object = object;
            self
        }

        pub(crate) fn epoch(mut self, epoch: u64) -> Self {
            self.epoch = epoch;
            self
        }

        pub(crate) fn later(mut self, seconds: u64) -> Self {
            self.steps += seconds;
            self
        }

        fn write(mut self, by: &str, deed: Deed) -> Self {
            self.steps += 1;
            let object = ObjectName(self.object.into());
            let (order, at) = (self.steps, at(self.steps));
            self.history.writes.push(Write { object, order, at, by: by.into(), deed });
            self
        }

        pub(crate) fn change(self, seq: i64) -> Self {
            self.write("user", Deed::Changed(seq))
        }

        pub(crate) fn other(self, by: &str) -> Self {
            self.write(by, Deed::Other)
        }

        fn mark(self, host: &str, token: &str, phase: Phase, seq: i64) -> Self {
            let epoch = self.epoch;
            self.write(host, Deed::Marked(Mark { host: host.into(), token: token.into(), phase, epoch, seq }))
        }

        pub(crate) fn begin(self, host: &str, token: &str, seq: i64) -> Self {
            self.mark(host, token, Phase::Begin, seq)
        }

        pub(crate) fn end(self, host: &str, token: &str, seq: i64) -> Self {
            self.mark(host, token, Phase::End, seq)
        }

        /// Somebody writes the mark of another.
        pub(crate) fn forge(self, by: &str, host: &str, token: &str, seq: i64) -> Self {
            let mut story = self.begin(host, token, seq);
            if let Some(last) = story.history.writes.last_mut() {
                last.by = by.into();
            }
            story
        }

        pub(crate) fn trace(mut self, token: &str, kind: TraceKind) -> Self {
            self.steps += 1;
            self.history.traces.push(Trace { token: token.into(), at: at(self.steps), kind });
            self
        }

        pub(crate) fn told(self) -> History {
            self.history
        }
    }

    #[test]
    fn marks_of_one_token_are_one_reconcile() {
        let history = Story::new().change(1).begin("host-0", "x", 1).end("host-0", "x", 1).told();
        let found = history.reconciles();
        let [only] = found[&ObjectName("lab/a".into())].as_slice() else { panic!("{found:?}") };
        assert_eq!((only.begin.order, only.last.order, only.ended), (2, 3, true));
        assert_eq!(history.reconciles_by_host(at(0))["host-0"], 1);
    }

    #[test]
    fn writes_of_users_are_no_writes_of_hosts() {
        let history = Story::new().change(1).begin("host-0", "x", 1).change(2).told();
        assert_eq!(history.host_writes(at(0), at(9)).count(), 1);
        assert_eq!(history.host_writes(at(3), at(9)).count(), 0);
    }
}

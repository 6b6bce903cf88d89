//! Histories from a watch and from the audit log.

use std::collections::{HashMap, HashSet};

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{Deed, History, Mark, ObjectName, Status, Trace, TraceKind, Write};
use crate::audit::Request;

const GROUP: &str = "probe.polyreme.dev";
/// As the probe writes it into its reads (`tests/probe`), percent-encoded or not.
const TOKEN_SELECTOR: [&str; 2] = ["probe.polyreme.dev%2Ftoken%3D", "probe.polyreme.dev/token="];
/// Whose writes change `spec` when a watch shows them: it names no users.
const USER: &str = "user";
/// Whose writes change neither `spec.seq` nor the mark when a watch shows them.
const NOBODY_KNOWN: &str = "unknown";

/// One version of a probe, as a watch showed it.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// When the event was received.
    pub at: Timestamp,
    /// Which probe.
    pub object: ObjectName,
    /// Its resourceVersion.
    pub order: u64,
    /// Its `spec.seq`.
    pub seq: i64,
    /// Its status.
    pub status: Status,
}

impl History {
    /// The history that a watch shows: what changed from each version to the next.
    #[must_use]
    pub fn from_watch(sightings: &[Sighting]) -> Self {
        let mut before: HashMap<&ObjectName, &Sighting> = HashMap::new();
        let mut writes = Vec::new();
        for sighting in sightings {
            let last = before.insert(&sighting.object, sighting);
            if last.is_some_and(|last| last.order >= sighting.order) {
                continue;
            }
            writes.extend(sighting.since(last));
        }
        Self::sorted(writes, Vec::new())
    }

    /// The history that the audit log shows; it also has what was refused and read.
    #[must_use]
    pub fn from_audit(requests: &[Request]) -> Self {
        let probes = || requests.iter().filter(|request| request.object_ref.api_group == GROUP);
        let mut accepted: Vec<&Request> =
            probes().filter(|one| one.is_write() && one.was_accepted()).collect();
        accepted.sort_by_key(|request| request.answered);
        let mut seen = HashSet::new();
        // A write that changed nothing is answered with the version of an earlier one.
        let writes =
            accepted.into_iter().filter_map(Write::from_audit).filter(|write| seen.insert(write.order));
        Self::sorted(writes.collect(), probes().filter_map(Trace::from_audit).collect())
    }
}

impl History {
    /// This one, and of another one what this one does not have.
    #[must_use]
    pub fn completed_by(self, other: &Self) -> Self {
        let known: HashSet<_> = self.writes.iter().map(|write| (write.object.clone(), write.order)).collect();
        let missing =
            other.writes.iter().filter(|write| !known.contains(&(write.object.clone(), write.order)));
        let writes = missing.cloned().chain(self.writes).collect();
        Self::sorted(writes, self.traces)
    }
}

impl Sighting {
    fn since(&self, last: Option<&Self>) -> Vec<Write> {
        let mark_of = |sighting: &Self| sighting.status.mark.clone();
        let mut deeds = Vec::new();
        if last.is_none_or(|last| last.seq != self.seq) {
            deeds.push((USER.to_owned(), Deed::Changed(self.seq)));
        }
        if let Some(mark) = mark_of(self).filter(|mark| last.and_then(mark_of).as_ref() != Some(mark)) {
            deeds.push((mark.host.clone(), Deed::Marked(mark)));
        }
        if deeds.is_empty() {
            deeds.push((NOBODY_KNOWN.to_owned(), Deed::Other));
        }
        let write =
            |(by, deed)| Write { object: self.object.clone(), order: self.order, at: self.at, by, deed };
        deeds.into_iter().map(write).collect()
    }
}

impl Write {
    fn from_audit(request: &Request) -> Option<Self> {
        let deed = match (mark_in(request), request.request_object.pointer("/spec/seq")) {
            (Some(mark), _) => Deed::Marked(mark),
            (None, Some(seq)) => Deed::Changed(seq.as_i64()?),
            (None, None) => Deed::Other,
        };
        Some(Self {
            object: ObjectName::new(&request.object_ref.namespace, &request.object_ref.name),
            order: request.version()?,
            at: request.answered,
            by: request.user().to_owned(),
            deed,
        })
    }
}

impl Trace {
    fn from_audit(request: &Request) -> Option<Self> {
        let (token, kind) = if request.is_write() {
            let refused = mark_in(request).filter(|_| !request.was_accepted());
            (refused?.token, TraceKind::Refused)
        } else {
            (token_in(&request.uri)?.to_owned(), TraceKind::Read)
        };
        Some(Self { token, at: request.received, kind })
    }
}

fn mark_in(request: &Request) -> Option<Mark> {
    let status: &Value = request.request_object.get("status")?;
    Status::deserialize(status).ok()?.mark
}

fn token_in(uri: &str) -> Option<&str> {
    let rest = TOKEN_SELECTOR.iter().find_map(|selector| Some(uri.split_once(selector)?.1))?;
    rest.split(|end: char| !end.is_ascii_alphanumeric()).next()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::judge::tests::at;

    fn status(host: &str, phase: &str) -> Value {
        json!({ "mark": { "host": host, "token": "00ff", "phase": phase, "epoch": 3, "seq": 7 } })
    }

    fn request(verb: &str, user: &str, code: u16, version: &str, body: &Value) -> Value {
        json!({
            "stage": "ResponseComplete", "verb": verb, "user": { "username": user },
            "requestURI": "/apis/probe.polyreme.dev/v1alpha1/namespaces/lab/probes/a/status",
            "objectRef": { "resource": "probes", "namespace": "lab", "name": "a", "apiGroup": GROUP },
            "responseStatus": { "code": code },
            "requestObject": body,
            "responseObject": { "metadata": { "resourceVersion": version } },
            "requestReceivedTimestamp": "1970-01-01T00:00:01.000000Z",
            "stageTimestamp": "1970-01-01T00:00:02.000000Z",
        })
    }

    fn parsed(requests: &[Value]) -> Vec<Request> {
        requests.iter().map(|request| serde_json::from_value(request.clone()).unwrap()).collect()
    }

    #[test]
    fn the_audit_log_gives_marks_changes_and_refusals_with_their_users() {
        let history = History::from_audit(&parsed(&[
            request("patch", "host-1", 200, "12", &json!({ "status": status("host-1", "Begin") })),
            request("patch", "admin", 200, "11", &json!({ "spec": { "seq": 7 } })),
            request("patch", "host-2", 409, "0", &json!({ "status": status("host-2", "End") })),
        ]));
        let orders: Vec<_> = history.writes.iter().map(|write| (write.order, write.by.as_str())).collect();
        assert_eq!(orders, [(11, "admin"), (12, "host-1")]);
        assert_eq!(history.writes[0].deed, Deed::Changed(7));
        let refused = Trace { token: "00ff".into(), at: at(1), kind: TraceKind::Refused };
        assert_eq!(history.traces, [refused]);
    }

    #[test]
    fn a_write_that_changed_nothing_is_none() {
        let begin = json!({ "status": status("host-1", "Begin") });
        let mut later = request("patch", "host-2", 200, "12", &json!({ "metadata": {} }));
        later["stageTimestamp"] = "1970-01-01T00:00:03.000000Z".into();
        let history = History::from_audit(&parsed(&[later, request("patch", "host-1", 200, "12", &begin)]));
        assert_eq!(history.writes.len(), 1);
        assert_eq!(history.writes[0].by, "host-1");
    }

    #[test]
    fn a_read_names_its_reconcile() {
        let mut read = request("list", "host-1", 200, "", &Value::Null);
        let path = "/apis/probe.polyreme.dev/v1alpha1/namespaces/lab/probes";
        for selector in ["probe.polyreme.dev%2Ftoken%3D00ff&limit=500", "probe.polyreme.dev/token=00ff"] {
            read["requestURI"] = format!("{path}?labelSelector={selector}").into();
            let history = History::from_audit(&parsed(std::slice::from_ref(&read)));
            assert_eq!(history.traces, [Trace { token: "00ff".into(), at: at(1), kind: TraceKind::Read }]);
        }
    }

    #[test]
    fn what_one_history_lacks_comes_from_the_other() {
        let (begin, end) = (status("host-1", "Begin"), status("host-1", "End"));
        let seen = [sighting(1, 7, &json!({})), sighting(3, 7, &end)];
        let logged = [sighting(1, 7, &json!({})), sighting(2, 7, &begin), sighting(3, 7, &end)];
        let whole = History::from_watch(&seen).completed_by(&History::from_watch(&logged));
        assert_eq!(whole.writes, History::from_watch(&logged).writes);
    }

    fn sighting(order: u64, seq: i64, status: &Value) -> Sighting {
        let status = serde_json::from_value(status.clone()).unwrap();
        Sighting { at: at(order), object: ObjectName::new("lab", "a"), order, seq, status }
    }

    #[test]
    fn a_watch_gives_what_changed_between_two_versions() {
        let begin = status("host-1", "Begin");
        let history = History::from_watch(&[
            sighting(1, 7, &json!({})),
            sighting(2, 7, &begin),
            sighting(2, 7, &begin),
            sighting(3, 8, &begin),
            sighting(4, 8, &begin),
        ]);
        let deeds: Vec<_> = history.writes.iter().map(|write| (write.order, &write.deed)).collect();
        let Deed::Marked(mark) = deeds[1].1 else { panic!("{deeds:?}") };
        assert_eq!((mark.host.as_str(), mark.epoch), ("host-1", 3));
        assert_eq!(deeds[0], (1, &Deed::Changed(7)));
        assert_eq!(deeds[2], (3, &Deed::Changed(8)));
        assert_eq!(deeds[3], (4, &Deed::Other));
    }
}

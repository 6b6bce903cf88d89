//! What a change of membership costs, measured from outside.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::{Deed, History, ObjectName, Reconcile};
use crate::audit::Request;

/// An object that another host took up after an event (a join, a leave, a death).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handover {
    /// Which.
    pub object: ObjectName,
    /// Who reconciled it last before the event.
    pub from: String,
    /// Who took it up.
    pub to: String,
    /// Since when there was something to do that nobody did: the event, or the first change
    /// after it that the old owner did not take up.
    pub waiting_since: Timestamp,
    /// The successor's begin mark.
    pub taken: Timestamp,
}

impl Handover {
    /// How long something waited: at least the time without an owner, as far as it shows.
    #[must_use]
    pub fn gap(&self) -> Duration {
        between(self.waiting_since, self.taken)
    }
}

/// Every object that changed hands after `event`, at its first change of hands. Only objects
/// that were changed show when they are taken up.
#[must_use]
pub fn handovers(history: &History, event: Timestamp) -> Vec<Handover> {
    let changes = changes(history);
    let none = Vec::new();
    let reconciles = history.reconciles();
    let found = reconciles.iter().filter_map(|(object, reconciles)| {
        let of_object = changes.get(object).unwrap_or(&none);
        handover(object, reconciles, of_object, event)
    });
    found.collect()
}

/// When each `seq` was written, by object, in order.
type Changes<'a> = BTreeMap<&'a ObjectName, Vec<(i64, Timestamp)>>;

fn changes(history: &History) -> Changes<'_> {
    let mut found = Changes::new();
    for write in &history.writes {
        if let Deed::Changed(seq) = write.deed {
            found.entry(&write.object).or_default().push((seq, write.at));
        }
    }
    found
}

fn handover(
    object: &ObjectName,
    reconciles: &[Reconcile],
    changes: &[(i64, Timestamp)],
    event: Timestamp,
) -> Option<Handover> {
    let before = reconciles.iter().rfind(|one| one.begin.at <= event)?;
    let (place, next) =
        reconciles.iter().enumerate().find(|(_, one)| one.begin.at > event && one.by != before.by)?;
    let begun = reconciles.iter().take(place).map(|one| (one.seq, one.ended));
    let served = begun.filter(|(_, ended)| *ended).map(|(seq, _)| seq).max();
    let waiting = changes.iter().find(|(seq, _)| Some(*seq) > served);
    let waiting_since = waiting.map_or(event, |(_, at)| (*at).max(event));
    Some(Handover {
        object: object.clone(),
        from: before.by.clone(),
        to: next.by.clone(),
        waiting_since,
        taken: next.begin.at,
    })
}

/// Objects of `departed` that had something to do within `grace` after its death, and how long
/// after the death another host took each up.
#[must_use]
pub fn takeovers(history: &History, departed: &str, death: Timestamp, grace: Duration) -> Vec<Duration> {
    let of_departed = |one: &Handover| one.from == departed && between(death, one.waiting_since) <= grace;
    let handovers = handovers(history, death).into_iter().filter(of_departed);
    handovers.map(|one| between(death, one.taken)).collect()
}

/// From each change within a span of time to the begin mark of the reconcile that saw it.
#[must_use]
pub fn response_times(history: &History, from: Timestamp, to: Timestamp) -> Vec<Duration> {
    let reconciles = history.reconciles();
    let mut found = Vec::new();
    for (object, changes) in changes(history) {
        let of_object = reconciles.get(object).map(Vec::as_slice).unwrap_or_default();
        for (seq, at) in changes.into_iter().filter(|(_, at)| from <= *at && *at < to) {
            let seen = of_object.iter().find(|one| one.seq >= seq);
            found.extend(seen.map(|one| between(at, one.begin.at)));
        }
    }
    found
}

/// Middle and end of a distribution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// How many values there were.
    pub count: usize,
    /// Half are at most this.
    pub p50: Duration,
    /// 99 of 100 are at most this.
    pub p99: Duration,
    /// All are at most this.
    pub max: Duration,
}

impl Spread {
    /// Of values in any order; all zero when there are none.
    #[must_use]
    pub fn of(mut values: Vec<Duration>) -> Self {
        values.sort_unstable();
        let count = values.len();
        // The nearest rank: the smallest value that is not exceeded by this share.
        let rank = |percent: usize| (count * percent).div_ceil(100).saturating_sub(1);
        let at = |percent| values.get(rank(percent)).copied().unwrap_or_default();
        Self { count, p50: at(50), p99: at(99), max: at(100) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, max] = [self.p50, self.p99, self.max].map(|one| one.as_secs_f64());
        write!(f, "p50 {p50:.3} s, p99 {p99:.3} s, max {max:.3} s ({} samples)", self.count)
    }
}

/// What was asked of the API server, counted by user, verb and resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(pub BTreeMap<(String, String, String), usize>);

impl Tally {
    /// Counts the requests of hosts (users whose name begins with `host-`) received in a span.
    #[must_use]
    pub fn of_hosts(requests: &[Request], from: Timestamp, to: Timestamp) -> Self {
        let in_span = |request: &&Request| from <= request.received && request.received < to;
        let of_host = |request: &&Request| request.user().starts_with("host-");
        let mut tally = Self::default();
        for request in requests.iter().filter(in_span).filter(of_host) {
            let about = &request.object_ref;
            let resource = match about.subresource.as_str() {
                "" => about.resource.clone(),
                subresource => format!("{}/{subresource}", about.resource),
            };
            let key = (request.user().to_owned(), request.verb.clone(), resource);
            *tally.0.entry(key).or_default() += 1;
        }
        tally
    }

    /// How many requests name this resource (with or without subresource).
    #[must_use]
    pub fn about(&self, resource: &str) -> usize {
        let named = |(_, _, about): &&(String, String, String)| about.split('/').next() == Some(resource);
        self.0.iter().filter(|(key, _)| named(key)).map(|(_, count)| count).sum()
    }

    /// How many requests there were.
    #[must_use]
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut by_request: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for ((_, verb, resource), count) in &self.0 {
            *by_request.entry((verb, resource)).or_default() += count;
        }
        let parts = by_request.iter().map(|((verb, resource), count)| format!("{count} {verb} {resource}"));
        f.write_str(&parts.collect::<Vec<_>>().join(", "))
    }
}

/// The time from one to the other; none when it is negative.
#[must_use]
pub fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::tests::{Story, at};

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// host-0 serves the first change; the second comes at 10 s and is taken up at 16 s.
    fn a_handover() -> History {
        let before = Story::new().change(1).begin("host-0", "x", 1).end("host-0", "x", 1);
        before.later(6).change(2).later(5).epoch(2).begin("host-1", "y", 2).told()
    }

    #[test]
    fn a_handover_counts_from_the_first_change_that_waited() {
        let found = handovers(&a_handover(), at(5));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].from.as_str(), found[0].to.as_str()), ("host-0", "host-1"));
        assert_eq!(found[0].gap(), seconds(6));
    }

    #[test]
    fn what_waited_before_the_event_counts_from_the_event() {
        assert_eq!(handovers(&a_handover(), at(14))[0].gap(), seconds(2));
    }

    #[test]
    fn what_the_old_owner_still_did_after_the_event_is_no_handover() {
        let before = Story::new().change(1).begin("host-0", "x", 1).end("host-0", "x", 1);
        let history = before.change(2).begin("host-0", "y", 2).end("host-0", "y", 2).told();
        assert!(handovers(&history, at(3)).is_empty());
    }

    #[test]
    fn a_reconcile_that_was_cut_short_leaves_its_change_waiting() {
        let before = Story::new().change(1).begin("host-0", "x", 1).end("host-0", "x", 1);
        let history = before.change(2).begin("host-0", "y", 2).later(5).begin("host-1", "z", 2).told();
        assert_eq!(takeovers(&history, "host-0", at(6), seconds(1)), [seconds(5)]);
    }

    #[test]
    fn a_takeover_that_no_change_shows_in_time_does_not_count() {
        assert_eq!(takeovers(&a_handover(), "host-0", at(9), seconds(1)), [seconds(7)]);
        assert!(takeovers(&a_handover(), "host-0", at(5), seconds(1)).is_empty());
        assert!(takeovers(&a_handover(), "host-2", at(9), seconds(1)).is_empty());
    }

    #[test]
    fn a_response_is_the_first_begin_that_saw_the_change() {
        let history = Story::new().change(1).change(2).begin("host-0", "x", 2).told();
        assert_eq!(response_times(&history, at(0), at(9)), [seconds(2), seconds(1)]);
        assert_eq!(response_times(&history, at(2), at(9)), [seconds(1)]);
    }

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let spread = Spread::of((1..=200).rev().map(seconds).collect());
        assert_eq!(
            (spread.count, spread.p50, spread.p99, spread.max),
            (200, seconds(100), seconds(198), seconds(200))
        );
        assert_eq!(Spread::of(vec![seconds(3)]).p99, seconds(3));
        assert_eq!(Spread::of(Vec::new()), Spread::default());
    }

    fn request(user: &str, verb: &str, subresource: &str, second: u64) -> Request {
        let time = at(second).to_string();
        serde_json::from_value(serde_json::json!({
            "stage": "ResponseComplete", "verb": verb, "user": { "username": user }, "requestURI": "/x",
            "objectRef": { "resource": "leases", "subresource": subresource },
            "requestReceivedTimestamp": time, "stageTimestamp": time,
        }))
        .unwrap()
    }

    #[test]
    fn requests_of_hosts_are_counted_in_their_span() {
        let requests = [
            request("host-0", "update", "", 1),
            request("host-1", "update", "", 2),
            request("host-1", "patch", "status", 2),
            request("host-1", "update", "", 9),
            request("admin", "update", "", 2),
        ];
        let tally = Tally::of_hosts(&requests, at(1), at(9));
        assert_eq!((tally.total(), tally.about("leases"), tally.about("probes")), (3, 3, 0));
        assert_eq!(tally.to_string(), "1 patch leases/status, 2 update leases");
    }
}

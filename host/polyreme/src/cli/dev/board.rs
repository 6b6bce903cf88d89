//! The samples as the cluster shows them: a line whenever one becomes Ready, or is it no more.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::sync::Arc;

use futures::stream::{BoxStream, SelectAll, StreamExt as _};
use kube::Client;
use kube::api::DynamicObject;
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::Value;
use tokio::time::Instant;

use super::super::print;
use super::manifests::Sample;
use super::place_of;

type Seen = (Arc<str>, DynamicObject);

/// See the module's story.
pub(super) struct Board {
    started: Instant,
    names: BTreeSet<Arc<str>>,
    changes: SelectAll<BoxStream<'static, Seen>>,
    /// What each sample was last said to be.
    said: BTreeMap<Arc<str>, Verdict>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Verdict {
    ready: bool,
    why: String,
}

impl Board {
    pub(super) fn watch(client: &Client, samples: Vec<Sample>, started: Instant) -> Self {
        let (names, changes) = (BTreeSet::new(), SelectAll::new());
        let mut board = Self { started, names, changes, said: BTreeMap::new() };
        board.follow(client, samples);
        board
    }

    /// Follows these samples from now on, and no others.
    pub(super) fn follow(&mut self, client: &Client, samples: Vec<Sample>) {
        self.names.clear();
        self.changes.clear();
        for sample in samples {
            let place = place_of(sample.namespace.as_deref(), &sample.name);
            let name: Arc<str> = format!("{} {place}", sample.resource.kind).into();
            self.names.insert(Arc::clone(&name));
            let config = watcher::Config::default().fields(&format!("metadata.name={}", sample.name));
            let objects = watcher(sample.api(client), config).default_backoff().applied_objects();
            // A watch that fails is begun again; what it missed it then shows.
            let seen = objects
                .filter_map(move |object| ready(object.ok().map(|object| (Arc::clone(&name), object))));
            self.changes.push(seen.boxed());
        }
        self.said.retain(|name, _| self.names.contains(name));
    }

    /// Waits until a sample becomes Ready or is it no more, and says so. Never returns where there is none.
    pub(super) async fn next_change(&mut self) {
        loop {
            let Some((name, object)) = self.changes.next().await else {
                return std::future::pending().await;
            };
            let Some(verdict) = verdict(&object.data) else { continue };
            if self.said.get(&name) == Some(&verdict) {
                continue;
            }
            let state = if verdict.ready { "Ready" } else { "not Ready" };
            let seconds = self.started.elapsed().as_secs_f64();
            print(format_args!("{name}: {state} ({}), {seconds:.1} s after the start", verdict.why));
            self.said.insert(name, verdict);
            return;
        }
    }

    /// Whether there are samples, and all are Ready.
    pub(super) fn all_ready(&self) -> bool {
        let ready = self.said.values().filter(|verdict| verdict.ready).count();
        ready == self.names.len() && ready > 0
    }
}

/// What the condition `Ready` says, or, in kinds without conditions, the phase; nothing before there is either.
fn verdict(object: &Value) -> Option<Verdict> {
    let status = &object["status"];
    let conditions = status["conditions"].as_array();
    let condition = conditions.into_iter().flatten().find(|condition| condition["type"] == "Ready");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match (condition, status["phase"].as_str()) {
        (Some(it), _) => Some(Verdict { ready: it["status"] == "True", why: text(&it["reason"]) }),
        (None, Some(phase)) => Some(Verdict { ready: phase == "Ready", why: format!("phase {phase}") }),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_condition_decides_else_the_phase_else_nothing() {
        let ready = json!({ "status": { "phase": "Odd", "conditions": [
            { "type": "Synced", "status": "False" }, { "type": "Ready", "status": "True", "reason": "Rendered" },
        ]}});
        assert_eq!(verdict(&ready), Some(Verdict { ready: true, why: "Rendered".into() }));
        let pending = json!({ "status": { "phase": "Pending" } });
        assert_eq!(verdict(&pending), Some(Verdict { ready: false, why: "phase Pending".into() }));
        assert_eq!(verdict(&json!({ "spec": {} })), None);
    }
}

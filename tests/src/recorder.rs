//! Records every version of every probe by a watch, from its start to its end.
//!
//! A watch delivers each write in order, on either server. It is resumed where it broke off,
//! so a restart of the local API server loses nothing. A real one that was restarted refuses
//! versions from before (410): then the recorder lists anew, and says that versions may be
//! missing. The audit log has them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, pin_mut};
use kube::Api;
use kube::api::{DynamicObject, ListParams, WatchEvent, WatchParams};
use tokio::task::JoinSet;

use crate::eventually::{eventually, now, pause};
use crate::judge::{History, ObjectName, Sighting, Status};
use crate::probes::Probes;

const CAUGHT_UP_LIMIT: Duration = Duration::from_secs(30);
const GONE: u16 = 410;

/// A watch that writes down what it sees; dropping it ends it.
#[derive(Debug)]
pub struct Recorder {
    tape: Arc<Mutex<Tape>>,
    api: Api<DynamicObject>,
    // Aborted with the recorder.
    _task: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Tape {
    sightings: Vec<Sighting>,
    /// The last version seen, of bookmarks too.
    version: String,
    has_hole: bool,
}

impl Recorder {
    /// Writes down what is there, and from then on everything.
    ///
    /// # Errors
    /// When probes cannot be listed.
    pub async fn start(probes: &Probes) -> Result<Self> {
        let api = probes.api();
        let tape = Arc::new(Mutex::new(Tape::default()));
        list(&api, &tape).await?;
        let mut task = JoinSet::new();
        task.spawn(record(api.clone(), Arc::clone(&tape)));
        Ok(Self { tape, api, _task: task })
    }

    /// The history so far, after waiting until the watch has seen everything that is in the
    /// store now.
    ///
    /// # Errors
    /// When it does not catch up in time, or has a hole.
    pub async fn history(&self) -> Result<History> {
        let history = self.history_as_far_as_seen().await?;
        ensure!(!lock(&self.tape).has_hole, "the watch could not be resumed: its history has a hole");
        Ok(history)
    }

    /// The same with whatever holes it has.
    ///
    /// # Errors
    /// When it does not catch up in time.
    pub async fn history_as_far_as_seen(&self) -> Result<History> {
        let listed = self.api.list(&ListParams::default()).await.context("failed to list probes")?;
        let newest = listed.items.iter().filter_map(version_of).max().unwrap_or_default();
        eventually("the watch of probes catching up", CAUGHT_UP_LIMIT, async || {
            let seen = lock(&self.tape).sightings.iter().map(|sighting| sighting.order).max();
            ensure!(seen.unwrap_or_default() >= newest, "it is at {seen:?}, the store at {newest}");
            Ok(())
        })
        .await?;
        Ok(History::from_watch(&lock(&self.tape).sightings))
    }
}

fn lock(tape: &Mutex<Tape>) -> std::sync::MutexGuard<'_, Tape> {
    tape.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn list(api: &Api<DynamicObject>, tape: &Mutex<Tape>) -> Result<()> {
    let listed = api.list(&ListParams::default()).await.context("failed to list probes")?;
    let mut tape = lock(tape);
    tape.version = listed.metadata.resource_version.unwrap_or_default();
    tape.sightings.extend(listed.items.iter().filter_map(sighting));
    Ok(())
}

async fn record(api: Api<DynamicObject>, tape: Arc<Mutex<Tape>>) {
    loop {
        let version = lock(&tape).version.clone();
        // A version that was refused is forgotten; the list says where to begin again.
        if version.is_empty() && list(&api, &tape).await.is_err() {
            pause().await;
            continue;
        }
        let version = lock(&tape).version.clone();
        match api.watch(&WatchParams::default(), &version).await {
            Ok(events) => {
                pin_mut!(events);
                while let Some(Ok(event)) = events.next().await {
                    if lock(&tape).take(event).is_none() {
                        break;
                    }
                }
            }
            Err(kube::Error::Api(status)) => drop(lock(&tape).take(WatchEvent::Error(status))),
            // It is away: again, until it is back.
            Err(_) => (),
        }
        pause().await;
    }
}

impl Tape {
    /// Nothing when the watch must begin again.
    fn take(&mut self, event: WatchEvent<DynamicObject>) -> Option<()> {
        match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                self.version = object.metadata.resource_version.clone()?;
                self.sightings.extend(sighting(&object));
            }
            WatchEvent::Deleted(object) => self.version = object.metadata.resource_version?,
            WatchEvent::Bookmark(bookmark) => self.version = bookmark.metadata.resource_version,
            WatchEvent::Error(status) => {
                if status.code == GONE {
                    self.has_hole = true;
                    self.version.clear();
                }
                return None;
            }
        }
        Some(())
    }
}

fn sighting(object: &DynamicObject) -> Option<Sighting> {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let status: Option<Status> = serde_json::from_value(object.data["status"].clone()).ok()?;
    Some(Sighting {
        at: now(),
        object: ObjectName::new(namespace, object.metadata.name.as_deref()?),
        order: version_of(object)?,
        seq: object.data["spec"]["seq"].as_i64()?,
        status: status.unwrap_or_default(),
    })
}

fn version_of(object: &DynamicObject) -> Option<u64> {
    object.metadata.resource_version.as_deref()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use kube::api::{ApiResource, GroupVersionKind};
    use kube::core::Status as ApiStatus;
    use serde_json::json;

    use super::*;
    use crate::judge::Deed;

    fn probe(version: u64, seq: i64) -> DynamicObject {
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("probe.polyreme.dev", "v1alpha1", "Probe"));
        let mut probe = DynamicObject::new("a", &kind).within("lab");
        probe.metadata.resource_version = Some(version.to_string());
        probe.data = json!({ "spec": { "seq": seq } });
        probe
    }

    #[test]
    fn every_version_is_written_down_and_the_watch_goes_on_after_the_last() {
        let mut tape = Tape::default();
        for event in [WatchEvent::Added(probe(3, 1)), WatchEvent::Modified(probe(5, 2))] {
            tape.take(event).unwrap();
        }
        let history = History::from_watch(&tape.sightings);
        let deeds: Vec<_> = history.writes.iter().map(|write| (write.order, write.deed.clone())).collect();
        assert_eq!(deeds, [(3, Deed::Changed(1)), (5, Deed::Changed(2))]);
        assert_eq!(tape.version, "5");
    }

    #[test]
    fn a_watch_that_cannot_be_resumed_leaves_a_hole() {
        let mut tape = Tape::default();
        let failed = |code| WatchEvent::Error(Box::new(ApiStatus { code, ..ApiStatus::default() }));
        assert!(tape.take(failed(500)).is_none());
        assert!(!tape.has_hole);
        tape.take(WatchEvent::Added(probe(3, 1))).unwrap();
        assert!(tape.take(failed(GONE)).is_none());
        assert!(tape.has_hole && tape.version.is_empty());
    }
}

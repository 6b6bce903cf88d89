//! Watch: the changes of one selection, in order, from a revision on.
//!
//! A watch keeps no queue. It remembers the revision it has sent and reads on from there in
//! the history of its kind, so what a slow client costs is bounded by the history that is
//! kept anyway; when it falls out of the window it is told 410 and ends.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Duration, Instant};

use super::list::Selection;
use super::{Api, from_stored};
use crate::error::ApiError;
use crate::json as read;
use crate::kinds::Resource;
use crate::store::{Event, Object};

/// How many changes are taken from the history at a time.
const BATCH_EVENTS: usize = 256;
/// How often a quiet watch that asked for bookmarks gets one: the real server's interval.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// How long a watch lasts when the client does not say; the real server picks 30 to 60
/// minutes.
const DEFAULT_WATCH: Duration = Duration::from_secs(45 * 60);

/// Parameters of a watch.
#[derive(Debug)]
pub(crate) struct WatchQuery {
    pub(crate) selection: Selection,
    /// `None` or 0 start with the present state.
    pub(crate) from: Option<u64>,
    pub(crate) bookmarks: bool,
    /// `sendInitialEvents`: the present state, then a marked bookmark.
    pub(crate) initial: bool,
    pub(crate) timeout: Option<Duration>,
}

/// One line of the answer.
#[derive(Debug)]
pub(crate) enum Frame {
    Added(Arc<Object>),
    Modified(Arc<Object>),
    Deleted(Arc<Object>),
    /// A `metadata.resourceVersion` that everything before is covered by.
    Bookmark {
        revision: u64,
        initial_end: bool,
    },
    Error(ApiError),
}

/// A running watch.
#[derive(Debug)]
pub(crate) struct Watch {
    api: Arc<Api>,
    pub(crate) resource: Arc<Resource>,
    query: WatchQuery,
    /// Everything up to here has been turned into frames.
    seen: u64,
    ready: VecDeque<Frame>,
    changed: watch::Receiver<u64>,
    deadline: Instant,
    next_bookmark: Instant,
    ended: bool,
}

impl Watch {
    /// Begins a watch; the initial state is taken here, so nothing falls between.
    pub(crate) fn begin(
        api: &Arc<Api>,
        resource: &Arc<Resource>,
        query: WatchQuery,
    ) -> Result<Self, ApiError> {
        query.selection.check(resource)?;
        let now = Instant::now();
        let mut watch = Watch {
            api: api.clone(),
            resource: resource.clone(),
            seen: query.from.unwrap_or_default(),
            ready: VecDeque::new(),
            changed: api.store.subscribe_to(&resource.storage),
            deadline: now + query.timeout.unwrap_or(DEFAULT_WATCH),
            next_bookmark: now + BOOKMARK_EVERY,
            ended: false,
            query,
        };
        if watch.query.initial || watch.seen == 0 {
            watch.take_present_state();
        }
        Ok(watch)
    }

    fn take_present_state(&mut self) {
        let namespace = self.query.selection.namespace.as_deref();
        let snapshot = self.api.store.snapshot(&self.resource.storage, namespace);
        let objects = snapshot.objects.into_iter().map(|(_, object)| object);
        let selected = objects.filter(|o| self.query.selection.matches(&self.resource, o));
        self.ready.extend(selected.map(Frame::Added));
        self.seen = snapshot.revision;
        if self.query.initial && self.query.bookmarks {
            self.ready.push_back(Frame::Bookmark { revision: self.seen, initial_end: true });
        }
    }

    /// The next line, `None` when the watch is over.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some(frame);
            }
            if self.ended {
                return None;
            }
            self.changed.mark_unchanged();
            self.read_on();
            if self.ready.is_empty() && !self.ended {
                self.wait().await;
            }
        }
    }

    /// A further line that is there already.
    pub(crate) fn next_ready(&mut self) -> Option<Frame> {
        self.ready.pop_front()
    }

    /// Takes what happened since, as frames.
    fn read_on(&mut self) {
        match self.api.store.changes(&self.resource.storage, self.seen, BATCH_EVENTS) {
            Err(too_old) => {
                let message = format!("too old resource version: {} ({})", self.seen, too_old.oldest);
                self.ready.push_back(Frame::Error(ApiError::expired(message)));
                self.ended = true;
            }
            Ok(batch) => {
                let frames = batch.events.iter().filter_map(|e| self.frame(e));
                self.ready.extend(frames.collect::<Vec<_>>());
                let more = batch.events.len() == BATCH_EVENTS;
                self.seen = self.seen.max(batch.revision);
                if more && self.ready.is_empty() {
                    self.changed.mark_changed();
                }
            }
        }
    }

    /// What a change means to somebody who sees only the selection.
    fn frame(&self, event: &Event) -> Option<Frame> {
        let selection = &self.query.selection;
        if let Some(namespace) = &selection.namespace
            && event.path.split_once('/').map(|(ns, _)| ns) != Some(namespace)
        {
            return None;
        }
        let was = event.previous.as_deref().is_some_and(|o| selection.matches(&self.resource, o));
        let is = !event.deleted && selection.matches(&self.resource, &event.object);
        match (was, is) {
            (false, false) => None,
            (false, true) => Some(Frame::Added(event.object.clone())),
            (true, true) => Some(Frame::Modified(event.object.clone())),
            (true, false) => Some(Frame::Deleted(last_seen(event))),
        }
    }

    async fn wait(&mut self) {
        let bookmark_at = self.query.bookmarks.then_some(self.next_bookmark);
        let wake_at = bookmark_at.unwrap_or(self.deadline).min(self.deadline);
        tokio::select! {
            changed = self.changed.changed() => self.ended |= changed.is_err(),
            () = self.api.stopping.cancelled() => self.ended = true,
            () = tokio::time::sleep_until(wake_at) => self.on_time(),
        }
    }

    fn on_time(&mut self) {
        let now = Instant::now();
        if now >= self.deadline {
            self.ended = true;
            return;
        }
        self.read_on();
        self.next_bookmark = now + BOOKMARK_EVERY;
        if self.ready.is_empty() {
            self.ready.push_back(Frame::Bookmark { revision: self.seen, initial_end: false });
        }
    }
}

/// An object that left the selection is shown as it was, at the revision of its leaving.
fn last_seen(event: &Event) -> Arc<Object> {
    match &event.previous {
        Some(previous) if !event.deleted => {
            let mut value = previous.value.clone();
            read::set_meta(&mut value, "resourceVersion", Some(event.revision.to_string().into()));
            Arc::new(Object::new(value, event.revision))
        }
        _ => event.object.clone(),
    }
}

impl Frame {
    /// The value of `type`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Frame::Added(_) => "ADDED",
            Frame::Modified(_) => "MODIFIED",
            Frame::Deleted(_) => "DELETED",
            Frame::Bookmark { .. } => "BOOKMARK",
            Frame::Error(_) => "ERROR",
        }
    }

    /// The value of `object`.
    pub(crate) fn object(&self, resource: &Resource) -> Value {
        match self {
            Frame::Added(o) | Frame::Modified(o) | Frame::Deleted(o) => from_stored(resource, o).into_owned(),
            Frame::Bookmark { revision, initial_end } => bookmark(resource, *revision, *initial_end),
            Frame::Error(error) => error.status(),
        }
    }
}

fn bookmark(resource: &Resource, revision: u64, initial_end: bool) -> Value {
    let mut metadata = json!({"resourceVersion": revision.to_string(), "creationTimestamp": null});
    if initial_end {
        let annotations = json!({"k8s.io/initial-events-end": "true"});
        read::set(read::as_map(&mut metadata), "annotations", Some(annotations));
    }
    json!({"kind": resource.kind, "apiVersion": resource.api_version(), "metadata": metadata})
}

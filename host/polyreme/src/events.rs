//! Events of guests, as `kubectl describe` shows them.
//!
//! A guest's `emit` never waits and never fails: it puts the event into a bounded channel,
//! and one task publishes from there through kube's recorder (`events.k8s.io/v1`; repeats
//! of the same reason for the same object count up one Event instead of making more).
//! When the API server is slower than the guests, events are dropped and counted in
//! `polyreme_events_dropped_total`, since no event is worth holding up a reconcile. Each
//! controller has a part of the channel only, so that one cannot silence the others.
//!
//! What the API server would refuse is put right first: the note is cut to 1 KiB, a
//! reason that is not CamelCase is made so, an empty action becomes the reason.

use std::borrow::Cow;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use polyreme_runtime::Events;
use polyreme_runtime::wit::events::Severity;
use polyreme_runtime::wit::types::ObjectRef;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::explain;
use crate::metrics::ModuleMetrics;

/// Events waiting to be published; at some 500 a second, two seconds of them.
const QUEUE_LENGTH: usize = 1024;

/// Of those at most from one controller, so that one that emits without end leaves room for the others.
const QUEUE_OF_ONE: usize = QUEUE_LENGTH / 4;

/// Longest part of the name of what an event is about, in bytes: that of a DNS subdomain, and of a group and a
/// version.
const MAX_ABOUT_BYTES: usize = 320;

/// Limits of `events.k8s.io/v1` (`pkg/apis/core/validation/events.go`), in bytes.
const MAX_NOTE_BYTES: usize = 1024;
const MAX_REASON_BYTES: usize = 128;

/// What is put behind a note that was cut.
const CUT_MARK: &str = "…";

/// Finds the uid of an object in the caches. `kubectl describe` asks for events by uid, so
/// an event without one is only seen by `kubectl get events`.
pub type UidLookup = Arc<dyn Fn(&ObjectRef) -> Option<String> + Send + Sync>;

/// Where events of all controllers go; a handle that can be cloned.
#[derive(Clone)]
pub struct EventSink {
    sender: mpsc::Sender<Emitted>,
}

struct Emitted {
    controller: Arc<str>,
    regarding: ObjectReference,
    event: Event,
    /// Of a guest's: its place among those of its controller.
    _place: Option<OwnedSemaphorePermit>,
}

impl std::fmt::Debug for EventSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventSink").finish_non_exhaustive()
    }
}

impl EventSink {
    /// A sink, and the future that publishes what is put into it. The future ends when
    /// all handles are gone and everything is published, or when it is dropped.
    pub fn new(client: Client) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (sender, receiver) = mpsc::channel(QUEUE_LENGTH);
        let publisher = Publisher { client, recorders: HashMap::new(), failing: false };
        (Self { sender }, publisher.run(receiver))
    }

    /// An Event of the host itself, in the name of `reporter`; dropped when too many wait.
    pub fn emit(
        &self,
        reporter: &str,
        regarding: ObjectReference,
        severity: Severity,
        reason: &str,
        note: String,
    ) {
        let event = event(severity, reason, "", note);
        let emitted = Emitted { controller: Arc::from(reporter), regarding, event, _place: None };
        if self.sender.try_send(emitted).is_err() {
            tracing::warn!(reason, "failed to publish an event: too many wait");
        }
    }

    /// What the guest of one controller emits into.
    #[must_use]
    pub fn controller(&self, name: &str, uids: UidLookup, metrics: ModuleMetrics) -> ControllerEvents {
        let places = Arc::new(Semaphore::new(QUEUE_OF_ONE));
        ControllerEvents { sink: self.clone(), controller: Arc::from(name), uids, metrics, places }
    }
}

/// The events of one controller.
#[derive(Clone)]
pub struct ControllerEvents {
    sink: EventSink,
    controller: Arc<str>,
    uids: UidLookup,
    metrics: ModuleMetrics,
    places: Arc<Semaphore>,
}

impl std::fmt::Debug for ControllerEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ControllerEvents").field("controller", &self.controller).finish_non_exhaustive()
    }
}

impl Events for ControllerEvents {
    fn emit(&self, regarding: ObjectRef, severity: Severity, reason: String, action: String, note: String) {
        let place = Arc::clone(&self.places).try_acquire_owned().ok().filter(|_| could_be(&regarding));
        let Some(place) = place else { return self.metrics.event_dropped() };
        let event = event(severity, &reason, &action, note);
        let uid = (self.uids)(&regarding);
        let regarding = reference(regarding, uid);
        let controller = Arc::clone(&self.controller);
        if self.sink.sender.try_send(Emitted { controller, regarding, event, _place: Some(place) }).is_err() {
            self.metrics.event_dropped();
        }
    }
}

/// Whether there can be such an object.
fn could_be(object: &ObjectRef) -> bool {
    let parts = [&object.api_version, &object.kind, &object.name];
    parts.into_iter().chain(&object.namespace).all(|part| part.len() <= MAX_ABOUT_BYTES)
}

fn reference(object: ObjectRef, uid: Option<String>) -> ObjectReference {
    ObjectReference {
        api_version: Some(object.api_version),
        kind: Some(object.kind),
        namespace: object.namespace,
        name: Some(object.name),
        uid,
        ..ObjectReference::default()
    }
}

fn event(severity: Severity, reason: &str, action: &str, note: String) -> Event {
    let reason = camel_case(reason);
    let action = if action.trim().is_empty() { reason.clone() } else { camel_case(action) };
    Event {
        type_: match severity {
            Severity::Normal => EventType::Normal,
            Severity::Warning => EventType::Warning,
        },
        reason: reason.into_owned(),
        action: action.into_owned(),
        note: Some(cut(note)),
        secondary: None,
    }
}

/// `ThemeNotFound` as it is; `theme not found` becomes it; nothing becomes `Unspecified`.
fn camel_case(text: &str) -> Cow<'_, str> {
    let fits = text.len() <= MAX_REASON_BYTES;
    let camel = text.starts_with(|c: char| c.is_ascii_uppercase());
    if fits && camel && text.chars().all(|c| c.is_ascii_alphanumeric()) {
        return text.into();
    }
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut joined: String = words.map(capitalised).collect();
    joined.truncate(MAX_REASON_BYTES);
    if joined.is_empty() { "Unspecified".into() } else { joined.into() }
}

fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at_checked(1).unwrap_or((word, ""));
    first.to_ascii_uppercase() + rest
}

/// At most 1 KiB, ending at a character.
fn cut(mut note: String) -> String {
    if note.len() > MAX_NOTE_BYTES {
        note.truncate(note.floor_char_boundary(MAX_NOTE_BYTES - CUT_MARK.len()));
        note.push_str(CUT_MARK);
    }
    note
}

/// The task at the other end of the channel.
struct Publisher {
    client: Client,
    recorders: HashMap<Arc<str>, Recorder>,
    /// True after a failure, so that an API server that is away is reported once.
    failing: bool,
}

impl Publisher {
    async fn run(mut self, mut receiver: mpsc::Receiver<Emitted>) {
        while let Some(emitted) = receiver.recv().await {
            let outcome = self.publish(&emitted).await;
            self.report(&emitted, outcome);
        }
    }

    async fn publish(&mut self, emitted: &Emitted) -> Result<(), kube::Error> {
        let recorder = self.recorder(&emitted.controller);
        match recorder.publish(&emitted.event, &emitted.regarding).await {
            // The Event that the recorder wanted to count up was deleted: start a new one.
            Err(kube::Error::Api(status)) if status.code == 404 => {
                self.recorders.remove(&emitted.controller);
                let recorder = self.recorder(&emitted.controller);
                recorder.publish(&emitted.event, &emitted.regarding).await
            }
            outcome => outcome,
        }
    }

    fn recorder(&mut self, controller: &Arc<str>) -> Recorder {
        let entry = self.recorders.entry(Arc::clone(controller));
        entry.or_insert_with(|| Recorder::new(self.client.clone(), reporter(controller))).clone()
    }

    fn report(&mut self, emitted: &Emitted, outcome: Result<(), kube::Error>) {
        let Err(error) = outcome else {
            self.failing = false;
            return;
        };
        let advice = explain::request_error(&error);
        let (controller, reason) = (&emitted.controller, &emitted.event.reason);
        if self.failing {
            tracing::debug!(%controller, reason, "failed to publish an event: {advice}");
        } else {
            tracing::warn!(%controller, reason, "failed to publish an event: {advice}");
        }
        self.failing = true;
    }
}

/// The instance is the pod, as in every operator; kube takes the host's name without it.
fn reporter(controller: &str) -> Reporter {
    match std::env::var("POD_NAME") {
        Ok(pod) => Reporter { controller: controller.to_owned(), instance: Some(pod) },
        Err(_) => Reporter::from(controller),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Format, Metrics};

    #[test]
    fn reasons_are_made_camel_case() {
        assert_eq!(camel_case("ThemeNotFound"), "ThemeNotFound");
        assert_eq!(camel_case("theme not-found"), "ThemeNotFound");
        assert_eq!(camel_case("  "), "Unspecified");
        assert_eq!(camel_case(&"a".repeat(300)).len(), MAX_REASON_BYTES);
    }

    #[test]
    fn notes_are_cut_at_a_character_within_the_limit() {
        let note = cut("ä".repeat(1000));
        assert!(note.len() <= MAX_NOTE_BYTES && note.ends_with('…'), "{}", note.len());
        assert_eq!(cut("short".into()), "short");
    }

    #[test]
    fn an_empty_action_becomes_the_reason() {
        let event = event(Severity::Warning, "ThemeNotFound", "", "gone".into());
        assert_eq!(event.action, "ThemeNotFound");
        assert_eq!(event.type_, EventType::Warning);
    }

    fn site() -> ObjectRef {
        ObjectRef {
            api_version: "webhosting.polyreme.dev/v1alpha1".into(),
            kind: "Website".into(),
            namespace: Some("project-foo".into()),
            name: "kubecon".into(),
        }
    }

    /// A client whose requests are answered with `status` and recorded in order.
    fn client(status: u16) -> (Client, mpsc::Receiver<(http::Method, serde_json::Value)>) {
        use http_body_util::BodyExt;
        let (sender, receiver) = mpsc::channel(16);
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let sender = sender.clone();
            async move {
                let method = request.method().clone();
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let event: serde_json::Value = serde_json::from_slice(&body).unwrap();
                sender.send((method, event)).await.unwrap();
                let body = http_body_util::Full::new(body);
                Ok::<_, std::io::Error>(http::Response::builder().status(status).body(body).unwrap())
            }
        });
        (Client::new(service, "default"), receiver)
    }

    #[tokio::test]
    async fn a_repeated_event_counts_up_the_first() {
        let (client, mut requests) = client(200);
        let (sink, publisher) = EventSink::new(client);
        let uids: UidLookup = Arc::new(|_| Some("uid-1".to_owned()));
        let events = sink.controller("website", uids, Metrics::new().module("website"));
        for _ in 0..2 {
            events.emit(site(), Severity::Normal, "Ready".into(), "Reconcile".into(), "up".into());
        }
        drop((events, sink));
        publisher.await;
        let (method, created) = requests.recv().await.unwrap();
        assert_eq!(method, http::Method::POST);
        assert_eq!(created["regarding"]["uid"], "uid-1");
        assert_eq!(created["reportingController"], "website");
        let (method, patched) = requests.recv().await.unwrap();
        assert_eq!(method, http::Method::PATCH);
        assert_eq!(patched["series"]["count"], 2);
    }

    #[tokio::test]
    async fn events_beyond_the_share_of_a_controller_are_dropped_and_counted() {
        let (client, _requests) = client(200);
        let (sink, _publisher) = EventSink::new(client);
        let metrics = Metrics::new();
        let uids: UidLookup = Arc::new(|_| None);
        let events = sink.controller("website", uids, metrics.module("website"));
        for _ in 0..QUEUE_OF_ONE + 2 {
            events.emit(site(), Severity::Normal, "Ready".into(), String::new(), String::new());
        }
        let nothing = ObjectRef { name: "x".repeat(MAX_ABOUT_BYTES + 1), ..site() };
        events.emit(nothing, Severity::Normal, "Ready".into(), String::new(), String::new());
        let other = sink.controller("other", Arc::new(|_| None), metrics.module("other"));
        other.emit(site(), Severity::Normal, "Ready".into(), String::new(), String::new());
        let text = metrics.encode(Format::Prometheus);
        assert!(text.contains("polyreme_events_dropped_total{controller=\"website\"} 3\n"), "{text}");
        assert!(!text.contains("polyreme_events_dropped_total{controller=\"other\"} 1"), "{text}");
    }
}

//! The gate that every write passes: who may still send it, with which preconditions, and for how long
//! its answer is listened for.
//!
//! Each write runs in a task of its own. An attempt begins only while the permit has a window and the
//! guest is there to hear of it. It tells the API server the window as its timeout and pins what the
//! host knows of the object ([`super::pin`]), so that a request that is held up on its way cannot
//! overwrite what came after it. A conflict that only such a pin caused is the host's to solve: it reads
//! the object again and sends the write for the new version, if the object is still the same one. A
//! refusal with "later" is waited for within the window. What the guest itself pinned, and everything
//! else, the guest hears.
//!
//! At the end of the window the guest is told that the outcome is open, and the task stays for
//! [`LATE_MARGIN`]: what still comes goes into the caches. So an entry of
//! [`ReconcileApi::outstanding`] ends with the answer, or when no attempt can have an effect any more
//! that its preconditions do not stop. An apply of another object that the host knows to be absent, and a
//! create, have none: held up, they can land late.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use polyreme_runtime::wit::kubernetes::Source;
use polyreme_runtime::wit::types::{Error, Reason};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use super::elide::ApplyId;
use super::pin::{Payload, Pin};
use super::{ReconcileApi, error, request};
use crate::cache::Caches;
use crate::object::{Kind, Object, ObjectKey};
use crate::ownership::Safeguard;
use crate::permissions::Verb;

/// How often one write is sent: as often as kube-apiserver itself tries a patch without a version
/// (`maxRetryWhenPatchConflicts`) and client-go an update (`retry.DefaultRetry`). Each attempt loses only
/// to somebody who changed the object between a read and the write after it.
const WRITE_ATTEMPTS: usize = 5;

/// Shortest window that a write is begun in. Writes take a few milliseconds; in less than this the
/// likeliest outcome is one that nobody knows. The `fast` timing has windows of one second, so it must
/// be well below that.
const MIN_WINDOW: Duration = Duration::from_millis(100);

/// How long after its window a write counts as outstanding. The API server counts the timeout from when
/// it received the request, and what it has handed to etcd by then is committed a little later; dropping
/// the connection ends the rest. The same two seconds by which a window ends before the validity does.
const LATE_MARGIN: Duration = Duration::from_secs(2);

/// The wait after a 429 that does not say one: what API Priority and Fairness asks for in its header.
const BUSY_WAIT: Duration = Duration::from_secs(1);

/// A write that passed the policy.
pub(super) struct Outgoing {
    pub verb: Verb,
    pub kind: Kind,
    pub key: ObjectKey,
    pub request: request::Write,
    pub payload: Payload,
    /// What the guest pins itself.
    pub said: Pin,
    pub known: Known,
    pub effect: Effect,
}

/// What the host knows of an object that may be written.
pub(super) struct Known {
    /// The object, to be pinned where the guest says nothing; absent when there is none, and when the
    /// host does not know.
    pub object: Option<Arc<Object>>,
    /// Whether it must be, and stay, a child of the object under reconcile.
    pub children_only: bool,
    /// Of the object under reconcile itself: the uid that it began with. It is not made again under its name.
    pub own_uid: Option<Box<str>>,
}

/// What success means for the caches.
pub(super) enum Effect {
    /// The answer is the object.
    Written {
        /// Whether it was stored and is whole.
        observe: bool,
        /// Remembered, so that it need not be sent again.
        apply: Option<(ApplyId, String)>,
    },
    /// The answer tells of a deletion.
    Deleted,
}

/// A write that succeeded.
pub(super) struct Reply {
    /// The answer.
    pub text: String,
    /// What the object was when the write was sent.
    pub known: Option<Arc<Object>>,
}

impl ReconcileApi {
    /// Sends a write. Dropping this future sends nothing more, but what was sent is still waited for.
    pub(super) async fn pass(&self, write: Outgoing) -> Result<Reply, Error> {
        let (guest, reply) = oneshot::channel();
        self.outstanding.spawn(Gate { api: self.clone(), write }.run(guest));
        reply.await.unwrap_or_else(|_| Err(Error::new(Reason::Other, "a write was lost")))
    }
}

/// One write on its way.
struct Gate {
    api: ReconcileApi,
    write: Outgoing,
}

/// What an attempt came to within its window.
enum Attempt {
    Succeeded(String),
    /// Not carried out.
    Refused(Box<kube::Error>),
    /// Nobody knows; the error says so.
    Open(Error),
}

impl Gate {
    async fn run(mut self, mut guest: oneshot::Sender<Result<Reply, Error>>) {
        let mut left = WRITE_ATTEMPTS;
        let result = loop {
            let shared = Arc::clone(&self.api.shared);
            let place = tokio::select! {
                biased;
                () = guest.closed() => return,
                place = shared.requests.admit() => place,
            };
            let mut flight = match self.launch() {
                Ok(flight) => flight,
                Err(refused) => break Err(refused),
            };
            let refusal = match flight.within_window().await {
                Attempt::Succeeded(text) => break Ok(self.take_in(text)),
                Attempt::Refused(refusal) => refusal,
                Attempt::Open(why) => {
                    let _ = guest.send(Err(why));
                    return self.listen(flight).await;
                }
            };
            drop(place);
            left -= 1;
            let again = tokio::select! {
                again = self.recover(&refusal, left) => again,
                () = guest.closed() => return,
            };
            if let Err(told) = again {
                break Err(told);
            }
        };
        // It may have been interrupted meanwhile.
        let _ = guest.send(result);
    }

    /// Sends the request, if that may still be done.
    fn launch(&self) -> Result<Flight, Error> {
        let window = self.api.permit.write_window().ok_or_else(not_owner)?;
        if window < MIN_WINDOW {
            return Err(too_late());
        }
        let body = self.write.payload.body(&self.pin())?;
        let mut request = self.write.request.request(body, window)?;
        let connection = capture_connection(&mut request);
        let client = self.api.shared.client.clone();
        let answer = async move { client.request_text(request).await }.boxed();
        Ok(Flight { answer: Some(answer), connection, deadline: Instant::now() + window })
    }

    /// What the host adds. What is to be created is not the object that is there.
    fn pin(&self) -> Pin {
        if self.write.verb == Verb::Create || !self.api.shared.safeguards.has(Safeguard::Pin) {
            return Pin::default();
        }
        let Known { object, own_uid, .. } = &self.write.known;
        let own_uid = own_uid.as_deref().filter(|_| self.write.said.uid.is_none());
        let pin = self.write.said.missing(object.as_deref());
        Pin { uid: pin.uid.or_else(|| own_uid.map(str::to_owned)), ..pin }
    }

    /// Prepares another attempt after one that was not carried out, or says what the guest is told.
    async fn recover(&mut self, refusal: &kube::Error, left: usize) -> Result<(), Error> {
        let told = error::to_guest(refusal);
        match told.reason {
            _ if left == 0 => Err(told),
            Reason::TooManyRequests => self.wait_as_asked(told).await,
            Reason::Conflict if !error::is_of_field_managers(refusal) => self.learn_version(told).await,
            _ => Err(told),
        }
    }

    async fn wait_as_asked(&self, told: Error) -> Result<(), Error> {
        let wait = told.retry_after_ms.map_or(BUSY_WAIT, Duration::from_millis);
        let window = self.api.permit.write_window().ok_or_else(not_owner)?;
        if wait >= window {
            return Err(told);
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// After a conflict that a version added by the host may have caused: reads the object again, and
    /// accepts its new version if it is still the object that the write is for.
    async fn learn_version(&mut self, conflict: Error) -> Result<(), Error> {
        let pinned = self.pin().version.and_then(|_| self.write.known.object.clone());
        let Some(known) = pinned else { return Err(conflict) };
        let (kind, key) = (&self.write.kind, &self.write.key);
        let window = self.api.permit.write_window().ok_or_else(not_owner)?;
        let fresh = match timeout(window, self.api.fetch(kind, key, Source::Live)).await {
            Err(_) => return Err(conflict),
            // To an apply, an object that is gone is one to make, unless it is the one under reconcile.
            Ok(Err(Error { reason: Reason::NotFound, .. }))
                if self.write.request.makes() && self.write.known.own_uid.is_none() =>
            {
                None
            }
            Ok(fresh) => Some(fresh?),
        };
        if let Some(fresh) = &fresh {
            if fresh.uid != known.uid {
                return Err(replaced(kind, key, &known.uid, &fresh.uid));
            }
            if fresh.resource_version == known.resource_version {
                return Err(conflict);
            }
            if self.write.known.children_only && !self.api.is_child(fresh) {
                return Err(self.api.not_a_child(self.write.verb.as_str(), kind, key));
            }
        }
        self.write.known.object = fresh;
        Ok(())
    }

    /// The caches learn of it before the guest does.
    fn take_in(&mut self, text: String) -> Reply {
        self.observe(&text);
        Reply { text, known: self.write.known.object.take() }
    }

    /// Waits for what can still come of a write whose outcome the guest was told is open.
    async fn listen(self, flight: Flight) {
        if let Some(text) = flight.late().await {
            self.observe(&text);
        }
    }

    fn observe(&self, text: &str) {
        let Outgoing { kind, key, known, effect, .. } = &self.write;
        let caches = &self.api.shared.caches;
        match effect {
            Effect::Deleted => {
                let uid = known.object.as_deref().map(|known| &*known.uid);
                observe_delete(caches, kind, key, text, uid);
            }
            Effect::Written { observe, apply } => {
                let Ok(object) = Object::parse(text, kind) else { return };
                if *observe {
                    caches.observe_write(kind, &object);
                }
                if let Some((id, applied)) = apply {
                    self.api.shared.applied.remember(id.clone(), applied, &object);
                }
            }
        }
    }
}

/// One request under way.
struct Flight {
    /// Absent once it came.
    answer: Option<BoxFuture<'static, Result<String, kube::Error>>>,
    connection: CaptureConnection,
    deadline: Instant,
}

impl Flight {
    async fn within_window(&mut self) -> Attempt {
        let Some(answer) = &mut self.answer else { return Attempt::Open(timed_out()) };
        let Ok(answer) = timeout_at(self.deadline, answer).await else {
            return Attempt::Open(timed_out());
        };
        self.answer = None;
        match answer {
            Ok(text) => Attempt::Succeeded(text),
            Err(failure) if error::is_open(&failure) => Attempt::Open(error::to_guest(&failure)),
            Err(failure) => Attempt::Refused(Box::new(failure)),
        }
    }

    /// What comes in the margin. A request that found no connection was never sent: nothing to wait for.
    async fn late(self) -> Option<String> {
        if self.connection.connection_metadata().is_none() {
            return None;
        }
        let end = self.deadline + LATE_MARGIN;
        match self.answer {
            Some(answer) => timeout_at(end, answer).await.ok()?.ok(),
            None => {
                tokio::time::sleep_until(end).await;
                None
            }
        }
    }
}

/// A Status says that the object is gone; an object is still there while a finalizer holds it.
fn observe_delete(caches: &Caches, kind: &Kind, key: &ObjectKey, text: &str, known_uid: Option<&str>) {
    let answer: Value = serde_json::from_str(text).unwrap_or_default();
    let held = answer.pointer("/metadata/deletionTimestamp").is_some();
    if held && let Ok(object) = Object::parse(text, kind) {
        return caches.observe_write(kind, &object);
    }
    let uid = answer.pointer("/details/uid").or_else(|| answer.pointer("/metadata/uid"));
    if let Some(uid) = uid.and_then(Value::as_str).or(known_uid) {
        caches.forget_deleted(kind, key, uid);
    }
}

/// A namesake stands where the object was that a write is for.
pub(super) fn replaced(kind: &Kind, key: &ObjectKey, before: &str, now: &str) -> Error {
    let message = format!(
        "{} {key} was replaced: it had uid {before} and now has {now}; nothing was written to the new one",
        kind.kind
    );
    Error::new(Reason::Conflict, message)
}

/// The object under reconcile was removed before its finalizers were.
pub(super) fn removed(kind: &Kind, key: &ObjectKey) -> Error {
    let message = format!("{} {key} is gone: it was removed although a finalizer held it", kind.kind);
    Error::new(Reason::NotFound, message)
}

fn not_owner() -> Error {
    Error::new(
        Reason::NotOwner,
        "this host no longer owns the object under reconcile; return without retrying",
    )
}

/// Ownership is about to lapse unless a renewal gets through: not lost, and not to be relied on.
fn too_late() -> Error {
    Error::new(
        Reason::Unavailable,
        "this host's ownership was not renewed in time to begin a write; nothing was sent",
    )
}

fn timed_out() -> Error {
    Error::new(Reason::Timeout, "the API server did not answer in time; the write may still take effect")
}

#[cfg(test)]
mod tests;

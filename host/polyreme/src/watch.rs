//! The watch of one cache: kube's `watcher` over a type that keeps the object's bytes.
//!
//! The watcher lists, watches, resumes after a broken connection and lists again after a 410; this
//! file feeds its cache, and says how it is doing in words that name the remedy. An event that cannot
//! be decoded is never skipped: the watch starts again from a list, as it does when somebody needs one.
//!
//! Of an object no more is read here than says where it belongs: the cache reads the rest of what it keeps.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use backon::ExponentialBuilder;
use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ApiResource};
use kube::core::{DynamicResourceScope, Resource as KubeResource};
use kube::runtime::watcher::{self, Event, ExponentialBackoff};
use kube::runtime::{WatchStreamExt, watcher as kube_watcher};
use kube::{Client, Error as KubeError};
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::cache::state::Source;
use crate::cache::{Cache, Health};
use crate::explain;
use crate::metrics::WatchMetrics;
use crate::object::{Identity, Object, ObjectKey, Owner, OwnerReference, ResourceVersion, controller_of};

/// First wait after a failed list or watch.
const RETRY_MIN: Duration = Duration::from_millis(100);
/// Longest wait: an API server that is back is noticed within it.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// kube's watcher is silent when a broken watch is taken up again. No failure for this long after the
/// last one, twice the longest wait, means that it was.
const RECOVERED_AFTER: Duration = Duration::from_secs(10);

/// An object as it came off the wire, with no more parsed than decides where it belongs.
#[derive(Clone, Debug)]
struct Received {
    text: Box<RawValue>,
    key: ObjectKey,
    uid: Box<str>,
    version: ResourceVersion,
    controller: Option<Owner>,
    /// A finalizer holds it, and nobody has asked for its deletion.
    is_held: bool,
    /// What kube's watcher asks for.
    metadata: ObjectMeta,
}

impl<'de> Deserialize<'de> for Received {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Head {
            metadata: Metadata,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Metadata {
            #[serde(default)]
            name: Box<str>,
            namespace: Option<Box<str>>,
            #[serde(default)]
            uid: Box<str>,
            resource_version: Option<String>,
            owner_references: Option<Vec<OwnerReference>>,
            finalizers: Option<Vec<IgnoredAny>>,
            deletion_timestamp: Option<IgnoredAny>,
        }
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let Head { metadata } = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
        Ok(Self {
            text,
            key: ObjectKey::new(metadata.namespace.as_deref(), &metadata.name),
            uid: metadata.uid,
            version: ResourceVersion(metadata.resource_version.clone().unwrap_or_default().into()),
            controller: controller_of(metadata.owner_references),
            is_held: metadata.deletion_timestamp.is_none()
                && metadata.finalizers.is_some_and(|all| !all.is_empty()),
            metadata: ObjectMeta { resource_version: metadata.resource_version, ..ObjectMeta::default() },
        })
    }
}

impl Received {
    fn identity(&self) -> Identity<'_> {
        Identity {
            key: &self.key,
            uid: &self.uid,
            resource_version: &self.version,
            controller: self.controller.as_ref(),
            labels: None,
        }
    }
}

impl KubeResource for Received {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(api: &ApiResource) -> std::borrow::Cow<'_, str> {
        api.kind.as_str().into()
    }
    fn group(api: &ApiResource) -> std::borrow::Cow<'_, str> {
        api.group.as_str().into()
    }
    fn version(api: &ApiResource) -> std::borrow::Cow<'_, str> {
        api.version.as_str().into()
    }
    fn api_version(api: &ApiResource) -> std::borrow::Cow<'_, str> {
        api.api_version.as_str().into()
    }
    fn plural(api: &ApiResource) -> std::borrow::Cow<'_, str> {
        api.plural.as_str().into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Keeps a cache up to date until the task is dropped.
pub async fn run(cache: Arc<Cache>, client: Client, metrics: WatchMetrics) {
    loop {
        follow(&cache, client.clone(), &metrics).await;
        metrics.restarted();
    }
}

/// Follows one watcher until it must be started anew.
async fn follow(cache: &Cache, client: Client, metrics: &WatchMetrics) {
    let api: Api<Received> = Api::all_with(client, &cache.resource.api);
    let config = watcher::Config::default().labels(&cache.id.selector);
    let backoff = ExponentialBuilder::new().with_min_delay(RETRY_MIN).with_max_delay(RETRY_MAX);
    let backoff = ExponentialBackoff::from(backoff.with_jitter().without_max_times());
    let mut events = pin!(kube_watcher(api, config).backoff(backoff));
    loop {
        let next = tokio::select! {
            next = timeout(RECOVERED_AFTER, events.next()) => next,
            () = cache.list_asked_for() => return,
        };
        match next {
            Err(_) => recovered(cache),
            Ok(None) => return,
            Ok(Some(Ok(event))) => {
                observe(cache, event);
                recovered(cache);
            }
            Ok(Some(Err(failure))) => {
                metrics.failed();
                report(cache, &failure);
                if is_undecodable(&failure) {
                    return;
                }
            }
        }
    }
}

/// Only a full list makes a cache synced; after that, a watch that goes on does.
fn recovered(cache: &Cache) {
    if cache.is_listed() {
        cache.set_health(Health::Synced);
    }
}

fn observe(cache: &Cache, event: Event<Received>) {
    match event {
        Event::Init => cache.begin_relist(),
        Event::InitDone => cache.end_relist(),
        Event::InitApply(received) => take(cache, &received, Source::List),
        Event::Apply(received) => {
            take(cache, &received, Source::Watch);
            cache.progressed(&received.version);
        }
        Event::Delete(received) => {
            if received.is_held {
                bury(cache, &received);
            }
            cache.observe_deleted(&received.identity());
            cache.progressed(&received.version);
        }
    }
}

fn take(cache: &Cache, received: &Received, source: Source) {
    if let Err(failure) = cache.receive(&received.identity(), received.text.get(), source) {
        // A server that sends an object without a name is beyond repair by this host.
        warn!(kind = %cache.id.kind, %failure, "the API server sent what is no object");
    }
}

/// What is deleted in order is being deleted before it is gone. What is gone all of a sudden was removed under its
/// finalizers, or is no longer selected.
fn bury(cache: &Cache, received: &Received) {
    // Text that is no object was refused when it came.
    if let Ok(last) = Object::parse(received.text.get(), &cache.id.kind) {
        cache.bury(&Arc::new(last.as_deleting(Timestamp::now())));
    }
}

fn report(cache: &Cache, failure: &watcher::Error) {
    let advice = explain::watch_error(failure, &cache.resource.api);
    if cache.health() == Health::Failing(advice.clone()) {
        debug!(kind = %cache.id.kind, "{advice}");
    } else {
        warn!(kind = %cache.id.kind, "{advice}");
    }
    if !matches!(failure, watcher::Error::WatchError(status) if status.code == 410) {
        cache.set_health(Health::Failing(advice));
    }
}

fn is_undecodable(failure: &watcher::Error) -> bool {
    matches!(failure, watcher::Error::WatchFailed(KubeError::SerdeError(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::WatchEvent;

    fn event(text: &str) -> Result<WatchEvent<Received>, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn the_bytes_of_an_event_are_kept() {
        let text = r#"{"type":"ADDED","object":{"kind":"X","metadata":{"name":"a","resourceVersion":"5"},"spec":{"n":1.50}}}"#;
        let Ok(WatchEvent::Added(received)) = event(text) else { panic!("not an added object") };
        assert!(received.text.get().contains("1.50"));
        assert_eq!(received.metadata.resource_version.as_deref(), Some("5"));
        assert_eq!((&*received.key.name, &*received.version.0), ("a", "5"));
    }

    #[test]
    fn an_event_in_the_other_order_is_an_error_and_no_panic() {
        assert!(event(r#"{"object":{"metadata":{"name":"a"}},"type":"ADDED"}"#).is_err());
        assert!(event(r#"{"type":"ADDED","object":{"no":"metadata"}}"#).is_err());
        assert!(is_undecodable(&watcher::Error::WatchFailed(KubeError::SerdeError(event("{").unwrap_err()))));
    }

    #[test]
    fn what_is_gone_without_having_been_deleted_was_held() {
        let held = |metadata: &str| {
            let text = format!(r#"{{"type":"DELETED","object":{{"metadata":{{"name":"a"{metadata}}}}}}}"#);
            let Ok(WatchEvent::Deleted(received)) = event(&text) else { panic!("not a deleted object") };
            received.is_held
        };
        assert!(held(r#","finalizers":["a.test/b"]"#));
        assert!(!held(r#","finalizers":["a.test/b"],"deletionTimestamp":"2026-01-02T03:04:05Z""#));
        assert!(!held("") && !held(r#","finalizers":[]"#) && !held(r#","finalizers":null"#));
    }

    #[test]
    fn bookmarks_and_errors_are_told_apart() {
        let bookmark = r#"{"type":"BOOKMARK","object":{"kind":"X","apiVersion":"v1","metadata":{"resourceVersion":"9"}}}"#;
        assert!(matches!(event(bookmark), Ok(WatchEvent::Bookmark(_))));
        let gone = r#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}"#;
        assert!(matches!(event(gone), Ok(WatchEvent::Error(status)) if status.code == 410));
    }
}

//! Strategy `label`: an external sharder says by labels on the objects which host reconciles them.
//!
//! The protocol is that of [kubernetes-controller-sharding](https://github.com/timebertt/kubernetes-controller-sharding)
//! (docs/implement-sharding.md there). A host is a shard: it keeps a Lease of its own, named like its
//! holder and labelled with the ControllerRing, and works only while it holds it. Objects carry
//! `shard.alpha.sharding.timebertt.dev/<ring>=<shard>`. Before an object moves, the sharder adds
//! `drain.alpha.sharding.timebertt.dev/<ring>`; the shard stops reconciling the object and acknowledges by
//! removing both labels, at the version that it saw.
//!
//! Safety is the sharder's: it must not give away a shard's objects before `leaseDurationSeconds` have
//! passed. This host stops `holdFor` after it sent its last successful renewal, which is less.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::api::{Api, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Client, Error as KubeError};
use parking_lot::RwLock;
use polyreme_ownership::{Lane, Timing};
use serde_json::json;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::clock::RingClock;
use super::lane::LaneSlots;
use super::leases::micro_time;
use crate::admin::Readiness;
use crate::cache::Resource;
use crate::object::Object;

/// Label of a shard's Lease: its ControllerRing.
const RING_LABEL: &str = "alpha.sharding.timebertt.dev/controllerring";
/// Label of an object, completed by the ring's name: its shard.
const SHARD_PREFIX: &str = "shard.alpha.sharding.timebertt.dev/";
/// Label of an object, completed by the ring's name: it is to move.
const DRAIN_PREFIX: &str = "drain.alpha.sharding.timebertt.dev/";

/// What a shard is made of.
pub struct ShardSettings {
    /// Name of the ControllerRing.
    pub ring: String,
    /// Name of this shard: of its Lease, and the value of the objects' label.
    pub shard: String,
    /// Where the Lease lives.
    pub namespace: String,
    /// `holdFor`, `fenceAfter` (which the Lease says as its duration) and `renewEvery`.
    pub timing: Timing,
    /// Names of the controllers of this host at the start.
    pub controllers: Vec<String>,
}

/// See the module's story.
pub struct Shard {
    labels: ShardLabels,
    lanes: Arc<Lanes>,
    leave: CancellationToken,
    state: watch::Receiver<State>,
}

/// Where a shard is with its Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Holding,
    Released,
}

/// The labels of one shard's objects.
#[derive(Clone, Debug)]
pub struct ShardLabels {
    shard_key: String,
    drain_key: String,
    shard: String,
}

impl ShardLabels {
    fn new(ring: &str, shard: &str) -> Self {
        Self {
            shard_key: format!("{SHARD_PREFIX}{ring}"),
            drain_key: format!("{DRAIN_PREFIX}{ring}"),
            shard: shard.to_owned(),
        }
    }

    /// Selects the objects of this shard.
    #[must_use]
    pub fn selector(&self) -> String {
        format!("{}={}", self.shard_key, self.shard)
    }

    /// Whether an object is to move, or has moved already.
    #[must_use]
    pub fn is_leaving(&self, object: &Object) -> bool {
        object.label(&self.drain_key).is_some() || object.label(&self.shard_key) != Some(&self.shard)
    }

    /// Tells the sharder that nothing runs on an object any more.
    ///
    /// # Errors
    /// When the API server refuses; an object that changed meanwhile comes again by the watch.
    pub async fn acknowledge(
        &self,
        client: &Client,
        resource: &Resource,
        object: &Object,
    ) -> Result<(), KubeError> {
        let api: Api<DynamicObject> = match object.key.namespace.as_deref() {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource.api),
            None => Api::all_with(client.clone(), &resource.api),
        };
        let patch = json!({ "metadata": {
            "uid": object.uid,
            "resourceVersion": object.resource_version.0,
            "labels": { &self.shard_key: null, &self.drain_key: null },
        }});
        let params = PatchParams { field_manager: Some("polyreme".to_owned()), ..PatchParams::default() };
        api.patch_metadata(&object.key.name, &params, &Patch::Merge(patch)).await.map(drop)
    }
}

impl Shard {
    /// Acquires the Lease in the background, in a task of `background`.
    #[must_use]
    pub fn start(
        settings: ShardSettings,
        client: Client,
        readiness: Readiness,
        background: &mut JoinSet<()>,
    ) -> Self {
        let clock = RingClock::new();
        let lanes = Arc::new(Lanes { clock, drained: Arc::default(), all: RwLock::default() });
        for controller in &settings.controllers {
            lanes.load(controller);
        }
        let labels = ShardLabels::new(&settings.ring, &settings.shard);
        let leave = CancellationToken::new();
        let (state, receiver) = watch::channel(State::Waiting);
        let api = Api::namespaced(client, &settings.namespace);
        let keeper = Keeper { api, settings, clock, lanes: Arc::clone(&lanes), readiness, state };
        background.spawn(keeper.run(leave.clone()));
        Self { labels, lanes, leave, state: receiver }
    }

    /// The labels of its objects.
    #[must_use]
    pub fn labels(&self) -> &ShardLabels {
        &self.labels
    }

    /// The slots of a controller, which takes part from now on if it does not yet.
    #[must_use]
    pub fn load(&self, controller: &str) -> Arc<LaneSlots> {
        self.lanes.load(controller)
    }

    /// Takes a controller out, of which nothing may run any more.
    pub fn unload(&self, controller: &str) {
        self.lanes.all.write().remove(controller);
    }

    /// Waits until the Lease is held.
    pub async fn joined(&self) {
        let _ = self.state.clone().wait_for(|state| *state != State::Waiting).await;
    }

    /// Stops working and releases the Lease, so that the sharder need not wait for it to expire.
    pub async fn leave(&self) {
        self.leave.cancel();
        let _ = self.state.clone().wait_for(|state| *state == State::Released).await;
    }
}

/// The controllers of a shard.
struct Lanes {
    clock: RingClock,
    drained: Arc<Notify>,
    all: RwLock<BTreeMap<Lane, Arc<LaneSlots>>>,
}

impl Lanes {
    fn load(&self, controller: &str) -> Arc<LaneSlots> {
        let lane = Lane::from(controller);
        let new = || {
            let drained = Arc::clone(&self.drained);
            Arc::new(LaneSlots::everything_while_valid(lane.clone(), self.clock, drained))
        };
        Arc::clone(self.all.write().entry(lane.clone()).or_insert_with(new))
    }

    fn each(&self, act: impl FnMut(&Arc<LaneSlots>)) {
        self.all.read().values().for_each(act);
    }
}

/// Keeps the Lease of a shard.
struct Keeper {
    api: Api<Lease>,
    settings: ShardSettings,
    clock: RingClock,
    lanes: Arc<Lanes>,
    readiness: Readiness,
    state: watch::Sender<State>,
}

/// A Lease in somebody else's hands, and since when it has not changed by this host's clock.
struct Rival {
    version: Option<String>,
    since: Duration,
}

impl Keeper {
    async fn run(self, leave: CancellationToken) {
        let mut valid_until = Duration::ZERO;
        let mut rival = Rival { version: None, since: Duration::ZERO };
        while !leave.is_cancelled() {
            let sent = self.clock.now();
            match self.renew(&mut rival).await {
                Ok(true) => {
                    valid_until = sent + self.settings.timing.hold_for - self.settings.timing.write_margin()
                }
                Ok(false) => valid_until = Duration::ZERO,
                Err(why) => {
                    warn!(shard = self.settings.shard, "failed to renew the Lease of this shard: {why}")
                }
            }
            self.publish(valid_until);
            let next = self.clock.instant((sent + self.settings.timing.renew_every).max(self.clock.now()));
            tokio::select! {
                () = tokio::time::sleep_until(next) => (),
                () = self.interrupt_at(valid_until), if valid_until > self.clock.now() => (),
                () = leave.cancelled() => (),
            }
        }
        self.release().await;
    }

    /// Interrupts what runs when the validity ends before a renewal succeeded.
    async fn interrupt_at(&self, valid_until: Duration) {
        tokio::time::sleep_until(self.clock.instant(valid_until)).await;
        self.lanes.each(|lane| lane.revoke_all());
    }

    fn publish(&self, valid_until: Duration) {
        let is_valid = valid_until > self.clock.now();
        self.lanes.each(|lane| {
            lane.set_valid_until(Some(valid_until));
            if !is_valid {
                lane.revoke_all();
            }
        });
        let shard = &self.settings.shard;
        let waiting = || format!("waiting for the Lease {shard} of this shard");
        self.readiness
            .set(&format!("ring/{}", self.settings.ring), if is_valid { Ok(()) } else { Err(waiting()) });
        if is_valid && *self.state.borrow() == State::Waiting {
            info!(shard, ring = self.settings.ring, "holding the Lease of this shard");
            self.state.send_replace(State::Holding);
        }
    }

    /// Takes or renews the Lease; whether it is held.
    async fn renew(&self, rival: &mut Rival) -> Result<bool, String> {
        let shard = self.settings.shard.as_str();
        let Some(known) = self.answered(self.api.get_opt(shard)).await? else {
            self.answered(self.api.create(&PostParams::default(), &self.lease(None, shard))).await?;
            return Ok(true);
        };
        let spec = known.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        if !holder.is_empty() && holder != shard && !self.has_expired(rival, &known, &spec) {
            return Ok(false);
        }
        self.answered(self.api.replace(shard, &PostParams::default(), &self.lease(Some(known), shard)))
            .await?;
        Ok(true)
    }

    /// Whether whoever holds the Lease has let it expire, as seen from here.
    fn has_expired(&self, rival: &mut Rival, known: &Lease, spec: &LeaseSpec) -> bool {
        if rival.version != known.metadata.resource_version {
            *rival = Rival { version: known.metadata.resource_version.clone(), since: self.clock.now() };
        }
        let seconds = u64::try_from(spec.lease_duration_seconds.unwrap_or(0)).unwrap_or(0);
        self.clock.now() >= rival.since + Duration::from_secs(seconds)
    }

    /// The Lease as this shard writes it, at the version that it read.
    fn lease(&self, known: Option<Lease>, holder: &str) -> Lease {
        let Lease { metadata: before, spec } = known.unwrap_or_default();
        let spec = spec.unwrap_or_default();
        let is_ours = spec.holder_identity.as_deref() == Some(&self.settings.shard);
        let mut labels = before.labels.unwrap_or_default();
        labels.insert(RING_LABEL.to_owned(), self.settings.ring.clone());
        let transitions = spec.lease_transitions.unwrap_or(0);
        Lease {
            metadata: ObjectMeta {
                name: Some(self.settings.shard.clone()),
                uid: before.uid,
                resource_version: before.resource_version,
                annotations: before.annotations,
                labels: Some(labels),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(holder.to_owned()),
                lease_duration_seconds: i32::try_from(self.settings.timing.fence_after.as_secs()).ok(),
                acquire_time: if is_ours { spec.acquire_time } else { Some(micro_time()) },
                renew_time: Some(micro_time()),
                lease_transitions: Some(if is_ours { transitions } else { transitions.saturating_add(1) }),
                ..LeaseSpec::default()
            }),
        }
    }

    /// Waits until nothing runs, then gives the Lease back.
    async fn release(self) {
        self.lanes.each(|lane| lane.drain_all());
        while !self.lanes.all.read().values().all(|lane| lane.is_idle()) {
            self.lanes.drained.notified().await;
        }
        let shard = self.settings.shard.as_str();
        match self.answered(self.api.get_opt(shard)).await {
            Ok(Some(known)) => {
                let lease = self.lease(Some(known), "");
                if let Err(why) = self.answered(self.api.replace(shard, &PostParams::default(), &lease)).await
                {
                    warn!(shard, "failed to release the Lease of this shard: {why}");
                }
            }
            Ok(None) => (),
            Err(why) => warn!(shard, "failed to release the Lease of this shard: {why}"),
        }
        self.state.send_replace(State::Released);
    }

    async fn answered<T>(&self, request: impl Future<Output = Result<T, KubeError>>) -> Result<T, String> {
        match tokio::time::timeout(self.settings.timing.request_timeout(), request).await {
            Ok(answer) => answer.map_err(|failure| crate::explain::request_error(&failure)),
            Err(_) => Err("the API server did not answer in time".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Kind;

    fn object(labels: &str) -> Object {
        let text =
            format!(r#"{{"metadata":{{"name":"a","uid":"u","resourceVersion":"1","labels":{labels}}}}}"#);
        Object::parse(&text, &Kind::new("v1", "ConfigMap")).unwrap()
    }

    #[test]
    fn only_objects_with_the_shards_label_and_without_the_drain_label_stay() {
        let labels = ShardLabels::new("web", "host-0");
        assert_eq!(labels.selector(), "shard.alpha.sharding.timebertt.dev/web=host-0");
        let mine = r#"{"shard.alpha.sharding.timebertt.dev/web":"host-0"}"#;
        assert!(!labels.is_leaving(&object(mine)));
        let draining = r#"{"shard.alpha.sharding.timebertt.dev/web":"host-0","drain.alpha.sharding.timebertt.dev/web":"true"}"#;
        for other in [draining, "{}", &mine.replace("host-0", "host-1"), &mine.replace("/web", "/other")] {
            assert!(labels.is_leaving(&object(other)), "{other}");
        }
    }
}

//! The driver: feeds the state machine with what happened, and does what it says.
//!
//! One task for each ring. Everything it waits for is in one `select!`; requests, barriers and drain
//! deadlines are tasks whose ends it hears of. State that workers see changes here and nowhere else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use backon::ExponentialBuilder;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use k8s_openapi::api::coordination::v1::Lease;
use kube::runtime::watcher::{self, Event, ExponentialBackoff};
use kube::runtime::{WatchStreamExt as _, watcher as kube_watcher};
use polyreme_ownership::member::{Loss, Phase, Slots};
use polyreme_ownership::{Effect, Input, Lane, Lock, Member, MemberId, SlotSet, SlotState};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::lanes::{LaneHandle, Lanes, Modules};
use super::publish::{Handovers, check_overlap, publish};
use super::recent::Recent;
use super::requests::{Answer, delete, fence, renew, write_table};
use super::{Shared, State};
use crate::cache;
use crate::ownership::Safeguard;
use crate::ownership::leases::{Known, known};
use crate::ownership::names::table_lease;
use crate::queue::schedule::Priority;

/// First and longest wait before the Leases are watched again.
const WATCH_RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How long a lost incarnation waits for what runs to end; by then its validity is long over.
const END_PATIENCE: Duration = Duration::from_secs(60);

/// A watch that has shown nothing for this share of `hold_for` after a renewal is dead (4 s of the default 10): there
/// is time to list the Leases before others would be taken for silent.
const DEAF_DIVISOR: f64 = 2.5;

type Events = BoxStream<'static, Result<Event<Lease>, watcher::Error>>;

/// See the module's story.
pub(super) struct Driver {
    shared: Arc<Shared>,
    lanes: Arc<Lanes>,
    state: watch::Sender<State>,
}

/// One incarnation of the host as a member.
struct Incarnation<'a> {
    driver: &'a Driver,
    member: Member,
    tasks: JoinSet<Answer>,
    /// Members and table that the list under way has not shown yet.
    unlisted: BTreeSet<String>,
    /// Names of all Leases seen, so that a list can tell which vanished.
    known: BTreeSet<String>,
    draining: bool,
    handovers: Handovers,
    recent: Recent,
    /// Why the last renewal failed, until one succeeds.
    trouble: Option<String>,
    /// Why the table could not be written, until it can.
    table_trouble: Option<String>,
    /// The own Lease as the watch last showed it.
    shown: Option<Lock>,
    /// When the first renewal was answered that the watch has not shown, nor anything after it.
    unheard_since: Option<Duration>,
    end: Option<End>,
}

/// How an incarnation ends.
enum End {
    Left,
    /// With the newest generation of the table that it knew.
    Lost(Loss, Option<u64>),
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>, lanes: Arc<Lanes>, state: watch::Sender<State>) -> Self {
        Self { shared, lanes, state }
    }

    /// Takes part in the ring until this host has left it.
    pub(super) async fn run(self, leave: CancellationToken) {
        let mut knew_generation = None;
        let (mut loaded, mut modules) = (self.lanes.loaded(), self.lanes.modules());
        loop {
            self.lanes.forget(|_| false);
            let (lanes, runs) = (loaded.borrow_and_update().clone(), modules.borrow_and_update().clone());
            let config = self.shared.member(lanes, runs, knew_generation);
            let incarnation = Incarnation::new(&self, Member::new(config));
            match incarnation.run(&leave, &mut loaded, &mut modules).await {
                End::Left => break,
                End::Lost(why, generation) => {
                    self.start_over(why).await;
                    knew_generation = generation.or(Some(0));
                }
            }
        }
        self.state.send_replace(State::Left);
    }

    /// Ends everything that the lost incarnation did.
    async fn start_over(&self, why: Loss) {
        let ring = &self.shared.settings.ring;
        error!(ring, "{why}; giving up all slots and joining again");
        self.state.send_replace(State::Outside);
        self.ready(Err(format!("{why}; joining ring {ring} again")));
        let idle = async {
            while !self.lanes.all().values().all(|lane| lane.slots.is_idle()) {
                self.shared.drained.notified().await;
            }
        };
        if tokio::time::timeout(END_PATIENCE, idle).await.is_err() {
            warn!(ring, "reconciles of the lost incarnation still run; they can no longer write");
        }
        self.lanes.all().values().for_each(|lane| lane.evict(&self.shared.caches));
    }

    fn ready(&self, state: Result<(), String>) {
        self.shared.readiness.set(&format!("ring/{}", self.shared.settings.ring), state);
    }

    fn events(&self) -> Events {
        let backoff = ExponentialBuilder::new().with_min_delay(WATCH_RETRY.0).with_max_delay(WATCH_RETRY.1);
        let backoff = ExponentialBackoff::from(backoff.with_jitter().without_max_times());
        let config = watcher::Config::default().labels(&self.shared.leases.selector());
        kube_watcher(self.shared.leases.api(), config).backoff(backoff).boxed()
    }
}

impl<'a> Incarnation<'a> {
    fn new(driver: &'a Driver, member: Member) -> Self {
        Self {
            driver,
            member,
            tasks: JoinSet::new(),
            unlisted: BTreeSet::new(),
            known: BTreeSet::new(),
            draining: false,
            handovers: Handovers::default(),
            recent: Recent::new(&driver.shared.settings.config.timing),
            trouble: None,
            table_trouble: None,
            shown: None,
            unheard_since: None,
            end: None,
        }
    }

    async fn run(
        mut self,
        leave: &CancellationToken,
        loaded: &mut watch::Receiver<BTreeSet<Lane>>,
        modules: &mut watch::Receiver<Modules>,
    ) -> End {
        let shared = Arc::clone(&self.driver.shared);
        info!(ring = shared.settings.ring, member = %self.member.id(), "joining the ring");
        self.driver.ready(Err(format!("joining ring {}", shared.settings.ring)));
        let mut events = self.driver.events();
        self.step(Input::Tick);
        loop {
            if let Some(end) = self.end.take() {
                return end;
            }
            let (is_leaving, wake) = (self.member.phase() != Phase::Active, self.next_wake());
            tokio::select! {
                event = events.next() => match event {
                    Some(Ok(event)) => self.observe(event),
                    Some(Err(failure)) => debug!("failed to watch the Leases of the ring: {failure}"),
                    None => events = self.driver.events(),
                },
                Some(done) = self.tasks.join_next() => match done {
                    Ok(done) => self.hear(done),
                    Err(failure) => error!(ring = shared.settings.ring, "a task of the ring ended: {failure}"),
                },
                () = shared.drained.notified(), if self.draining => (),
                () = leave.cancelled(), if !is_leaving => {
                    info!(ring = shared.settings.ring, "leaving the ring");
                    self.step(Input::Leave);
                }
                // The driver holds the senders, so these never fail.
                Ok(()) = modules.changed() => {
                    let info = shared.info(modules.borrow_and_update().clone());
                    self.step(Input::Describes(info));
                }
                Ok(()) = loaded.changed() => {
                    let lanes = loaded.borrow_and_update().clone();
                    self.step(Input::Loads(lanes));
                }
                () = tokio::time::sleep_until(wake) => self.step(Input::Tick),
            }
            if self.is_deaf() {
                events = self.driver.events();
            }
            self.report_drained();
            self.forget_unloaded();
            self.enforce_validity();
            publish(&shared, &self.member, &self.driver.lanes.all());
        }
    }

    /// The own Lease changes with every renewal: a watch that does not show that is dead, although nobody has told
    /// this host.
    fn is_deaf(&mut self) -> bool {
        let patience = self.member.config().timing.hold_for.div_f64(DEAF_DIVISOR);
        let now = self.driver.shared.clock.now();
        let is_deaf = self.unheard_since.is_some_and(|since| now >= since + patience);
        if is_deaf {
            let ring = &self.driver.shared.settings.ring;
            warn!(ring, "the watch of the Leases is silent: starting it anew");
            self.unheard_since = None;
        }
        is_deaf
    }

    /// The end of a task.
    fn hear(&mut self, done: Answer) {
        let ring = &self.driver.shared.settings.ring;
        if let Some(why) = news(&mut self.trouble, done.trouble) {
            warn!(ring, "failed to renew the Lease of this host: {why}");
        }
        if let Some(why) = news(&mut self.table_trouble, done.table_trouble) {
            warn!(
                ring,
                "failed to write the table of the ring, nothing changes hands until it can be written: {why}"
            );
        }
        done.inputs.into_iter().for_each(|input| self.step(input));
    }

    fn next_wake(&self) -> Instant {
        let (clock, now) = (self.driver.shared.clock, self.driver.shared.clock.now());
        let end = self.end_of_writes().filter(|end| *end > now);
        let wake = self.member.wake_at(now);
        clock.instant(end.map_or(wake, |end| end.min(wake)))
    }

    /// No reconcile starts or writes from then on.
    fn end_of_writes(&self) -> Option<Duration> {
        let margin = self.member.config().timing.write_margin();
        self.member.valid_until().map(|until| until.saturating_sub(margin))
    }

    /// Interrupts everything when this host has been out of contact for too long.
    fn enforce_validity(&self) {
        let until = self.end_of_writes().unwrap_or_default();
        let is_over = until <= self.driver.shared.clock.now();
        let is_bound = self.driver.shared.safeguards.has(Safeguard::Validity);
        for lane in self.driver.lanes.all().values() {
            lane.slots.set_valid_until(is_bound.then_some(until));
            if is_over && is_bound {
                lane.slots.revoke_all();
            }
        }
        let is_member = self.member.table().is_some() && !self.member.disagrees();
        self.driver.ready(match (is_over, is_member) {
            (true, _) => Err(self.why_not_valid()),
            (false, true) => Ok(()),
            (false, false) => Err(self.why_no_member()),
        });
        if is_member && !is_over && *self.driver.state.borrow() == State::Outside {
            self.driver.state.send_replace(State::Member);
        }
    }

    fn why_not_valid(&self) -> String {
        let why = self.trouble.as_deref().unwrap_or("no contact with the API server");
        format!("this host reconciles nothing, because its Lease is not renewed: {why}")
    }

    fn why_no_member(&self) -> String {
        let Some(table) = self.member.table().filter(|_| self.member.disagrees()) else {
            return format!("waiting for the table of ring {}", self.driver.shared.settings.ring);
        };
        format!(
            "ring {} has {} slots keyed by {}, this host's configuration says {} by {}: change \
             ownership.slots and ownership.key, or use another ring",
            self.driver.shared.settings.ring,
            table.slots.get(),
            table.key.as_str(),
            self.member.config().slots.get(),
            self.member.config().key.as_str(),
        )
    }

    fn step(&mut self, input: Input) {
        let now = self.driver.shared.clock.now();
        if let Input::Renewed { lock } = &input {
            self.recent.renewed(lock, now);
            if self.shown.as_ref() != Some(lock) {
                self.unheard_since.get_or_insert(now);
            }
        }
        for effect in self.member.step(input, now) {
            self.apply(effect);
        }
    }

    fn apply(&mut self, effect: Effect) {
        let (leases, me) = (self.driver.shared.leases.clone(), self.member.id().clone());
        match effect {
            Effect::Renew { record, lock, .. } => {
                self.tasks.spawn(async move { renew(&leases, &me, &record, lock).await });
            }
            Effect::WriteTable { table, lock } => {
                self.tasks.spawn(async move { write_table(&leases, table, lock).await });
            }
            Effect::Fence { id, record, lock } => {
                self.tasks.spawn(async move { fence(&leases, id, record, lock).await.into() });
            }
            Effect::CreatePlaceholder { id, record } => {
                self.tasks.spawn(async move { fence(&leases, id, record, None).await.into() });
            }
            Effect::DeleteMember { id, lock } => {
                self.tasks.spawn(async move { delete(&leases, id, lock).await.into() });
            }
            Effect::Prepare(slots) => self.prepare(slots),
            Effect::Barrier { slots, epoch } => self.barrier(slots, epoch),
            Effect::Start { slots, epoch } => self.start(&slots, epoch),
            Effect::Stop(slots) => self.stop(slots),
            Effect::Drop(slots) => self.forget(&slots),
            Effect::Lost(why) => {
                self.driver.lanes.all().values().for_each(|lane| lane.slots.lose());
                self.end = Some(End::Lost(why, self.member.known_generation()));
            }
            Effect::Left => self.end = Some(End::Left),
        }
    }

    fn lane(&self, lane: &Lane) -> Option<LaneHandle> {
        self.driver.lanes.get(lane)
    }

    /// Slots that are this host's next: their objects are cached from now on.
    fn prepare(&mut self, Slots { lane, slots }: Slots) {
        let Some(handle) = self.lane(&lane) else { return };
        handle.slots.set(&slots, SlotState::Waiting);
        self.handovers.begin(&lane, slots.iter(), self.driver.shared.clock.now());
        self.tasks.spawn(async move {
            let Some(controller) = handle.bound().await else { return Answer::default() };
            cache::prewarm(&controller.caches, &handle.slots, &slots).await;
            Answer::default()
        });
    }

    fn barrier(&mut self, slots: Slots, epoch: u64) {
        let Some(handle) = self.lane(&slots.lane) else { return };
        handle.slots.set(&slots.slots, SlotState::Barrier { epoch });
        let client = self.driver.shared.client.clone();
        let catches_up = self.driver.shared.safeguards.has(Safeguard::Barrier);
        // The first list of a host that just started begins later than this: it is the barrier.
        let since = Instant::now();
        self.tasks.spawn(async move {
            let Some(controller) = handle.bound().await else { return Answer::default() };
            if catches_up {
                cache::catch_up(&controller.caches, &client, &handle.slots, &slots.slots, since).await;
            }
            vec![Input::BarrierPassed { slots, epoch }].into()
        });
    }

    /// Owned from now on; everything in them is looked at once.
    fn start(&mut self, slots: &Slots, epoch: u64) {
        let Some(handle) = self.lane(&slots.lane) else { return };
        handle.slots.set(&slots.slots, SlotState::Owned { epoch });
        let now = self.driver.shared.clock.now();
        for slot in slots.slots.iter() {
            let took = self.handovers.end(&slots.lane, slot, now).unwrap_or_default();
            self.driver.shared.metrics.gained(1, took);
        }
        let controller = handle.controller.borrow().clone();
        let keys = controller.as_ref().map(|c| c.primaries.keys_of(&handle.slots, &slots.slots));
        let keys = keys.unwrap_or_default();
        info!(controller = %slots.lane, slots = slots.slots.len(), objects = keys.len(), epoch, "slots acquired");
        let settled = self.recent.settled(now);
        for (key, version) in keys {
            let is_settled = settled.is_some_and(|settled| version.at_most(settled));
            if let Some(controller) = &controller {
                controller.queue.add(key, if is_settled { Priority::LOW } else { Priority::NORMAL });
            }
        }
    }

    fn stop(&mut self, slots: Slots) {
        let Some(handle) = self.lane(&slots.lane) else { return };
        handle.slots.drain(&slots.slots);
        info!(controller = %slots.lane, slots = slots.slots.len(), "releasing slots");
        self.draining = true;
        self.handovers.begin(&slots.lane, slots.slots.iter(), self.driver.shared.clock.now());
        let (lane, deadline) = (Arc::clone(&handle.slots), self.driver.shared.settings.config.drain_timeout);
        self.tasks.spawn(async move {
            tokio::time::sleep(deadline).await;
            lane.revoke_draining(&slots.slots);
            Answer::default()
        });
    }

    /// Tells the state machine which slots are drained.
    fn report_drained(&mut self) {
        if !self.draining {
            return;
        }
        for (lane, handle) in &*self.driver.lanes.all() {
            let slots = self.drained(lane, handle);
            if !slots.is_empty() {
                for slot in slots.iter() {
                    let took = self.handovers.end(lane, slot, self.driver.shared.clock.now());
                    self.driver.shared.metrics.released(1, took.unwrap_or_default());
                }
                self.step(Input::Drained(Slots { lane: lane.clone(), slots }));
            }
        }
        self.draining = self.member.slots().any(|(_, _, state)| matches!(state, SlotState::Draining { .. }));
    }

    /// Controllers that were taken out end here, once nothing of them runs.
    fn forget_unloaded(&mut self) {
        if self.driver.lanes.all().len() == self.member.config().lanes.len() {
            return;
        }
        let member = &self.member;
        for lane in self.driver.lanes.forget(|lane| member.loads(lane)) {
            info!(controller = %lane, ring = self.driver.shared.settings.ring, "controller taken out");
            self.driver.shared.metrics.forget(lane.as_str());
        }
    }

    fn drained(&self, lane: &Lane, handle: &LaneHandle) -> SlotSet {
        if self.driver.shared.safeguards.has(Safeguard::Drain) {
            return handle.slots.drained();
        }
        let slots = self.member.slots().filter(|(of, ..)| *of == lane);
        slots
            .filter(|(.., state)| matches!(state, SlotState::Draining { .. }))
            .map(|(_, slot, _)| slot)
            .collect()
    }

    fn forget(&mut self, slots: &Slots) {
        let Some(handle) = self.lane(&slots.lane) else { return };
        handle.slots.set(&slots.slots, SlotState::NotMine);
        debug!(controller = %slots.lane, slots = slots.slots.len(), "slots released");
        let caches = Arc::clone(&self.driver.shared.caches);
        self.tasks.spawn(async move {
            handle.evict(&caches);
            Answer::default()
        });
    }

    fn observe(&mut self, event: Event<Lease>) {
        self.unheard_since = None;
        match event {
            Event::Init => self.unlisted = self.known.clone(),
            Event::InitApply(lease) | Event::Apply(lease) => self.see(&lease),
            Event::Delete(lease) => self.gone(lease.metadata.name.as_deref().unwrap_or_default()),
            Event::InitDone => {
                for name in std::mem::take(&mut self.unlisted) {
                    self.gone(&name);
                }
                self.step(Input::Listed);
            }
        }
    }

    fn see(&mut self, lease: &Lease) {
        let name = lease.metadata.name.clone().unwrap_or_default();
        self.unlisted.remove(&name);
        self.known.insert(name);
        match known(lease) {
            Some(Known::Table(table, lock)) => self.step(Input::TableSeen { table, lock }),
            Some(Known::Unreadable(lock)) => self.step(Input::TableUnreadable { lock }),
            Some(Known::Member(id, record, lock)) => {
                check_overlap(&self.driver.shared, &self.member, id.as_str(), &record);
                if id == *self.member.id() {
                    self.shown = Some(lock.clone());
                }
                self.step(Input::MemberSeen { id, record, lock });
            }
            None => (),
        }
    }

    fn gone(&mut self, name: &str) {
        if !self.known.remove(name) {
            return;
        }
        if name == table_lease(&self.driver.shared.settings.ring) {
            warn!(ring = self.driver.shared.settings.ring, "the table of the ring was deleted");
            self.step(Input::TableGone);
        } else {
            self.step(Input::MemberGone { id: MemberId::from(name) });
        }
    }
}

/// A trouble that is to be said, because it was not there before. Nothing was `heard` of it when a task was about
/// something else.
fn news(known: &mut Option<String>, heard: Option<Option<String>>) -> Option<&str> {
    let heard = heard?;
    let is_new = heard.is_some() && heard != *known;
    *known = heard;
    known.as_deref().filter(|_| is_new)
}

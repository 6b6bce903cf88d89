//! Requests on their way, what the API server makes of them, and the watches.

use std::sync::Arc;
use std::time::Duration;

use polyreme_ownership::member::Refusal;
use polyreme_ownership::{Input, Lock, MemberId, MemberRecord, Table};

use super::api::{Content, Lease, Name, Outcome};
use super::node::{self, Life};
use super::{Action, Place, RequestId, Violation, World};

/// What a process asks of the API server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Body {
    Renew { record: Arc<MemberRecord>, lock: Option<Lock> },
    Table { table: Arc<Table>, lock: Option<Lock> },
    Fence { id: MemberId, record: Arc<MemberRecord>, lock: Option<Lock> },
    Placeholder { id: MemberId, record: Arc<MemberRecord> },
    Delete { id: MemberId, lock: Lock },
    Object { place: Place, epoch: u64, expects: Option<u64> },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Answer {
    Inputs(Vec<Input>),
    Object { version: u64 },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Request {
    pub(super) body: Body,
    /// Once it was carried out.
    pub(super) answer: Option<Answer>,
    pub(super) is_given_up: bool,
}

impl World {
    pub(crate) fn is_on_its_way(&self, id: RequestId) -> bool {
        self.network.get(&id).is_some_and(|request| request.answer.is_none())
    }

    /// Requests of which something is still on its way.
    pub(crate) fn requests_waiting(&self) -> usize {
        self.network.len()
    }

    /// What may become of each request.
    pub(crate) fn requests(&self) -> Vec<Action> {
        let next = |(id, request): (&RequestId, &Request)| {
            let step = if request.answer.is_none() { Action::Carry(*id) } else { Action::Answer(*id) };
            [step].into_iter().chain((!request.is_given_up).then_some(Action::GiveUp(*id)))
        };
        self.network.iter().flat_map(next).collect()
    }

    /// Whether the creation of a table may still be carried out.
    pub(crate) fn is_creating_table(&self) -> bool {
        let creates = |request: &Request| {
            request.answer.is_none() && matches!(request.body, Body::Table { lock: None, .. })
        };
        self.network.values().any(creates)
    }

    /// How long a process waits for an answer.
    pub(crate) fn patience(&self, id: RequestId) -> Duration {
        let Some(request) = self.network.get(&id) else { return Duration::ZERO };
        let clock = &self.nodes[id.node].clock;
        let work = |place| self.nodes[id.node].work.get(place)?.outstanding.get(&id).copied();
        let until = match &request.body {
            Body::Object { place, .. } => work(place),
            _ => Some(clock.at(self.now) + self.nodes[id.node].member.config().timing.request_timeout()),
        };
        until.map_or(Duration::ZERO, |until| clock.world(until).saturating_sub(self.now))
    }

    /// The API server carries a request out, if it is up and the request is still on its way.
    pub(super) fn carry(&mut self, id: RequestId) -> Result<bool, Violation> {
        let waiting = self.network.get(&id).is_some_and(|request| request.answer.is_none());
        if self.api.is_down || !waiting {
            return Ok(false);
        }
        let Some(Request { body, is_given_up, .. }) = self.network.remove(&id) else { return Ok(false) };
        let answer = self.answer_to(id.node, &body)?;
        if !is_given_up {
            self.network.insert(id, Request { body, answer: Some(answer), is_given_up });
            self.journal.fresh.push(Action::Answer(id));
        }
        Ok(true)
    }

    fn answer_to(&mut self, sender: usize, body: &Body) -> Result<Answer, Violation> {
        match body {
            Body::Renew { record, lock } => {
                self.renew(record, lock.as_ref(), self.nodes[sender].member.id().clone())
            }
            Body::Table { table, lock } => {
                let outcome =
                    self.write_lease(&Name::Table, lock.as_ref(), Content::Table(Arc::clone(table)))?;
                Ok(Answer::Inputs(table_answers(outcome)))
            }
            Body::Fence { id, record, lock } => self.fence(id, record, lock.as_ref()),
            Body::Placeholder { id, record } => {
                let content = Content::Member(Arc::clone(record));
                let outcome = self.write_lease(&Name::Member(id.clone()), None, content)?;
                Ok(member_answer(id, outcome, false))
            }
            Body::Delete { id, lock } => {
                let name = Name::Member(id.clone());
                let outcome = self.api.delete(&name, Some(lock));
                let deleted = matches!(outcome, Outcome::Done(_));
                self.broadcast(&name, deleted.then_some(None));
                Ok(member_answer(id, outcome, deleted))
            }
            Body::Object { place, epoch, expects } => {
                let (version, _) = self.api.write_object(*place, *epoch, *expects)?;
                Ok(Answer::Object { version })
            }
        }
    }

    fn write_lease(
        &mut self,
        name: &Name,
        lock: Option<&Lock>,
        content: Content,
    ) -> Result<Outcome, Violation> {
        let outcome = self.api.write(name, lock, content)?;
        if let Outcome::Done(lease) = &outcome {
            self.broadcast(name, Some(Some(lease.clone())));
        }
        Ok(outcome)
    }

    fn renew(
        &mut self,
        record: &Arc<MemberRecord>,
        lock: Option<&Lock>,
        id: MemberId,
    ) -> Result<Answer, Violation> {
        let outcome = self.write_lease(&Name::Member(id), lock, Content::Member(Arc::clone(record)))?;
        let input = match outcome {
            Outcome::Done(lease) => Input::Renewed { lock: lease.lock },
            Outcome::NotFound => Input::RenewFailed(Refusal::Gone),
            Outcome::Refused(Lease { lock, content: Content::Member(record) }) => {
                Input::RenewFailed(Refusal::Conflict { record, lock })
            }
            Outcome::Refused(_) => unreachable!("a member Lease holds a member"),
        };
        Ok(Answer::Inputs(vec![input]))
    }

    fn fence(
        &mut self,
        id: &MemberId,
        record: &Arc<MemberRecord>,
        lock: Option<&Lock>,
    ) -> Result<Answer, Violation> {
        let (name, content) = (Name::Member(id.clone()), Content::Member(Arc::clone(record)));
        let outcome = match lock {
            Some(_) => self.write_lease(&name, lock, content)?,
            None => {
                let lease = self.api.put(&name, content);
                self.broadcast(&name, Some(Some(lease.clone())));
                Outcome::Done(lease)
            }
        };
        Ok(member_answer(id, outcome, false))
    }

    /// An answer arrives, unless nobody waits for it any more.
    pub(super) fn answer(&mut self, id: RequestId) -> Result<bool, Violation> {
        if self.network.get(&id).is_none_or(|request| request.answer.is_none() || request.is_lost()) {
            return Ok(false);
        }
        let Some(Request { body, answer: Some(answer), .. }) = self.network.remove(&id) else {
            return Ok(false);
        };
        match (answer, body) {
            (Answer::Inputs(inputs), _) => self.deliver(id.node, inputs),
            (Answer::Object { version }, Body::Object { place, .. }) => {
                Ok(self.write_answered(id, place, version))
            }
            (Answer::Object { .. }, _) => unreachable!("only writes of objects are answered so"),
        }
    }

    /// The guest's next write builds on what the answer showed.
    fn write_answered(&mut self, id: RequestId, place: Place, version: u64) -> bool {
        let work = self.nodes.get_mut(id.node).and_then(|node| node.work.get_mut(&place));
        let Some(work) = work else { return false };
        if work.outstanding.remove(&id).is_none() {
            return false;
        }
        work.version = version;
        let next =
            if work.is_stopping { Action::Drained(id.node, place) } else { Action::Write(id.node, place) };
        self.journal.fresh.push(next);
        true
    }

    pub(super) fn send(&mut self, at: usize, body: Body) -> Result<(), Violation> {
        let kind = std::mem::discriminant(&body);
        let first = RequestId { node: at, number: 0 };
        let last = RequestId { node: at, number: u32::MAX };
        let twice = matches!(body, Body::Renew { .. } | Body::Table { .. })
            && self
                .network
                .range(first..=last)
                .any(|(_, request)| !request.is_given_up && std::mem::discriminant(&request.body) == kind);
        if twice {
            return Err(Violation::Impatient { member: self.nodes[at].member.id().clone() });
        }
        let node = &mut self.nodes[at];
        node.requests += 1;
        let id = RequestId { node: at, number: node.requests };
        self.network.insert(id, Request { body, answer: None, is_given_up: false });
        self.journal.fresh.extend([Action::Carry(id), Action::GiveUp(id)]);
        Ok(())
    }

    pub(super) fn lose(&mut self, id: RequestId) -> bool {
        let on_its_way = self.network.get(&id).is_some_and(|request| request.answer.is_none());
        if on_its_way && let Some(request) = self.network.get_mut(&id) {
            // As if it had been carried out and nothing came of it: only giving up ends it.
            request.answer = Some(Answer::Inputs(Vec::new()));
        }
        on_its_way
    }

    pub(super) fn give_up(&mut self, id: RequestId) -> Result<bool, Violation> {
        let Some(request) = self.network.get_mut(&id).filter(|request| !request.is_given_up) else {
            return Ok(false);
        };
        if let Body::Object { place, .. } = request.body {
            return Ok(self.give_up_write(id, place));
        }
        request.is_given_up = true;
        let input = unanswered(&request.body);
        if request.answer.is_some() {
            self.network.remove(&id);
        }
        self.deliver(id.node, vec![input])
    }

    /// A write of a guest counts as lost when its deadline and a margin have passed.
    fn give_up_write(&mut self, id: RequestId, place: Place) -> bool {
        let Some(node) = self.nodes.get_mut(id.node) else { return false };
        let local = node.clock.at(self.now);
        let Some(work) = node.work.get_mut(&place) else { return false };
        if work.outstanding.get(&id).is_none_or(|safe_at| *safe_at > local) {
            return false;
        }
        work.outstanding.remove(&id);
        self.journal.fresh.push(Action::Write(id.node, place));
        if let Some(request) = self.network.get_mut(&id) {
            request.is_given_up = true;
        }
        true
    }

    pub(super) fn list(&mut self, at: usize) -> bool {
        if self.api.is_down || self.nodes.get(at).is_none_or(|node| node.life != Life::Up) {
            return false;
        }
        let list = self.api.leases.iter().map(|(name, lease)| (name.clone(), lease.clone())).collect();
        let node = &mut self.nodes[at];
        node.watches.clear();
        node.listing = Some(list);
        node.is_watching = true;
        self.journal.fresh.push(Action::Listed(at));
        true
    }

    pub(super) fn listed(&mut self, at: usize) -> Result<bool, Violation> {
        let Some(node) = self.nodes.get_mut(at) else { return Ok(false) };
        let Some(list) = node.listing.take() else { return Ok(false) };
        let inputs = node.take_list(&list);
        let events = node.watches.iter().flat_map(|(name, queue)| queue.iter().map(move |_| name.clone()));
        self.journal.fresh.extend(events.map(|name| Action::Watch(at, name)));
        self.deliver(at, inputs)
    }

    pub(super) fn watch(&mut self, at: usize, name: &Name) -> Result<bool, Violation> {
        let ready = self.nodes.get_mut(at).filter(|node| node.listing.is_none());
        let Some(input) = ready.and_then(|node| node.next_event(name)) else { return Ok(false) };
        self.deliver(at, vec![input])
    }

    pub(super) fn broadcast(&mut self, name: &Name, event: Option<Option<Lease>>) {
        let Some(event) = event else { return };
        let watch = if self.setup.in_order { &Name::Table } else { name };
        for (at, node) in self.nodes.iter_mut().enumerate().filter(|(_, node)| node.is_watching) {
            node.watches.entry(watch.clone()).or_default().push_back((name.clone(), event.clone()));
            self.journal.fresh.push(Action::Watch(at, watch.clone()));
        }
    }
}

impl Request {
    fn is_lost(&self) -> bool {
        self.answer == Some(Answer::Inputs(Vec::new()))
    }
}

fn table_answers(outcome: Outcome) -> Vec<Input> {
    let conflict = !matches!(outcome, Outcome::Done(_));
    let seen = match outcome {
        Outcome::Done(lease) | Outcome::Refused(lease) => node::seen(&Name::Table, &lease),
        Outcome::NotFound => Input::TableGone,
    };
    vec![seen, Input::TableAnswered { conflict }]
}

/// As for the table, what the answer shows comes before it, and may be old by the time it arrives.
fn member_answer(id: &MemberId, outcome: Outcome, is_deleted: bool) -> Answer {
    let conflict = matches!(outcome, Outcome::Refused(_));
    let shown = match outcome {
        Outcome::Done(lease) | Outcome::Refused(lease) if !is_deleted => {
            node::seen(&Name::Member(id.clone()), &lease)
        }
        _ => Input::MemberGone { id: id.clone() },
    };
    Answer::Inputs(vec![shown, Input::MemberAnswered { id: id.clone(), conflict }])
}

/// What a process learns when it waits no longer.
fn unanswered(body: &Body) -> Input {
    match body {
        Body::Renew { .. } => Input::RenewFailed(Refusal::Unavailable),
        Body::Table { .. } | Body::Object { .. } => Input::TableAnswered { conflict: false },
        Body::Fence { id, .. } | Body::Placeholder { id, .. } | Body::Delete { id, .. } => {
            Input::MemberAnswered { id: id.clone(), conflict: false }
        }
    }
}

//! The machines: what each request does to them. `now` is a parameter.

use std::collections::BTreeMap;

use serde::Serialize;
use tokio::time::Instant;

use crate::BOOT;
use crate::log::{Entry, What};

/// A machine as the API describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// Never used again.
    pub id: String,
    /// What it is called by who made it.
    pub name: String,
    /// How large it is.
    pub size: String,
    /// What it was made from.
    pub image: String,
    /// Where it stands.
    pub state: State,
    /// Where it is reached, once it runs.
    pub address: Option<String>,
}

/// Where a machine stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It boots.
    Starting,
    /// It can be used.
    Running,
    /// It is gone; only its key knows of it.
    Deleted,
}

/// A machine and what the API does not show of it.
#[derive(Clone, Debug)]
struct Held {
    machine: Machine,
    key: String,
    created: Instant,
}

/// All of them, and what was done.
#[derive(Debug, Default)]
pub(crate) struct Machines {
    /// In the order in which they were made.
    held: Vec<Held>,
    by_key: BTreeMap<String, usize>,
    pub(crate) log: Vec<Entry>,
}

/// What was asked for.
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) size: String,
    pub(crate) image: String,
}

impl Machines {
    /// The machine of a key, and whether it was made just now.
    pub(crate) fn create(&mut self, key: &str, wanted: Wanted, now: Instant) -> (Machine, bool) {
        if let Some(held) = self.by_key.get(key).and_then(|place| self.held.get(*place)) {
            let machine = held.at(now);
            self.note(&machine.id, What::Repeated);
            return (machine, false);
        }
        (self.make(key, wanted, now), true)
    }

    /// A new machine, whether the key has one or not.
    pub(crate) fn make(&mut self, key: &str, wanted: Wanted, now: Instant) -> Machine {
        let (place, Wanted { name, size, image }) = (self.held.len(), wanted);
        let id = format!("m-{}", place + 1);
        let machine = Machine { id: id.clone(), name, size, image, state: State::Starting, address: None };
        self.held.push(Held { machine: machine.clone(), key: key.to_owned(), created: now });
        self.by_key.insert(key.to_owned(), place);
        self.note(&id, What::Created);
        machine
    }

    pub(crate) fn find(&self, id: &str, now: Instant) -> Option<Machine> {
        self.all(now).find(|machine| machine.id == id)
    }

    /// Those that exist.
    pub(crate) fn all(&self, now: Instant) -> impl Iterator<Item = Machine> {
        self.held.iter().map(move |held| held.at(now)).filter(|machine| machine.state != State::Deleted)
    }

    pub(crate) fn resize(&mut self, id: &str, size: String, now: Instant) -> Option<Machine> {
        self.existing(id)?.machine.size = size;
        self.note(id, What::Resized);
        self.find(id, now)
    }

    /// False when there was none.
    pub(crate) fn delete(&mut self, id: &str) -> bool {
        let Some(held) = self.existing(id) else { return false };
        held.machine.state = State::Deleted;
        self.note(id, What::Deleted);
        true
    }

    fn existing(&mut self, id: &str) -> Option<&mut Held> {
        self.held.iter_mut().find(|held| held.machine.id == id && held.machine.state != State::Deleted)
    }

    fn note(&mut self, id: &str, what: What) {
        if let Some(Held { machine, key, .. }) = self.held.iter().find(|held| held.machine.id == id) {
            let (id, name) = (id.to_owned(), machine.name.clone());
            self.log.push(Entry { id, name, key: key.clone(), what });
        }
    }
}

impl Held {
    fn at(&self, now: Instant) -> Machine {
        let mut machine = self.machine.clone();
        if machine.state == State::Starting && now.duration_since(self.created) >= BOOT {
            machine.state = State::Running;
            machine.address = Some(self.address());
        }
        machine
    }

    /// Of a network for documentation (RFC 3849); one for each id.
    fn address(&self) -> String {
        format!("2001:db8::{}", self.machine.id.trim_start_matches("m-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted { name: "default/web".into(), size: "small".into(), image: "debian-13".into() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_has_one_machine_and_still_tells_of_it_when_it_is_gone() {
        let (mut machines, now) = (Machines::default(), Instant::now());
        let (first, made) = machines.create("uid", wanted(), now);
        assert!(made);
        assert_eq!(machines.create("uid", wanted(), now), (first.clone(), false));
        assert!(machines.delete(&first.id) && !machines.delete(&first.id));
        let (again, made) = machines.create("uid", wanted(), now);
        assert_eq!((again.id, again.state, made), (first.id, State::Deleted, false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_takes_a_moment_to_run() {
        let (mut machines, now) = (Machines::default(), Instant::now());
        let (machine, _) = machines.create("uid", wanted(), now);
        assert_eq!(machine.state, State::Starting);
        let running = machines.find(&machine.id, now + BOOT).unwrap();
        assert_eq!((running.state, running.address.as_deref()), (State::Running, Some("2001:db8::1")));
    }
}

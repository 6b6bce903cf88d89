//! The API server as the protocol sees it: Leases under compare-and-swap, and objects that guests write.
//!
//! A replacement carries uid and resourceVersion and is refused unless both fit; without a uid a PUT
//! would re-create what was deleted (docs/handover.md), so no request does that, except a fence of the
//! mutant that has no swap. Deletion has the same preconditions. Creation fails when the name exists.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use polyreme_ownership::{Lock, MemberId, MemberRecord, Table};

use super::{Place, Violation};

/// A Lease by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Name {
    Table,
    Member(MemberId),
}

/// The annotation of a Lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Content {
    Table(Arc<Table>),
    Member(Arc<MemberRecord>),
    /// What somebody wrote into the table's by hand.
    Damaged,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Lease {
    pub(crate) lock: Lock,
    pub(crate) content: Content,
}

/// An object of which there is one in each slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Object {
    pub(crate) version: u64,
    /// Of the newest owner that wrote it.
    epoch: u64,
}

/// What became of a write of a Lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Done(Lease),
    Refused(Lease),
    NotFound,
}

/// See the module's story.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Api {
    pub(crate) leases: BTreeMap<Name, Lease>,
    pub(crate) is_down: bool,
    pub(crate) objects: BTreeMap<Place, Object>,
    /// Who was ever fenced.
    fenced: BTreeSet<MemberId>,
    counter: u64,
}

impl Api {
    /// Creates a Lease, or replaces the one with this lock.
    pub(crate) fn write(
        &mut self,
        name: &Name,
        lock: Option<&Lock>,
        content: Content,
    ) -> Result<Outcome, Violation> {
        match (self.leases.get(name), lock) {
            (None, Some(_)) => Ok(Outcome::NotFound),
            (Some(lease), lock) if lock != Some(&lease.lock) => Ok(Outcome::Refused(lease.clone())),
            (_, lock) => {
                self.watch_over(name, &content, lock)?;
                Ok(Outcome::Done(self.put(name, content)))
            }
        }
    }

    /// Writes without asking what is there.
    pub(crate) fn put(&mut self, name: &Name, content: Content) -> Lease {
        self.counter += 1;
        let uid = match self.leases.get(name) {
            Some(lease) => Arc::clone(&lease.lock.uid),
            None => format!("u{}", self.counter).into(),
        };
        let lease = Lease { lock: Lock { uid, version: self.counter.to_string().into() }, content };
        self.leases.insert(name.clone(), lease.clone());
        lease
    }

    pub(crate) fn delete(&mut self, name: &Name, lock: Option<&Lock>) -> Outcome {
        let Some(lease) = self.leases.get(name) else { return Outcome::NotFound };
        if lock.is_some_and(|lock| *lock != lease.lock) {
            return Outcome::Refused(lease.clone());
        }
        self.leases.remove(name).map_or(Outcome::NotFound, Outcome::Done)
    }

    /// A write of a guest; the version after it, and whether it was accepted.
    pub(crate) fn write_object(
        &mut self,
        place: Place,
        epoch: u64,
        expects: Option<u64>,
    ) -> Result<(u64, bool), Violation> {
        let object = self.objects.entry(place).or_default();
        if expects.is_some_and(|version| version != object.version) {
            return Ok((object.version, false));
        }
        if epoch < object.epoch {
            return Err(Violation::Overwritten { place, epoch, newer: object.epoch });
        }
        *object = Object { version: object.version + 1, epoch };
        Ok((object.version, true))
    }

    pub(crate) fn version_of(&self, place: Place) -> u64 {
        self.objects.get(&place).map_or(0, |object| object.version)
    }

    pub(crate) fn table(&self) -> Option<&Arc<Table>> {
        match &self.leases.get(&Name::Table)?.content {
            Content::Table(table) => Some(table),
            Content::Member(_) | Content::Damaged => None,
        }
    }

    pub(crate) fn has_fenced(&self) -> bool {
        !self.fenced.is_empty()
    }

    /// What was fenced stays so, and a table only grows. (A creation that was under way for long may well
    /// bring back the name of a fenced member, but nobody may go on with it.)
    fn watch_over(&mut self, name: &Name, content: &Content, lock: Option<&Lock>) -> Result<(), Violation> {
        match (name, content) {
            (Name::Table, Content::Table(table)) => {
                let from = self.table().map_or(0, |known| known.generation);
                if table.generation <= from {
                    return Err(Violation::GenerationBack { from, to: table.generation });
                }
            }
            (Name::Member(id), Content::Member(record)) if record.fenced => {
                self.fenced.insert(id.clone());
            }
            (Name::Member(id), Content::Member(_)) if lock.is_some() && self.fenced.contains(id) => {
                return Err(Violation::Resurrected { member: id.clone() });
            }
            _ => (),
        }
        Ok(())
    }
}

//! Which root the objects of one controller belong to, at any depth of ownership.
//!
//! A child of a primary names it in its owner reference. Deeper objects (Website → Deployment →
//! ReplicaSet → Pod) name only their direct owner, which another host may hold; so for every object of
//! the owned kinds, kept or not, the root that it leads to is remembered by its uid, in about 40 bytes.
//! The watches of different kinds are not ordered: an object whose owner was not seen yet leads to
//! [`Trace::Unknown`] until it is, and is kept meanwhile. There are never many: an owner that is not
//! shown soon does not exist, and then the garbage collector deletes what it owned.
//!
//! The chain goes through kinds that the controller owns, and no others. One that is watched with a label
//! selector may hide an owner for good: what that owns is kept, whosever it is.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use polyreme_ownership::slots::Root;

use super::{CacheId, Resource};
use crate::object::{Identity, Kind, Owner};
use crate::ownership::LaneSlots;

/// Where the controller owner references of an object lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// To a primary with this hash.
    Root(u64),
    /// To no primary.
    Foreign,
    /// To an object that was not seen yet.
    Unknown,
}

/// What recording an object changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// Nothing.
    Same,
    /// Where it leads was not known.
    New,
    /// It led elsewhere.
    Moved,
}

/// See the module's story.
pub struct Lineage {
    /// The controller's slots.
    pub lane: Arc<LaneSlots>,
    primary: Kind,
    resource: Resource,
    owned: Vec<CacheId>,
    /// One for each owned kind.
    links: Mutex<Vec<Links>>,
}

/// The roots of the objects of one kind.
#[derive(Default)]
struct Links {
    known: Known,
    /// As the relist under way shows them.
    relist: Option<Known>,
}

/// By uid.
#[derive(Default)]
struct Known {
    roots: HashMap<Uid, u64>,
    foreign: HashSet<Uid>,
}

/// FNV-1a-128 of a uid: a third of its text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Uid(u128);

impl Lineage {
    /// Of a controller with this primary kind and these watches of owned kinds.
    #[must_use]
    pub fn new(lane: Arc<LaneSlots>, primary: Kind, resource: Resource, owned: Vec<CacheId>) -> Self {
        let links = owned.iter().map(|_| Links::default()).collect();
        Self { lane, primary, resource, owned, links: Mutex::new(links) }
    }

    /// The watches of owned kinds.
    #[must_use]
    pub fn owned(&self) -> &[CacheId] {
        &self.owned
    }

    /// The hash of a primary; the uid may be empty where it does not count.
    #[must_use]
    pub fn root(&self, namespace: Option<&str>, name: &str, uid: &str) -> u64 {
        let namespace = namespace.filter(|_| self.resource.namespaced).unwrap_or_default();
        let api = &self.resource.api;
        self.lane.key.hash(&Root { group: &api.group, resource: &api.plural, namespace, name, uid })
    }

    /// Where an object leads.
    #[must_use]
    pub fn trace(&self, object: &Identity<'_>) -> Trace {
        let Some(owner) = object.controller else { return Trace::Foreign };
        if self.primary.same_resource(&owner.api_version, &owner.kind) {
            return Trace::Root(self.root(object.key.namespace.as_deref(), &owner.name, &owner.uid));
        }
        let uid = Uid::of(&owner.uid);
        let links = self.links.lock();
        let mut traces =
            self.owned.iter().zip(&*links).filter(|(cache, _)| leads_through(cache, owner)).peekable();
        if traces.peek().is_none() {
            return Trace::Foreign;
        }
        let known = traces.map(|(_, links)| links.known.get(uid)).find(|trace| *trace != Trace::Unknown);
        known.unwrap_or(Trace::Unknown)
    }

    /// Remembers where an object of an owned kind leads.
    pub fn record(&self, cache: &CacheId, uid: &str, trace: Trace) -> Recorded {
        let uid = Uid::of(uid);
        self.with(cache, |links| {
            if let Some(relist) = &mut links.relist {
                relist.set(uid, trace);
            }
            links.known.set(uid, trace)
        })
        .unwrap_or(Recorded::Same)
    }

    /// An object of an owned kind is gone.
    pub fn forget(&self, cache: &CacheId, uid: &str) {
        self.with(cache, |links| {
            let uid = Uid::of(uid);
            links.known.set(uid, Trace::Unknown);
            links.relist.as_mut().map(|relist| relist.set(uid, Trace::Unknown));
        });
    }

    /// Every object of an owned kind will be recorded.
    pub fn begin_relist(&self, cache: &CacheId) {
        self.with(cache, |links| links.relist = Some(Known::default()));
    }

    /// What was not recorded since [`begin_relist`](Self::begin_relist) is gone.
    pub fn end_relist(&self, cache: &CacheId) {
        self.with(cache, |links| links.known = links.relist.take().unwrap_or_default());
    }

    /// Bytes kept for the objects of an owned kind.
    pub fn weight_bytes(&self, cache: &CacheId) -> usize {
        self.with(cache, |links| links.known.weight_bytes()).unwrap_or(0)
    }

    fn with<T>(&self, cache: &CacheId, act: impl FnOnce(&mut Links) -> T) -> Option<T> {
        let place = self.owned.iter().position(|owned| owned == cache)?;
        self.links.lock().get_mut(place).map(act)
    }
}

fn leads_through(cache: &CacheId, owner: &Owner) -> bool {
    cache.kind.same_resource(&owner.api_version, &owner.kind)
}

impl Known {
    fn get(&self, uid: Uid) -> Trace {
        let foreign = if self.foreign.contains(&uid) { Trace::Foreign } else { Trace::Unknown };
        self.roots.get(&uid).map_or(foreign, |root| Trace::Root(*root))
    }

    fn set(&mut self, uid: Uid, trace: Trace) -> Recorded {
        let before = self.get(uid);
        if before == trace {
            return Recorded::Same;
        }
        match before {
            Trace::Root(_) => drop(self.roots.remove(&uid)),
            Trace::Foreign => drop(self.foreign.remove(&uid)),
            Trace::Unknown => (),
        }
        match trace {
            Trace::Root(root) => drop(self.roots.insert(uid, root)),
            Trace::Foreign => drop(self.foreign.insert(uid)),
            Trace::Unknown => (),
        }
        if before == Trace::Unknown { Recorded::New } else { Recorded::Moved }
    }

    fn weight_bytes(&self) -> usize {
        self.roots.capacity() * size_of::<(Uid, u64)>() + self.foreign.capacity() * size_of::<Uid>()
    }
}

impl Uid {
    fn of(uid: &str) -> Self {
        /// Offset basis and prime of FNV-1a-128 (draft-eastlake-fnv).
        const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
        Self(uid.bytes().fold(OFFSET, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME)))
    }
}

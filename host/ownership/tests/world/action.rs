//! What can happen in a world.

use std::time::Duration;

use super::api::Name;
use super::{Place, RequestId};

/// Something that happens. Processes are named by the order in which they started.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Action {
    Advance(Duration),
    /// A host starts a process.
    Start(usize),
    Crash(usize),
    Pause(usize),
    Resume(usize),
    /// SIGTERM.
    Leave(usize),
    /// The configuration of a process names other controllers: the bits are places in [`Setup::lanes`](super::Setup::lanes).
    Load(usize, u8),
    Tick(usize),
    /// A process that was stopped takes what reached it meanwhile.
    Take(usize),
    /// The API server carries a request out.
    Carry(RequestId),
    /// A request gets lost.
    Lose(RequestId),
    /// An answer arrives.
    Answer(RequestId),
    /// A process waits no longer for an answer.
    GiveUp(RequestId),
    /// The Leases are read for a process.
    List(usize),
    /// And arrive there.
    Listed(usize),
    /// The next event of a Lease arrives.
    Watch(usize, Name),
    /// A cache has caught up.
    Barrier(usize),
    /// A guest writes the object of a slot.
    Write(usize, Place),
    /// Nothing of a slot is under way any more.
    Drained(usize, Place),
    Outage,
    Recovery,
    /// Somebody deletes a Lease by hand.
    Delete(Name),
    /// Somebody writes into the table by hand what nobody can read.
    Damage,
}

impl Action {
    /// The process that it is about.
    pub(crate) fn process(&self) -> Option<usize> {
        match self {
            Self::Carry(id) | Self::Lose(id) | Self::Answer(id) | Self::GiveUp(id) => Some(id.node),
            Self::Watch(at, _) | Self::Write(at, _) | Self::Drained(at, _) => Some(*at),
            Self::Crash(at) | Self::Pause(at) | Self::Resume(at) | Self::Leave(at) | Self::Load(at, _) => {
                Some(*at)
            }
            Self::Tick(at) | Self::Take(at) | Self::List(at) | Self::Listed(at) | Self::Barrier(at) => {
                Some(*at)
            }
            Self::Advance(_)
            | Self::Start(_)
            | Self::Outage
            | Self::Recovery
            | Self::Delete(_)
            | Self::Damage => None,
        }
    }
}

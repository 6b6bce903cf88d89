//! What a world is made of: its hosts, controllers and slots, and the rules in force.

use std::collections::BTreeSet;
use std::time::Duration;

use polyreme_ownership::plan::Placement;
use polyreme_ownership::{Lane, Rules, SlotCount, Timing};

use super::clock::Clock;

/// What a world is made of.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) hosts: Vec<Host>,
    /// All controllers; a [`Place`](super::Place) counts in them.
    pub(crate) lanes: Vec<Lane>,
    pub(crate) slots: SlotCount,
    pub(crate) settle: Duration,
    pub(crate) damping: (u32, u32),
    pub(crate) placement: Placement,
    pub(crate) rules: Rules,
    /// Events of all Leases arrive in the order in which they happened, as one watch brings them. Otherwise
    /// those of two Leases come in any order, which only the loss of the table cannot bear.
    pub(crate) in_order: bool,
}

impl Setup {
    /// Of any process.
    pub(crate) fn slowest(&self) -> Timing {
        let all = self.hosts.iter().flat_map(|host| host.timing);
        all.reduce(Timing::or_longer).unwrap_or_default()
    }
}

/// A machine on which one process runs at a time.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) clock: Clock,
    pub(crate) lanes: BTreeSet<Lane>,
    pub(crate) weight: u32,
    /// Of its first process and of those after it: the configuration may be changed between two.
    pub(crate) timing: [Timing; 2],
}

//! Which objects may have changed while nobody owned them.
//!
//! When slots are acquired every object in them is looked at, most of them for nothing. Those that changed
//! since their last owner can have been well have waited long and must not wait behind the others, nor
//! behind what changes now. The versions of this host's own renewals tell roughly what is older: in one
//! etcd, resourceVersions of all kinds grow together. Only the order of work depends on this.

use std::collections::VecDeque;
use std::time::Duration;

use polyreme_ownership::{Lock, Timing};

use crate::object::ResourceVersion;

/// For the barrier, and for clocks and requests that are slow.
const SLACK: Duration = Duration::from_secs(5);

/// Versions of this host's renewals, oldest first.
pub(super) struct Recent {
    /// How long ago the last owner can have stopped.
    horizon: Duration,
    marks: VecDeque<(Duration, ResourceVersion)>,
}

impl Recent {
    pub(super) fn new(timing: &Timing) -> Self {
        Self { horizon: timing.fence_after + timing.renew_every * 2 + SLACK, marks: VecDeque::new() }
    }

    /// The own Lease has this version now.
    pub(super) fn renewed(&mut self, lock: &Lock, now: Duration) {
        self.marks.push_back((now, ResourceVersion(lock.version.as_ref().into())));
        // One mark beyond the horizon is kept.
        while self.marks.get(1).is_some_and(|(at, _)| *at + self.horizon <= now) {
            self.marks.pop_front();
        }
    }

    /// What is no newer than this was there before any last owner stopped; nothing is known of a time
    /// before this host joined.
    pub(super) fn settled(&self, now: Duration) -> Option<&ResourceVersion> {
        self.marks.front().filter(|(at, _)| *at + self.horizon <= now).map(|(_, version)| version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_older_than_the_horizon_is_settled() {
        let mut recent = Recent::new(&Timing::FAST);
        let lock = |version: u64| Lock { uid: "u".into(), version: version.to_string().into() };
        for second in 0..30 {
            recent.renewed(&lock(100 + second), Duration::from_secs(second));
        }
        let settled = recent.settled(Duration::from_secs(29)).unwrap();
        assert_eq!(&*settled.0, "116", "13 s ago");
        assert!(Recent::new(&Timing::FAST).settled(Duration::from_secs(99)).is_none());
    }
}

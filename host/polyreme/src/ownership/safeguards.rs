//! What driver and gate add to the rules of the protocol, each of which can be taken away to show that it
//! is needed.
//!
//! Production uses [`Safeguards::all`]. The simulation (`tests/simulation`) removes one at a time, or one
//! rule of the protocol, and demands that the judge of what hosts did finds a fault without it.

use polyreme_ownership::{Rule, Rules};

/// One thing that a host does for safety beside the state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safeguard {
    /// Nothing is begun, written or left running once this host's validity is over.
    Validity,
    /// A slot is acknowledged only when nothing runs in it and no write of it is outstanding.
    Drain,
    /// A slot is worked on only when the caches are as new as a consistent read.
    Barrier,
    /// Writes of guests carry the uid and the resourceVersion that the host knows.
    Pin,
}

/// The safeguards and rules in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Safeguards {
    /// Those of the state machine.
    pub rules: Rules,
    without: Option<Safeguard>,
}

impl Safeguards {
    /// All of them.
    #[must_use]
    pub const fn all() -> Self {
        Self { rules: Rules::all(), without: None }
    }

    /// All but one: for tests that show what it is there for.
    #[must_use]
    pub const fn without(safeguard: Safeguard) -> Self {
        Self { rules: Rules::all(), without: Some(safeguard) }
    }

    /// All, but one rule of the state machine is not in force.
    #[must_use]
    pub const fn without_rule(rule: Rule) -> Self {
        Self { rules: Rules::without(rule), without: None }
    }

    /// Whether a safeguard is in force.
    #[must_use]
    pub fn has(self, safeguard: Safeguard) -> bool {
        self.without != Some(safeguard)
    }
}

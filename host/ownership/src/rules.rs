//! The rules that safety rests on, each of which can be taken away to show that it is needed.
//!
//! Production uses [`Rules::all`], which is the only way to a set of rules outside tests of the
//! protocol. `tests/mutants.rs` removes each rule in turn and demands that the checker finds two
//! owners, or an overwritten successor, without it.

/// One rule of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// A silent member is fenced only after `fenceAfter`.
    WaitBeforeFencing,
    /// An acknowledgement counts only for the generation of the table that it names.
    SeenGeneration,
    /// A new owner waits for the previous owners.
    Preds,
    /// A fence is a compare-and-swap on the Lease as it was last seen.
    FenceSwap,
    /// Validity counts from when a renewal was sent, not from when its response came.
    ValidityFromSend,
    /// `fenceAfter` is longer than `holdFor` by more than clock rates can differ.
    DriftRatio,
    /// A silent member is fenced only after its own `fenceAfter`, too: it may hold for longer than the observer.
    TheirTiming,
    /// Writes to objects carry the resourceVersion that the writer read.
    ResourceVersion,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 8] = [
        Self::WaitBeforeFencing,
        Self::SeenGeneration,
        Self::Preds,
        Self::FenceSwap,
        Self::ValidityFromSend,
        Self::DriftRatio,
        Self::TheirTiming,
        Self::ResourceVersion,
    ];
}

/// The rules in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rules {
    without: Option<Rule>,
}

impl Rules {
    /// All of them.
    #[must_use]
    pub const fn all() -> Self {
        Self { without: None }
    }

    /// All but one: for tests that show what it is there for.
    #[must_use]
    pub const fn without(rule: Rule) -> Self {
        Self { without: Some(rule) }
    }

    /// Whether a rule is in force.
    #[must_use]
    pub fn has(self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}

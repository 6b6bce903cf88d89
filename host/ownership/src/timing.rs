//! The three durations that safety rests on.

use std::time::Duration;

/// A holder's share of [`Timing::hold_for`] in which it no longer starts a write: a request must be
/// answered, or given up by the API server, before the validity ends (2 s of the default 10).
const WRITE_MARGIN_DIVISOR: u32 = 5;

/// Without contact for this share of `hold_for`, an observer starts its timers anew: after an outage of
/// the API server everybody looks dead.
const CONTACT_GAP_DIVISOR: u32 = 2;

/// `fence_after` must be at least this many tenths of `hold_for`: members are safe from each other as
/// long as their clocks run at rates that differ by less.
const MIN_DRIFT_TENTHS: u32 = 15;

/// At least this many renewals fit into `hold_for`, so that one lost request loses nothing.
const MIN_RENEWALS: u32 = 3;

/// The longest `fence_after`.
const LONGEST: Duration = Duration::from_secs(3_600);

/// How long ownership lasts without news, and when silence counts as death.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timing {
    /// A holder's validity after it sent its last successful renewal.
    pub hold_for: Duration,
    /// An observer may fence a member this long after it last saw that member's Lease change.
    pub fence_after: Duration,
    /// Time between renewals.
    pub renew_every: Duration,
}

/// What is wrong with a timing, in the words of the configuration file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimingError {
    /// Rates of clocks may not differ enough.
    #[error(
        "fenceAfter must be at least 1.5 times holdFor ({needed:?}): a host whose clock runs slow \
         would still write while another takes over"
    )]
    DriftRatio {
        /// The least `fenceAfter`.
        needed: Duration,
    },
    /// Too few renewals.
    #[error(
        "renewEvery must be at most a third of holdFor ({needed:?}): one lost request would stop the host"
    )]
    Renewals {
        /// The longest `renewEvery`.
        needed: Duration,
    },
    /// Shorter than an API server under load answers in.
    #[error("{field} must be at least {least:?}: API servers pause that long under load")]
    TooShort {
        /// The field.
        field: &'static str,
        /// Its minimum.
        least: Duration,
    },
    /// Longer than anybody would wait for a failover.
    #[error("{field} must be at most {most:?}")]
    TooLong {
        /// The field.
        field: &'static str,
        /// Its maximum.
        most: Duration,
    },
}

impl Timing {
    /// 10 s, 15 s, 2 s: failover in at most 16.5 s.
    pub const DEFAULT: Self = Self::seconds(10, 15, 2);
    /// 4 s, 6 s, 1 s: failover in at most 7.5 s, for twice the renewals.
    pub const FAST: Self = Self::seconds(4, 6, 1);

    const fn seconds(hold_for: u64, fence_after: u64, renew_every: u64) -> Self {
        Self {
            hold_for: Duration::from_secs(hold_for),
            fence_after: Duration::from_secs(fence_after),
            renew_every: Duration::from_secs(renew_every),
        }
    }

    /// Checks own values.
    ///
    /// # Errors
    /// The first rule that does not hold.
    ///
    /// # Example
    /// ```
    /// use polyreme_ownership::Timing;
    /// use std::time::Duration;
    /// assert!(Timing::FAST.check().is_ok());
    /// let eager = Timing { fence_after: Duration::from_secs(11), ..Timing::DEFAULT };
    /// assert!(eager.check().unwrap_err().to_string().contains("1.5 times"));
    /// ```
    pub fn check(&self) -> Result<(), TimingError> {
        let least = |field, value: Duration, millis| {
            let least = Duration::from_millis(millis);
            if value < least { Err(TimingError::TooShort { field, least }) } else { Ok(()) }
        };
        least("holdFor", self.hold_for, 1_000)?;
        least("renewEvery", self.renew_every, 200)?;
        if self.fence_after > LONGEST {
            return Err(TimingError::TooLong { field: "fenceAfter", most: LONGEST });
        }
        let needed = self.hold_for * MIN_DRIFT_TENTHS / 10;
        if self.fence_after < needed {
            return Err(TimingError::DriftRatio { needed });
        }
        let needed = self.hold_for / MIN_RENEWALS;
        if self.renew_every > needed { Err(TimingError::Renewals { needed }) } else { Ok(()) }
    }

    /// What a member's Lease says, where anybody may have written it: neither waited for too shortly nor for ever.
    #[must_use]
    pub(crate) fn within_reason(self) -> Self {
        let hold_for = self.hold_for.min(LONGEST * 10 / MIN_DRIFT_TENTHS);
        Self {
            hold_for,
            fence_after: self.fence_after.clamp(hold_for * MIN_DRIFT_TENTHS / 10, LONGEST),
            renew_every: self.renew_every.min(hold_for / MIN_RENEWALS),
        }
    }

    /// The longer of each of two members' durations, which keeps what [`Timing::check`] asks.
    ///
    /// # Example
    /// ```
    /// use polyreme_ownership::Timing;
    /// assert_eq!(Timing::FAST.or_longer(Timing::DEFAULT), Timing::DEFAULT);
    /// ```
    #[must_use]
    pub fn or_longer(self, other: Self) -> Self {
        Self {
            hold_for: self.hold_for.max(other.hold_for),
            fence_after: self.fence_after.max(other.fence_after),
            renew_every: self.renew_every.max(other.renew_every),
        }
    }

    /// The end of the validity in which no write is started any more.
    #[must_use]
    pub fn write_margin(&self) -> Duration {
        self.hold_for / WRITE_MARGIN_DIVISOR
    }

    /// Silence after which an observer trusts none of its timers.
    #[must_use]
    pub fn contact_gap(&self) -> Duration {
        self.hold_for / CONTACT_GAP_DIVISOR
    }

    /// Silence after which a member's slots are promised to others, who begin to cache their objects and
    /// wait until it is fenced: a quarter of the way there from the end of its validity, which leaves time for
    /// a renewal that shows that there is contact, and for a list.
    #[must_use]
    pub fn give_up_after(&self) -> Duration {
        self.hold_for + (self.fence_after - self.hold_for) / 4
    }

    /// How long a renewal is waited for before it is sent again.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        self.renew_every
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(hold: u64, fence: u64, renew: u64) -> String {
        let millis = Duration::from_millis;
        let timing =
            Timing { hold_for: millis(hold), fence_after: millis(fence), renew_every: millis(renew) };
        timing.check().unwrap_err().to_string()
    }

    #[test]
    fn the_profiles_are_valid() {
        Timing::DEFAULT.check().unwrap();
        Timing::FAST.check().unwrap();
    }

    #[test]
    fn each_bad_value_is_named_with_its_remedy() {
        assert!(error(10_000, 14_999, 2_000).contains("15s"));
        assert!(error(9_000, 15_000, 3_001).contains("at most a third of holdFor (3s)"));
        assert!(error(900, 15_000, 300).starts_with("holdFor must be at least 1s"));
        assert!(error(10_000, 15_000, 100).starts_with("renewEvery must be at least 200ms"));
        assert!(error(10_000, 3_600_001, 300).starts_with("fenceAfter must be at most"));
    }
}

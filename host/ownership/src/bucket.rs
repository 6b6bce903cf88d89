//! A token bucket over slots: how many may move in a time. Pure; the caller brings the time.

use std::time::Duration;

/// See the module's story. Counted in thousandths of a slot, so that slow refills are not lost.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Bucket {
    capacity: i64,
    per_minute: i64,
    level: i64,
    at: Duration,
}

const UNIT: i64 = 1_000;
const MINUTE_MILLIS: i64 = 60_000;

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(capacity: u32, per_minute: u32) -> Self {
        let capacity = i64::from(capacity) * UNIT;
        Self { capacity, per_minute: i64::from(per_minute) * UNIT, level: capacity, at: Duration::ZERO }
    }

    /// Whether `slots` may move now; more than the capacity may when the bucket is full.
    pub(crate) fn allows(&mut self, slots: usize, now: Duration) -> bool {
        self.refill(now);
        self.level >= Self::cost(slots).min(self.capacity)
    }

    /// Slots moved, whether they were allowed or had to.
    pub(crate) fn take(&mut self, slots: usize, now: Duration) {
        self.refill(now);
        self.level = (self.level - Self::cost(slots)).max(-self.capacity);
    }

    fn cost(slots: usize) -> i64 {
        i64::try_from(slots).unwrap_or(i64::MAX / UNIT).saturating_mul(UNIT)
    }

    fn refill(&mut self, now: Duration) {
        let millis = i64::try_from(now.saturating_sub(self.at).as_millis())
            .unwrap_or(i64::MAX / self.per_minute.max(1));
        let gained = self.per_minute.saturating_mul(millis) / MINUTE_MILLIS;
        // Time that gained nothing yet stays on the account.
        if gained > 0 || self.level >= self.capacity {
            self.level = self.level.saturating_add(gained).min(self.capacity);
            self.at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_burst_is_allowed_and_then_the_rate() {
        let mut bucket = Bucket::new(200, 60);
        assert!(bucket.allows(150, at(0)));
        bucket.take(150, at(0));
        assert!(!bucket.allows(100, at(10)));
        assert!(bucket.allows(100, at(50)));
    }

    #[test]
    fn what_had_to_move_is_paid_back_but_never_forever() {
        let mut bucket = Bucket::new(100, 60);
        bucket.take(1_000_000, at(0));
        assert!(!bucket.allows(1, at(99)));
        assert!(bucket.allows(1, at(102)));
    }

    #[test]
    fn a_full_bucket_allows_anything() {
        assert!(Bucket::new(10, 1).allows(5_000, at(0)));
    }

    #[test]
    fn short_steps_do_not_lose_the_refill() {
        let mut bucket = Bucket::new(100, 1);
        bucket.take(100, at(0));
        for millis in 0..61_000 {
            bucket.allows(1, Duration::from_millis(millis));
        }
        assert!(bucket.allows(1, at(61)));
    }
}

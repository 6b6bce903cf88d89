//! Resync: every object is queued again now and then, at low priority, from the cache alone.

use std::sync::Arc;
use std::time::Duration;

use polyreme_runtime::Random;

use crate::cache::Cache;
use crate::queue::Queue;
use crate::queue::schedule::Priority;

/// controller-runtime spreads its resyncs by ±10 %, so that controllers do not resync together.
const JITTER_PERCENT: u64 = 10;

/// Queues all primaries every `period` ± 10 %, until the task is dropped.
pub(super) async fn run(primaries: Arc<Cache>, queue: Arc<Queue>, period: Duration, random: Arc<dyn Random>) {
    loop {
        tokio::time::sleep(jittered(period, random.number())).await;
        for object in primaries.all() {
            queue.add(object.key.clone(), Priority::LOW);
        }
    }
}

/// `period` plus or minus up to 10 %, chosen by `number`.
fn jittered(period: Duration, number: u64) -> Duration {
    let millis = u64::try_from(period.as_millis()).unwrap_or(u64::MAX);
    let spread = millis / 100 * JITTER_PERCENT;
    let offset = number % (2 * spread + 1);
    Duration::from_millis((millis - spread).saturating_add(offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_period_moves_by_at_most_ten_percent() {
        let period = Duration::from_secs(36_000);
        for number in [0, 1, 12_345_678_901, u64::MAX] {
            let jittered = jittered(period, number);
            assert!(jittered >= period * 9 / 10 && jittered <= period * 11 / 10, "{jittered:?}");
        }
        assert_eq!(jittered(Duration::from_millis(50), 7), Duration::from_millis(50), "too short to move");
    }
}

//! The clock of one host: starts anywhere and runs at a rate of its own.

use std::time::Duration;

/// See the module's story.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Clock {
    /// What it shows when the world begins.
    pub(crate) origin: Duration,
    /// Thousandths of a second that it counts in a second.
    pub(crate) permille: u32,
}

impl Clock {
    /// What it shows at a time of the world.
    pub(crate) fn at(&self, world: Duration) -> Duration {
        self.origin + Duration::from_micros(micros(world) * u64::from(self.permille) / 1_000)
    }

    /// The first time of the world at which it shows `local` or later.
    pub(crate) fn world(&self, local: Duration) -> Duration {
        let since = micros(local.saturating_sub(self.origin)) + 1;
        Duration::from_micros((since * 1_000).div_ceil(u64::from(self.permille)))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).expect("no run lasts half a million years")
}

//! Calls and their times.

use std::time::Duration;

use polyreme_runtime::Module;
use tokio::time::Instant;

use crate::Failure;
use crate::objects::Objects;

/// Times of both sides, each sorted.
pub(crate) struct Samples {
    pub(crate) guest: Vec<Duration>,
    /// The part on the guest's CPU.
    pub(crate) guest_cpu: Vec<Duration>,
    pub(crate) native: Vec<Duration>,
}

impl Samples {
    /// `calls` by the guest and natively in turn, after `warm_up` to fill caches. Each side makes `in_a_row`
    /// before it is the other's turn: with 1, each finds the CPU's caches full of the other's code.
    pub(crate) async fn take(
        module: &Module,
        objects: &Objects,
        warm_up: usize,
        calls: usize,
        in_a_row: usize,
    ) -> Result<Self, Failure> {
        for _ in 0..warm_up {
            objects.reconcile(module).await?;
            objects.reconcile_natively()?;
        }
        let none = || Vec::with_capacity(calls);
        let mut samples = Self { guest: none(), guest_cpu: none(), native: none() };
        for _ in 0..calls / in_a_row {
            for _ in 0..in_a_row {
                let started = Instant::now();
                let stats = objects.reconcile(module).await?;
                samples.guest.push(started.elapsed());
                samples.guest_cpu.push(stats.cpu_time);
            }
            for _ in 0..in_a_row {
                let started = Instant::now();
                objects.reconcile_natively()?;
                samples.native.push(started.elapsed());
            }
        }
        samples.guest.sort_unstable();
        samples.guest_cpu.sort_unstable();
        samples.native.sort_unstable();
        Ok(samples)
    }
}

/// In microseconds.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default().as_secs_f64() * 1e6
}

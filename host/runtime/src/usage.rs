//! What a call used: CPU time of the guest, memory, host calls, log lines.
//!
//! A call is charged in stretches: from where the guest starts running to where it stops.
//! Most calls are over within one tick of the engine. They are charged by the wall clock,
//! because the thread's CPU clock costs a system call at each end of each stretch, a
//! thirtieth of such a call. From its first tick on a call is charged by the CPU clock, so
//! neither a busy machine nor a slow API server uses up a guest's budget: what the wall
//! clock can charge too much is bounded by that one tick.
//!
//! A call may move between threads only while it is stopped, which is why the differences
//! of the CPU clock are always taken on one thread.
//!
//! A [`Usage`] is shared by the call, its instance and whoever reports it, because the
//! instance is gone by the time a deadline is reported.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::ticker::TICK;
use crate::turns::{Line, Turn};

/// What one call used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallStats {
    /// Time on a CPU inside the guest and in host calls that are answered at once. Up to the first 5 ms are wall
    /// time, so a machine that had no CPU to spare may show there.
    pub cpu_time: Duration,
    /// From the start of the instance to the end of the call.
    pub wall_time: Duration,
    /// The most linear memory the instance had.
    pub memory_high_water_bytes: u64,
    /// Calls of `kubernetes`, `http`, `events` and `metrics`.
    pub host_calls: u32,
    /// Log lines that were passed on.
    pub log_lines: u32,
    /// Log lines that the quota cut off.
    pub log_lines_dropped: u32,
}

/// [`Usage`]'s mark that the guest is not on a CPU. No clock here gets there in centuries.
const NOT_RUNNING: u64 = u64::MAX;

/// Running account of one call; starts with the guest not running.
#[derive(Debug)]
pub(crate) struct Usage {
    started: Instant,
    cpu_nanos: AtomicU64,
    /// By the clock that counts; [`Usage::leave`] comes before it is changed.
    entered_at_nanos: AtomicU64,
    by_cpu_clock: AtomicBool,
    pub(crate) memory_bytes: AtomicU64,
    pub(crate) host_calls: AtomicU32,
    pub(crate) log_lines: AtomicU32,
    pub(crate) log_lines_dropped: AtomicU32,
    pending: Mutex<Option<&'static str>>,
    /// The right to compute on; given back where the guest stops running.
    turn: Mutex<Option<Turn>>,
}

/// What a wall deadline reports while a call waits for its turn.
const A_TURN: &str = "a turn on the CPU";

impl Usage {
    /// The guest runs on this thread from now on.
    pub(crate) fn enter(&self) {
        self.entered_at_nanos.store(self.clock_nanos(), Ordering::Relaxed);
    }

    /// The guest stopped running, and gives its turn back; must be called on the thread of [`Usage::enter`].
    /// Charges nothing when the guest was not running.
    pub(crate) fn leave(&self) {
        self.end();
        self.give_turn_back();
    }

    /// [`Usage::leave`], but the turn is kept for what has to be cleared away.
    pub(crate) fn end(&self) {
        let entered = self.entered_at_nanos.swap(NOT_RUNNING, Ordering::Relaxed);
        if entered != NOT_RUNNING {
            let ran = self.clock_nanos().saturating_sub(entered);
            let most = if self.outlived_a_tick() { u64::MAX } else { nanos(TICK) };
            self.cpu_nanos.fetch_add(ran.min(most), Ordering::Relaxed);
        }
    }

    /// Everything is cleared away.
    pub(crate) fn give_turn_back(&self) {
        *self.turn.lock() = None;
    }

    /// [`Usage::leave`] at a tick: from the next [`Usage::enter`] on the CPU clock counts.
    pub(crate) fn leave_at_tick(&self) {
        self.leave();
        self.by_cpu_clock.store(true, Ordering::Relaxed);
    }

    /// Waits, with the guest's CPU clock stopped, until it is the guest's turn to compute on.
    pub(crate) async fn wait_for_turn(&self, line: &Line) {
        *self.pending.lock() = Some(A_TURN);
        let turn = line.turn().await;
        *self.pending.lock() = None;
        *self.turn.lock() = Some(turn);
    }

    fn outlived_a_tick(&self) -> bool {
        self.by_cpu_clock.load(Ordering::Relaxed)
    }

    fn clock_nanos(&self) -> u64 {
        if self.outlived_a_tick() { thread_cpu_nanos() } else { nanos(self.started.elapsed()) }
    }

    /// CPU time up to the last [`Usage::leave`].
    pub(crate) fn cpu_time(&self) -> Duration {
        Duration::from_nanos(self.cpu_nanos.load(Ordering::Relaxed))
    }

    /// Waits for `work` with the guest's CPU clock stopped. `name` is what a wall
    /// deadline reports as still pending. What is done without waiting is charged to the guest that asked for
    /// it, which keeps its turn: a flood of calls that the cache answers is computing like any other.
    pub(crate) async fn outside<T>(&self, name: &'static str, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let at_once = poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await;
        if let Poll::Ready(answer) = at_once {
            return answer;
        }
        self.leave();
        *self.pending.lock() = Some(name);
        let answer = work.await;
        *self.pending.lock() = None;
        self.enter();
        answer
    }

    /// The host call that has not answered yet.
    pub(crate) fn pending(&self) -> Option<&'static str> {
        *self.pending.lock()
    }

    /// The account so far.
    pub(crate) fn stats(&self) -> CallStats {
        CallStats {
            cpu_time: self.cpu_time(),
            wall_time: self.started.elapsed(),
            memory_high_water_bytes: self.memory_bytes.load(Ordering::Relaxed),
            host_calls: self.host_calls.load(Ordering::Relaxed),
            log_lines: self.log_lines.load(Ordering::Relaxed),
            log_lines_dropped: self.log_lines_dropped.load(Ordering::Relaxed),
        }
    }
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            cpu_nanos: AtomicU64::new(0),
            entered_at_nanos: AtomicU64::new(NOT_RUNNING),
            by_cpu_clock: AtomicBool::new(false),
            memory_bytes: AtomicU64::new(0),
            host_calls: AtomicU32::new(0),
            log_lines: AtomicU32::new(0),
            log_lines_dropped: AtomicU32::new(0),
            pending: Mutex::new(None),
            turn: Mutex::new(None),
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// CPU time of the calling thread. Costs one system call (0.2 to 1.2 µs).
#[allow(
    unsafe_code,
    reason = "the standard library has no thread CPU clock, and rustix only behind a feature \
              that would rebuild wasmtime"
)]
fn thread_cpu_nanos() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid, exclusively borrowed timespec for the whole call.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    if status != 0 {
        return 0;
    }
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn before_its_first_tick_a_call_is_charged_by_the_wall_clock() {
        let usage = Usage::default();
        usage.enter();
        tokio::time::advance(TICK / 2).await;
        usage.leave();
        tokio::time::advance(TICK).await;
        assert_eq!(usage.cpu_time(), TICK / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn only_host_calls_that_wait_stop_the_guests_clock() {
        let usage = Usage::default();
        usage.enter();
        usage.outside("waiting", tokio::time::sleep(100 * TICK)).await;
        assert_eq!(usage.outside("at once", async { 7 }).await, 7);
        tokio::time::advance(TICK / 2).await;
        usage.leave();
        assert_eq!(usage.cpu_time(), TICK / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_without_a_free_cpu_costs_a_call_one_tick_at_most() {
        let usage = Usage::default();
        usage.enter();
        tokio::time::advance(100 * TICK).await;
        usage.leave_at_tick();
        assert_eq!(usage.cpu_time(), TICK);
        usage.enter();
        tokio::time::advance(100 * TICK).await;
        usage.leave();
        assert!(usage.cpu_time() < 2 * TICK, "{usage:?}");
    }
}

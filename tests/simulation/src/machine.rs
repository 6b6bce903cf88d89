//! A machine with one host process on it: its own runtime, its own clocks, its own pace.
//!
//! The runtime's clock is paused, so its time moves only here: [`Machine::advance`] lets everything run
//! that is due up to a moment. A crash drops the runtime. A stopped process is not run while its clocks go
//! on, and finds out by a jump when it is continued; of a suspended machine only the clock that counts
//! suspends goes on.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::{Instant, advance, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::system::{self, Clocks};

/// A machine's pace is in millionths of the server's.
pub(crate) const PAR: u32 = 1_000_000;
/// Some day; machines are up to a day off.
const EPOCH: Duration = Duration::from_secs(1_800_000_000);

/// How long a process that was stopped may take to find out: its timers are late.
const SURPRISE: Duration = Duration::from_millis(10);
/// The same where the whole machine was suspended: timers count on the clock that stood still, and the
/// driver looks at the other one with each renewal, every second of its own. Its gate looks every time.
const AWAKENING: Duration = Duration::from_millis(1_500);

/// What the process on a machine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// There is none.
    Down,
    /// It runs.
    Running,
    /// SIGSTOP.
    Stopped,
    /// The whole machine sleeps.
    Suspended,
}

/// See the module's story.
pub(crate) struct Machine {
    pub(crate) name: String,
    place: usize,
    pub(crate) state: State,
    /// Until when it may not know that it was stopped, on the server's clock.
    surprised_until: Option<Duration>,
    pace: u32,
    /// Of the clock on the wall.
    offset: Duration,
    /// How long it was suspended, on its own clock.
    suspended: Duration,
    /// When it was last run, on its own clock, suspends included, and on the server's.
    local: Duration,
    now: Duration,
    process: Option<Process>,
}

struct Process {
    runtime: Runtime,
    started: Instant,
    /// On the machine's monotonic clock.
    born: Duration,
    shutdown: CancellationToken,
    main: JoinHandle<Result<()>>,
}

impl Machine {
    pub(crate) fn new(place: usize, pace: u32, offset: Duration) -> Self {
        let zero = Duration::ZERO;
        let (state, surprised_until, process) = (State::Down, None, None);
        let name = format!("host-{place}");
        Self {
            name,
            place,
            state,
            surprised_until,
            pace,
            offset,
            suspended: zero,
            local: zero,
            now: zero,
            process,
        }
    }

    /// Starts a process that runs `main` until it ends or is killed.
    pub(crate) fn start<M>(&mut self, main: impl FnOnce(CancellationToken) -> M) -> Result<()>
    where
        M: Future<Output = Result<()>> + Send + 'static,
    {
        system::enter(self.clocks(self.now));
        let runtime = runtime()?;
        let shutdown = CancellationToken::new();
        let started = runtime.block_on(async { Instant::now() });
        let main = runtime.spawn(main(shutdown.clone()));
        self.process = Some(Process { runtime, started, born: self.monotonic(), shutdown, main });
        self.state = State::Running;
        Ok(())
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        if let Some(process) = &self.process {
            process.shutdown.cancel();
        }
    }

    /// SIGKILL: nothing of it runs any more.
    pub(crate) fn kill(&mut self) {
        system::enter(self.clocks(self.now));
        self.process = None;
        self.state = State::Down;
    }

    pub(crate) fn stop(&mut self, state: State) {
        self.state = state;
    }

    /// Whether it goes on only since a moment ago: what it had begun may still be sent before it looks at
    /// its clock.
    pub(crate) fn was_stopped(&self, now: Duration) -> bool {
        self.surprised_until.is_some_and(|until| now < until)
    }

    /// SIGCONT, or the lid is opened.
    pub(crate) fn proceed(&mut self, now: Duration) {
        let before = self.local;
        (self.now, self.local) = (now, self.at(now));
        let mut surprise = SURPRISE;
        if self.state == State::Suspended {
            self.suspended += self.local.saturating_sub(before);
            surprise = AWAKENING;
        }
        self.surprised_until = Some(now + surprise);
        self.state = State::Running;
        system::enter(self.clocks(now));
        let monotonic = self.monotonic();
        if let Some(process) = &self.process {
            let target = process.started + monotonic.saturating_sub(process.born);
            process.runtime.block_on(async {
                let behind = target.saturating_duration_since(Instant::now());
                if !behind.is_zero() {
                    advance(behind).await;
                }
            });
        }
    }

    /// Runs everything that is due until the server's clock shows `now`. How the process ended, if it did.
    pub(crate) fn advance(&mut self, now: Duration) -> Option<Result<()>> {
        if self.state == State::Down {
            (self.now, self.local) = (now, self.at(now));
        }
        if self.state != State::Running {
            return None;
        }
        (self.now, self.local) = (now, self.at(now));
        system::enter(self.clocks(now));
        let monotonic = self.monotonic();
        let process = self.process.as_mut()?;
        let target = process.started + monotonic.saturating_sub(process.born);
        process.runtime.block_on(async { sleep_until(target).await });
        if !process.main.is_finished() {
            return None;
        }
        let ended = process.runtime.block_on(&mut process.main);
        self.kill();
        Some(ended.context("the host panicked").flatten())
    }

    /// Its own time since the simulation began.
    fn at(&self, now: Duration) -> Duration {
        now * self.pace / PAR
    }

    fn monotonic(&self) -> Duration {
        self.local.saturating_sub(self.suspended)
    }

    fn clocks(&self, now: Duration) -> Clocks {
        let (monotonic, boottime) = (self.monotonic(), self.local);
        let realtime = EPOCH + self.offset + self.local;
        Clocks { monotonic, boottime, realtime, host: Some(self.place), now }
    }
}

/// A runtime that has no sockets, and a clock that nobody but us moves.
///
/// What was woken from outside always comes first: by default it does once in 31 turns, and how many turns
/// there were depends on how long a thread took to load a module.
pub(crate) fn runtime() -> Result<Runtime> {
    let mut builder = Builder::new_current_thread();
    let builder = builder.enable_time().start_paused(true).global_queue_interval(1);
    builder.build().context("failed to make a runtime")
}

/// The clocks of a machine that is neither fast nor slow, where the API server is.
pub(crate) fn server_clocks(now: Duration) -> Clocks {
    Clocks { monotonic: now, boottime: now, realtime: EPOCH + now, host: None, now }
}

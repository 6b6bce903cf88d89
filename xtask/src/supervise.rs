//! A server that comes back when it dies.
//!
//! A test that wants to see a host survive a restart of its API server kills the process
//! named in the pid file and waits for another one there. The new process gets the same
//! port and data. A server that dies again and again at once is not restarted for ever.
//! While there is a file of the pid file's name with the extension `hold`, the server stays
//! dead: for tests of longer outages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::{Process, tail};
use crate::wait::{Stopwatch, quietly};

/// A server that lived shorter than this did not start.
const TOO_SHORT: Duration = Duration::from_secs(1);
/// This many starts in a row may fail (a port may linger) before giving up.
const TRIES: u32 = 5;

/// What to keep running.
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) command: Box<dyn Fn() -> Command + Send>,
    pub(crate) log: PathBuf,
    pub(crate) pid_file: PathBuf,
}

/// A server kept running; dropping it ends it for good.
pub(crate) struct Supervised {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
    log: PathBuf,
}

#[derive(Default)]
struct State {
    stop: AtomicBool,
    gave_up: AtomicBool,
}

impl Supervised {
    /// Starts the server and keeps it running.
    pub(crate) fn start(server: Server) -> Result<Self> {
        let first = server.start()?;
        let state = Arc::new(State::default());
        let log = server.log.clone();
        let watched = Arc::clone(&state);
        let thread = thread::spawn(move || server.keep_running(first, &watched));
        Ok(Self { state, thread: Some(thread), log })
    }

    /// An error with the end of the log when the server cannot be kept running.
    pub(crate) fn expect_running(&self) -> Result<()> {
        if self.state.gave_up.load(Ordering::SeqCst) {
            bail!("the server does not stay up\n{}", tail(&self.log));
        }
        Ok(())
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // A panic in there has already been printed; the process ended with its guard.
            let _ = thread.join();
        }
    }
}

impl Server {
    fn start(&self) -> Result<Process> {
        let process = Process::start(&self.name, (self.command)(), &self.log)?;
        write_atomically(&self.pid_file, &process.pid().to_string())?;
        Ok(process)
    }

    fn keep_running(self, first: Process, state: &State) {
        let mut process = first;
        let mut failures = 0;
        while failures < TRIES {
            let clock = Stopwatch::start();
            if ended_or_stopped(&mut process, state) {
                return;
            }
            failures = if clock.elapsed() < TOO_SHORT { failures + 1 } else { 0 };
            if held_or_stopped(&self.pid_file, state) {
                return;
            }
            match self.start() {
                Ok(next) => process = next,
                Err(error) => eprintln!("failed to restart {}: {error:#}", self.name),
            }
        }
        state.gave_up.store(true, Ordering::SeqCst);
    }
}

/// Waits for one of the two; true when it was the stop.
fn ended_or_stopped(process: &mut Process, state: &State) -> bool {
    let stopped = || state.stop.load(Ordering::SeqCst);
    while !quietly(TOO_SHORT, || stopped() || process.exited().is_some()) {}
    stopped()
}

/// Waits until nobody holds the server down; true when it is to stop.
fn held_or_stopped(pid_file: &Path, state: &State) -> bool {
    let hold = pid_file.with_extension("hold");
    let stopped = || state.stop.load(Ordering::SeqCst);
    while !quietly(TOO_SHORT, || stopped() || !hold.exists()) {}
    stopped()
}

fn write_atomically(path: &Path, text: &str) -> Result<()> {
    let temporary = path.with_extension("new");
    fs::write(&temporary, text)
        .and_then(|()| fs::rename(&temporary, path))
        .with_context(|| format!("failed to write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{Signal, to_process};

    const LIMIT: Duration = Duration::from_secs(20);

    fn server(dir: &Path, script: &'static str) -> Server {
        let command = move || {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            command
        };
        Server {
            name: "server".into(),
            command: Box::new(command),
            log: dir.join("log"),
            pid_file: dir.join("pid"),
        }
    }

    fn pid(dir: &Path) -> u32 {
        fs::read_to_string(dir.join("pid")).unwrap().parse().unwrap()
    }

    #[test]
    fn a_killed_server_is_started_again_under_a_new_pid() {
        let dir = tempfile::tempdir().unwrap();
        let supervised = Supervised::start(server(dir.path(), "sleep 600")).unwrap();
        let first = pid(dir.path());
        assert!(to_process(first, Signal::Kill));
        assert!(quietly(LIMIT, || pid(dir.path()) != first));
        supervised.expect_running().unwrap();
    }

    #[test]
    fn a_held_server_stays_dead_until_it_is_released() {
        let dir = tempfile::tempdir().unwrap();
        let supervised = Supervised::start(server(dir.path(), "sleep 600")).unwrap();
        let first = pid(dir.path());
        let hold = dir.path().join("pid.hold");
        fs::write(&hold, "").unwrap();
        assert!(to_process(first, Signal::Kill));
        assert!(quietly(LIMIT, || !to_process(first, Signal::Probe)));
        assert_eq!(pid(dir.path()), first);
        fs::remove_file(&hold).unwrap();
        assert!(quietly(LIMIT, || pid(dir.path()) != first));
        supervised.expect_running().unwrap();
    }

    #[test]
    fn a_server_that_never_stays_up_is_given_up_with_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let supervised = Supervised::start(server(dir.path(), "echo no disk; exit 1")).unwrap();
        assert!(quietly(LIMIT, || supervised.expect_running().is_err()));
        let error = supervised.expect_running().unwrap_err().to_string();
        assert!(error.contains("no disk"), "{error}");
    }
}

//! A process in the background that ends with its guard.
//!
//! Each runs in a process group of its own, so that ending it ends what it started, and
//! Ctrl-C on the terminal reaches only xtask, which then ends the processes in order. The
//! output goes to a log file; its tail is what an error shows.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::signal::{self, Signal};
use crate::{stop, wait};

/// Time to shut down cleanly before SIGKILL; a host drains for at most 30 s by default but
/// has nothing to drain here.
const GRACE: Duration = Duration::from_secs(10);
/// Enough of a log to see why a server did not start.
const TAIL_LINES: usize = 25;

/// A running child; dropping it ends it.
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its output appended to `log`.
    pub(crate) fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let output = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("failed to open {}", log.display()))?;
        let errors = output.try_clone().context("failed to share the log file")?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .with_context(|| format!("failed to start {name}"))?;
        stop::register(child.id());
        Ok(Self { name: name.to_owned(), child, log: log.to_owned() })
    }

    /// The process id, which is also the group's.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, or nothing while it runs.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// An error with the end of the log when the process has ended.
    pub(crate) fn expect_running(&mut self) -> Result<()> {
        match self.exited() {
            None => Ok(()),
            Some(status) => bail!("{} ended with {status}\n{}", self.name, tail(&self.log)),
        }
    }

    /// SIGTERM, then SIGKILL to whatever is left of the group.
    pub(crate) fn stop(&mut self) {
        if self.exited().is_none() {
            signal::to_group(self.pid(), Signal::Terminate);
            wait::quietly(GRACE, || self.exited().is_some());
        }
        signal::to_group(self.pid(), Signal::Kill);
        let _ = self.child.wait();
        stop::unregister(self.pid());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Runs a command in the foreground with the terminal's output.
///
/// # Errors
/// When it cannot be started, fails, or the user interrupts.
pub(crate) fn run(name: &str, command: &mut Command) -> Result<()> {
    let status = wait_for(name, command)?;
    stop::check()?;
    if !status.success() {
        bail!("{name} failed with {status}");
    }
    Ok(())
}

fn wait_for(name: &str, command: &mut Command) -> Result<ExitStatus> {
    let mut child = command
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("failed to start {name}"))?;
    foreground(&mut child, Child::wait).with_context(|| format!("failed to wait for {name}"))
}

/// Waits for a child, the leader of its group, that a signal may end.
pub(crate) fn foreground<T>(child: &mut Child, wait: impl FnOnce(&mut Child) -> T) -> T {
    let group = child.id();
    stop::register(group);
    let result = stop::in_foreground(group, || wait(child));
    stop::unregister(group);
    result
}

/// The last lines of a log, or a word about why there are none.
pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    if lines.is_empty() {
        return format!("(nothing was written to {})", log.display());
    }
    lines.iter().skip(lines.len().saturating_sub(TAIL_LINES)).map(|line| format!("    {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(dir: &Path) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", "echo started; sleep 600 & wait"]);
        Process::start("sleeper", command, &dir.join("log")).unwrap()
    }

    fn is_alive(group: u32) -> bool {
        signal::to_group(group, Signal::Probe)
    }

    #[test]
    fn a_dropped_process_takes_its_children_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let process = sleeper(dir.path());
        let group = process.pid();
        assert!(is_alive(group));
        drop(process);
        assert!(wait::quietly(GRACE, || !is_alive(group)));
    }

    #[test]
    fn a_process_that_ended_is_reported_with_its_last_words() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo the port is taken; exit 3"]);
        let mut process = Process::start("server", command, &dir.path().join("log")).unwrap();
        assert!(wait::quietly(GRACE, || process.exited().is_some()));
        let error = process.expect_running().unwrap_err().to_string();
        assert!(error.contains("the port is taken"), "{error}");
    }
}

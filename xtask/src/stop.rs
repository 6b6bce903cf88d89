//! Ctrl-C and SIGTERM: one flag, one way out.
//!
//! The signal handler ends nothing by itself but the command in the foreground. It sets a
//! flag that every waiting loop looks at (`check`), which turns the signal into an ordinary
//! error; the guards on the stack then end processes and remove files in the right order,
//! exactly as they do on success. A second signal kills what is left and exits at once.

use std::collections::BTreeSet;
use std::process;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

/// What shells report for a command that SIGINT ended.
pub(crate) const EXIT_CODE: u8 = 130;

static REQUESTED: AtomicBool = AtomicBool::new(false);
/// The command whose end is being waited for without looking at the flag.
static FOREGROUND: Mutex<Option<Pid>> = Mutex::new(None);
/// Process groups that are alive, for the second signal.
static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Takes over SIGINT, SIGTERM and SIGHUP.
pub(crate) fn install() -> Result<()> {
    ctrlc::set_handler(on_signal).context("failed to install the signal handler")
}

/// Whether the user asked to stop.
pub(crate) fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// An error once the user asked to stop.
pub(crate) fn check() -> Result<()> {
    if requested() {
        bail!("interrupted");
    }
    Ok(())
}

/// Remembers a process group until it has ended.
pub(crate) fn register(group: Pid) {
    with(&GROUPS, |groups| groups.insert(group.as_raw_nonzero().get()));
}

/// Forgets a process group that has ended.
pub(crate) fn unregister(group: Pid) {
    with(&GROUPS, |groups| groups.remove(&group.as_raw_nonzero().get()));
}

/// Runs `wait` while a signal ends `group`, so that `wait` returns.
pub(crate) fn in_foreground<T>(group: Pid, wait: impl FnOnce() -> T) -> T {
    with(&FOREGROUND, |foreground| *foreground = Some(group));
    let result = wait();
    with(&FOREGROUND, |foreground| *foreground = None);
    result
}

fn on_signal() {
    if REQUESTED.swap(true, Ordering::SeqCst) {
        kill_everything();
        process::exit(EXIT_CODE.into());
    }
    if let Some(group) = with(&FOREGROUND, |foreground| *foreground) {
        // It may have ended on its own meanwhile.
        let _ = kill_process_group(group, Signal::TERM);
    }
}

fn kill_everything() {
    let groups = with(&GROUPS, |groups| std::mem::take(groups));
    for group in groups.into_iter().filter_map(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// The state stays usable when another thread panicked while holding it: each change is
/// one assignment.
fn with<S, T>(state: &Mutex<S>, act: impl FnOnce(&mut S) -> T) -> T {
    let mut guard = state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    act(&mut guard)
}

//! Ctrl-C and SIGTERM: one flag, one way out.
//!
//! The signal handler ends nothing by itself but the command in the foreground. It sets a
//! flag that every waiting loop looks at (`check`), which turns the signal into an ordinary
//! error; the guards on the stack then end processes and remove files in the right order,
//! exactly as they do on success. A second signal kills what is left and exits at once.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{process, thread};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::signal::{self, Signal};

/// What shells report for a command that SIGINT ended.
pub(crate) const EXIT_CODE: u8 = 130;

static REQUESTED: AtomicBool = AtomicBool::new(false);
/// The command whose end is being waited for without looking at the flag.
static FOREGROUND: Mutex<Option<u32>> = Mutex::new(None);
/// Process groups that are alive, for the second signal.
static GROUPS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// Takes over SIGINT, SIGTERM and SIGHUP.
pub(crate) fn install() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("failed to listen for signals")?;
    thread::spawn(move || signals.forever().for_each(|_| on_signal()));
    Ok(())
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
pub(crate) fn register(group: u32) {
    with(&GROUPS, |groups| groups.insert(group));
}

/// Forgets a process group that has ended.
pub(crate) fn unregister(group: u32) {
    with(&GROUPS, |groups| groups.remove(&group));
}

/// Runs `wait` while a signal ends `group`, so that `wait` returns.
pub(crate) fn in_foreground<T>(group: u32, wait: impl FnOnce() -> T) -> T {
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
        signal::to_group(group, Signal::Terminate);
    }
}

fn kill_everything() {
    let groups = with(&GROUPS, std::mem::take);
    for group in groups {
        signal::to_group(group, Signal::Kill);
    }
}

/// The state stays usable when another thread panicked while holding it: each change is
/// one assignment.
fn with<S, T>(state: &Mutex<S>, act: impl FnOnce(&mut S) -> T) -> T {
    let mut guard = state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    act(&mut guard)
}

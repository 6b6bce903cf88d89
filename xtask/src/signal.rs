//! Signals to processes and their groups, sent by the shell's own `kill`.
//!
//! std can only SIGKILL a direct child. The call itself is `unsafe` outside of wrapper
//! crates, and the wrappers switch on features of libc and rustix with which every
//! `cargo xtask` after a plain `cargo build` would build the whole workspace anew.

use std::process::{Command, Stdio};

/// What xtask sends.
#[derive(Clone, Copy)]
pub(crate) enum Signal {
    /// A request to end.
    Terminate,
    /// The end.
    Kill,
    /// Nothing; tells whether anybody would get it.
    #[cfg(test)]
    Probe,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Kill => "KILL",
            #[cfg(test)]
            Self::Probe => "0",
        }
    }
}

/// Sends to every process of a group; false when there is none left.
pub(crate) fn to_group(group: u32, signal: Signal) -> bool {
    kill(signal, &format!("-{group}"))
}

/// Sends to one process; false when it is gone.
#[cfg(test)]
pub(crate) fn to_process(process: u32, signal: Signal) -> bool {
    kill(signal, &process.to_string())
}

fn kill(signal: Signal, target: &str) -> bool {
    let script = format!("kill -s {} -- {target}", signal.name());
    let outcome = Command::new("sh").args(["-c", &script]).stderr(Stdio::null()).status();
    outcome.is_ok_and(|status| status.success())
}

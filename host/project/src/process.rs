//! Running a language's own tool: its messages go to our stderr, and it ends when we do.

use std::io;
use std::process::{Command as StdCommand, ExitStatus, Output, Stdio};

use tokio::process::Command;

/// Runs a tool to its end; what it prints on either stream is for the user, on stderr. The tool is killed
/// when the future is dropped.
pub(crate) async fn run(mut command: StdCommand) -> io::Result<ExitStatus> {
    command.stdin(Stdio::null()).stdout(io::stderr()).stderr(Stdio::inherit());
    Command::from(command).kill_on_drop(true).status().await
}

/// As [`run`], but what the tool prints on stdout is the answer.
pub(crate) async fn answer(mut command: StdCommand) -> io::Result<Output> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    Command::from(command).kill_on_drop(true).spawn()?.wait_with_output().await
}

/// As [`run`], but both streams are kept: for questions whose failure has a better wording of ours.
pub(crate) async fn quiet(mut command: StdCommand) -> io::Result<Output> {
    command.stdin(Stdio::null());
    Command::from(command).kill_on_drop(true).output().await
}

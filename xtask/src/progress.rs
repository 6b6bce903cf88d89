//! Long builds that show where they are.
//!
//! On a terminal: one spinner line with the last line of output, the whole output only
//! when it failed. Elsewhere (CI): the plain lines, as they come.

use std::io::{BufRead, BufReader, IsTerminal, stderr};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::wait::{Stopwatch, human};
use crate::{process, stop};

const TICK: Duration = Duration::from_millis(100);
/// A failed build shows this much of its output.
const KEPT_LINES: usize = 2000;

/// Runs `command`, reporting it as `title`.
///
/// # Errors
/// When it cannot be started, fails (its output is shown first), or the user interrupts.
pub(crate) fn step(title: &str, command: &mut Command) -> Result<()> {
    let clock = Stopwatch::start();
    let done = if stderr().is_terminal() { with_spinner(title, command) } else { with_lines(title, command) };
    done.with_context(|| format!("failed to {title}"))?;
    eprintln!("✔ {title} ({})", human(clock.elapsed()));
    Ok(())
}

fn with_lines(title: &str, command: &mut Command) -> Result<()> {
    eprintln!("… {title}");
    process::run(&program(command), command)
}

fn with_spinner(title: &str, command: &mut Command) -> Result<()> {
    let bar = ProgressBar::new_spinner().with_style(style()).with_message(title.to_owned());
    bar.enable_steady_tick(TICK);
    let (status, lines) = follow(command, |line| bar.set_prefix(line.trim().to_owned()))?;
    bar.finish_and_clear();
    stop::check()?;
    if !status.success() {
        eprintln!("{}", lines.join("\n"));
        bail!("{} failed with {status}", program(command));
    }
    Ok(())
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg} {elapsed} {prefix:.dim}")
        .expect("the template is a constant that parses")
}

/// Runs the command, hands every line of both its streams to `see`, and keeps the last.
fn follow(command: &mut Command, mut see: impl FnMut(&str)) -> Result<(ExitStatus, Vec<String>)> {
    let (reader, writer) = std::io::pipe().context("failed to make a pipe")?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone().context("failed to share a pipe")?)
        .stderr(writer)
        .process_group(0)
        .spawn()
        .with_context(|| format!("failed to start {}", program(command)))?;
    // The command keeps the pipe's writing ends: without this the reading end never closes.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut lines = Vec::new();
    let status = process::foreground(&mut child, |child| {
        read_all(child, reader, |line| {
            see(&line);
            keep(&mut lines, line);
        })
    });
    Ok((status.context("failed to wait for a command")?, lines))
}

fn read_all(
    child: &mut Child,
    reader: std::io::PipeReader,
    mut see: impl FnMut(String),
) -> std::io::Result<ExitStatus> {
    for line in BufReader::new(reader).lines().map_while(Result::ok) {
        see(line);
    }
    child.wait()
}

fn keep(lines: &mut Vec<String>, line: String) {
    if lines.len() >= KEPT_LINES {
        lines.remove(0);
    }
    lines.push(line);
}

fn program(command: &Command) -> String {
    let arguments = command.get_args().take(1).map(|argument| argument.to_string_lossy().into_owned());
    let name = command.get_program().to_string_lossy().into_owned();
    std::iter::once(name).chain(arguments).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_both_streams_is_seen_and_kept() {
        let mut seen = 0;
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; exit 4"]);
        let (status, lines) = follow(&mut command, |_| seen += 1).unwrap();
        assert_eq!((seen, lines.len(), status.code()), (2, 2, Some(4)));
    }
}

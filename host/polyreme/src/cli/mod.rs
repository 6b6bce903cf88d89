//! Arguments, and which command they name.

mod apiserver;
mod build;
mod cluster;
mod dev;
mod inspect;
mod new;
mod pull;
mod push;
mod rbac;
mod registries;
mod ring;
mod run;
mod schema;
mod signals;
mod validate;

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use polyreme::explain;
use polyreme::logging::{self, LogFormat};

/// Exit code for what has to be changed before trying again, as clap uses it.
const USAGE: u8 = 2;

/// Exit code for a language's tools that have to be installed or renewed first.
const NO_TOOLS: u8 = 3;

/// A language-neutral controller host for Kubernetes.
///
/// Controllers are WebAssembly components; a host runs any number of them against one
/// cluster and brings watches, queues, caches and API access.
#[derive(Debug, Parser)]
#[command(name = "polyreme", version, propagate_version = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,

    /// The form of log lines on stderr.
    #[arg(long, global = true, value_enum, default_value = "text", env = "POLYREME_LOG_FORMAT")]
    log_format: Format,

    /// A level (error, warn, info, debug, trace), or targets such as
    /// `info,polyreme::guest=debug`.
    #[arg(long, global = true, value_name = "FILTER", default_value = logging::DEFAULT_FILTER, env = "POLYREME_LOG")]
    log_level: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(new::New),
    Build(build::Build),
    Dev(dev::Dev),
    Inspect(inspect::Inspect),
    Push(push::Push),
    Pull(pull::Pull),
    Run(run::Run),
    Rbac(rbac::Rbac),
    Ring(ring::Ring),
    Schema(schema::Schema),
    Validate(validate::Validate),
    Apiserver(apiserver::Apiserver),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Cli {
    pub(crate) fn start_logging(&self) -> Result<(), Failure> {
        let format = match self.log_format {
            Format::Text => LogFormat::Text,
            Format::Json => LogFormat::Json,
        };
        logging::start(format, &self.log_level).map_err(Failure::usage)
    }

    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::New(command) => command.run(),
            Command::Dev(command) => command.run().await,
            Command::Inspect(command) => command.run().await,
            Command::Push(command) => command.run().await,
            Command::Pull(command) => command.run().await,
            Command::Rbac(command) => command.run().await,
            Command::Run(command) => command.run().await,
            Command::Ring(command) => command.run().await,
            Command::Schema(command) => {
                command.run();
                Ok(())
            }
            Command::Validate(command) => command.run().await,
            Command::Build(command) => command.run().await,
            Command::Apiserver(command) => command.run().await,
        }
    }
}

/// Why a command ended without doing what it was told.
#[derive(Debug)]
pub(crate) struct Failure {
    error: anyhow::Error,
    code: u8,
}

impl Failure {
    /// The arguments or a file have to be changed first.
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { error: error.into(), code: USAGE }
    }

    /// A tool has to be installed first.
    pub(crate) fn no_tools(error: impl Into<anyhow::Error>) -> Self {
        Self { error: error.into(), code: NO_TOOLS }
    }

    /// Something went wrong on the way.
    pub(crate) fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self { error: error.into(), code: 1 }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&explain::chain(self.error.as_ref()))
    }
}

/// Prints a line of a command's result. A reader that has gone away is no failure.
fn print(line: impl fmt::Display) {
    let mut stdout = std::io::stdout().lock();
    _ = writeln!(stdout, "{line}");
    _ = stdout.flush();
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_argument_has_help() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{} has no help", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} has no help", argument.get_id());
            }
        }
    }

    #[test]
    fn paths_are_quoted_for_a_shell() {
        assert_eq!(quoted(Path::new("/a/kube.config")), "/a/kube.config");
        assert_eq!(quoted(Path::new("/my files/k")), "'/my files/k'");
    }

    #[test]
    fn the_log_level_may_follow_the_command() {
        let cli = Cli::try_parse_from(["polyreme", "run", "--config", "a.yaml", "--log-level", "debug"]);
        assert_eq!(cli.unwrap().log_level, "debug");
    }
}

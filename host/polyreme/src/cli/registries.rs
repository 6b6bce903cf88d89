//! What `push` and `pull` have in common: how registries are reached, and the exit code of what goes wrong.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use polyreme_sources::{Fetcher, Settings, SourceError};

use super::Failure;

/// How registries are reached. Without these as docker does it.
#[derive(Debug, Args)]
pub(super) struct RegistryArgs {
    /// The file with docker's credentials [default: $DOCKER_CONFIG/config.json, then ~/.docker/config.json].
    #[arg(long, value_name = "FILE")]
    docker_config: Option<PathBuf>,

    /// Certificates (PEM) that are trusted besides the system's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

impl RegistryArgs {
    /// Shares the cache of hosts that have no `cacheDir`.
    pub(super) fn fetcher(self) -> Fetcher {
        Fetcher::new(Settings {
            cache: polyreme_project::paths::cache_dir(),
            docker_config: self.docker_config,
            ca_file: self.ca_file,
            ..Settings::default()
        })
    }
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// Lines for people.
    Text,
    /// One JSON object.
    Json,
}

pub(super) fn failure(error: SourceError) -> Failure {
    if error.is_permanent() { Failure::usage(error) } else { Failure::failed(error) }
}

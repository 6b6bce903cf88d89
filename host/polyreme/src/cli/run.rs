//! `polyreme run`: the host.

use std::path::PathBuf;

use clap::Args;
use polyreme::host::ConfigFile;
use polyreme::identity::Identity;
use tokio_util::sync::CancellationToken;

use super::Failure;
use super::cluster::ClusterArgs;
use super::signals::with_signals;

/// Run the controllers of a configuration until told to stop.
///
/// SIGTERM or SIGINT lets running reconciles finish (`shutdownGracePeriod`); a second
/// signal ends at once. /metrics, /healthz and /readyz are on `admin.address`. The file and the modules
/// that it names are followed: what changes takes effect while the host runs.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The host's configuration (YAML; docs/configuration.md lists every field).
    #[arg(long, short, value_name = "FILE", env = "POLYREME_CONFIG")]
    config: PathBuf,

    /// What this host is called, a DNS label [default: $POD_NAME, then the machine's name].
    #[arg(long, value_name = "NAME", env = "POLYREME_IDENTITY")]
    identity: Option<String>,

    /// Run only the controllers of this profile [default: all controllers].
    #[arg(long, value_name = "NAME", env = "POLYREME_PROFILE")]
    profile: Option<String>,

    #[command(flatten)]
    cluster: ClusterArgs,
}

impl Run {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let mut identity = Identity::find(self.identity).map_err(Failure::usage)?;
        let profile = self.profile.filter(|profile| !profile.is_empty());
        identity.profile = profile.clone().unwrap_or_default();
        let file = ConfigFile::new(&self.config, move |config| {
            config.choose(profile.as_deref())?;
            Ok(config.identify(identity.clone())?)
        });
        let config = file.load().map_err(Failure::usage)?;
        let cluster = self.cluster.load().await.map_err(Failure::usage)?;
        let shutdown = CancellationToken::new();
        let host = polyreme::host::run(file, config, cluster, shutdown.clone());
        with_signals(shutdown, host).await.map_err(Failure::failed)?.map_err(Failure::failed)
    }
}

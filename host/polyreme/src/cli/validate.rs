//! `polyreme validate`: everything about a configuration that can be known without a cluster.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use polyreme::config::{ControllerConfig, HostConfig};
use polyreme::explain;
use polyreme::host;
use polyreme_runtime::Engine;
use polyreme_runtime::wit::reconciler::Manifest;

use super::{Failure, print};

/// Check a configuration: its text, its modules and their settings. Needs no cluster.
///
/// Every module is loaded and asked what it is. Prints what each controller watches and
/// asks for; the exit code is 2 when anything has to be changed.
#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// The host's configuration.
    #[arg(long, short, value_name = "FILE", env = "POLYREME_CONFIG")]
    config: PathBuf,
}

impl Validate {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let config = HostConfig::load(&self.config).map_err(Failure::usage)?;
        let engine = Engine::new(host::engine_config(&config)).map_err(Failure::failed)?;
        let mut faulty = 0;
        for controller in &config.controllers {
            match host::load(&engine, controller).await {
                Ok(loaded) => report(controller, &loaded.manifest),
                Err(error) => {
                    faulty += 1;
                    eprintln!("error: {}: {}", controller.place, explain::chain(&error));
                }
            }
        }
        if faulty > 0 {
            let total = config.controllers.len();
            return Err(Failure::usage(anyhow!("{faulty} of {total} controllers cannot run as configured")));
        }
        Ok(())
    }
}

fn report(controller: &ControllerConfig, manifest: &Manifest) {
    let Manifest { name, version, primary, owns, watches, permissions, .. } = manifest;
    print(format_args!("{}: ok, {name} {version}", controller.name));
    print(format_args!("  reconciles {} {}", primary.api_version, primary.kind));
    for kind in owns {
        print(format_args!("  owns {} {}", kind.api_version, kind.kind));
    }
    for watch in watches {
        print(format_args!("  watches {} {}", watch.kind.api_version, watch.kind.kind));
    }
    for line in permissions {
        let (kinds, verbs) = (line.kinds.join(", "), line.verbs.join(", "));
        print(format_args!("  asks for {} {kinds}: {verbs}", line.api_version));
    }
}

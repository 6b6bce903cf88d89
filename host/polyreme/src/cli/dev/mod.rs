//! `polyreme dev`: a controller on a cluster of its own, built again and reloaded after every change.
//!
//! Everything runs in this process: the local API server, then the host. A change of the project's files
//! ([`sources`]) builds it anew; a build that fails says why and leaves the old controller running. The server
//! lives as long as the command, so objects survive a reload.

mod board;
mod manifests;
mod sources;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::Args;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use polyreme::config::{HostConfig, ModuleSource};
use polyreme::explain;
use polyreme::identity::Identity;
use polyreme_apiserver::{Server, ServerConfig};
use polyreme_ownership::Timing;
use polyreme_project::{BuildOptions, Built, Project, build};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::board::Board;
use self::sources::Sources;
use super::signals::with_signals;
use super::{Failure, apiserver, build as cli_build, print, quoted};

/// What the host is called: there is one.
const IDENTITY: &str = "dev";
/// Files of the command's own, in the project; not for version control.
const FOLDER: &str = ".polyreme";

/// Run a project's controller on a local API server, and build and reload it after every change.
///
/// Applies the project's kinds (crd.yaml, crds/) and samples (sample.yaml, samples/), and tells when they become
/// Ready. The cluster is in memory and for this command only; its kubeconfig is printed. Ctrl-C ends everything.
#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// The controller's folder.
    #[arg(default_value = ".")]
    dir: PathBuf,

    /// The host's configuration; the module of this project is taken from the build [default: polyreme.yaml].
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,

    /// End as soon as every sample is Ready, for scripts.
    #[arg(long)]
    until_ready: bool,
}

impl Dev {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let started = Instant::now();
        let project = Project::find(&self.dir).map_err(Failure::usage)?;
        let config = self.config.clone().unwrap_or_else(|| project.root().join("polyreme.yaml"));
        // Before anything is built or started.
        HostConfig::load(&config).map_err(Failure::usage)?;
        let shutdown = CancellationToken::new();
        let session = Session::run(&self, &project, config, started, shutdown.clone());
        with_signals(shutdown, session).await.map_err(Failure::failed)?
    }
}

/// A running `polyreme dev`.
struct Session<'a> {
    project: &'a Project,
    config: PathBuf,
    cluster: Config,
    /// The host that runs now, if one does, and how it is told to stop.
    host: JoinSet<anyhow::Result<()>>,
    stop: CancellationToken,
}

impl<'a> Session<'a> {
    async fn run(
        options: &Dev,
        project: &'a Project,
        config: PathBuf,
        started: Instant,
        shutdown: CancellationToken,
    ) -> Result<(), Failure> {
        let mut sources = Sources::of(project.root());
        let (server, built) = tokio::select! {
            both = start(project) => both?,
            () = shutdown.cancelled() => return Ok(()),
        };
        let kubeconfig = server.kubeconfig();
        let place = project.root().join(FOLDER).join("kubeconfig");
        let cluster = connect(&kubeconfig, &place).await.map_err(Failure::failed)?;
        let client = Client::try_from(cluster.clone()).map_err(Failure::failed)?;
        let samples = manifests::apply_all(&client, project.root()).await.map_err(Failure::usage)?;
        print(format_args!("cluster: export KUBECONFIG={}", quoted(&place)));
        let mut session =
            Self { project, config, cluster, host: JoinSet::new(), stop: CancellationToken::new() };
        let ended = async {
            session.start_host(&built)?;
            let mut board = Board::watch(&client, samples, started);
            session.follow(&mut sources, &mut board, options.until_ready, &shutdown).await
        }
        .await;
        session.stop_host().await;
        apiserver::remove(&place, &kubeconfig);
        server.shutdown().await;
        ended
    }

    async fn follow(
        &mut self,
        sources: &mut Sources,
        board: &mut Board,
        until_ready: bool,
        shutdown: &CancellationToken,
    ) -> Result<(), Failure> {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = board.next_change() => {
                    if until_ready && board.all_ready() {
                        return Ok(());
                    }
                }
                Some(ended) = self.host.join_next() => self.host_ended(ended),
                () = sources.changed() => self.reload(shutdown).await,
            }
        }
    }

    /// Builds; what comes out takes the place of what runs.
    async fn reload(&mut self, shutdown: &CancellationToken) {
        print("changed: building");
        let built = tokio::select! {
            built = build_now(self.project) => built,
            () = shutdown.cancelled() => return,
        };
        match built {
            Ok(built) => {
                self.stop_host().await;
                if let Err(failure) = self.start_host(&built) {
                    eprintln!("error: {failure}");
                }
            }
            Err(failure) => eprintln!("error: {failure}\nthe controller that was built before goes on"),
        }
    }

    fn start_host(&mut self, built: &Built) -> Result<(), Failure> {
        let config = self.host_config(built)?;
        self.stop = CancellationToken::new();
        self.host.spawn(polyreme::host::run(config, self.cluster.clone(), self.stop.clone()));
        Ok(())
    }

    /// The project's configuration with the module just built, on an admin port that is free.
    fn host_config(&self, built: &Built) -> Result<HostConfig, Failure> {
        let mut config = HostConfig::load(&self.config).map_err(Failure::usage)?;
        let identity = Identity::find(Some(IDENTITY.to_owned())).map_err(Failure::usage)?;
        config.identify(identity).map_err(Failure::usage)?;
        config.admin.address.set_port(0);
        config.ownership.timing = Timing::FAST;
        let is_ours = |module: &ModuleSource| match module {
            ModuleSource::File(path) => path.file_stem() == Some(built.name.as_ref()),
            ModuleSource::Remote(_) => false,
        };
        let (only, path) = (config.controllers.len() == 1, config.path.display().to_string());
        let ours = config.controllers.iter_mut().find(|controller| only || is_ours(&controller.module));
        let ours = ours.with_context(|| {
            format!(
                "failed to find the controller of this project in {path}: none has a module {}.wasm",
                built.name
            )
        });
        ours.map_err(Failure::usage)?.module = ModuleSource::File(built.path.clone());
        Ok(config)
    }

    async fn stop_host(&mut self) {
        self.stop.cancel();
        while let Some(ended) = self.host.join_next().await {
            self.host_ended(ended);
        }
    }

    fn host_ended(&self, ended: Result<anyhow::Result<()>, tokio::task::JoinError>) {
        match ended {
            Ok(Ok(())) => (),
            Ok(Err(error)) => {
                eprintln!("error: {}\nchange something to try again", explain::chain(error.as_ref()))
            }
            Err(error) => eprintln!("error: the host ended: {error}"),
        }
    }
}

/// The server comes up while the compiler runs.
async fn start(project: &Project) -> Result<(Server, Built), Failure> {
    let server = async {
        Server::start(ServerConfig::default())
            .await
            .map_err(|error| Failure::failed(apiserver::remedied(error)))
    };
    tokio::try_join!(server, build_now(project))
}

async fn build_now(project: &Project) -> Result<Built, Failure> {
    let started = Instant::now();
    let options = BuildOptions { dir: project.root().to_owned(), ..BuildOptions::default() };
    let built = build(&options).await.map_err(cli_build::failure)?;
    let seconds = started.elapsed().as_secs_f64();
    print(format_args!(
        "built {} ({} KiB) in {seconds:.1} s: {}",
        built.name,
        built.bytes / 1024,
        built.path.display()
    ));
    Ok(built)
}

async fn connect(kubeconfig: &str, place: &Path) -> anyhow::Result<Config> {
    let folder = place.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .and_then(|()| apiserver::write(place, kubeconfig))
        .with_context(|| format!("failed to write the kubeconfig {}", place.display()))?;
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).map_err(|error| anyhow!(error))?;
    Ok(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
}

/// Where an object is, for people.
fn place_of(namespace: Option<&str>, name: &str) -> Arc<str> {
    namespace.map_or_else(|| name.into(), |namespace| format!("{namespace}/{name}").into())
}

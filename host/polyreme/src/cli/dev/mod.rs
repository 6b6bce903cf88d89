//! `polyreme dev`: a controller on a cluster of its own, built again and reloaded after every change.
//!
//! Everything runs in this process: the local API server, then the host. A change of the project's files
//! ([`sources`]) builds it anew and applies its manifests; the host follows the module and its configuration as
//! everywhere. A build that fails says why and leaves the old controller running.

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
use polyreme::host::ConfigFile;
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
    /// The controller's folder; in Go that of the main package.
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
    client: Client,
    board: Board,
    /// The host, and how it is told to stop.
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
        let ended = async {
            let cluster = connect(&kubeconfig, &place).await.map_err(Failure::failed)?;
            print(format_args!("cluster: export KUBECONFIG={}", quoted(&place)));
            let mut session = Self::start(project, &config, cluster, &built, started).await?;
            let ended = session.follow(&mut sources, options.until_ready, &shutdown).await;
            session.stop_host().await;
            ended
        }
        .await;
        apiserver::remove(&place, &kubeconfig);
        server.shutdown().await;
        ended
    }

    async fn start(
        project: &'a Project,
        config: &Path,
        cluster: Config,
        built: &Built,
        started: Instant,
    ) -> Result<Self, Failure> {
        let client = Client::try_from(cluster.clone()).map_err(Failure::failed)?;
        let samples = manifests::apply_all(&client, project.root()).await.map_err(Failure::usage)?;
        let board = Board::watch(&client, samples, started);
        let file = config_file(config, built);
        let config = file.load().map_err(Failure::usage)?;
        let (mut host, stop) = (JoinSet::new(), CancellationToken::new());
        host.spawn(polyreme::host::run(file, config, cluster, stop.clone()));
        Ok(Self { project, client, board, host, stop })
    }

    async fn follow(
        &mut self,
        sources: &mut Sources,
        until_ready: bool,
        shutdown: &CancellationToken,
    ) -> Result<(), Failure> {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = self.board.next_change() => {
                    if until_ready && self.board.all_ready() {
                        return Ok(());
                    }
                }
                Some(ended) = self.host.join_next() => return Err(why_ended(ended)),
                () = sources.changed() => self.reload(shutdown).await,
            }
        }
    }

    /// Builds and applies the manifests; the host notices what comes of the build.
    async fn reload(&mut self, shutdown: &CancellationToken) {
        print("changed: building");
        let renewed = async {
            build_now(self.project).await.map_err(|failure| format!("{failure}"))?;
            let samples = manifests::apply_all(&self.client, self.project.root()).await;
            samples.map_err(|error| explain::chain(error.as_ref()))
        };
        let renewed = tokio::select! {
            renewed = renewed => renewed,
            () = shutdown.cancelled() => return,
        };
        match renewed {
            Ok(samples) => self.board.follow(&self.client, samples),
            Err(why) => eprintln!("error: {why}\nthe controller that was built before goes on"),
        }
    }

    async fn stop_host(&mut self) {
        self.stop.cancel();
        while let Some(ended) = self.host.join_next().await {
            if !matches!(ended, Ok(Ok(()))) {
                eprintln!("error: {}", why_ended(ended));
            }
        }
    }
}

/// A host that ends by itself had a reason to.
fn why_ended(ended: Result<anyhow::Result<()>, tokio::task::JoinError>) -> Failure {
    match ended {
        Ok(Ok(())) => Failure::failed(anyhow!("the host ended by itself")),
        Ok(Err(error)) => Failure::failed(error),
        Err(error) => Failure::failed(anyhow!(error).context("the host broke off")),
    }
}

/// The project's configuration with the module just built, on an admin port that is free.
fn config_file(path: &Path, built: &Built) -> ConfigFile {
    let (name, module) = (built.name.clone(), built.path.clone());
    ConfigFile::new(path, move |config| {
        config.identify(Identity::find(Some(IDENTITY.to_owned()))?)?;
        config.admin.address.set_port(0);
        config.ownership.timing = Timing::FAST;
        let is_ours = |module: &ModuleSource| match module {
            ModuleSource::File(path) => path.file_stem() == Some(name.as_ref()),
            ModuleSource::Remote(_) => false,
        };
        let (only, path) = (config.controllers.len() == 1, config.path.display().to_string());
        let ours = config.controllers.iter_mut().find(|controller| only || is_ours(&controller.module));
        let ours = ours.with_context(|| {
            format!("failed to find the controller of this project in {path}: none has a module {name}.wasm")
        })?;
        ours.module = ModuleSource::File(module.clone());
        Ok(())
    })
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
    let built = build(&build_options(project)).await.map_err(cli_build::failure)?;
    let seconds = started.elapsed().as_secs_f64();
    print(format_args!(
        "built {} ({} KiB) in {seconds:.1} s: {}",
        built.name,
        built.bytes / 1024,
        built.path.display()
    ));
    Ok(built)
}

/// The folder that was named: a module of Go may have several main packages.
fn build_options(project: &Project) -> BuildOptions {
    BuildOptions { dir: project.dir().to_owned(), ..BuildOptions::default() }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_that_was_named_is_built_and_not_the_modules() {
        let folder = tempfile::tempdir().unwrap();
        let main = folder.path().join("cmd/site");
        std::fs::create_dir_all(&main).unwrap();
        std::fs::write(folder.path().join("go.mod"), "module example.com/site\n").unwrap();
        let project = Project::find(&main).unwrap();
        assert_eq!(build_options(&project).dir, main.canonicalize().unwrap());
    }
}

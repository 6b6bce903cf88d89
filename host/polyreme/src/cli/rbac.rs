//! `polyreme rbac`: the rights in the cluster that a configuration needs.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use polyreme::api::resources::Resources;
use polyreme::config::HostConfig;
use polyreme::explain;
use polyreme::host;
use polyreme::object::Kind;
use polyreme::rbac::{self, Described, Installation, Served};
use polyreme_apiserver::builtin;
use polyreme_runtime::Engine;
use serde::Deserialize as _;
use serde_json::Value;

use super::cluster::ClusterArgs;
use super::{Failure, print};

/// Print the ServiceAccounts, Roles and ClusterRoles that a configuration needs, and nothing more.
///
/// Loads every module and reads what it asks for and what is granted. How custom kinds are served is read
/// from their definitions (--crds), else from the cluster. Apply the output with `kubectl apply -f -`.
#[derive(Debug, Args)]
pub(crate) struct Rbac {
    /// The host's configuration.
    #[arg(long, short, value_name = "FILE", env = "POLYREME_CONFIG")]
    config: PathBuf,

    /// Files or folders with CustomResourceDefinitions of the kinds that it names; then no cluster is asked
    /// for these.
    #[arg(long, value_name = "PATH")]
    crds: Vec<PathBuf>,

    /// The service account that hosts run as.
    #[arg(long, value_name = "NAME", default_value = "polyreme-host")]
    service_account: String,

    /// Its namespace, where the Leases are unless the configuration says otherwise. It has to exist before the
    /// output is applied: `kubectl create namespace NAMESPACE`.
    #[arg(long, value_name = "NAMESPACE", default_value = "polyreme-system")]
    namespace: String,

    #[command(flatten)]
    cluster: ClusterArgs,
}

type Known = HashMap<(String, String), Served>;

impl Rbac {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let config = HostConfig::load(&self.config).map_err(Failure::usage)?;
        let mut known = self.definitions().map_err(Failure::usage)?;
        let engine = Engine::new(host::engine_config(&config)).map_err(Failure::failed)?;
        let mut loaded = Vec::new();
        for controller in &config.controllers {
            let at = || format!("{}: controller {}", controller.place, controller.name);
            let one = host::load(&engine, controller).await.with_context(at).map_err(Failure::usage)?;
            loaded.push(one);
        }
        let described: Vec<_> = loaded
            .iter()
            .map(|loaded| Described { config: &loaded.config, manifest: &loaded.manifest })
            .collect();
        self.find_the_rest(&described, &mut known).await?;
        let installation =
            Installation { account: self.service_account.clone(), namespace: self.namespace.clone() };
        let served = |kind: &Kind| {
            let key = (kind.api_version.to_string(), kind.kind.to_string());
            known.get(&key).cloned().expect("every kind was found before")
        };
        for manifest in rbac::manifests(&config, &installation, &described, served) {
            let text = serde_saphyr::to_string(&manifest).map_err(Failure::failed)?;
            print(format_args!("---\n{}", text.trim_end()));
        }
        Ok(())
    }

    /// The kinds of the definitions in `--crds`.
    fn definitions(&self) -> anyhow::Result<Known> {
        let mut known = Known::new();
        for path in &self.crds {
            for file in files(path)? {
                let text = fs::read_to_string(&file)
                    .with_context(|| format!("failed to read {}", file.display()))?;
                let documents: Vec<Value> = serde_saphyr::from_multiple(&text)
                    .map_err(|error| anyhow!("failed to parse {}: {error}", file.display()))?;
                for document in documents.iter().filter(|one| one["kind"] == "CustomResourceDefinition") {
                    let definition = CustomResourceDefinition::deserialize(document)
                        .with_context(|| format!("failed to read a definition in {}", file.display()))?;
                    learn(&mut known, &definition);
                }
            }
        }
        Ok(known)
    }

    /// Built-in kinds are known; the cluster is asked for what no definition was given of.
    async fn find_the_rest(&self, described: &[Described<'_>], known: &mut Known) -> Result<(), Failure> {
        let mut cluster = None;
        for (api_version, kind) in rbac::kinds(described) {
            if known.contains_key(&(api_version.clone(), kind.clone())) {
                continue;
            }
            let wanted = Kind::new(&api_version, &kind);
            let served = match builtin::find_kind(wanted.group(), wanted.version(), &kind) {
                Some(found) => Served { resource: found.plural.to_owned(), namespaced: found.namespaced },
                None => {
                    let (client, resources) = match &cluster {
                        Some(connected) => connected,
                        None => cluster.insert(self.connect(&wanted).await?),
                    };
                    let found = resources.resolve(client, &wanted).await;
                    let found = found.map_err(|error| Failure::failed(anyhow!(error.message)))?;
                    Served { resource: found.api.plural, namespaced: found.namespaced }
                }
            };
            known.insert((api_version, kind), served);
        }
        Ok(())
    }

    async fn connect(&self, kind: &Kind) -> Result<(Client, Resources), Failure> {
        let why =
            || format!("how {kind} is served must be known: name its definition with --crds, or a cluster");
        let config = self.cluster.load().await.with_context(why).map_err(Failure::usage)?;
        let url = config.cluster_url.to_string();
        let client = Client::try_from(config)
            .map_err(|error| explain::client_error(&error, &url))
            .with_context(why)
            .map_err(Failure::failed)?;
        Ok((client, Resources::default()))
    }
}

fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let failed = || format!("failed to read {}", path.display());
    if !fs::metadata(path).with_context(failed)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).with_context(failed)? {
        let path = entry.with_context(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn learn(known: &mut Known, definition: &CustomResourceDefinition) {
    let spec = &definition.spec;
    for version in &spec.versions {
        let served = Served { resource: spec.names.plural.clone(), namespaced: spec.scope == "Namespaced" };
        known.insert((format!("{}/{}", spec.group, version.name), spec.names.kind.clone()), served);
    }
}

//! Which cluster: the rules that every Kubernetes client follows.
//!
//! `--kubeconfig`, else `KUBECONFIG` (several files are merged), else `~/.kube/config`,
//! else the service account of the pod. When none is there, the error names every place
//! that was looked at; when a context does not exist, it lists those that do.

use std::env;
use std::path::{Path, PathBuf};

use clap::Args;
use kube::Config;
use kube::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};

/// How to reach the API server.
#[derive(Debug, Args)]
pub(super) struct ClusterArgs {
    /// The kubeconfig [default: $KUBECONFIG, then ~/.kube/config, then the pod's service account].
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// The context of the kubeconfig [default: its current-context].
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

/// Why no cluster could be chosen.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClusterError {
    #[error(
        "failed to find a cluster: no --kubeconfig, KUBECONFIG is not set, there is no {}, and this is no \
         pod ({in_cluster}); name a kubeconfig with --kubeconfig, or start a local API server with \
         `polyreme apiserver --kubeconfig-out kubeconfig`", home.display()
    )]
    Nowhere { home: PathBuf, in_cluster: InClusterError },
    #[error("failed to read the kubeconfig {from}")]
    Read { from: String, source: KubeconfigError },
    #[error("failed to find context \"{name}\" in {from}; {}", known(contexts))]
    NoContext { name: String, from: String, contexts: Vec<String> },
    #[error(
        "failed to choose a context: {from} has no current-context; name one with --context; {}",
        known(contexts)
    )]
    NoCurrentContext { from: String, contexts: Vec<String> },
    #[error("failed to use the kubeconfig {from}")]
    Use { from: String, source: KubeconfigError },
}

fn known(contexts: &[String]) -> String {
    if contexts.is_empty() {
        return "it has no contexts".to_owned();
    }
    format!("it has: {}", contexts.join(", "))
}

impl ClusterArgs {
    /// Finds and reads the connection's configuration; does not connect.
    pub(super) async fn load(&self) -> Result<Config, ClusterError> {
        let Some((kubeconfig, from)) = self.find()? else { return in_cluster() };
        let contexts = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let loaded = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let config = loaded.map_err(|error| explain(error, from, contexts))?;
        tracing::debug!(url = %config.cluster_url, "using the kubeconfig");
        Ok(config)
    }

    /// The kubeconfig and where it came from; nothing when there is none anywhere.
    fn find(&self) -> Result<Option<(Kubeconfig, String)>, ClusterError> {
        if let Some(path) = &self.kubeconfig {
            return read(path).map(Some);
        }
        let from = env::var("KUBECONFIG").unwrap_or_default();
        let merged =
            Kubeconfig::from_env().map_err(|source| ClusterError::Read { from: from.clone(), source })?;
        if let Some(kubeconfig) = merged {
            return Ok(Some((kubeconfig, from)));
        }
        let home = home_kubeconfig();
        if home.is_file() { read(&home).map(Some) } else { Ok(None) }
    }
}

fn read(path: &Path) -> Result<(Kubeconfig, String), ClusterError> {
    let from = path.display().to_string();
    let read = Kubeconfig::read_from(path);
    Ok((read.map_err(|source| ClusterError::Read { from: from.clone(), source })?, from))
}

fn in_cluster() -> Result<Config, ClusterError> {
    Config::incluster().map_err(|in_cluster| ClusterError::Nowhere { home: home_kubeconfig(), in_cluster })
}

fn home_kubeconfig() -> PathBuf {
    let home = env::var_os("HOME").map_or_else(|| PathBuf::from("~"), PathBuf::from);
    home.join(".kube").join("config")
}

fn explain(error: KubeconfigError, from: String, contexts: Vec<String>) -> ClusterError {
    match error {
        KubeconfigError::LoadContext(name) => ClusterError::NoContext { name, from, contexts },
        KubeconfigError::CurrentContextNotSet => ClusterError::NoCurrentContext { from, contexts },
        source => ClusterError::Use { from, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_CONTEXTS: &str = "\
apiVersion: v1
kind: Config
clusters: [{ name: c, cluster: { server: 'https://127.0.0.1:1' } }]
users: []
contexts:
- { name: dev, context: { cluster: c, user: u } }
- { name: prod, context: { cluster: c, user: u } }
";

    async fn load(context: Option<&str>) -> Result<Config, String> {
        let kubeconfig = Kubeconfig::from_yaml(TWO_CONTEXTS).unwrap();
        let contexts = vec!["dev".to_owned(), "prod".to_owned()];
        let context = context.map(str::to_owned);
        let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
        let loaded = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        loaded.map_err(|error| explain(error, "kc".into(), contexts).to_string())
    }

    #[tokio::test]
    async fn an_unknown_context_lists_those_that_exist() {
        let text = load(Some("test")).await.unwrap_err();
        assert_eq!(text, "failed to find context \"test\" in kc; it has: dev, prod");
    }

    #[tokio::test]
    async fn a_missing_current_context_lists_those_that_exist() {
        let text = load(None).await.unwrap_err();
        assert!(text.contains("--context; it has: dev, prod"), "{text}");
    }

    #[tokio::test]
    async fn the_context_asked_for_is_used() {
        let config = load(Some("prod")).await.unwrap();
        assert_eq!(config.cluster_url.port_u16(), Some(1));
    }

    #[tokio::test]
    async fn a_kubeconfig_that_is_not_there_is_named() {
        let arguments = ClusterArgs { kubeconfig: Some("/nowhere/kc".into()), context: None };
        let error = arguments.load().await.unwrap_err();
        assert!(error.to_string().contains("/nowhere/kc"), "{error}");
    }
}

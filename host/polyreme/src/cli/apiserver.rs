//! `polyreme apiserver`: the local API server alone.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use polyreme_apiserver::{Server, ServerConfig, StartError};
use tokio_util::sync::CancellationToken;

use super::signals::with_signals;
use super::{Failure, print, quoted};

/// The kubeconfig holds the administrator's token.
const ONLY_OWNER: u32 = 0o600;

/// Run a local, in-memory Kubernetes API server for development and tests.
///
/// It listens on 127.0.0.1 only, with TLS and a token. It has no controllers besides
/// namespaces, garbage collection and the default service account: nothing makes Pods.
/// Prints one line when it is ready; SIGINT or SIGTERM ends it.
#[derive(Debug, Args)]
pub(crate) struct Apiserver {
    /// Where the kubeconfig for this server goes, readable by you alone. Removed when the
    /// server ends, unless --data makes it useful again.
    #[arg(long, value_name = "FILE")]
    kubeconfig_out: PathBuf,

    /// The port; 0 takes the one of --data's last run, or any free one.
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,

    /// Keeps objects, certificates and token in this file, so that a restart continues.
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
}

impl Apiserver {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let shutdown = CancellationToken::new();
        let served = self.serve(shutdown.clone());
        with_signals(shutdown, served).await.map_err(Failure::failed)?.map_err(Failure::failed)
    }

    async fn serve(&self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let config = ServerConfig { port: self.port, data: self.data.clone(), ..ServerConfig::default() };
        let server = Server::start(config).await.map_err(remedied)?;
        let kubeconfig = server.kubeconfig();
        let path = &self.kubeconfig_out;
        write(path, &kubeconfig)
            .with_context(|| format!("failed to write the kubeconfig {}", path.display()))?;
        print(format_args!(
            "API server ready at {}, kubeconfig {}; try: kubectl --kubeconfig {} get --raw /version",
            server.url(),
            path.display(),
            quoted(path),
        ));
        shutdown.cancelled().await;
        server.shutdown().await;
        if self.data.is_none() {
            remove(path, &kubeconfig);
        }
        Ok(())
    }
}

pub(super) fn remedied(error: StartError) -> anyhow::Error {
    let remedy = match &error {
        StartError::Listen { .. } => "the port is taken or not allowed: leave --port out for a free one",
        StartError::Data(_) => "choose another --data file, or end the server that uses it",
        _ => return error.into(),
    };
    anyhow::Error::new(error).context(format!("failed to start the local API server ({remedy})"))
}

/// Writes a file that only its owner can read, at once or not at all.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(ONLY_OWNER).open(&draft)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| fs::rename(&draft, path));
    written.inspect_err(|_| _ = fs::remove_file(&draft))
}

/// Removes the kubeconfig, if it is still the one that this server wrote.
pub(super) fn remove(path: &Path, written: &str) {
    if fs::read_to_string(path).is_ok_and(|text| text == written) {
        _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubeconfig_is_private_and_replaced_whole() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("polyreme-cli-test-{}", std::process::id()));
        write(&path, "first").unwrap();
        write(&path, "second").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "second");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, ONLY_OWNER);
        remove(&path, "first");
        assert!(path.exists(), "removed a file that is not ours");
        remove(&path, "second");
        assert!(!path.exists());
    }
}

//! `polyreme apiserver` as a child process: the demo's server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::Client;
use tempfile::TempDir;
use tokio::process::Command;

use crate::environment::polyreme_binary;
use crate::eventually::eventually;
use crate::host::{ChildProcess, client_for};

const READY_LIMIT: Duration = Duration::from_secs(60);

/// A local API server of our own; dropping it ends it.
#[derive(Debug)]
pub struct LocalServer {
    process: ChildProcess,
    kubeconfig: PathBuf,
    // Goes after the process that uses it.
    dir: TempDir,
}

impl LocalServer {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    /// With the end of its log when it does not.
    pub async fn start() -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("polyreme-")
            .tempdir()
            .context("failed to make a temporary folder")?;
        let kubeconfig = dir.path().join("kubeconfig");
        let mut command = Command::new(polyreme_binary()?);
        command.arg("apiserver").arg("--kubeconfig-out").arg(&kubeconfig);
        command.arg("--data").arg(dir.path().join("data"));
        let process = ChildProcess::start("polyreme apiserver", command, dir.path().join("apiserver.log"))?;
        let mut server = Self { process, kubeconfig, dir };
        server.wait_until_ready().await?;
        Ok(server)
    }

    /// How to reach it, with all rights.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A client that may do everything.
    ///
    /// # Errors
    /// When its kubeconfig cannot be used.
    pub async fn client(&self) -> Result<Client> {
        client_for(&self.kubeconfig).await
    }

    /// A folder that goes with the server.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// An error with the end of its log when it has ended.
    ///
    /// # Errors
    /// As said.
    pub fn expect_running(&mut self) -> Result<()> {
        self.process.expect_running()
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let (process, kubeconfig) = (&mut self.process, &self.kubeconfig);
        let ready = eventually("the local API server being ready", READY_LIMIT, async || {
            if process.has_ended() {
                return Ok(());
            }
            ensure!(kubeconfig.is_file(), "it has not written its kubeconfig");
            client_for(kubeconfig).await?.apiserver_version().await?;
            Ok(())
        });
        let outcome = ready.await;
        self.process.expect_running()?;
        outcome.with_context(|| format!("the local API server is not ready\n{}", self.process.tail()))
    }
}

//! A registry server on loopback: Debian's `docker-registry`, with storage of its own.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use crate::environment::not_run;
use crate::eventually::eventually;
use crate::host::ChildProcess;

const BINARY: &str = "docker-registry";
const READY_LIMIT: Duration = Duration::from_secs(30);

/// A registry without users. Stopped when dropped.
#[derive(Debug)]
pub struct Registry {
    address: String,
    // Ended before its folder goes.
    _process: ChildProcess,
    _dir: TempDir,
}

impl Registry {
    /// Starts one; nothing, and a note about what was not run, when it is not installed.
    ///
    /// # Errors
    /// When it does not listen in time.
    pub async fn start(what: &str) -> Result<Option<Self>> {
        let Some(binary) = installed() else {
            not_run(what, &format!("{BINARY} is missing; `apt-get install {BINARY}`"))?;
            return Ok(None);
        };
        let dir = tempfile::tempdir().context("failed to make a temporary folder")?;
        let storage = json!({ "filesystem": { "rootdirectory": dir.path().join("storage") } });
        let http = json!({ "addr": "127.0.0.1:0", "secret": "of a test" });
        let config = json!({ "version": "0.1", "storage": storage, "http": http });
        let file = dir.path().join("config.yml");
        // YAML reads JSON.
        std::fs::write(&file, config.to_string()).context("failed to write the registry's configuration")?;
        let mut command = Command::new(binary);
        command.arg("serve").arg(&file);
        let mut process = ChildProcess::start(BINARY, command, dir.path().join("registry.log"))?;
        let address = eventually("a registry that listens", READY_LIMIT, async || {
            process.expect_running()?;
            let log = process.log();
            let after = log.split("listening on ").nth(1).context("it does not listen yet")?;
            Ok(after.split('"').next().unwrap_or_default().to_owned())
        });
        let address = address.await?;
        Ok(Some(Self { address, _process: process, _dir: dir }))
    }

    /// `127.0.0.1:PORT`
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

fn installed() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(BINARY)).find(|path| path.is_file())
}

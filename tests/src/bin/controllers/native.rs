//! The same controllers without a host: a few processes of their own, as a sample.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use polyreme_tests::Memory;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::modules::group;

/// Connecting and two lists, on a busy machine.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// Processes of `polyreme-bench-native-controller`; dropping it ends them.
pub(crate) struct Natives(Vec<Child>);

impl Natives {
    /// Starts one for each of the first `count` kinds, and waits until all have listed.
    ///
    /// # Errors
    /// When one does not get there.
    pub(crate) async fn start(kubeconfig: &Path, count: usize) -> Result<Self> {
        let program = std::env::current_exe().context("failed to find this program's own path")?;
        let program = program.with_file_name("polyreme-bench-native-controller");
        let mut natives = Vec::with_capacity(count);
        for index in 0..count {
            let mut command = Command::new(&program);
            command.arg("--group").arg(group(index)).env("KUBECONFIG", kubeconfig);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
            let native = command.spawn();
            natives.push(native.with_context(|| format!("failed to start {}", program.display()))?);
        }
        for native in &mut natives {
            timeout(READY_LIMIT, listed(native))
                .await
                .context("a native controller is not ready in time")??;
        }
        Ok(Self(natives))
    }

    /// The memory of each.
    ///
    /// # Errors
    /// When one has ended.
    pub(crate) fn memory(&self) -> Result<Vec<Memory>> {
        let ids = self.0.iter().map(|native| native.id().context("a native controller has ended"));
        ids.map(|id| Memory::of(id?)).collect()
    }

    /// Ends them.
    ///
    /// # Errors
    /// When one cannot be ended.
    pub(crate) async fn end(mut self) -> Result<()> {
        for native in &mut self.0 {
            native.kill().await.context("failed to end a native controller")?;
        }
        Ok(())
    }
}

/// Its first line says that it has listed.
async fn listed(native: &mut Child) -> Result<()> {
    let output = native.stdout.take().context("a native controller has no output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).await.context("failed to read what it says")?;
    ensure!(line.trim() == "listed", "a native controller ended or said {line:?}");
    Ok(())
}

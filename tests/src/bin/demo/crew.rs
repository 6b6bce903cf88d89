//! The hosts of the demo: three processes that share the Websites, one of which dies.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use polyreme_tests::{Host, LocalServer, Stopwatch, eventually, polyreme_binary};
use serde_json::Value;
use tokio::process::Command;

/// How many there are.
const HOSTS: usize = 3;
/// Slots of a ring, unless configured.
const SLOTS: f64 = 1_024.0;
/// A slow machine, three hosts, the `fast` timing: a takeover takes at most 7.5 s.
const LIMIT: Duration = Duration::from_secs(60);

/// See the module's story.
pub(crate) struct Crew {
    hosts: Vec<Option<Host>>,
    configuration: Value,
}

impl Crew {
    /// Starts all of them and waits until each owns its share.
    pub(crate) async fn start(server: &LocalServer, configuration: Value) -> Result<Self> {
        let mut crew = Self { hosts: Vec::new(), configuration };
        for index in 0..HOSTS {
            let host = crew.launch(server, index)?;
            crew.hosts.push(Some(host));
        }
        for host in crew.hosts.iter_mut().flatten() {
            host.wait_until_ready().await?;
        }
        crew.wait_for_division().await?;
        Ok(crew)
    }

    fn launch(&self, server: &LocalServer, index: usize) -> Result<Host> {
        Ok(Host::launch_member(server.kubeconfig(), None, &name(index), &self.configuration)?.quiet())
    }

    /// Slots of the Website controller that each running host owns.
    async fn owned(&self) -> Result<Vec<f64>> {
        let mut owned = Vec::new();
        for host in self.hosts.iter().flatten() {
            let labels = [r#"controller="website""#];
            owned.push(host.metrics().await?.sum("polyreme_slots_owned", &labels));
        }
        Ok(owned)
    }

    /// Waits until every slot is owned and every running host has a share of them.
    async fn wait_for_division(&self) -> Result<()> {
        eventually("the hosts dividing the slots among them", LIMIT, async || {
            let owned = self.owned().await?;
            let total: f64 = owned.iter().sum();
            ensure!(
                (total - SLOTS).abs() < 0.5 && owned.iter().all(|slots| *slots > 0.0),
                "they own {owned:?}"
            );
            Ok(())
        })
        .await
    }

    /// Kills a host without a warning; how long its slots had no owner.
    pub(crate) async fn kill(&mut self, index: usize) -> Result<Duration> {
        let host = self.hosts.get_mut(index).and_then(Option::take).context("there is no such host")?;
        host.kill().await?;
        let clock = Stopwatch::start();
        self.wait_for_division().await?;
        Ok(clock.elapsed())
    }

    /// Starts a host that was killed; how long until it has its share.
    pub(crate) async fn restart(&mut self, server: &LocalServer, index: usize) -> Result<Duration> {
        let clock = Stopwatch::start();
        let host = self.launch(server, index)?;
        *self.hosts.get_mut(index).context("there is no such host")? = Some(host);
        eventually("the new host answering", LIMIT, async || self.owned().await).await?;
        self.wait_for_division().await?;
        Ok(clock.elapsed())
    }

    /// Stops a host by SIGTERM; how long until the others have its slots.
    pub(crate) async fn stop(&mut self, index: usize) -> Result<Duration> {
        let mut host = self.hosts.get_mut(index).and_then(Option::take).context("there is no such host")?;
        let clock = Stopwatch::start();
        let ended = async { host.terminate().await };
        let (status, divided) = tokio::join!(ended, self.wait_for_division());
        let took = clock.elapsed();
        ensure!(status?.success(), "{} did not end well", name(index));
        divided.map(|()| took)
    }

    /// What `polyreme ring` prints once every host has said that it acts by the newest table, which is at
    /// its next renewal.
    pub(crate) async fn settled_ring(&self, server: &LocalServer) -> Result<String> {
        eventually("every host acting by the newest table", LIMIT, async || {
            let text = self.ring(server, &[]).await?;
            ensure!(!text.contains("Moves in progress"), "{text}");
            Ok(text)
        })
        .await
    }

    /// What `polyreme ring` prints.
    pub(crate) async fn ring(&self, server: &LocalServer, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(polyreme_binary()?);
        command.args(["ring", "--kubeconfig"]).arg(server.kubeconfig()).args(arguments);
        let output = command.output().await.context("failed to run polyreme ring")?;
        ensure!(output.status.success(), "polyreme ring: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Waits, however long, until a host ends.
    pub(crate) async fn any_exit(&mut self) -> Result<String> {
        let exits = self.hosts.iter_mut().flatten().map(|host| Box::pin(host.exit_whenever()));
        let (status, ..) = futures::future::select_all(exits).await;
        Ok(status?.to_string())
    }

    /// Ends all of them as a cluster would.
    pub(crate) async fn close(mut self) -> Result<()> {
        for host in self.hosts.iter_mut().flatten() {
            let status = host.terminate().await?;
            ensure!(status.success(), "a host ended with {status}");
        }
        Ok(())
    }
}

/// Name of a host in the ring.
pub(crate) fn name(index: usize) -> String {
    format!("host-{index}")
}

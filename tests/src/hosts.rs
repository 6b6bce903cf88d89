//! Several hosts of one ring, each a process and, on a real server, a user of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use crate::eventually::{eventually, now};
use crate::host::Host;
use crate::probes::{Probes, Scope};
use crate::server::{Kind, Server};

/// Of a ring that says nothing else.
pub const SLOTS: u32 = 1024;
/// The ring of the tests; each test has it in a namespace of its own.
pub const RING: &str = "probes";
/// Coming together of a ring on a busy machine, an expired member and a long `settle` included.
const DIVISION_LIMIT: Duration = Duration::from_secs(180);

/// Hosts `host-0`, `host-1`, …; dropping it kills them.
#[derive(Debug)]
pub struct Hosts {
    kubeconfig: PathBuf,
    has_users: bool,
    ownership: Value,
    scope: Scope,
    running: BTreeMap<usize, Host>,
}

impl Hosts {
    /// None yet. `ownership` is merged over a ring in the namespace of the probes with the
    /// timing `fast`.
    #[must_use]
    pub fn new(server: &Server, probes: &Probes, ownership: &Value) -> Self {
        let mut all = json!({
            "strategy": "sharded", "ring": RING, "namespace": probes.namespace(), "timing": "fast",
        });
        for (name, value) in ownership.as_object().into_iter().flatten() {
            all[name] = value.clone();
        }
        Self {
            kubeconfig: server.kubeconfig().to_owned(),
            has_users: server.kind() == Kind::Real,
            ownership: all,
            scope: probes.scope(),
            running: BTreeMap::new(),
        }
    }

    /// Changes the configuration of hosts that start from now on.
    pub fn configure(&mut self, name: &str, value: Value) {
        self.ownership[name] = value;
    }

    /// The name of a host: its identity, its user, and what its marks say.
    #[must_use]
    pub fn name(index: usize) -> String {
        format!("host-{index}")
    }

    /// Starts a host; it may have run before. Does not wait.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn start(&mut self, index: usize) -> Result<Timestamp> {
        let name = Self::name(index);
        let context = self.has_users.then_some(name.as_str());
        let event = now();
        let host = Host::launch_member(&self.kubeconfig, context, &name, &self.configuration(&name)?)?;
        self.running.insert(index, host);
        Ok(event)
    }

    /// Starts these hosts and waits until they share the work.
    ///
    /// # Errors
    /// When they do not come together.
    pub async fn start_all(&mut self, indices: impl IntoIterator<Item = usize>) -> Result<()> {
        self.start_ready(indices).await?;
        self.wait_for_division().await
    }

    /// Starts these hosts and waits until they are ready, however they share the work.
    ///
    /// # Errors
    /// When one does not become ready.
    pub async fn start_ready(&mut self, indices: impl IntoIterator<Item = usize>) -> Result<()> {
        for index in indices {
            self.start(index)?;
        }
        for host in self.running.values_mut() {
            host.wait_until_ready().await?;
        }
        Ok(())
    }

    fn configuration(&self, name: &str) -> Result<Value> {
        Ok(json!({
            "apiVersion": "polyreme.dev/v1alpha1",
            "kind": "HostConfiguration",
            "ownership": self.ownership,
            "controllers": [self.scope.entry(name)?],
        }))
    }

    /// SIGTERM, and waits until it has ended well. Returns when the signal was sent.
    ///
    /// # Errors
    /// When it does not end, or not well.
    pub async fn leave(&mut self, index: usize) -> Result<Timestamp> {
        let mut host = self.take(index)?;
        let event = now();
        let status = host.terminate().await?;
        ensure!(status.success(), "SIGTERM ended {} with {status}", Self::name(index));
        Ok(event)
    }

    /// SIGKILL. Returns when it was sent.
    ///
    /// # Errors
    /// When it had ended before.
    pub async fn kill(&mut self, index: usize) -> Result<Timestamp> {
        let host = self.take(index)?;
        let event = now();
        host.kill().await?;
        Ok(event)
    }

    fn take(&mut self, index: usize) -> Result<Host> {
        self.running.remove(&index).with_context(|| format!("{} does not run", Self::name(index)))
    }

    /// A running host.
    ///
    /// # Errors
    /// When it does not run.
    pub fn host(&mut self, index: usize) -> Result<&mut Host> {
        self.running.get_mut(&index).with_context(|| format!("{} does not run", Self::name(index)))
    }

    /// How many slots each running host says it owns.
    ///
    /// # Errors
    /// When one does not answer.
    pub async fn slots(&self) -> Result<BTreeMap<usize, u32>> {
        let controller = format!("controller=\"{}\"", self.scope.controller());
        let mut slots = BTreeMap::new();
        for (index, host) in &self.running {
            let owned = host.metrics().await?.sum("polyreme_slots_owned", &[&controller]);
            // A gauge of whole slots, at most 16384.
            slots.insert(*index, owned as u32);
        }
        Ok(slots)
    }

    /// Waits until the running hosts own every slot together, and each its fair share (5 %
    /// over at most, and one for rounding).
    ///
    /// # Errors
    /// With what each owned last.
    pub async fn wait_for_division(&mut self) -> Result<()> {
        for host in self.running.values_mut() {
            host.expect_running()?;
        }
        eventually("all slots being shared out", DIVISION_LIMIT, async || {
            let slots = self.slots().await?;
            let all: u32 = slots.values().sum();
            ensure!(all == SLOTS, "{all} of {SLOTS} slots have an owner: {slots:?}");
            let fair = SLOTS.div_ceil(u32::try_from(slots.len())?);
            let most = fair + fair / 20 + 1;
            ensure!(slots.values().all(|owned| *owned <= most), "they are not shared fairly: {slots:?}");
            Ok(())
        })
        .await
    }

    /// Waits until one running host owns every slot, and says which.
    ///
    /// # Errors
    /// With what each owned last.
    pub async fn wait_for_leader(&self) -> Result<usize> {
        eventually("one host owning everything", DIVISION_LIMIT, async || {
            let slots = self.slots().await?;
            let leader = slots.iter().find(|(_, owned)| **owned == SLOTS);
            let others = slots.values().filter(|owned| **owned > 0).count();
            leader.filter(|_| others == 1).map(|(index, _)| *index).with_context(|| format!("{slots:?}"))
        })
        .await
    }

    /// Waits until no running host owns anything.
    ///
    /// # Errors
    /// With what each owned last.
    pub async fn wait_until_nobody_owns(&self, limit: Duration) -> Result<()> {
        eventually("nobody owning anything", limit, async || {
            let slots = self.slots().await?;
            ensure!(slots.values().all(|owned| *owned == 0), "{slots:?}");
            Ok(())
        })
        .await
    }

    /// How to reach the server, with all rights.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }
}

//! Probes as tests see them: objects whose reconciles leave marks (`tests/probe`).

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::stream::{self, TryStreamExt};
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::apply::apply_files;
use crate::environment::{built_guest, repository};
use crate::eventually::eventually;
use crate::server::{Kind, Server};
use crate::webhosting::allow_hosts;

const GROUP_VERSION: &str = "probe.polyreme.dev/v1alpha1";
const SERVED_LIMIT: Duration = Duration::from_secs(60);
/// Requests of the test in flight while it creates objects.
const AT_ONCE: usize = 16;

/// Probes in one namespace of a server, or those that are in none.
#[derive(Clone)]
pub struct Probes {
    client: Client,
    namespace: String,
    scope: Scope,
}

/// Which of the two kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// `Probe`
    Namespaced,
    /// `ClusterProbe`
    Cluster,
}

impl Scope {
    /// The guest, which is also what its controller is called.
    #[must_use]
    pub fn controller(self) -> &'static str {
        match self {
            Self::Namespaced => "probe",
            Self::Cluster => "cluster-probe",
        }
    }

    /// The entry of a host's configuration that runs the probe guest as this host.
    ///
    /// # Errors
    /// When the guest has not been built.
    pub fn entry(self, host: &str) -> Result<Value> {
        let name = self.controller();
        let module = format!("file:{}", built_guest(name)?.display());
        Ok(json!({
            "name": name,
            "module": module,
            "settings": { "host": host },
            // Holding is done by spinning: there is no sleep in a guest.
            "limits": { "cpuTime": "60s" },
        }))
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Namespaced => "Probe",
            Self::Cluster => "ClusterProbe",
        }
    }

    fn resource(self) -> ApiResource {
        ApiResource::from_gvk(&GroupVersionKind::gvk("probe.polyreme.dev", "v1alpha1", self.kind()))
    }

    fn everywhere(self, client: &Client) -> Api<DynamicObject> {
        Api::all_with(client.clone(), &self.resource())
    }
}

impl Probes {
    /// Installs the CRD, removes probes of earlier tests, makes a namespace, and on a real
    /// server lets hosts do what they must.
    ///
    /// # Errors
    /// When the server refuses any of it.
    pub async fn prepare(server: &Server, scope: Scope) -> Result<Self> {
        let client = server.client().await?;
        apply_files(&client, &repository().join("tests/probe/crds.yaml")).await?;
        eventually("probes being served", SERVED_LIMIT, async || {
            for scope in [Scope::Namespaced, Scope::Cluster] {
                scope.everywhere(&client).list(&ListParams::default().limit(1)).await?;
            }
            Ok(())
        })
        .await?;
        if server.kind() == Kind::Real {
            allow_hosts(&client).await?;
        }
        remove_leftovers(&client).await?;
        let namespace = server.namespace("probes").await?.name().to_owned();
        Ok(Self { client, namespace, scope })
    }

    /// Which kind they are of.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// The namespace of the ring, and of the probes if they are in any.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// A client that may do everything.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The probes.
    #[must_use]
    pub fn api(&self) -> Api<DynamicObject> {
        match self.scope {
            Scope::Namespaced => {
                Api::namespaced_with(self.client.clone(), &self.namespace, &self.scope.resource())
            }
            Scope::Cluster => self.scope.everywhere(&self.client),
        }
    }

    /// Makes `count` probes `p-0`, `p-1`, … with `seq` 1, and returns their names.
    ///
    /// # Errors
    /// When the server refuses one.
    pub async fn create(&self, count: usize) -> Result<Vec<String>> {
        self.change_all(count, &json!({ "seq": 1 })).await
    }

    /// Makes the first `count` probes, or merges into the spec of each, and returns their names.
    ///
    /// # Errors
    /// When the server refuses one.
    pub async fn change_all(&self, count: usize, spec: &Value) -> Result<Vec<String>> {
        let names: Vec<String> = (0..count).map(|index| format!("p-{index}")).collect();
        stream::iter(names.iter().map(Ok))
            .try_for_each_concurrent(AT_ONCE, async |name| self.change(name, spec).await)
            .await?;
        Ok(names)
    }

    /// Makes a probe, or merges into the spec of one.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn change(&self, name: &str, spec: &Value) -> Result<()> {
        let object = json!({
            "apiVersion": GROUP_VERSION, "kind": self.scope.kind(), "metadata": { "name": name }, "spec": spec,
        });
        let merged = self.api().patch(name, &PatchParams::default(), &Patch::Merge(&object)).await;
        match merged {
            Err(kube::Error::Api(status)) if status.code == 404 => {
                let object = serde_json::from_value(object).context("failed to describe a probe")?;
                self.api().create(&Default::default(), &object).await.context("failed to make a probe")?;
                Ok(())
            }
            outcome => outcome.map(drop).with_context(|| format!("failed to change {name}")),
        }
    }

    /// Waits until every probe is done with its last change.
    ///
    /// # Errors
    /// With some that are not, when time runs out.
    pub async fn wait_until_done(&self, limit: Duration) -> Result<()> {
        eventually("every probe being done", limit, async || {
            let all = self.api().list(&ListParams::default()).await?.items;
            let behind = |probe: &&DynamicObject| probe.data["status"]["done"] != probe.data["spec"]["seq"];
            let left: Vec<_> =
                all.iter().filter(behind).filter_map(|one| one.metadata.name.as_deref()).collect();
            ensure!(left.is_empty(), "{} of {} are not, {:?} first", left.len(), all.len(), left.first());
            Ok(())
        })
        .await
    }
}

/// A host acts on every namespace: what earlier tests left would be this one's load.
async fn remove_leftovers(client: &Client) -> Result<()> {
    let left = Scope::Namespaced.everywhere(client).list(&ListParams::default()).await;
    let left = left.context("failed to list probes")?.into_iter();
    let namespaces: BTreeSet<_> = left.filter_map(|probe| probe.metadata.namespace).collect();
    let resource = Scope::Namespaced.resource();
    let there = namespaces.iter().map(|one| Api::namespaced_with(client.clone(), one, &resource));
    for probes in there.chain([Scope::Cluster.everywhere(client)]) {
        let deleted = probes.delete_collection(&DeleteParams::default(), &ListParams::default()).await;
        deleted.context("failed to delete probes")?;
    }
    Ok(())
}

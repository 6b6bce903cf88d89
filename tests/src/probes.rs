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

/// Probes in one namespace of a server.
#[derive(Clone)]
pub struct Probes {
    client: Client,
    namespace: String,
}

impl Probes {
    /// Installs the CRD, removes probes of earlier tests, makes a namespace, and on a real
    /// server lets hosts do what they must.
    ///
    /// # Errors
    /// When the server refuses any of it.
    pub async fn prepare(server: &Server) -> Result<Self> {
        let client = server.client().await?;
        apply_files(&client, &repository().join("tests/probe/crds.yaml")).await?;
        eventually("probes being served", SERVED_LIMIT, async || {
            everywhere(&client).list(&ListParams::default().limit(1)).await?;
            Ok(())
        })
        .await?;
        if server.kind() == Kind::Real {
            allow_hosts(&client).await?;
        }
        remove_leftovers(&client).await?;
        let namespace = server.namespace("probes").await?.name().to_owned();
        Ok(Self { client, namespace })
    }

    /// The namespace, which is also that of the ring.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// A client that may do everything.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Probes of this namespace.
    #[must_use]
    pub fn api(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource())
    }

    /// The entry of a host's configuration that runs the probe guest as this host.
    ///
    /// # Errors
    /// When the guest has not been built.
    pub fn controller(host: &str) -> Result<Value> {
        let module = format!("file:{}", built_guest("probe")?.display());
        Ok(json!({
            "name": "probe",
            "module": module,
            "settings": { "host": host },
            // Holding is done by spinning: there is no sleep in a guest.
            "limits": { "cpuTime": "60s" },
        }))
    }

    /// Makes `count` probes `p-0`, `p-1`, … with `seq` 1, and returns their names.
    ///
    /// # Errors
    /// When the server refuses one.
    pub async fn create(&self, count: usize) -> Result<Vec<String>> {
        let names: Vec<String> = (0..count).map(|index| format!("p-{index}")).collect();
        stream::iter(names.iter().map(Ok))
            .try_for_each_concurrent(AT_ONCE, async |name| self.change(name, &json!({ "seq": 1 })).await)
            .await?;
        Ok(names)
    }

    /// Makes a probe, or merges into the spec of one.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn change(&self, name: &str, spec: &Value) -> Result<()> {
        let object = json!({
            "apiVersion": GROUP_VERSION, "kind": "Probe", "metadata": { "name": name }, "spec": spec,
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

/// The kind.
pub(crate) fn resource() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("probe.polyreme.dev", "v1alpha1", "Probe"))
}

fn everywhere(client: &Client) -> Api<DynamicObject> {
    Api::all_with(client.clone(), &resource())
}

/// A host acts on every namespace: what earlier tests left would be this one's load.
async fn remove_leftovers(client: &Client) -> Result<()> {
    let left = everywhere(client).list(&ListParams::default()).await.context("failed to list probes")?;
    let namespaces: BTreeSet<_> = left.into_iter().filter_map(|probe| probe.metadata.namespace).collect();
    for namespace in namespaces {
        let there: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &resource());
        let deleted = there.delete_collection(&DeleteParams::default(), &ListParams::default()).await;
        deleted.context("failed to delete probes")?;
    }
    Ok(())
}

//! The API server's side: the kinds, their objects, and whether the controllers did their work.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, PostParams};
use kube::{Api, Client};
use polyreme_tests::{Server, apply_objects, eventually, repository};
use serde_json::{Value, json};

use crate::modules::group;

/// Requests of this program in flight.
const AT_ONCE: usize = 16;
/// A hundred definitions on a slow machine: each makes the API server describe itself anew.
const SERVED_LIMIT: Duration = Duration::from_secs(180);

/// Where the objects are.
pub(crate) struct Cluster {
    client: Client,
    namespace: String,
    kinds: usize,
}

impl Cluster {
    /// Installs the kind of every controller, and a namespace.
    ///
    /// # Errors
    /// When the server refuses one, or does not serve them in time.
    pub(crate) async fn prepare(server: &Server, kinds: usize) -> Result<Self> {
        let client = server.client().await?;
        let file = repository().join("examples/hello/crd.yaml");
        let text = fs::read_to_string(&file).with_context(|| format!("failed to read {}", file.display()))?;
        let example: Value = serde_saphyr::from_str(&text).context("failed to parse the example's kind")?;
        let definitions = (0..kinds).map(|index| definition(&example, index));
        apply_objects(&client, &definitions.collect::<Vec<_>>()).await?;
        let namespace = server.namespace("controllers").await?.name().to_owned();
        let cluster = Self { client, namespace, kinds };
        eventually("all kinds being served", SERVED_LIMIT, async || {
            cluster.for_each_kind(async |index| cluster.hellos(index, None).await.map(drop)).await
        })
        .await?;
        Ok(cluster)
    }

    /// Makes `count` objects of every kind.
    ///
    /// # Errors
    /// When the server refuses one.
    pub(crate) async fn create(&self, count: usize) -> Result<()> {
        let (kinds, names) = (0..self.kinds, 0..count);
        let all = names.flat_map(|name| kinds.clone().map(move |index| Ok((index, name))));
        stream::iter(all)
            .try_for_each_concurrent(AT_ONCE, async |(index, name)| {
                let object = json!({
                    "apiVersion": format!("{}/v1", group(index)), "kind": "Hello",
                    "metadata": { "name": format!("{}-{name}", owner(index)), "namespace": self.namespace },
                    "spec": { "who": format!("number {name}") },
                });
                let object = serde_json::from_value(object).context("failed to describe an object")?;
                let created = self.api(index).create(&PostParams::default(), &object).await;
                created.map(drop).context("failed to create an object")
            })
            .await
    }

    /// An error unless every object of every kind has its ConfigMap.
    ///
    /// # Errors
    /// As said, or when the server does not answer.
    pub(crate) async fn expect_config_maps(&self, count: usize) -> Result<()> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.namespace);
        let all = api.list_metadata(&ListParams::default()).await.context("failed to list ConfigMaps")?;
        let ours = all.items.iter().filter(|one| one.metadata.owner_references.is_some()).count();
        ensure!(ours == count * self.kinds, "there are {ours} ConfigMaps");
        Ok(())
    }

    /// An error unless every object of a kind, or of all, is greeted in this way.
    ///
    /// # Errors
    /// As said, or when the server does not answer.
    pub(crate) async fn expect_greeted(&self, count: usize) -> Result<()> {
        self.for_each_kind(async |index| {
            let found = self.hellos(index, Some("Hello, ")).await?;
            ensure!(found == count, "{found} of {count} objects of {} are greeted", group(index));
            Ok(())
        })
        .await
    }

    /// Deletes what [`Self::create`] made; garbage collection takes the rest.
    ///
    /// # Errors
    /// When the server refuses.
    pub(crate) async fn remove_all(&self) -> Result<()> {
        self.for_each_kind(async |index| {
            let all = ListParams::default();
            let deleted = self.api(index).delete_collection(&DeleteParams::default(), &all).await;
            deleted.map(drop).context("failed to delete objects")
        })
        .await
    }

    /// How many objects of a kind have a greeting that starts in this way; all of them for none.
    async fn hellos(&self, index: usize, greeting: Option<&str>) -> Result<usize> {
        let all = self.api(index).list(&ListParams::default()).await.context("failed to list objects")?;
        let is_greeted = |object: &&DynamicObject| {
            let said = object.data.pointer("/status/greeting").and_then(Value::as_str);
            greeting.is_none_or(|greeting| said.is_some_and(|said| said.starts_with(greeting)))
        };
        Ok(all.items.iter().filter(is_greeted).count())
    }

    async fn for_each_kind(&self, act: impl AsyncFn(usize) -> Result<()>) -> Result<()> {
        let act = &act;
        stream::iter(0..self.kinds)
            .map(|index| async move { act(index).await })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    fn api(&self, index: usize) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk(&group(index), "v1", "Hello");
        let resource = ApiResource::from_gvk_with_plural(&kind, "hellos");
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }
}

/// Each kind has names of its own, because a ConfigMap is called like its Hello.
fn owner(index: usize) -> String {
    format!("hello-{index:02}")
}

/// The example's definition in another group.
fn definition(example: &Value, index: usize) -> Value {
    let mut definition = example.clone();
    definition["metadata"]["name"] = format!("hellos.{}", group(index)).into();
    definition["spec"]["group"] = group(index).into();
    definition
}

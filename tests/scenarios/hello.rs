//! The smallest controller, in every language: a Hello becomes a ConfigMap with its greeting.

use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client};
use polyreme_tests::{
    Host, Webhosting, apply_files, apply_objects, eventually, exclusive_server, guests_dir, missing_tools,
    not_run, repository,
};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);

/// Runs `examples/GUEST` and sees it greet somebody, and somebody else when the object changes.
async fn greets(guest: &str) -> Result<()> {
    if let Some(remedy) = missing_tools(guest) {
        return not_run(guest, &remedy);
    }
    let server = exclusive_server().await?;
    // For the rights of a host.
    Webhosting::prepare(&server).await?;
    let client = server.client().await?;
    apply_files(&client, &repository().join("examples/hello/crd.yaml")).await?;
    let namespace = server.namespace("hello").await?;
    let hellos = hellos(&client, namespace.name());
    eventually("Hellos being served", LIMIT, async || Ok(hellos.list(&Default::default()).await?)).await?;
    let module = guests_dir().join(format!("{guest}.wasm"));
    let configuration = json!({
        "apiVersion": "polyreme.dev/v1alpha1",
        "kind": "HostConfiguration",
        "controllers": [{ "name": "hello", "module": format!("file:{}", module.display()) }],
    });
    let _host = Host::start(&server, &configuration).await?;

    for who in ["world", "wörld 🌍"] {
        let hello = json!({
            "apiVersion": "example.polyreme.dev/v1", "kind": "Hello",
            "metadata": { "name": "welcome", "namespace": namespace.name() }, "spec": { "who": who },
        });
        apply_objects(&client, &[hello]).await?;
        let greeting = format!("Hello, {who}!");
        eventually(&greeting, LIMIT, async || {
            let status = hellos.get("welcome").await?.data["status"]["greeting"].clone();
            ensure!(status == greeting.as_str(), "the status says {status}");
            Ok(())
        })
        .await?;
        let child = Api::<ConfigMap>::namespaced(client.clone(), namespace.name()).get("welcome").await?;
        ensure!(child.data.is_some_and(|data| data.get("greeting") == Some(&greeting)), "the child lacks it");
        let owner = child.metadata.owner_references.unwrap_or_default();
        ensure!(owner.iter().any(|owner| owner.kind == "Hello"), "the child belongs to {owner:?}");
    }
    Ok(())
}

fn hellos(client: &Client, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("example.polyreme.dev", "v1", "Hello");
    Api::namespaced_with(client.clone(), namespace, &ApiResource::from_gvk_with_plural(&kind, "hellos"))
}

#[tokio::test]
async fn in_rust() -> Result<()> {
    greets("hello").await
}

#[tokio::test]
async fn in_go() -> Result<()> {
    greets("hello-go").await
}

#[tokio::test]
async fn in_tinygo() -> Result<()> {
    greets("hello-go-tinygo").await
}

#[tokio::test]
async fn in_python() -> Result<()> {
    greets("hello-python").await
}

#[tokio::test]
async fn in_javascript() -> Result<()> {
    greets("hello-js").await
}

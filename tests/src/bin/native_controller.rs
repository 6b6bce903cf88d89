//! The hello example as an ordinary controller: kube's runtime, one process for one kind.
//!
//! What `cargo xtask bench controllers` compares a host with. It does what the module does (applies a
//! ConfigMap with the greeting, patches the status) with the defaults that a new project has.

#![allow(clippy::indexing_slicing, reason = "an absent field of a JSON value reads as null")]

use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::runtime::{Controller, watcher};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use serde_json::json;

const FIELD_MANAGER: &str = "hello";
/// After a failure; kube's own examples wait as long.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Greets the Hellos of one API group.
#[derive(Parser)]
struct Options {
    /// The API group.
    #[arg(long)]
    group: String,
}

struct Context {
    client: Client,
    kind: ApiResource,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let kind = GroupVersionKind::gvk(&Options::parse().group, "v1", "Hello");
    let kind = ApiResource::from_gvk_with_plural(&kind, "hellos");
    let client = Client::try_default().await?;
    let hellos: Api<DynamicObject> = Api::all_with(client.clone(), &kind);
    let children: Api<ConfigMap> = Api::all(client.clone());
    let controller = Controller::new_with(hellos, watcher::Config::default(), kind.clone());
    let store = controller.store();
    let running = controller
        .owns(children, watcher::Config::default())
        .run(reconcile, |_, _, _| Action::requeue(RETRY_AFTER), Arc::new(Context { client, kind }))
        .for_each(async |_| ());
    let say = async {
        if store.wait_until_ready().await.is_ok() {
            println!("listed");
        }
    };
    futures::join!(running, say);
    Ok(())
}

async fn reconcile(hello: Arc<DynamicObject>, context: Arc<Context>) -> Result<Action, kube::Error> {
    let namespace = hello.namespace().unwrap_or_default();
    let greeting = format!("Hello, {}!", hello.data["spec"]["who"].as_str().unwrap_or_default());
    let child = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": hello.name_any(), "namespace": namespace,
            "ownerReferences": [hello.controller_owner_ref(&context.kind)],
        },
        "data": { "greeting": greeting },
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let children: Api<ConfigMap> = Api::namespaced(context.client.clone(), &namespace);
    children.patch(&hello.name_any(), &params, &Patch::Apply(&child)).await?;
    if hello.data["status"]["greeting"] != greeting {
        let hellos: Api<DynamicObject> =
            Api::namespaced_with(context.client.clone(), &namespace, &context.kind);
        let status = json!({ "status": { "greeting": greeting } });
        hellos.patch_status(&hello.name_any(), &PatchParams::default(), &Patch::Merge(&status)).await?;
    }
    Ok(Action::await_change())
}

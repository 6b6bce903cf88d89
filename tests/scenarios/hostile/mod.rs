//! Modules that misbehave while they run: each fault is named with the module and the
//! remedy, and everything else goes on, other objects of the module included.
//!
//! What needs no host is tested where it is decided: faults that only a guest written by hand can have, and
//! traps at every export, in `host/runtime/tests`; modules that cannot be asked what they are in `modules`;
//! which field managers are a module's own in `host/polyreme/src/api/manager.rs`.

mod draining;
mod forgeries;
mod use_of_too_much;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::PostParams;
use polyreme_tests::{Host, Namespace, Server, Webhosting, eventually, exclusive_server, guests_dir};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);

struct Stage {
    host: Host,
    sites: Webhosting,
    namespace: Namespace,
    // Given back last.
    server: Server,
}

/// A host of webhosting and of the hostile module.
async fn a_host_with_a_hostile_module() -> Result<Stage> {
    a_host_with(|_, _| ()).await
}

/// The same with another configuration of the module (the second) or of the host.
async fn a_host_with(change: impl FnOnce(&mut Value, &mut Value)) -> Result<Stage> {
    let server = exclusive_server().await?;
    let sites = Webhosting::prepare(&server).await?;
    let mut configuration = sites.host_configuration()?;
    configuration["ownership"] = json!({ "ring": server.ring(), "namespace": "default", "timing": "fast" });
    let mut module = hostile();
    change(&mut configuration, &mut module);
    configuration["controllers"].as_array_mut().context("no controllers")?.push(module);
    let host = Host::start(&server, &configuration).await?;
    let namespace = server.namespace("hostile").await?;
    Ok(Stage { host, sites, namespace, server })
}

fn hostile() -> Value {
    let module = format!("file:{}", guests_dir().join("hostile.wasm").display());
    // Room for the payload that it is to be refused.
    let limits = json!({ "cpuTime": "500ms", "memory": "256Mi", "hostCalls": 1000 });
    json!({ "name": "hostile", "module": module, "workers": 2, "limits": limits })
}

impl Stage {
    /// An object that makes the module do this deed.
    async fn provoke(&self, deed: &str) -> Result<()> {
        self.provoke_with(deed, &json!({})).await
    }

    /// The same with what the deed needs to know.
    async fn provoke_with(&self, deed: &str, data: &Value) -> Result<()> {
        let object: ConfigMap = serde_json::from_value(json!({
            "metadata": { "name": deed, "labels": { "polyreme.dev/hostile": deed } },
            "data": data,
        }))?;
        self.config_maps().await?.create(&PostParams::default(), &object).await?;
        Ok(())
    }

    async fn config_maps(&self) -> Result<Api<ConfigMap>> {
        Ok(Api::namespaced(self.server.client().await?, self.namespace.name()))
    }

    /// The deed shows in the log with these words, the same module serves another object
    /// and the other modules serve theirs.
    async fn ensure_only_this_fails(&self, deed: &str, words: &[&str]) -> Result<()> {
        self.provoke(deed).await?;
        self.ensure_only_this_failed(words).await
    }

    async fn ensure_only_this_failed(&self, words: &[&str]) -> Result<()> {
        for word in words {
            self.host.wait_for_log(word, LIMIT).await?;
        }
        let log = self.host.log();
        let line = log.lines().find(|line| words.iter().all(|word| line.contains(word)));
        ensure!(
            line.is_some_and(|line| line.contains("hostile")),
            "no one line has {words:?} and the module"
        );
        self.ensure_work_goes_on().await
    }

    async fn ensure_work_goes_on(&self) -> Result<()> {
        self.provoke("behave").await?;
        let config_maps = self.config_maps().await?;
        eventually("the module's good deed", LIMIT, async || Ok(config_maps.get("behave-child").await?))
            .await?;
        self.sites.create_theme("exciting", "darkcyan", "Futura").await?;
        self.sites.create_site("museum", "exciting").await?;
        self.sites.wait_until_ready("museum").await
    }
}

#[tokio::test]
async fn an_infinite_loop_is_stopped_and_names_the_limit() -> Result<()> {
    let stage = a_host_with_a_hostile_module().await?;
    stage.ensure_only_this_fails("loop", &["limits.cpuTime"]).await
}

#[tokio::test]
async fn a_memory_hog_is_stopped_and_names_the_limit() -> Result<()> {
    let stage = a_host_with_a_hostile_module().await?;
    stage.ensure_only_this_fails("hog", &["limits.memory"]).await
}

#[tokio::test]
async fn a_panic_shows_its_message_in_the_hosts_log() -> Result<()> {
    let stage = a_host_with_a_hostile_module().await?;
    stage.ensure_only_this_fails("panic", &["the hostile guest gave up"]).await
}

#[tokio::test]
async fn text_that_is_no_json_is_refused_with_the_place_of_the_fault() -> Result<()> {
    let stage = a_host_with_a_hostile_module().await?;
    stage.ensure_only_this_fails("invalid-json", &["not valid", "column"]).await
}

#[tokio::test]
async fn an_object_without_a_kind_is_refused() -> Result<()> {
    let stage = a_host_with_a_hostile_module().await?;
    stage.ensure_only_this_fails("no-kind", &["kind"]).await
}

#[tokio::test]
async fn what_is_not_granted_is_refused_with_the_grant_to_add() -> Result<()> {
    let stage = a_host_with_a_hostile_module().await?;
    stage.ensure_only_this_fails("not-granted", &["grants"]).await
}

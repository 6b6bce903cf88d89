//! The configuration of a running host changes: controllers come, go and become others, and nothing is
//! lost meanwhile.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use polyreme_tests::{Child, Host, Probes, Scope, Webhosting, eventually, exclusive_server, guests_dir};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

const LIMIT: Duration = Duration::from_secs(60);
/// Of ten thousand reconciles, and of making as many objects.
const LONG: Duration = Duration::from_secs(600);
/// Objects whose reconciles are in flight when their module is replaced.
const MANY: usize = 10_000;
/// Requests of the test in flight while it makes them.
const AT_ONCE: usize = 32;

fn controller<'a>(configuration: &'a mut Value, name: &str) -> Result<&'a mut Value> {
    let all = configuration["controllers"].as_array_mut().context("no controllers")?;
    all.iter_mut().find(|entry| entry["name"] == name).with_context(|| format!("no controller {name}"))
}

fn without(configuration: &Value, name: &str) -> Value {
    let mut rest = configuration.clone();
    if let Some(all) = rest["controllers"].as_array_mut() {
        all.retain(|entry| entry["name"] != name);
    }
    rest
}

/// A module in a folder of its own, where it can be replaced.
struct Replaceable {
    dir: TempDir,
    bytes: Vec<u8>,
    versions: u8,
}

impl Replaceable {
    fn new(guest: &str) -> Result<Self> {
        let bytes = fs::read(guests_dir().join(format!("{guest}.wasm")))?;
        let module = Self { dir: tempfile::tempdir()?, bytes, versions: 0 };
        module.put(&module.bytes)?;
        Ok(module)
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("module.wasm")
    }

    fn source(&self) -> String {
        format!("file:{}", self.path().display())
    }

    fn put(&self, bytes: &[u8]) -> Result<()> {
        let next = self.dir.path().join("next.wasm");
        fs::write(&next, bytes)?;
        fs::rename(next, self.path()).context("failed to replace the module")
    }

    /// The same code with another digest: it carries a custom section more.
    fn put_next_version(&mut self) -> Result<()> {
        self.versions += 1;
        let custom_section = [0, 3, 1, b'v', self.versions];
        self.put(&[self.bytes.as_slice(), &custom_section].concat())
    }
}

async fn image_of(sites: &Webhosting, site: &str) -> Result<String> {
    let deployment = sites.child_of(site, Child::Deployment).await?;
    let image = &deployment.data["spec"]["template"]["spec"]["containers"][0]["image"];
    Ok(image.as_str().unwrap_or_default().to_owned())
}

async fn wait_for_image(sites: &Webhosting, site: &str, wanted: &str) -> Result<()> {
    eventually("the image of the settings", LIMIT, async || {
        let image = image_of(sites, site).await?;
        ensure!(image == wanted, "it is {image}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_changed_setting_reaches_every_object_without_a_new_list() -> Result<()> {
    let server = exclusive_server().await?;
    let sites = Webhosting::prepare(&server).await?;
    let mut configuration = sites.host_configuration()?;
    let host = Host::start(&server, &configuration).await?;
    sites.create_theme("exciting", "darkcyan", "Futura").await?;
    for site in ["museum", "library"] {
        sites.create_site(site, "exciting").await?;
        sites.wait_until_ready(site).await?;
    }
    let lists = host.metrics().await?.sum("polyreme_watch_restarts_total", &[]);

    controller(&mut configuration, "website")?["settings"]["image"] = "nginx:another".into();
    host.reconfigure(&configuration)?;
    for site in ["museum", "library"] {
        wait_for_image(&sites, site, "nginx:another").await?;
    }
    let after = host.metrics().await?;
    ensure!(after.sum("polyreme_watch_restarts_total", &[]) == lists, "a watch was begun anew");
    ensure!(after.sum("polyreme_controller_updates_total", &["result=\"applied\""]) == 1.0);
    ensure!(after.sum("polyreme_config_last_reload_successful", &[]) == 1.0);
    Ok(())
}

#[tokio::test]
async fn a_controller_is_added_and_removed_while_another_one_works() -> Result<()> {
    let server = exclusive_server().await?;
    let sites = Webhosting::prepare(&server).await?;
    let whole = sites.host_configuration()?;
    let part = without(&whole, "website");
    let mut host = Host::start(&server, &part).await?;
    sites.create_theme("exciting", "darkcyan", "Futura").await?;
    sites.create_site("museum", "exciting").await?;

    host.reconfigure(&whole)?;
    sites.wait_until_ready("museum").await?;
    host.wait_until_ready().await?;
    ensure!(host.readiness().await?.contains("[+]website ok"));

    host.reconfigure(&part)?;
    host.wait_for_log("controller taken out", LIMIT).await?;
    eventually("website being gone from /readyz", LIMIT, async || {
        ensure!(!host.readiness().await?.contains("website"), "it is still there");
        Ok(())
    })
    .await?;
    sites.create_site("library", "exciting").await?;

    // What waited for the controller is done when it comes back.
    host.reconfigure(&whole)?;
    sites.wait_until_ready("library").await
}

#[tokio::test]
async fn how_long_a_failed_object_waits_follows_the_configuration() -> Result<()> {
    let server = exclusive_server().await?;
    // For the rights of a host.
    let sites = Webhosting::prepare(&server).await?;
    let mut configuration = sites.host_configuration()?;
    let module = format!("file:{}", guests_dir().join("hostile.wasm").display());
    let waits = json!({ "baseDelay": "1m", "maxDelay": "1h" });
    configuration["controllers"] = json!([{ "name": "hostile", "module": module, "queue": waits }]);
    let host = Host::start(&server, &configuration).await?;
    let failures = async || -> Result<f64> {
        let labels = ["controller=\"hostile\""];
        Ok(host.metrics().await?.sum("controller_runtime_reconcile_errors_total", &labels))
    };
    let namespace = server.namespace("waits").await?;
    let config_maps: Api<ConfigMap> = Api::namespaced(server.client().await?, namespace.name());
    let object: ConfigMap = serde_json::from_value(json!({
        "metadata": { "name": "panic", "labels": { "polyreme.dev/hostile": "panic" } },
    }))?;
    config_maps.create(&PostParams::default(), &object).await?;
    eventually("the first failure", LIMIT, async || {
        ensure!(failures().await? > 0.0, "none yet");
        Ok(())
    })
    .await?;

    controller(&mut configuration, "hostile")?["queue"] = json!({ "baseDelay": "10ms", "maxDelay": "100ms" });
    host.reconfigure(&configuration)?;
    eventually("the new waits", LIMIT, async || {
        let applied = ["controller=\"hostile\"", "result=\"applied\""];
        ensure!(host.metrics().await?.sum("polyreme_controller_updates_total", &applied) == 1.0);
        Ok(())
    })
    .await?;
    let touched = json!({ "data": { "touched": "yes" } });
    config_maps.patch("panic", &PatchParams::default(), &Patch::Merge(touched)).await?;
    eventually("many failures", LIMIT, async || {
        let failures = failures().await?;
        ensure!(failures >= 10.0, "{failures} so far");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_version_that_cannot_run_leaves_the_old_one_running_and_is_said_everywhere() -> Result<()> {
    let server = exclusive_server().await?;
    let sites = Webhosting::prepare(&server).await?;
    let mut module = Replaceable::new("webhosting")?;
    let mut configuration = sites.host_configuration()?;
    controller(&mut configuration, "website")?["module"] = module.source().into();
    let mut host = Host::start(&server, &configuration).await?;
    sites.create_theme("exciting", "darkcyan", "Futura").await?;

    module.put(b"#!/bin/sh\n")?;
    host.wait_for_log("failed to update the controller", LIMIT).await?;
    let why = host.readiness().await.err().context("the host says it is ready")?;
    ensure!(format!("{why:#}").contains("website/update"), "{why:#}");
    let refused = ["controller=\"website\"", "result=\"refused\""];
    ensure!(host.metrics().await?.sum("polyreme_controller_updates_total", &refused) == 1.0);
    wait_for_event(sites.client(), "UpdateRefused").await?;
    sites.create_site("museum", "exciting").await?;
    sites.wait_until_ready("museum").await?;

    module.put_next_version()?;
    host.wait_until_ready().await?;
    wait_for_event(sites.client(), "ControllerUpdated").await?;

    // Back to what runs, instead of mending what was refused.
    let good = configuration.clone();
    controller(&mut configuration, "website")?["settings"] = json!({ "image": 7 });
    host.reconfigure(&configuration)?;
    eventually("the refusal of the settings", LIMIT, async || {
        let why = host.readiness().await.err().context("the host says it is ready")?;
        ensure!(format!("{why:#}").contains("website/update"), "{why:#}");
        Ok(())
    })
    .await?;
    host.reconfigure(&good)?;
    host.wait_until_ready().await
}

#[tokio::test]
async fn a_registry_that_never_answers_holds_up_its_own_controller_only() -> Result<()> {
    let server = exclusive_server().await?;
    let sites = Webhosting::prepare(&server).await?;
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let mut configuration = sites.host_configuration()?;
    let source = format!("oci://{}/reconcilers/silent@sha256:{}", silent.local_addr()?, "0".repeat(64));
    let controllers = configuration["controllers"].as_array_mut().context("no controllers")?;
    controllers.push(json!({ "name": "silent", "module": source }));
    let host = Host::launch(&server, &configuration)?;
    sites.create_theme("exciting", "darkcyan", "Futura").await?;
    sites.create_site("museum", "exciting").await?;
    sites.wait_until_ready("museum").await?;
    let why = host.readiness().await.err().context("the host says it is ready")?;
    ensure!(format!("{why:#}").contains("[-]silent failed: loading its module"), "{why:#}");

    controller(&mut configuration, "website")?["settings"]["image"] = "nginx:another".into();
    host.reconfigure(&configuration)?;
    wait_for_image(&sites, "museum", "nginx:another").await?;

    // Nor does it hold up a host that has nothing else, neither its end nor its change.
    let useful = configuration.clone();
    configuration["controllers"] = json!([{ "name": "silent", "module": source }]);
    let mut ended = Host::launch(&server, &configuration)?;
    ended.wait_for_log("loading modules", LIMIT).await?;
    ensure!(ended.terminate().await?.success(), "it did not end well");
    let changed = Host::launch(&server, &configuration)?;
    changed.wait_for_log("loading modules", LIMIT).await?;
    changed.reconfigure(&useful)?;
    changed.wait_for_log("module loaded", LIMIT).await
}

#[tokio::test]
async fn a_file_with_a_fault_leaves_the_one_before_in_force() -> Result<()> {
    let server = exclusive_server().await?;
    let sites = Webhosting::prepare(&server).await?;
    let configuration = sites.host_configuration()?;
    let mut host = Host::start(&server, &configuration).await?;
    let mut faulty = configuration.clone();
    controller(&mut faulty, "website")?["worker"] = 4.into();
    host.reconfigure(&faulty)?;
    host.wait_for_log("did you mean", LIMIT).await?;
    ensure!(host.metrics().await?.sum("polyreme_config_last_reload_successful", &[]) == 0.0);
    let why = host.readiness().await.err().context("the host says it is ready")?;
    ensure!(format!("{why:#}").contains("config failed"), "{why:#}");
    sites.create_theme("exciting", "darkcyan", "Futura").await?;
    sites.create_site("museum", "exciting").await?;
    sites.wait_until_ready("museum").await?;
    host.reconfigure(&configuration)?;
    host.wait_until_ready().await
}

async fn wait_for_event(client: &Client, reason: &str) -> Result<()> {
    let events: Api<Event> = Api::all(client.clone());
    eventually(&format!("an Event {reason}"), LIMIT, async || {
        let found = events.list(&ListParams::default()).await?;
        let reasons: Vec<_> = found.items.iter().filter_map(|event| event.reason.as_deref()).collect();
        ensure!(reasons.contains(&reason), "there are {reasons:?}");
        Ok(())
    })
    .await
}

/// With probes, because they have no children: thousands of those would keep the garbage collector of a real
/// cluster busy for minutes.
#[tokio::test]
async fn no_reconcile_is_lost_or_fails_when_its_module_is_replaced_in_flight() -> Result<()> {
    let server = exclusive_server().await?;
    let probes = Probes::prepare(&server, Scope::Namespaced).await?;
    let names = probes.create(MANY).await?;
    let mut module = Replaceable::new("probe")?;
    let mut entry = Scope::Namespaced.entry("host-0")?;
    entry["module"] = module.source().into();
    entry["workers"] = 16.into();
    let configuration = json!({
        "apiVersion": "polyreme.dev/v1alpha1", "kind": "HostConfiguration", "controllers": [entry],
    });
    let host = Host::start(&server, &configuration).await?;
    for version in 1..=3_u32 {
        let enough = f64::from(version) * 1_000.0;
        eventually("some reconciles", LONG, async || {
            let done =
                host.metrics().await?.sum("controller_runtime_reconcile_total", &["result=\"success\""]);
            ensure!(done >= enough, "{done} of {enough}");
            Ok(())
        })
        .await?;
        module.put_next_version()?;
        eventually("the next version", LIMIT, async || {
            let applied = ["result=\"applied\""];
            let updates = host.metrics().await?.sum("polyreme_controller_updates_total", &applied);
            ensure!(updates >= f64::from(version), "{updates} updates");
            Ok(())
        })
        .await?;
    }
    probes.wait_until_done(LONG).await?;
    let metrics = host.metrics().await?;
    for failed in ["result=\"error\"", "result=\"panic\""] {
        ensure!(metrics.sum("controller_runtime_reconcile_total", &[failed]) == 0.0, "{failed}");
    }
    ensure!(metrics.sum("controller_runtime_reconcile_panics_total", &[]) == 0.0);
    ensure!(metrics.sum("controller_runtime_reconcile_errors_total", &[]) == 0.0);
    // Other scenarios use the server after this one.
    let deletions = names.iter().map(|name| {
        let api = probes.api();
        async move { api.delete(name, &DeleteParams::background()).await.map(drop) }
    });
    Ok(stream::iter(deletions).buffer_unordered(AT_ONCE).try_collect::<()>().await?)
}

//! The life of a Website, with the controller in Rust and in Go.

use std::time::Duration;

use anyhow::{Result, ensure};
use kube::api::{DeleteParams, ListParams};
use polyreme_tests::{Child, Controller, Host, Server, Webhosting, eventually, exclusive_server, not_run};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);

struct Stage {
    sites: Webhosting,
    _host: Host,
    // Given back last.
    _server: Server,
}

/// Every scenario with the controller in each language.
macro_rules! scenarios {
    ($($scenario:ident),+ $(,)?) => {
        mod rust {
            $(#[tokio::test]
            async fn $scenario() -> anyhow::Result<()> {
                super::$scenario(super::Controller::Rust).await
            })+
        }

        mod go {
            $(#[tokio::test]
            async fn $scenario() -> anyhow::Result<()> {
                super::$scenario(super::Controller::Go).await
            })+
        }
    };
}

scenarios!(
    a_new_site_gets_its_children_and_becomes_ready,
    a_changed_theme_reaches_every_site_that_uses_it_and_rolls_out,
    a_site_that_changes_its_theme_gets_the_new_look,
    a_child_deleted_by_hand_comes_back,
    a_child_edited_by_hand_is_put_right,
    a_deleted_site_takes_its_children_with_it,
    a_site_waits_for_its_theme,
);

/// A host, a theme and a site named `museum` that is Ready.
async fn a_ready_site(controller: Controller) -> Result<Option<Stage>> {
    let Some(stage) = a_host(controller).await? else { return Ok(None) };
    stage.sites.create_theme("exciting", "darkcyan", "Futura").await?;
    stage.sites.create_site("museum", "exciting").await?;
    stage.sites.wait_until_ready("museum").await?;
    Ok(Some(stage))
}

/// A host of the controller, and of the stand-in for a kubelet, which is in Rust: with the controller in Go
/// one host has modules of both, for different kinds. Nothing when the controller has not been built.
async fn a_host(controller: Controller) -> Result<Option<Stage>> {
    if let Some(remedy) = controller.not_built() {
        not_run(&format!("a scenario of webhosting in {controller:?}"), &remedy)?;
        return Ok(None);
    }
    let server = exclusive_server().await?;
    let sites = Webhosting::prepare(&server).await?;
    let host = Host::start(&server, &sites.configuration_of(controller)?).await?;
    Ok(Some(Stage { sites, _host: host, _server: server }))
}

async fn a_new_site_gets_its_children_and_becomes_ready(controller: Controller) -> Result<()> {
    let Some(stage) = a_ready_site(controller).await? else { return Ok(()) };
    let page = stage.sites.page_of("museum").await?;
    ensure!(
        page.contains("museum") && page.contains("darkcyan") && page.contains("Futura"),
        "the page is {page}"
    );
    for kind in Child::ALL {
        let child = stage.sites.child_of("museum", kind).await?;
        let owners = child.metadata.owner_references.unwrap_or_default();
        ensure!(owners.len() == 1 && owners[0].controller == Some(true), "{kind:?} has owners {owners:?}");
    }
    Ok(())
}

async fn a_changed_theme_reaches_every_site_that_uses_it_and_rolls_out(controller: Controller) -> Result<()> {
    let Some(stage) = a_ready_site(controller).await? else { return Ok(()) };
    let sites = &stage.sites;
    sites.create_theme("lame", "darkgray", "Times").await?;
    sites.create_site("library", "lame").await?;
    sites.wait_until_ready("library").await?;
    let (museum, library) = (sites.checksum_of("museum").await?, sites.checksum_of("library").await?);

    sites.merge(&sites.themes(), "exciting", &json!({ "spec": { "color": "tomato" } })).await?;

    sites.wait_for_page("museum", "tomato").await?;
    eventually("a new rollout", LIMIT, async || {
        ensure!(sites.checksum_of("museum").await? != museum, "the checksum is the old one");
        Ok(())
    })
    .await?;
    sites.wait_until_ready("museum").await?;
    ensure!(sites.checksum_of("library").await? == library, "a site of another theme was rolled out");
    Ok(())
}

async fn a_site_that_changes_its_theme_gets_the_new_look(controller: Controller) -> Result<()> {
    let Some(stage) = a_ready_site(controller).await? else { return Ok(()) };
    stage.sites.create_theme("lame", "darkgray", "Times").await?;
    let change = json!({ "spec": { "theme": "lame" } });
    stage.sites.merge(&stage.sites.sites(), "museum", &change).await?;
    stage.sites.wait_for_page("museum", "darkgray").await?;
    stage.sites.wait_until_ready("museum").await
}

async fn a_child_deleted_by_hand_comes_back(controller: Controller) -> Result<()> {
    let Some(stage) = a_ready_site(controller).await? else { return Ok(()) };
    for kind in Child::ALL {
        let child = stage.sites.child_of("museum", kind).await?;
        let name = child.metadata.name.clone().unwrap_or_default();
        stage.sites.children(kind).delete(&name, &DeleteParams::default()).await?;
        eventually(&format!("another {kind:?}"), LIMIT, async || {
            let found = stage.sites.child_of("museum", kind).await?;
            ensure!(found.metadata.uid != child.metadata.uid, "it is still the deleted one");
            Ok(())
        })
        .await?;
    }
    stage.sites.wait_until_ready("museum").await
}

async fn a_child_edited_by_hand_is_put_right(controller: Controller) -> Result<()> {
    let Some(stage) = a_ready_site(controller).await? else { return Ok(()) };
    let sites = &stage.sites;
    let content = sites.child_of("museum", Child::ConfigMap).await?.metadata.name.unwrap_or_default();
    let page = sites.page_of("museum").await?;
    let vandalism = json!({ "data": { "index.html": "<h1>hacked</h1>" } });
    sites.merge(&sites.children(Child::ConfigMap), &content, &vandalism).await?;
    sites.wait_for_page("museum", &page).await?;

    let deployment = sites.child_of("museum", Child::Deployment).await?.metadata.name.unwrap_or_default();
    let scaled = json!({ "spec": { "replicas": 3 } });
    sites.merge(&sites.children(Child::Deployment), &deployment, &scaled).await?;
    eventually("the right number of replicas", LIMIT, async || {
        let replicas = sites.child_of("museum", Child::Deployment).await?.data["spec"]["replicas"].clone();
        ensure!(replicas == 1, "{replicas} replicas");
        Ok(())
    })
    .await?;
    sites.wait_until_ready("museum").await
}

async fn a_deleted_site_takes_its_children_with_it(controller: Controller) -> Result<()> {
    let Some(stage) = a_ready_site(controller).await? else { return Ok(()) };
    stage.sites.sites().delete("museum", &DeleteParams::default()).await?;
    stage.sites.wait_until_collected("museum").await?;
    let left = stage.sites.sites().list(&ListParams::default()).await?;
    ensure!(left.items.is_empty(), "the site is still there");
    Ok(())
}

async fn a_site_waits_for_its_theme(controller: Controller) -> Result<()> {
    let Some(stage) = a_host(controller).await? else { return Ok(()) };
    stage.sites.create_site("museum", "unheard-of").await?;
    stage.sites.wait_for_phase("museum", "Error").await?;
    stage.sites.create_theme("unheard-of", "darkcyan", "Futura").await?;
    stage.sites.wait_until_ready("museum").await
}

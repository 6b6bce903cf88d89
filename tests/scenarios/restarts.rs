//! Crashes and restarts, of the host and of the API server: nothing is lost, nothing doubled.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::api::{DeleteParams, ListParams};
use polyreme_tests::{Child, Host, Server, Webhosting, eventually, exclusive_server};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(120);
/// Enough that a host is certainly in the middle of them when it is killed.
const SITES: usize = 40;

async fn prepared() -> Result<(Server, Webhosting)> {
    let server = exclusive_server().await?;
    let sites = Webhosting::prepare(&server).await?;
    sites.create_theme("exciting", "darkcyan", "Futura").await?;
    Ok((server, sites))
}

async fn create_sites(sites: &Webhosting) -> Result<()> {
    for index in 0..SITES {
        sites.create_site(&format!("site-{index}"), "exciting").await?;
    }
    Ok(())
}

async fn wait_for_ready(sites: &Webhosting, count: usize) -> Result<()> {
    eventually("every site being Ready", LIMIT, async || {
        let ready = sites.count_in_phase("Ready").await?;
        ensure!(ready == count, "{ready} of {count} are");
        Ok(())
    })
    .await
}

/// Each site has one child of each kind: none lost, none doubled.
async fn ensure_one_child_each(sites: &Webhosting) -> Result<()> {
    for kind in Child::ALL {
        let ours = ListParams::default().labels("app=website");
        let children = sites.children(kind).list(&ours).await?.items;
        let of_sites: BTreeSet<_> = children
            .iter()
            .map(|child| child.metadata.labels.as_ref())
            .map(|labels| labels.and_then(|labels| labels.get("website")))
            .collect();
        ensure!(
            children.len() == SITES && of_sites.len() == SITES,
            "{} of kind {kind:?} for {} sites",
            children.len(),
            of_sites.len()
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_host_killed_in_the_middle_of_its_work_loses_and_doubles_nothing() -> Result<()> {
    let (server, sites) = prepared().await?;
    let first = Host::of_webhosting(&server, &sites).await?;
    create_sites(&sites).await?;
    eventually("the host being in the middle", LIMIT, async || {
        let begun = sites
            .children(Child::ConfigMap)
            .list(&ListParams::default().labels("app=website"))
            .await?
            .items
            .len();
        ensure!(begun > 0, "it has not begun");
        Ok(())
    })
    .await?;
    first.kill().await?;

    let _second = Host::of_webhosting(&server, &sites).await?;
    wait_for_ready(&sites, SITES).await?;
    ensure_one_child_each(&sites).await
}

#[tokio::test]
async fn what_happens_while_no_host_runs_is_done_by_the_next() -> Result<()> {
    let (server, sites) = prepared().await?;
    let mut first = Host::of_webhosting(&server, &sites).await?;
    sites.create_site("museum", "exciting").await?;
    sites.create_site("library", "exciting").await?;
    sites.wait_until_ready("museum").await?;
    sites.wait_until_ready("library").await?;
    let status = first.terminate().await?;
    ensure!(status.success(), "SIGTERM ended it with {status}");

    let service = sites.child_of("museum", Child::Service).await?.metadata.name.context("it has no name")?;
    sites.children(Child::Service).delete(&service, &DeleteParams::default()).await?;
    sites.sites().delete("library", &DeleteParams::default()).await?;
    sites.merge(&sites.themes(), "exciting", &json!({ "spec": { "color": "tomato" } })).await?;

    let _second = Host::of_webhosting(&server, &sites).await?;
    sites.wait_for_page("museum", "tomato").await?;
    eventually("the Service being back", LIMIT, async || sites.child_of("museum", Child::Service).await)
        .await?;
    sites.wait_until_collected("library").await
}

#[tokio::test]
async fn a_restarted_api_server_is_found_again_and_nothing_is_missed() -> Result<()> {
    let (server, sites) = prepared().await?;
    let mut host = Host::of_webhosting(&server, &sites).await?;
    sites.create_site("museum", "exciting").await?;
    sites.wait_until_ready("museum").await?;

    server.restart().await?;
    sites.create_site("library", "exciting").await?;
    sites.merge(&sites.themes(), "exciting", &json!({ "spec": { "color": "tomato" } })).await?;

    sites.wait_until_ready("library").await?;
    sites.wait_for_page("museum", "tomato").await?;
    sites.wait_until_ready("museum").await?;
    host.wait_until_ready().await
}

//! `cargo xtask bench memory`: what a host needs that owns a third of 9,000 Websites with their
//! children, beside one that owns all of them.
//!
//! The local API server and the webhosting example, in processes of their own. Every host that is measured
//! was started when all objects were there already, has listed them, reconciled each once and come to
//! rest. Nothing of what it needed to make them is counted, so that the hosts can be compared.

#![allow(
    clippy::indexing_slicing,
    reason = "an absent field of a JSON value reads as null, and what is set here is an object"
)]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use futures::future::try_join_all;
use futures::stream::{self, TryStreamExt as _};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::PostParams;
use polyreme_tests::{
    Host, LocalServer, Memory, SLOTS, Webhosting, eventually, example_configuration, install_definitions,
};
use serde_json::{Value, json};

/// Requests of this program in flight while it creates the sites.
const AT_ONCE: usize = 16;
/// Making everything, on a slow machine.
const MAKING_LIMIT: Duration = Duration::from_secs(1_800);
const REST_LIMIT: Duration = Duration::from_secs(300);
/// What a third may need of what all need, above what a host needs for nothing.
const GOAL: f64 = 0.45;
const MIB: f64 = 1_048_576.0;

/// Memory of a host with all objects, and with a third of them.
#[derive(Parser)]
struct Options {
    /// How many Websites; each has four children and a Pod-less Deployment.
    #[arg(long, default_value_t = 9_000)]
    sites: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let sites = Options::parse().sites;
    let bench = Bench::open(sites).await?;
    // The first host may have to compile the modules; no host that is measured does.
    end(&mut bench.start(1).await?).await?;
    let nothing = bench.measure_at_rest(1, 0).await?;
    bench.make_everything().await?;
    let all = bench.measure_at_rest(1, sites).await?;
    let thirds = bench.measure_at_rest(3, sites).await?;
    report(sites, &nothing, &all, &thirds)
}

struct Bench {
    server: LocalServer,
    webhosting: Webhosting,
    configuration: Value,
    sites: usize,
}

impl Bench {
    async fn open(sites: usize) -> Result<Self> {
        let server = LocalServer::start().await?;
        let client = server.client().await?;
        install_definitions(&client).await?;
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some("sites".to_owned());
        let created = Api::all(client.clone()).create(&PostParams::default(), &namespace).await;
        created.context("failed to create a namespace")?;
        let webhosting = Webhosting::of(client, "sites");
        webhosting.create_theme("exciting", "darkcyan", "Futura").await?;
        let mut configuration = example_configuration()?;
        configuration["ownership"] = json!({ "ring": "memory", "namespace": "default", "timing": "fast" });
        Ok(Self { server, webhosting, configuration, sites })
    }

    async fn start(&self, hosts: usize) -> Result<Vec<Host>> {
        let launch = |index| {
            let name = format!("host-{index}");
            Host::launch_member(self.server.kubeconfig(), None, &name, &self.configuration).map(Host::quiet)
        };
        let mut started = (0..hosts).map(launch).collect::<Result<Vec<_>>>()?;
        for host in &mut started {
            host.wait_until_ready().await?;
        }
        Ok(started)
    }

    /// By a host that is gone afterwards.
    async fn make_everything(&self) -> Result<()> {
        eprintln!("making {} Websites", self.sites);
        let mut hosts = self.start(1).await?;
        let names = (0..self.sites).map(|index| Ok(format!("site-{index}")));
        let create = async |name: String| self.webhosting.create_site(&name, "exciting").await;
        stream::iter(names).try_for_each_concurrent(AT_ONCE, create).await?;
        rest(&hosts, self.sites, MAKING_LIMIT).await?;
        let ready = self.webhosting.count_in_phase("Ready").await?;
        ensure!(ready == self.sites, "{ready} of {} Websites are Ready", self.sites);
        end(&mut hosts).await
    }

    async fn measure_at_rest(&self, hosts: usize, sites: usize) -> Result<Vec<Memory>> {
        eprintln!("measuring {hosts} hosts with {sites} Websites");
        let mut hosts = self.start(hosts).await?;
        share(&hosts).await?;
        rest(&hosts, sites, REST_LIMIT).await?;
        let measured = hosts.iter_mut().map(Host::memory).collect::<Result<_>>()?;
        end(&mut hosts).await?;
        Ok(measured)
    }
}

/// Waits until the hosts own everything, and each its share.
async fn share(hosts: &[Host]) -> Result<()> {
    let fair = f64::from(SLOTS) / hosts.len() as f64;
    eventually("the hosts sharing the slots", REST_LIMIT, async || {
        let owned = try_join_all(hosts.iter().map(async |host| {
            Ok::<_, anyhow::Error>(
                host.metrics().await?.sum("polyreme_slots_owned", &[r#"controller="website""#]),
            )
        }));
        let owned = owned.await?;
        ensure!(owned.iter().sum::<f64>() as u32 == SLOTS, "they own {owned:?}");
        ensure!(owned.iter().all(|slots| *slots < fair * 1.1), "they own {owned:?}");
        Ok(())
    })
    .await
}

/// Waits until both controllers have looked at every site, and nothing is left to do.
async fn rest(hosts: &[Host], sites: usize, limit: Duration) -> Result<()> {
    eventually("the hosts coming to rest", limit, async || {
        let all = try_join_all(hosts.iter().map(Host::metrics)).await?;
        let sum = |name: &str| all.iter().map(|metrics| metrics.sum(name, &[])).sum::<f64>();
        let (done, waiting) = (sum("controller_runtime_reconcile_total"), sum("workqueue_depth"));
        let running = sum("controller_runtime_active_workers");
        ensure!(
            done >= 2.0 * sites as f64 && waiting + running == 0.0,
            "{done} reconciles are done, {waiting} wait, {running} run"
        );
        Ok(())
    })
    .await
}

async fn end(hosts: &mut [Host]) -> Result<()> {
    for host in hosts {
        let status = host.terminate().await?;
        ensure!(status.success(), "SIGTERM ended a host with {status}");
    }
    Ok(())
}

fn report(sites: usize, nothing: &[Memory], all: &[Memory], thirds: &[Memory]) -> Result<()> {
    println!("| host of {sites} Websites and their children | resident | heap and stacks | peak |");
    println!("|---|---|---|---|");
    for (who, hosts) in [("none of them", nothing), ("all of them", all), ("a third", thirds)] {
        for memory in hosts {
            let [resident, anonymous, peak] =
                [memory.resident, memory.anonymous, memory.peak].map(|bytes| bytes as f64 / MIB);
            println!("| {who} | {resident:.1} MiB | {anonymous:.1} MiB | {peak:.1} MiB |");
        }
    }
    let most = |hosts: &[Memory]| {
        let most = hosts.iter().map(|memory| memory.anonymous).max();
        most.map(|bytes| bytes as f64 / MIB).context("no host was measured")
    };
    let (nothing, all, third) = (most(nothing)?, most(all)?, most(thirds)?);
    let ratio = (third - nothing) / (all - nothing);
    let figure = |name: &str, value: f64, unit: &str| json!({ "name": name, "value": value, "unit": unit, "better": "lower" });
    let mut shared = figure("a third beside all, above none", ratio, "ratio");
    shared["goal"] = GOAL.into();
    shared["holds"] = (ratio <= GOAL).into();
    let figures = [
        figure("heap of a host with nothing", nothing, "MiB"),
        figure("heap of a host with all", all, "MiB"),
        figure("heap of a host with a third", third, "MiB"),
        shared,
    ];
    println!("{}", json!({ "bench": "memory", "figures": figures }));
    Ok(())
}

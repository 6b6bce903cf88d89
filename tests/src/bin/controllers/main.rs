//! `cargo xtask bench controllers`: a hundred controllers in one host, beside as many processes.
//!
//! Hundred modules with a kind each ([`modules`]) under one host, on the API server that xtask started (run
//! by hand, this program starts a local one in its own process). Measured are, in this order: starts without
//! and with compiled code on disk, the host at rest, a sample of native controllers at rest, the host while
//! all kinds get objects at once, and how long a change of the configuration or of a module takes.
//!
//! Times are seen by looking every 40 ms. Memory is what Linux says of the process; host and native
//! controllers are of the same build profile, whose program files are part of what is resident.

#![allow(
    clippy::indexing_slicing,
    reason = "an absent field of a JSON value reads as null, and what is set here is an object"
)]

mod cluster;
mod modules;
mod native;
mod report;

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use polyreme_tests::{Host, Memory, Metrics, Server, Stopwatch, eventually, exclusive_server, for_a_while};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cluster::Cluster;
use crate::modules::Modules;
use crate::native::Natives;
use crate::report::{Load, Measured};

/// A hundred modules compiled one after the other by a debug build on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(600);
const LOAD_LIMIT: Duration = Duration::from_secs(600);
/// A module that is compiled, on a busy machine.
const CHANGE_LIMIT: Duration = Duration::from_secs(60);
/// The names of groups have two digits.
const MOST: usize = 100;
/// Of a controller whose configuration does not say.
const WORKERS: usize = 4;
/// How often a host looks at its files (`host/follow.rs`): changes are spread over it.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Many controllers in one host: start, memory at rest and under load, and what a change takes.
#[derive(Parser)]
struct Options {
    /// How many controllers, at most 100.
    #[arg(long, default_value_t = MOST)]
    controllers: usize,
    /// Objects of each kind, made at once.
    #[arg(long, default_value_t = 20)]
    objects: usize,
    /// How many native controllers are measured.
    #[arg(long, default_value_t = 5)]
    natives: usize,
    /// How many changes of each sort are timed, at most 100.
    #[arg(long, default_value_t = 20)]
    changes: usize,
    /// How long host and native controllers are left alone before they are measured at rest.
    #[arg(long, default_value_t = 60)]
    rest_seconds: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse();
    ensure!((1..=MOST).contains(&options.controllers), "--controllers must be 1 to {MOST}");
    ensure!(options.changes <= 100, "--changes must be at most 100");
    let server = exclusive_server().await?;
    let measured = Bench::open(&server, options).await?.run().await?;
    report::print(server.kind(), &measured)
}

struct Bench<'a> {
    server: &'a Server,
    cluster: Cluster,
    modules: Modules,
    configuration: Value,
    options: Options,
    _dir: TempDir,
}

impl<'a> Bench<'a> {
    async fn open(server: &'a Server, options: Options) -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("polyreme-")
            .tempdir()
            .context("failed to make a temporary folder")?;
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("modules")).context("failed to make a folder for modules")?;
        let modules = Modules::write(&at("modules"), options.controllers)?;
        let configuration = configuration(&modules, &at("cache"), server.ring(), options.controllers);
        eprintln!("installing {} kinds", options.controllers);
        let cluster = Cluster::prepare(server, options.controllers).await?;
        Ok(Self { server, cluster, modules, configuration, options, _dir: dir })
    }

    async fn run(self) -> Result<Measured> {
        let (mut cold, cold_start) = self.start("without").await?;
        end(&mut cold).await?;
        let (mut host, warm_start) = self.start("with").await?;
        let (idle, requests_a_minute) = self.rest(&mut host).await?;
        let natives = self.measure_natives().await?;
        let load = self.load(&mut host).await?;
        let settings =
            self.time_changes(&host, "workers", async |_, change| self.change_workers(&host, change)).await?;
        let modules = self
            .time_changes(&host, "module", async |index, change| self.modules.revise(index, change))
            .await?;
        end(&mut host).await?;
        self.cluster.remove_all().await?;
        let Options { controllers, objects, .. } = self.options;
        Ok(Measured {
            controllers,
            objects,
            cold_start,
            warm_start,
            idle,
            requests_a_minute,
            natives,
            load,
            settings,
            modules,
        })
    }

    /// A host, and how long it took from its start until it was ready.
    async fn start(&self, cache: &str) -> Result<(Host, Duration)> {
        eprintln!("starting a host {cache} compiled code on disk");
        let clock = Stopwatch::start();
        let mut host = Host::launch_as(self.server.kubeconfig(), None, &self.configuration)?.quiet();
        eventually("the host being ready", START_LIMIT, async || {
            host.process_id()?;
            host.readiness().await
        })
        .await?;
        Ok((host, clock.elapsed()))
    }

    /// Memory and requests while nothing happens.
    async fn rest(&self, host: &mut Host) -> Result<(Memory, f64)> {
        eprintln!("leaving it alone");
        let requests = async |host: &Host| Ok::<_, anyhow::Error>(requests(&host.metrics().await?));
        let time = Duration::from_secs(self.options.rest_seconds);
        for_a_while(time).await;
        let before = requests(host).await?;
        for_a_while(time).await;
        let sent = requests(host).await? - before;
        Ok((host.memory()?, sent * 60.0 / time.as_secs_f64()))
    }

    async fn measure_natives(&self) -> Result<Vec<Memory>> {
        let count = self.options.natives.min(self.options.controllers);
        eprintln!("starting {count} native controllers");
        let natives = Natives::start(self.server.kubeconfig(), count).await?;
        for_a_while(Duration::from_secs(self.options.rest_seconds)).await;
        let memory = natives.memory()?;
        natives.end().await?;
        Ok(memory)
    }

    /// All kinds get their objects at once.
    async fn load(&self, host: &mut Host) -> Result<Load> {
        let Options { controllers, objects, .. } = self.options;
        eprintln!("making {} objects", controllers * objects);
        Memory::forget_peak(host.process_id()?)?;
        let clock = Stopwatch::start();
        self.cluster.create(objects).await?;
        let created_in = clock.elapsed();
        eventually("all objects being reconciled", LOAD_LIMIT, async || {
            expect_rest(&host.metrics().await?, controllers * objects)?;
            self.cluster.expect_config_maps(objects).await
        })
        .await?;
        let done_in = clock.elapsed();
        self.cluster.expect_greeted(objects).await?;
        let peak = host.memory()?.peak;
        for_a_while(Duration::from_secs(self.options.rest_seconds)).await;
        Ok(Load { created_in, done_in, peak, after: host.memory()? })
    }

    /// How long each change of a controller takes, from the file until the host goes by it.
    async fn time_changes(
        &self,
        host: &Host,
        what: &str,
        change: impl AsyncFn(usize, usize) -> Result<()>,
    ) -> Result<Vec<Duration>> {
        eprintln!("changing the {what} of {} controllers, one after the other", self.options.changes);
        let mut took = Vec::with_capacity(self.options.changes);
        for number in 0..self.options.changes {
            let index = number % self.options.controllers;
            let applied = async || {
                let controller = format!("controller=\"{}\"", name(index));
                let labels = [controller.as_str(), "result=\"applied\""];
                Ok::<_, anyhow::Error>(
                    host.metrics().await?.sum("polyreme_controller_updates_total", &labels),
                )
            };
            let before = applied().await?;
            // The host has just looked: changes come at every distance from its next look.
            for_a_while(LOOK_EVERY * number as u32 / self.options.changes as u32).await;
            let clock = Stopwatch::start();
            change(index, number).await?;
            eventually("the change taking effect", CHANGE_LIMIT, async || {
                ensure!(applied().await? > before, "the host goes on as before");
                Ok(())
            })
            .await?;
            took.push(clock.elapsed());
        }
        Ok(took)
    }

    /// The configuration in which as many controllers as there were changes have one worker more.
    fn change_workers(&self, host: &Host, change: usize) -> Result<()> {
        let controllers = self.options.controllers;
        let mut configuration = self.configuration.clone();
        for index in 0..controllers.min(change + 1) {
            let changes = (change - index) / controllers + 1;
            configuration["controllers"][index]["workers"] = (WORKERS + changes).into();
        }
        host.reconfigure(&configuration)
    }
}

fn name(index: usize) -> String {
    format!("hello-{index:02}")
}

fn configuration(modules: &Modules, cache: &Path, ring: &str, controllers: usize) -> Value {
    let controller =
        |index| json!({ "name": name(index), "module": format!("file:{}", modules.path(index).display()) });
    json!({
        "apiVersion": "polyreme.dev/v1alpha1",
        "kind": "HostConfiguration",
        "cacheDir": cache,
        "ownership": { "ring": ring, "namespace": "default" },
        "controllers": (0..controllers).map(controller).collect::<Vec<_>>(),
    })
}

fn requests(metrics: &Metrics) -> f64 {
    metrics.sum("rest_client_requests_total", &[])
}

/// An error unless so many reconciles are done, and nothing is left to do.
fn expect_rest(metrics: &Metrics, reconciles: usize) -> Result<()> {
    let done = metrics.sum("controller_runtime_reconcile_total", &[]);
    let left = metrics.sum("workqueue_depth", &[]) + metrics.sum("controller_runtime_active_workers", &[]);
    ensure!(done >= reconciles as f64 && left == 0.0, "{done} reconciles are done, {left} are not");
    Ok(())
}

async fn end(host: &mut Host) -> Result<()> {
    let status = host.terminate().await?;
    ensure!(status.success(), "SIGTERM ended a host with {status}");
    Ok(())
}

//! `cargo xtask bench hostile`: what becomes of each hostile deed, and what the neighbours notice of it.
//!
//! One host runs the hostile guest (`tests/hostile`) and `examples/hello`. Deed by deed, objects that
//! provoke it are made in numbers, more than the module has workers, and meanwhile one Hello after the other
//! is made: from the request that creates it to the watch event with its status, seen from outside, is its
//! latency. It is put beside the latency with no deed, before and after. How many reconciles the hostile
//! module made meanwhile shows whether it was busy.

#![allow(
    clippy::indexing_slicing,
    reason = "an absent field of a JSON value reads as null, and what is set here is an object"
)]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use futures::{TryStreamExt as _, pin_mut};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, PostParams, WatchEvent,
    WatchParams,
};
use kube::{Api, Client};
use polyreme_tests::{Host, LocalServer, Stopwatch, apply_files, eventually, guests_dir, repository};
use serde_json::{Value, json};
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(120);
const NAMESPACE: &str = "default";
/// What the neighbour's median latency may be, beside the one without a deed.
const GOAL: f64 = 2.0;
const MODULE: &str = r#"controller="hostile""#;

/// Each deed and a part of what the host says of it.
const DEEDS: &[(&str, &str)] = &[
    ("loop", "limits.cpuTime"),
    ("clock", "limits.cpuTime"),
    ("recurse", "called too deeply"),
    ("hog", "limits.memory"),
    ("panic", "the hostile guest gave up"),
    ("logs", "limits.logLines"),
    ("calls", "limits.hostCalls"),
    ("payload", "limits.payload"),
    ("random", "limits.payload"),
    ("long-verdict", "limits.payload"),
    ("not-text", "calling convention"),
    ("invalid-json", "not valid"),
    ("no-kind", "kind"),
    ("not-granted", "grants"),
    ("manager", "field manager"),
    ("lease", "not granted"),
    ("event", "may not apply Event"),
];

/// Hostile guests beside a good one.
#[derive(Parser)]
struct Options {
    /// Hellos measured for each deed.
    #[arg(long, default_value_t = 60)]
    hellos: usize,
    /// Objects that provoke each deed.
    #[arg(long, default_value_t = 64)]
    objects: usize,
    /// Workers of the hostile module.
    #[arg(long, default_value_t = 16)]
    workers: u32,
    /// Only this deed.
    #[arg(long)]
    deed: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse();
    let mut bench = Bench::open(&options).await?;
    bench.latencies(options.hellos).await?;
    let mut quiet = bench.latencies(options.hellos).await?;
    let mut rows = Vec::new();
    for (deed, says) in
        DEEDS.iter().filter(|(deed, _)| options.deed.as_deref().is_none_or(|only| only == *deed))
    {
        eprintln!("{deed}");
        rows.push(bench.endure(deed, says, &options).await?);
    }
    quiet.extend(bench.latencies(options.hellos).await?);
    let status = bench.host.terminate().await?;
    ensure!(status.success(), "SIGTERM ended the host with {status}");
    report(&Latency::of(quiet)?, &rows)
}

struct Bench {
    _server: LocalServer,
    client: Client,
    host: Host,
    hellos: Api<DynamicObject>,
    made: usize,
}

/// Median and 95th percentile, in milliseconds.
struct Latency {
    median: f64,
    p95: f64,
}

impl Latency {
    fn of(mut all: Vec<Duration>) -> Result<Self> {
        all.sort();
        let at = |percent: usize| {
            let value = all.get((all.len() * percent / 100).min(all.len().saturating_sub(1)));
            value.map(|value| value.as_secs_f64() * 1_000.0).context("nothing was measured")
        };
        Ok(Self { median: at(50)?, p95: at(95)? })
    }
}

struct Row {
    deed: &'static str,
    /// What the host said of it.
    said: String,
    /// Of the hostile module while the Hellos were measured.
    reconciles: f64,
    latency: Latency,
}

impl Bench {
    async fn open(options: &Options) -> Result<Self> {
        let server = LocalServer::start().await?;
        let client = server.client().await?;
        apply_files(&client, &repository().join("examples/hello/crd.yaml")).await?;
        let module = |name: &str| format!("file:{}", guests_dir().join(format!("{name}.wasm")).display());
        // Room for the payload that it is to be refused.
        let limits = json!({ "memory": "256Mi", "hostCalls": 1000 });
        let configuration = json!({
            "apiVersion": "polyreme.dev/v1alpha1", "kind": "HostConfiguration",
            "ownership": { "ring": "hostile", "namespace": NAMESPACE, "timing": "fast" },
            "controllers": [
                { "name": "hello", "module": module("hello") },
                { "name": "hostile", "module": module("hostile"), "workers": options.workers, "limits": limits },
            ],
        });
        let mut host = Host::launch_member(server.kubeconfig(), None, "host-0", &configuration)?.quiet();
        host.wait_until_ready().await?;
        let kind = GroupVersionKind::gvk("example.polyreme.dev", "v1", "Hello");
        let hellos = Api::namespaced_with(client.clone(), NAMESPACE, &ApiResource::from_gvk(&kind));
        Ok(Self { _server: server, client, host, hellos, made: 0 })
    }

    /// One deed, done over and over while Hellos are measured.
    async fn endure(&mut self, deed: &'static str, says: &str, options: &Options) -> Result<Row> {
        let before = self.host.log().len();
        let objects: Api<ConfigMap> = Api::namespaced(self.client.clone(), NAMESPACE);
        for index in 0..options.objects {
            let object = json!({
                "metadata": { "name": format!("{deed}-{index}"), "labels": { "polyreme.dev/hostile": deed } },
                "data": { "namespace": NAMESPACE, "name": "polyreme-hostile-host-0" },
            });
            objects.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
        }
        let said = eventually(&format!("{says:?} in the host's log"), LIMIT, async || {
            let log = self.host.log();
            let line = log.get(before..).unwrap_or_default().lines().find(|line| line.contains(says));
            line.map(brief).with_context(|| format!("the log does not say so of {deed}"))
        })
        .await?;
        let done = self.reconciles().await?;
        let latency = Latency::of(self.latencies(options.hellos).await?)?;
        let reconciles = self.reconciles().await? - done;
        self.clear(&objects).await?;
        Ok(Row { deed, said, reconciles, latency })
    }

    async fn reconciles(&self) -> Result<f64> {
        Ok(self.host.metrics().await?.sum("controller_runtime_reconcile_total", &[MODULE]))
    }

    /// Removes what provokes, and waits until nothing of it runs.
    async fn clear(&self, objects: &Api<ConfigMap>) -> Result<()> {
        let selected = ListParams::default().labels("polyreme.dev/hostile");
        let all = objects.list(&selected).await?;
        for name in all.into_iter().filter_map(|object| object.metadata.name) {
            objects.delete(&name, &DeleteParams::default()).await?;
        }
        eventually("the hostile module coming to rest", LIMIT, async || {
            let metrics = self.host.metrics().await?;
            let busy = metrics.sum("controller_runtime_active_workers", &[MODULE]);
            let waiting = metrics.sum("workqueue_depth", &[r#"name="hostile""#]);
            ensure!(busy + waiting == 0.0, "{busy} run, {waiting} wait");
            Ok(())
        })
        .await
    }

    /// From the request that makes a Hello to the sight of its status, one after the other.
    async fn latencies(&mut self, count: usize) -> Result<Vec<Duration>> {
        let mut all = Vec::with_capacity(count);
        let version = self.hellos.list(&ListParams::default()).await?.metadata.resource_version;
        let events = self.hellos.watch(&WatchParams::default(), &version.unwrap_or_default()).await?;
        pin_mut!(events);
        for _ in 0..count {
            self.made += 1;
            let name = format!("hello-{}", self.made);
            let object: DynamicObject = serde_json::from_value(json!({
                "apiVersion": "example.polyreme.dev/v1", "kind": "Hello",
                "metadata": { "name": name }, "spec": { "who": "you" },
            }))?;
            let clock = Stopwatch::start();
            self.hellos.create(&PostParams::default(), &object).await?;
            timeout(LIMIT, greeted(&mut events, &name))
                .await
                .context("a Hello was not greeted in time")??;
            all.push(clock.elapsed());
        }
        Ok(all)
    }
}

/// Waits for the event with the status of a Hello.
async fn greeted(
    events: &mut (impl futures::Stream<Item = kube::Result<WatchEvent<DynamicObject>>> + Unpin),
    name: &str,
) -> Result<()> {
    while let Some(event) = events.try_next().await? {
        if let WatchEvent::Modified(object) = event
            && object.metadata.name.as_deref() == Some(name)
            && object.data["status"]["greeting"].is_string()
        {
            return Ok(());
        }
    }
    anyhow::bail!("the watch of Hellos ended")
}

/// What a line of the log says, without its time and span.
fn brief(line: &str) -> String {
    let said = line.rsplit_once("}: ").map_or(line, |(_, said)| said);
    said.chars().take(150).collect::<String>().replace('|', "/")
}

fn report(quiet: &Latency, rows: &[Row]) -> Result<()> {
    println!("| deed | what the host said | reconciles meanwhile | p50 of a Hello | p95 | p50 beside none |");
    println!("|---|---|---|---|---|---|");
    println!("| none | | | {:.1} ms | {:.1} ms | 1.00 |", quiet.median, quiet.p95);
    let mut figures = Vec::new();
    for Row { deed, said, reconciles, latency } in rows {
        let ratio = latency.median / quiet.median;
        println!(
            "| {deed} | {said} | {reconciles} | {:.1} ms | {:.1} ms | {ratio:.2} |",
            latency.median, latency.p95
        );
        figures.push(figure(&format!("p50 beside {deed}"), ratio));
    }
    let worst = rows.iter().map(|row| row.latency.median / quiet.median).fold(0.0, f64::max);
    figures.push(figure("worst p50 beside a hostile module", worst));
    println!("{}", json!({ "bench": "hostile", "figures": figures }));
    Ok(())
}

fn figure(name: &str, ratio: f64) -> Value {
    json!({ "name": name, "value": ratio, "unit": "ratio", "goal": GOAL, "better": "lower", "holds": ratio <= GOAL })
}

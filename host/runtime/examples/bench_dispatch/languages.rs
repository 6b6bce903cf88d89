//! Every language that was built, in fresh and in warm instances, beside the native function.
//!
//! Each guest does what the Rust one does (`../dispatch-guest`), decoding whatever its author
//! would decode. What each figure is:
//!
//! - *size*: the component's file.
//! - *compile*: loading it with nothing cached, which a host does once for each version.
//! - *load*: loading it from the cache on disk, median of [`LOADS`].
//! - *fresh*, *warm*: one reconcile in a new instance, and in one that is used again.
//! - *memory*: linear memory of an instance after its first reconcile.
//! - *resident*: what [`KEPT`] more idle instances add to this process, for each.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use polyreme_runtime::{Engine, EngineConfig, Instances, Limits, Module, Warm};
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio::time::Instant;

use crate::objects::Objects;
use crate::sample::{Samples, percentile};
use crate::{Failure, chart, figure};

/// Measured calls in warm instances; fresh ones of some languages take milliseconds.
const WARM_CALLS: usize = 10_000;
const FRESH_CALLS: usize = 3_000;
const WARM_UP: usize = 300;
const LOADS: usize = 9;
/// Idle instances whose memory is measured.
const KEPT: u32 = 16;
/// Longer than the benchmark.
const IDLE: Duration = Duration::from_secs(3_600);
/// Linux' page size on every platform that is supported.
const PAGE_BYTES: f64 = 4_096.0;
const MIB: f64 = 1_048_576.0;

/// A language and what issue 5 asks of it, in microseconds at the median.
struct Language {
    name: &'static str,
    guest: &'static str,
    fresh_goal: Option<f64>,
    warm_goal: Option<f64>,
}

const LANGUAGES: [Language; 6] = [
    Language { name: "Rust", guest: "dispatch-guest", fresh_goal: Some(50.0), warm_goal: None },
    Language { name: "Go", guest: "dispatch-go", fresh_goal: Some(1_000.0), warm_goal: Some(100.0) },
    // The first with a faster package to read objects by; the one installed may be older.
    Language {
        name: "Go 1.27",
        guest: "dispatch-go-1.27",
        fresh_goal: Some(1_000.0),
        warm_goal: Some(100.0),
    },
    Language { name: "TinyGo", guest: "dispatch-tinygo", fresh_goal: None, warm_goal: None },
    Language { name: "Python", guest: "dispatch-python", fresh_goal: None, warm_goal: Some(60.0) },
    Language { name: "JavaScript", guest: "dispatch-js", fresh_goal: Some(400.0), warm_goal: None },
];

/// What was measured of one language. Times of a call in microseconds.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    size_bytes: f64,
    compile: Duration,
    load: Duration,
    /// p50 and p99.
    pub(crate) fresh: [f64; 2],
    pub(crate) warm: [f64; 2],
    memory_bytes: f64,
    resident_bytes: f64,
    fresh_goal: Option<f64>,
    warm_goal: Option<f64>,
    native: [f64; 2],
}

pub(crate) async fn run(folder: &Path, svg: Option<PathBuf>) -> Result<(), Failure> {
    let objects = Objects::new();
    println!(
        "one reconcile of a {} byte object with one cached read, {FRESH_CALLS} fresh and {WARM_CALLS} warm\n",
        objects.bytes()
    );
    println!("{}", heading());
    let mut rows = Vec::new();
    for language in &LANGUAGES {
        let component = folder.join(format!("{}.wasm", language.guest));
        if !component.is_file() {
            println!("{:<11} not run: {}", language.name, remedy(folder, language));
            continue;
        }
        let row = measure(language, &component, &objects).await?;
        println!("{}", line(&row));
        rows.push(row);
    }
    let native = rows.first().map(|row| row.native).ok_or("there is no guest; run `cargo xtask guests`")?;
    println!("{:<11} {:>38} {:>9.1} {:>8.1}", "native Rust", "", native[0], native[1]);
    if let Some(file) = svg {
        chart::draw(&file, &rows, native[0])?;
        println!("\nwrote {}", file.display());
    }
    println!("\n{}", figures(&rows, native));
    Ok(())
}

fn remedy(folder: &Path, language: &Language) -> String {
    let note = fs::read_to_string(folder.join(format!("{}.missing", language.guest)));
    note.unwrap_or_else(|_| format!("no guest {} was built", language.guest))
}

async fn measure(language: &Language, component: &Path, objects: &Objects) -> Result<Row, Failure> {
    let dir = tempfile::tempdir()?;
    let (compile, load) = loading(component, dir.path()).await?;
    let engine = engine(dir.path())?;
    let module = engine.load(language.guest, component, Limits::default()).await?;
    let fresh = Samples::take(&module, objects, WARM_UP, FRESH_CALLS, 1).await?;
    let kept = module.with_instances(warm(1))?;
    let warm = Samples::take(&kept, objects, WARM_UP, WARM_CALLS, 1).await?;
    drop(kept);
    let memory = objects.reconcile(&module).await?.memory_high_water_bytes;
    let times = |sorted: &[Duration]| [percentile(sorted, 50), percentile(sorted, 99)];
    Ok(Row {
        name: language.name,
        size_bytes: fs::metadata(component)?.len() as f64,
        compile,
        load,
        fresh: times(&fresh.guest),
        warm: times(&warm.guest),
        memory_bytes: memory as f64,
        resident_bytes: resident(&module).await?,
        fresh_goal: language.fresh_goal,
        warm_goal: language.warm_goal,
        native: times(&fresh.native),
    })
}

fn warm(count: u32) -> Instances {
    Instances::Warm(Warm { count, max_reconciles: u32::MAX, idle: IDLE })
}

fn engine(cache: &Path) -> Result<Engine, Failure> {
    Ok(Engine::new(EngineConfig { cache_dir: Some(cache.to_owned()), ..EngineConfig::default() })?)
}

/// With nothing cached, and from the cache.
async fn loading(component: &Path, cache: &Path) -> Result<(Duration, Duration), Failure> {
    let mut times = Vec::with_capacity(LOADS + 1);
    for _ in 0..=LOADS {
        let engine = engine(cache)?;
        let started = Instant::now();
        engine.load("measured", component, Limits::default()).await?;
        times.push(started.elapsed());
    }
    let (first, cached) = times.split_first_mut().ok_or("nothing was loaded")?;
    cached.sort_unstable();
    Ok((*first, cached.get(LOADS / 2).copied().unwrap_or_default()))
}

/// What an idle instance adds, when as many are kept as run at once.
async fn resident(module: &Module) -> Result<f64, Failure> {
    let kept = module.with_instances(warm(KEPT))?;
    let gate = Barrier::new(KEPT as usize);
    let objects = Objects::with_gate(gate);
    let before = resident_bytes()?;
    let calls = (0..KEPT).map(|_| objects.reconcile(&kept));
    for outcome in futures::future::join_all(calls).await {
        outcome?;
    }
    Ok((resident_bytes()? - before) / f64::from(KEPT))
}

fn resident_bytes() -> Result<f64, Failure> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages = statm.split_whitespace().nth(1).ok_or("/proc/self/statm has no second field")?;
    Ok(pages.parse::<f64>()? * PAGE_BYTES)
}

fn heading() -> String {
    let first = format!("{:<11} {:>8} {:>10} {:>9} {:>8}", "", "size", "compile", "load", "fresh");
    let second = format!("{:>8} {:>8} {:>8} {:>9} {:>9}", "p99", "warm", "p99", "memory", "resident");
    let units = format!("{:<11} {:>8} {:>10} {:>9} {:>8}", "", "KB", "ms", "ms", "µs");
    format!("{first} {second}\n{units} {:>8} {:>8} {:>8} {:>9} {:>9}", "µs", "µs", "µs", "MiB", "MiB")
}

fn line(row: &Row) -> String {
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    format!(
        "{:<11} {:>8.0} {:>10.1} {:>9.2} {:>8.1} {:>8.1} {:>8.1} {:>8.1} {:>9.2} {:>9.2}",
        row.name,
        row.size_bytes / 1e3,
        millis(row.compile),
        millis(row.load),
        row.fresh[0],
        row.fresh[1],
        row.warm[0],
        row.warm[1],
        row.memory_bytes / MIB,
        row.resident_bytes / MIB,
    )
}

/// The line for scripts.
fn figures(rows: &[Row], native: [f64; 2]) -> Value {
    let all = rows.iter().flat_map(|row| {
        let name = |what: &str| format!("{} {what}", row.name);
        [
            figure(&name("fresh p50"), row.fresh[0], "us", row.fresh_goal),
            figure(&name("fresh p99"), row.fresh[1], "us", None),
            figure(&name("warm p50"), row.warm[0], "us", row.warm_goal),
            figure(&name("warm p99"), row.warm[1], "us", None),
            figure(&name("size"), row.size_bytes, "bytes", None),
            figure(&name("compile"), row.compile.as_secs_f64() * 1e3, "ms", None),
            figure(&name("load from cache"), row.load.as_secs_f64() * 1e3, "ms", None),
            figure(&name("memory"), row.memory_bytes, "bytes", None),
            figure(&name("resident"), row.resident_bytes, "bytes", None),
        ]
    });
    let native = [figure("native p50", native[0], "us", None), figure("native p99", native[1], "us", None)];
    json!({"bench": "languages", "figures": all.chain(native).collect::<Vec<_>>()})
}

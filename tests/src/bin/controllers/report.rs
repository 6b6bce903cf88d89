//! What was measured, as tables and as one line of JSON.

use std::time::Duration;

use anyhow::{Context, Result};
use polyreme_tests::{Kind, Memory};
use serde_json::{Value, json};

const MIB: f64 = 1_048_576.0;
/// What a host with a hundred controllers may have resident at rest.
const GOAL_MIB: f64 = 150.0;

/// Everything.
pub(crate) struct Measured {
    pub(crate) controllers: usize,
    pub(crate) objects: usize,
    pub(crate) cold_start: Duration,
    pub(crate) warm_start: Duration,
    pub(crate) idle: Memory,
    pub(crate) requests_a_minute: f64,
    pub(crate) natives: Vec<Memory>,
    pub(crate) load: Load,
    pub(crate) settings: Vec<Duration>,
    pub(crate) modules: Vec<Duration>,
}

/// What became of the host when all kinds got objects at once.
pub(crate) struct Load {
    pub(crate) created_in: Duration,
    pub(crate) done_in: Duration,
    pub(crate) peak: u64,
    pub(crate) after: Memory,
}

/// What as many processes would have as there are controllers, from a sample.
struct Sum {
    /// As if they shared nothing.
    resident: f64,
    /// The program file and the libraries once, all else for each.
    shared_once: f64,
}

/// Prints it.
///
/// # Errors
/// When nothing was measured.
pub(crate) fn print(server: Kind, measured: &Measured) -> Result<()> {
    let sum = sum(&measured.natives, measured.controllers)?;
    print_memory(server, measured, &sum);
    print_times(measured)?;
    println!("{}", json!({ "bench": "controllers", "figures": figures(measured, &sum)? }));
    Ok(())
}

fn print_memory(server: Kind, measured: &Measured, sum: &Sum) {
    let server = match server {
        Kind::Real => "kube-apiserver",
        Kind::Local => "the local API server",
    };
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    let Measured { controllers, objects, natives, load, .. } = measured;
    println!("{controllers} controllers on {server}; host and native controllers are {profile} builds\n");
    println!("| memory | resident | of it heap, stacks, instances | shared divided |");
    println!("|---|---|---|---|");
    row(&format!("one host with {controllers}, at rest"), &measured.idle);
    row(&format!("the same, at rest with {} objects", controllers * objects), &load.after);
    println!("| the same, most while they were reconciled | {:.1} MiB | | |", mib(load.peak));
    for (index, native) in natives.iter().enumerate() {
        row(&format!("native controller {} of a sample of {}, at rest", index + 1, natives.len()), native);
    }
    println!(
        "| {controllers} such processes, files counted once (calculated) | {:.0} MiB | | |",
        sum.shared_once
    );
    println!(
        "| {controllers} such processes, files counted for each (calculated) | {:.0} MiB | | |\n",
        sum.resident
    );
}

fn row(who: &str, memory: &Memory) {
    let [resident, anonymous, proportional] =
        [memory.resident, memory.anonymous, memory.proportional].map(mib);
    println!("| {who} | {resident:.1} MiB | {anonymous:.1} MiB | {proportional:.1} MiB |");
}

fn print_times(measured: &Measured) -> Result<()> {
    let Measured { controllers, objects, load, settings, modules, .. } = measured;
    println!("| time | |");
    println!("|---|---|");
    println!("| start until ready, modules compiled | {:.1} s |", measured.cold_start.as_secs_f64());
    println!("| start until ready, compiled code on disk | {:.1} s |", measured.warm_start.as_secs_f64());
    let (created, done) = (load.created_in.as_secs_f64(), load.done_in.as_secs_f64());
    println!(
        "| {} objects, made in {created:.1} s, all reconciled after | {done:.1} s |",
        controllers * objects
    );
    for (what, times) in [("`workers` in the file", settings), ("a module's file", modules)] {
        let (typical, worst) = percentiles(times)?;
        println!("| change of {what}, p50 and p99 of {} | {typical:.0} ms and {worst:.0} ms |", times.len());
    }
    println!("| requests to the API server at rest | {:.0} a minute |\n", measured.requests_a_minute);
    Ok(())
}

fn figures(measured: &Measured, sum: &Sum) -> Result<Vec<Value>> {
    let figure = |name: &str, value: f64, unit: &str| json!({ "name": name, "value": value, "unit": unit, "better": "lower" });
    let idle = mib(measured.idle.resident);
    let mut judged = figure("memory at rest", idle, "MiB");
    judged["goal"] = GOAL_MIB.into();
    judged["holds"] = (idle <= GOAL_MIB).into();
    let (settings, modules) = (percentiles(&measured.settings)?, percentiles(&measured.modules)?);
    Ok(vec![
        judged,
        figure("heap, stacks and instances at rest", mib(measured.idle.anonymous), "MiB"),
        figure("memory of as many native processes, files once", sum.shared_once, "MiB"),
        figure("memory of as many native processes", sum.resident, "MiB"),
        figure("peak under load", mib(measured.load.peak), "MiB"),
        figure("memory at rest after load", mib(measured.load.after.resident), "MiB"),
        figure("start, modules compiled", measured.cold_start.as_secs_f64(), "s"),
        figure("start, compiled code on disk", measured.warm_start.as_secs_f64(), "s"),
        figure("all objects reconciled", measured.load.done_in.as_secs_f64(), "s"),
        figure("requests at rest", measured.requests_a_minute, "1/min"),
        figure("change of workers, p50", settings.0, "ms"),
        figure("change of workers, p99", settings.1, "ms"),
        figure("change of a module, p50", modules.0, "ms"),
        figure("change of a module, p99", modules.1, "ms"),
    ])
}

fn sum(natives: &[Memory], controllers: usize) -> Result<Sum> {
    let mean =
        |of: fn(&Memory) -> u64| natives.iter().map(of).sum::<u64>() as f64 / natives.len() as f64 / MIB;
    natives.first().context("no native controller was measured")?;
    let (resident, anonymous) = (mean(|memory| memory.resident), mean(|memory| memory.anonymous));
    let controllers = controllers as f64;
    Ok(Sum {
        resident: resident * controllers,
        shared_once: anonymous * controllers + (resident - anonymous),
    })
}

/// In milliseconds, by nearest rank: of less than a hundred, p99 is the worst.
fn percentiles(times: &[Duration]) -> Result<(f64, f64)> {
    let mut times: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1_000.0).collect();
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| {
        let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
        times.get(rank).copied().context("no change was timed")
    };
    Ok((at(50)?, at(99)?))
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_twenty_times_the_tenth_and_the_last_count() {
        let times: Vec<Duration> = (1..=20).rev().map(Duration::from_millis).collect();
        assert_eq!(percentiles(&times).unwrap(), (10.0, 20.0));
        assert!(percentiles(&[]).is_err());
    }

    #[test]
    fn a_program_file_is_counted_once_for_all_processes() {
        let native = Memory { resident: 30 << 20, anonymous: 10 << 20, peak: 0, proportional: 0 };
        let sum = sum(&[native, native], 100).unwrap();
        assert_eq!((sum.resident, sum.shared_once), (3_000.0, 1_020.0));
    }
}

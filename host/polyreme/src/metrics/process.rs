//! `process_*`: CPU, memory and file descriptors of this process, under the names of
//! Prometheus' own client libraries. Read from `/proc` when scraped; absent elsewhere.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::EncodeMetric;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Clock ticks a second in `/proc/self/stat`: fixed at 100 in Linux' user ABI.
const TICKS_PER_SECOND: f64 = 100.0;

/// Positions in `/proc/self/stat` after the command's closing parenthesis (`proc(5)`
/// counts the state as field 3): utime is 14, stime 15.
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;

#[derive(Debug)]
pub(super) struct ProcessCollector {
    version: &'static str,
}

impl ProcessCollector {
    pub(super) fn new() -> Self {
        Self { version: env!("CARGO_PKG_VERSION") }
    }
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "The version of this program; the value is always 1";
        let mut info = encoder.encode_descriptor("polyreme_build", help, None, MetricType::Info)?;
        info.encode_info(&[("version", self.version)])?;
        if let Some(seconds) = cpu_seconds() {
            let help = "Seconds of CPU spent, user and system";
            counter(&mut encoder, "process_cpu_seconds", help, seconds)?;
        }
        if let Some(bytes) = resident_bytes() {
            gauge(&mut encoder, "process_resident_memory_bytes", "Resident memory", bytes)?;
        }
        if let Some(count) = open_files() {
            gauge(&mut encoder, "process_open_fds", "Open file descriptors", count)?;
        }
        Ok(())
    }
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    ConstCounter::new(value).encode(metric)
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: i64) -> fmt::Result {
    let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    ConstGauge::new(value).encode(metric)
}

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some((ticks(USER_TICKS)? + ticks(SYSTEM_TICKS)?) / TICKS_PER_SECOND)
}

fn resident_bytes() -> Option<i64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn open_files() -> Option<i64> {
    i64::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok()
}

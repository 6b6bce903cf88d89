//! `polyreme_guest_instance…`: how many instances of each module were made, used again and
//! given up. The runtime counts; this reads when scraped, since instances also end when no
//! reconcile does.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use polyreme_runtime::InstanceCounters;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Reads one counter of a module.
type Reading = fn(&InstanceCounters) -> u64;

/// Why an instance that was kept ended, and who counts that.
const RETIRED: [(&str, Reading); 3] = [
    ("reconciles", InstanceCounters::worn_out),
    ("idle", InstanceCounters::idled_out),
    ("surplus", InstanceCounters::surplus),
];

/// The counters of all modules of this host.
#[derive(Debug, Default)]
pub(super) struct InstanceSeries {
    modules: Mutex<BTreeMap<String, Arc<InstanceCounters>>>,
}

impl InstanceSeries {
    pub(super) fn add(&self, controller: &str, counters: Arc<InstanceCounters>) {
        self.modules.lock().insert(controller.to_owned(), counters);
    }

    pub(super) fn remove(&self, controller: &str) {
        self.modules.lock().remove(controller);
    }
}

impl Collector for InstanceSeries {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let modules = self.modules.lock();
        let made = "Instances made of the module";
        counters(&mut encoder, &modules, "polyreme_guest_instantiations", made, InstanceCounters::made)?;
        let reused = "Reconciles in an instance that was kept warm";
        counters(&mut encoder, &modules, "polyreme_guest_instance_reuses", reused, InstanceCounters::reused)?;
        let (name, help) = ("polyreme_guest_instances_idle", "Warm instances that wait for a reconcile");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (controller, counters) in &*modules {
            let labels = [("controller", controller.as_str())];
            let idle = ConstGauge::new(i64::try_from(counters.idle()).unwrap_or(i64::MAX));
            idle.encode(metric.encode_family(&labels)?)?;
        }
        let (name, help) = ("polyreme_guest_instances_retired", "Warm instances given up, by the reason");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (controller, counters) in &*modules {
            for (reason, count) in RETIRED {
                let labels = [("controller", controller.as_str()), ("reason", reason)];
                ConstCounter::new(count(counters)).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

fn counters(
    encoder: &mut DescriptorEncoder<'_>,
    modules: &BTreeMap<String, Arc<InstanceCounters>>,
    name: &str,
    help: &str,
    count: Reading,
) -> fmt::Result {
    let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (controller, counters) in modules {
        let labels = [("controller", controller.as_str())];
        ConstCounter::new(count(counters)).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

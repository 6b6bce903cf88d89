//! The checks of `instances:`.

use std::time::Duration;

use polyreme_runtime::{Instances, Warm};
use serde_saphyr::{Location, Spanned};

use super::Checker;
use crate::config::error::suggestion;
use crate::config::raw::{RawInstances, RawWarm};
use crate::config::{IDLE_SECONDS, MAX_RECONCILES, WARM_INSTANCES};

impl Checker {
    pub(super) fn instances(&mut self, raw: Option<Spanned<RawInstances>>, workers: u32) -> Instances {
        match raw.map(|raw| (raw.value, raw.referenced)) {
            None => Instances::Fresh,
            Some((RawInstances::Named(name), at)) => self.named_instances(&name, at),
            Some((RawInstances::Warm(raw), _)) => Instances::Warm(self.warm(raw, workers)),
        }
    }

    fn named_instances(&mut self, name: &str, at: Location) -> Instances {
        if name != "fresh" {
            let remedy = format!("{}, or a map such as {{warm: 2}}", suggestion(name, &["fresh"]));
            self.fault(at, format!("unknown instances \"{name}\""), remedy);
        }
        Instances::Fresh
    }

    fn warm(&mut self, raw: RawWarm, workers: u32) -> Warm {
        let at = raw.warm.referenced;
        let count = self.number("instances.warm", Some(raw.warm), WARM_INSTANCES);
        if count > workers {
            let problem = format!("instances.warm {count} is more than workers {workers}");
            self.fault(at, problem, "lower it, since no more are ever needed at once, or raise workers");
        }
        Warm {
            count,
            max_reconciles: self.number("instances.maxReconciles", raw.max_reconciles, MAX_RECONCILES),
            idle: Duration::from_secs(self.number("instances.idleSeconds", raw.idle_seconds, IDLE_SECONDS)),
        }
    }
}

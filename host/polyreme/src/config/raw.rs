//! The shape of the configuration file, exactly as written: field names, nesting, types.
//!
//! Nothing here has a default or a range; [`super::check`] turns these into the typed
//! configuration. `Spanned` keeps the position of whatever a check may find fault with.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use polyreme_ownership::KeyBy;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use super::{DurationText, Quantity, Scheme};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawHost {
    pub(super) api_version: Spanned<String>,
    pub(super) kind: Spanned<String>,
    #[serde(default)]
    pub(super) admin: Option<RawAdmin>,
    #[serde(default)]
    pub(super) cache_dir: Option<PathBuf>,
    #[serde(default)]
    pub(super) cluster_networks: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pub(super) shutdown_grace_period: Option<Spanned<DurationText>>,
    #[serde(default)]
    pub(super) ownership: Option<RawOwnership>,
    #[serde(default)]
    pub(super) registries: Option<RawRegistries>,
    #[serde(default)]
    pub(super) profiles: Option<Vec<Spanned<RawProfile>>>,
    pub(super) controllers: Spanned<Vec<Spanned<RawController>>>,
}

/// One entry of `profiles:`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawProfile {
    pub(super) name: Spanned<String>,
    pub(super) controllers: Vec<Spanned<RawPart>>,
}

/// A controller as a profile has it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawPart {
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) workers: Option<Spanned<u32>>,
}

/// `admin:`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawAdmin {
    #[serde(default)]
    pub(super) address: Option<Spanned<String>>,
}

/// One entry of `controllers:`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawController {
    pub(super) name: Spanned<String>,
    pub(super) module: Spanned<String>,
    #[serde(default)]
    pub(super) signature: Option<Spanned<RawSignature>>,
    #[serde(default)]
    pub(super) workers: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) instances: Option<Spanned<RawInstances>>,
    #[serde(default)]
    pub(super) settings: Option<Spanned<serde_json::Value>>,
    #[serde(default)]
    pub(super) grants: Option<Vec<Spanned<RawGrant>>>,
    #[serde(default)]
    pub(super) http: Option<Vec<Spanned<RawHttpGrant>>>,
    #[serde(default)]
    pub(super) limits: Option<RawLimits>,
    #[serde(default)]
    pub(super) resync: Option<Spanned<DurationText>>,
    #[serde(default)]
    pub(super) queue: Option<RawQueue>,
    #[serde(default)]
    pub(super) ring: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) service_account: Option<Spanned<String>>,
}

/// `queue:`
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawQueue {
    #[serde(default)]
    pub(super) base_delay: Option<Spanned<DurationText>>,
    #[serde(default)]
    pub(super) max_delay: Option<Spanned<DurationText>>,
}

/// `registries:`
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawRegistries {
    #[serde(default)]
    pub(super) docker_config: Option<PathBuf>,
    #[serde(default)]
    pub(super) ca_file: Option<PathBuf>,
    #[serde(default)]
    pub(super) mirrors: Option<BTreeMap<String, Spanned<Vec<Spanned<String>>>>>,
    #[serde(default)]
    pub(super) signature: Option<RawSignature>,
}

/// `signature:` of all controllers or of one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawSignature {
    pub(super) public_key: PathBuf,
}

/// `ownership:`
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawOwnership {
    #[serde(default)]
    pub(super) strategy: Option<Spanned<RawStrategy>>,
    #[serde(default)]
    pub(super) ring: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) namespace: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) slots: Option<Spanned<u64>>,
    #[serde(default)]
    pub(super) key: Option<Spanned<KeyBy>>,
    #[serde(default)]
    pub(super) timing: Option<Spanned<RawTiming>>,
    #[serde(default)]
    pub(super) weight: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) drain_timeout: Option<Spanned<DurationText>>,
    #[serde(default)]
    pub(super) settle: Option<Spanned<DurationText>>,
    #[serde(default)]
    pub(super) rebalance: Option<RawRebalance>,
    #[serde(default)]
    pub(super) ordinal: Option<Spanned<RawOrdinal>>,
}

/// `ownership.strategy:`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RawStrategy {
    Sharded,
    Leader,
    Ordinal,
    Label,
}

/// `ownership.timing:`, a word or three durations.
#[derive(Debug)]
pub(super) enum RawTiming {
    Named(String),
    Own(RawOwnTiming),
}

/// All three are asked for: each bounds another, and a default that nobody sees would surprise.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawOwnTiming {
    pub(super) hold_for: Spanned<DurationText>,
    pub(super) fence_after: Spanned<DurationText>,
    pub(super) renew_every: Spanned<DurationText>,
}

/// `ownership.rebalance:`
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawRebalance {
    #[serde(default)]
    pub(super) burst: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) per_minute: Option<Spanned<u32>>,
}

/// `ownership.ordinal:`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawOrdinal {
    pub(super) replicas: Spanned<u32>,
    #[serde(default)]
    pub(super) ordinal: Option<Spanned<u32>>,
}

impl<'de> Deserialize<'de> for RawTiming {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TimingVisitor)
    }
}

/// By hand, because serde's untagged enums lose the place and the field of a fault.
struct TimingVisitor;

impl<'de> Visitor<'de> for TimingVisitor {
    type Value = RawTiming;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("default, fast, or a map of holdFor, fenceAfter and renewEvery")
    }

    fn visit_str<E>(self, text: &str) -> Result<RawTiming, E> {
        Ok(RawTiming::Named(text.to_owned()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<RawTiming, E> {
        Ok(RawTiming::Named(number.to_string()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawTiming, A::Error> {
        RawOwnTiming::deserialize(MapAccessDeserializer::new(map)).map(RawTiming::Own)
    }
}

/// `instances:`, a word or a map.
#[derive(Debug)]
pub(super) enum RawInstances {
    Named(String),
    Warm(RawWarm),
}

/// `instances:` as a map.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawWarm {
    pub(super) warm: Spanned<u32>,
    #[serde(default)]
    pub(super) max_reconciles: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) idle_seconds: Option<Spanned<u64>>,
}

impl<'de> Deserialize<'de> for RawInstances {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InstancesVisitor)
    }
}

/// By hand for the same reason as [`TimingVisitor`].
struct InstancesVisitor;

impl<'de> Visitor<'de> for InstancesVisitor {
    type Value = RawInstances;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("fresh, or a map of warm, maxReconciles and idleSeconds")
    }

    fn visit_str<E>(self, text: &str) -> Result<RawInstances, E> {
        Ok(RawInstances::Named(text.to_owned()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<RawInstances, E> {
        Ok(RawInstances::Named(number.to_string()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawInstances, A::Error> {
        RawWarm::deserialize(MapAccessDeserializer::new(map)).map(RawInstances::Warm)
    }
}

/// One entry of `grants:`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawGrant {
    pub(super) api_version: Spanned<String>,
    pub(super) kinds: Spanned<Vec<Spanned<String>>>,
    pub(super) verbs: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) namespaces: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pub(super) names: Option<Spanned<Vec<Spanned<String>>>>,
}

/// One entry of `http:`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawHttpGrant {
    pub(super) hosts: Spanned<Vec<Spanned<String>>>,
    pub(super) methods: Spanned<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) scheme: Option<Scheme>,
    #[serde(default)]
    pub(super) ports: Option<Spanned<Vec<Spanned<u16>>>>,
    #[serde(default)]
    pub(super) networks: Option<Spanned<Vec<Spanned<String>>>>,
}

/// `limits:`
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawLimits {
    #[serde(default)]
    pub(super) memory: Option<Spanned<Quantity>>,
    #[serde(default)]
    pub(super) cpu_time: Option<Spanned<DurationText>>,
    #[serde(default)]
    pub(super) wall_time: Option<Spanned<DurationText>>,
    #[serde(default)]
    pub(super) payload: Option<Spanned<Quantity>>,
    #[serde(default)]
    pub(super) api_calls_in_flight: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) api_calls_per_second: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) http_requests_in_flight: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) http_timeout: Option<Spanned<DurationText>>,
    #[serde(default)]
    pub(super) host_calls: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) log_lines: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) log_bytes: Option<Spanned<Quantity>>,
}

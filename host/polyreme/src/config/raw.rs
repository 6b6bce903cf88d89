//! The shape of the configuration file, exactly as written: field names, nesting, types.
//!
//! Nothing here has a default or a range; [`super::check`] turns these into the typed
//! configuration. `Spanned` keeps the position of whatever a check may find fault with.

use std::path::PathBuf;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{DurationText, Quantity};

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
    pub(super) shutdown_grace_period: Option<Spanned<DurationText>>,
    pub(super) controllers: Spanned<Vec<Spanned<RawController>>>,
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
    pub(super) workers: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) settings: Option<Spanned<serde_json::Value>>,
    #[serde(default)]
    pub(super) grants: Option<Vec<Spanned<RawGrant>>>,
    #[serde(default)]
    pub(super) limits: Option<RawLimits>,
    #[serde(default)]
    pub(super) resync: Option<Spanned<DurationText>>,
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
    pub(super) host_calls: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) log_lines: Option<Spanned<u32>>,
    #[serde(default)]
    pub(super) log_bytes: Option<Spanned<Quantity>>,
}

//! `settings:` of this controller, as `settings.schema.json` describes them.

use std::collections::BTreeMap;

use polyreme_sdk::k8s_openapi::api::networking::v1::IngressTLS;
use serde::Deserialize;

/// Serves the sites unless settings name another; small, and its configuration is a file.
const DEFAULT_IMAGE: &str = "nginx:1.29-alpine";

/// What an installation may choose.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Image of the web server.
    pub image: String,
    /// How sites are reached.
    pub ingress: IngressSettings,
}

/// How sites are reached.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct IngressSettings {
    /// Ingress class; the cluster's default when absent.
    pub class_name: Option<String>,
    /// One rule for each; a rule for every host when empty.
    pub hosts: Vec<String>,
    /// Annotations of every Ingress.
    pub annotations: BTreeMap<String, String>,
    /// TLS of every Ingress.
    pub tls: Vec<IngressTLS>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { image: DEFAULT_IMAGE.into(), ingress: IngressSettings::default() }
    }
}

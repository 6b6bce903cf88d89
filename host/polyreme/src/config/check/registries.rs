//! The checks of `registries:` and `signature:`.

use std::path::PathBuf;
use std::sync::Arc;

use polyreme_sources::{Fetcher, Malformed, Mirror, Remote, Settings, check_registry};
use serde_saphyr::{Location, Spanned};

use super::Checker;
use crate::config::ModuleSource;
use crate::config::raw::{RawRegistries, RawSignature};

/// `registries:`, for every controller.
pub(super) struct Registries {
    pub(super) fetcher: Arc<Fetcher>,
    signature_key: Option<PathBuf>,
}

impl Checker {
    /// Relative paths start at the configuration file's folder, as a module's does.
    pub(super) fn registries(&mut self, raw: Option<RawRegistries>, cache: Option<PathBuf>) -> Registries {
        let raw = raw.unwrap_or_default();
        let mut settings = Settings {
            cache,
            docker_config: raw.docker_config.map(|path| self.folder().join(path)),
            ca_file: raw.ca_file.map(|path| self.folder().join(path)),
            ..Settings::default()
        };
        for (registry, mirrors) in raw.mirrors.unwrap_or_default() {
            if let Err(fault) = check_registry(&registry) {
                self.malformed("registries.mirrors", mirrors.referenced, fault);
            }
            let parsed = mirrors.value.into_iter().filter_map(|mirror| self.mirror(&mirror)).collect();
            settings.mirrors.insert(registry, parsed);
        }
        Registries {
            fetcher: Arc::new(Fetcher::new(settings)),
            signature_key: raw.signature.map(|signature| self.folder().join(signature.public_key)),
        }
    }

    fn mirror(&mut self, text: &Spanned<String>) -> Option<Mirror> {
        let parsed = text.value.parse();
        parsed.map_err(|fault| self.malformed("registries.mirrors", text.referenced, fault)).ok()
    }

    fn malformed(&mut self, field: &str, at: Location, fault: Malformed) {
        self.fault(at, format!("{field}: {}", fault.problem), fault.remedy);
    }

    /// The controller's own key, else the one of all. Only what comes from a registry has a signature: that
    /// somebody asks for one elsewhere, and does not get it, must not go unnoticed.
    pub(super) fn signature_key(
        &mut self,
        raw: Option<Spanned<RawSignature>>,
        module: &ModuleSource,
        registries: &Registries,
    ) -> Option<PathBuf> {
        if matches!(module, ModuleSource::Remote(Remote::Oci(_))) {
            let own = raw.map(|raw| self.folder().join(raw.value.public_key));
            return own.or_else(|| registries.signature_key.clone());
        }
        if let Some(raw) = raw {
            let remedy = "push the module to a registry and sign it there, or remove signature";
            self.fault(
                raw.referenced,
                "signature is of no use: the module does not come from oci://",
                remedy,
            );
        }
        None
    }
}

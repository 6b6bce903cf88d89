//! A module from its source to a checked manifest. Needs no cluster.
//!
//! What fails here fails until somebody changes the module or the configuration; `polyreme validate`
//! runs exactly this.

use std::sync::Arc;

use kube::Client;
use polyreme_runtime::wit::reconciler::Manifest;
use polyreme_runtime::{CallError, Engine, LoadError, Module, NoRoom, Session};
use polyreme_sources::SourceError;
use tracing::{Instrument, info_span};

use super::plan::{ManifestError, Plan};
use crate::config::{ControllerConfig, ModuleSource, SettingsError, validate_settings};
use crate::guest_log::GuestLog;

/// Why a controller cannot run until its module or its configuration is changed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The module could not be fetched, or its signature does not count.
    #[error("failed to get the module")]
    Source(#[from] SourceError),
    /// The module is missing, damaged, or not made for this host.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The engine has no room for the instances to be kept warm.
    #[error(transparent)]
    Instances(#[from] NoRoom),
    /// `describe` failed.
    #[error(transparent)]
    Describe(#[from] CallError),
    /// What `describe` says makes no sense.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The controller cannot act as its service account.
    #[error("failed to act as the service account {account}: {why}")]
    Identity {
        /// The account.
        account: String,
        /// The reason.
        why: String,
    },
    /// The settings do not fit the module's schema.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

/// A module that can be run.
pub struct Loaded {
    /// What the configuration says of it.
    pub config: ControllerConfig,
    /// Its code.
    pub module: Module,
    /// What it says of itself.
    pub manifest: Manifest,
    /// What is to be watched for it.
    pub plan: Plan,
    /// The connection in the name of its own account, if it has one.
    pub(super) client: Option<Client>,
}

/// Loads a module, asks what it is, and checks that and the settings.
///
/// # Errors
/// See [`StartError`].
pub async fn load(engine: &Engine, config: &ControllerConfig) -> Result<Loaded, StartError> {
    let code = code_of(config).await?;
    let module = engine.load(&config.name, code, config.limits.for_runtime()).await?;
    let module = module.with_instances(config.instances)?;
    let session = Session::for_describe(config.settings_json(), Arc::new(GuestLog));
    let span = info_span!("describe", controller = config.name);
    let manifest = module.describe(session).instrument(span).await?;
    let plan = Plan::new(&config.name, &manifest)?;
    if let Some(schema) = &manifest.settings_schema {
        validate_settings(schema, config)?;
    }
    Ok(Loaded { config: config.clone(), module, manifest, plan, client: None })
}

/// What the engine reads: a file, or what was fetched and verified. Nothing is compiled before that.
async fn code_of(config: &ControllerConfig) -> Result<polyreme_runtime::ModuleSource, SourceError> {
    match &config.module {
        ModuleSource::File(path) => Ok(path.as_path().into()),
        ModuleSource::Remote(remote) => {
            let fetched = config.fetcher.fetch(remote, config.signature_key.as_deref()).await?;
            Ok(polyreme_runtime::ModuleSource::Bytes(fetched))
        }
    }
}

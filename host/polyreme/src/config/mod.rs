//! The configuration of a host: one YAML file, parsed strictly, into typed values.
//!
//! Strictly means that an unknown field, a wrong type, a value out of range or a name given
//! twice is an error with `file:line:column`, what was expected and the remedy: a
//! misspelt limit that is silently ignored is worse than a host that does not start.
//! Past this module there are no raw values; every default is a named constant that says
//! why. The file is bounded in size, and reading it never touches the network.
//!
//! `docs/configuration.md` lists every field for users.

mod change;
mod check;
mod duration;
mod error;
mod http;
mod limits;
mod ownership;
mod quantity;
mod raw;
mod schema;
mod settings;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use change::restart_needed;
pub use duration::{DurationError, DurationText};
pub use error::{ConfigError, Fault, Place};
pub use http::{
    HTTP_REQUESTS_IN_FLIGHT, HTTP_TIMEOUT_MILLIS, HostPattern, HttpGrant, METHODS, MIN_PREFIX_V4,
    MIN_PREFIX_V6, Scheme, ServerName,
};
pub use limits::{
    API_CALLS_IN_FLIGHT, API_CALLS_PER_SECOND, Bound, CPU_TIME_MILLIS, HOST_CALLS, LOG_BYTES, LOG_LINES,
    Limits, MEMORY, PAYLOAD, WALL_TIME_MILLIS,
};
pub use polyreme_sources::Source as ModuleSource;

pub use ownership::{
    DEFAULT_RING, DRAIN_MILLIS, ORDINAL_REPLICAS, OrdinalConfig, OwnershipConfig, REBALANCE_BURST,
    REBALANCE_PER_MINUTE, Rebalance, SETTLE_MILLIS, Strategy, WEIGHT,
};
pub use quantity::{Quantity, QuantityError};
pub use schema::JSON_SCHEMA;
pub use settings::{SettingsError, SettingsFault, validate_settings};

use ipnet::IpNet;
use polyreme_runtime::Instances;
use polyreme_sources::Fetcher;

use crate::identity::Identity;
use crate::queue::schedule::Backoff;

/// The only accepted `apiVersion`.
pub const API_VERSION: &str = "polyreme.dev/v1alpha1";

/// The only accepted `kind`.
pub const KIND: &str = "HostConfiguration";

/// Largest file read: a ConfigMap, where the file lives in a cluster, holds no more.
pub const MAX_CONFIG_BYTES: u64 = 1024 * 1024;

/// Where the admin endpoints listen unless told: loopback, because metrics name objects.
pub const DEFAULT_ADMIN_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// Time that running reconciles get after SIGTERM: controller-runtime's default, and
/// what a pod's default `terminationGracePeriodSeconds` allows.
pub const SHUTDOWN_GRACE_SECONDS: Bound<u64> = Bound { default: 30, min: 0, max: 3_600 };

/// Concurrent reconciles of one controller. controller-runtime's 1 makes every object
/// wait for the slowest request of another; 4 overlap while each stays cheap.
pub const WORKERS: Bound<u32> = Bound { default: 4, min: 1, max: 1_024 };

/// Instances of a module that are kept warm. More than its workers would never be used at once.
pub const WARM_INSTANCES: Bound<u32> = Bound { default: 1, min: 1, max: 1_024 };

/// Reconciles after which a warm instance is replaced: often enough that a leak of a few KiB each stays
/// within the memory limit, seldom enough that even a start of 2 ms costs 2 µs a reconcile.
pub const MAX_RECONCILES: Bound<u32> = Bound { default: 1_000, min: 1, max: 1_000_000 };

/// Seconds after which a warm instance that nobody needed is given up. A minute outlives the pauses of a
/// busy controller, and gives the memory of a quiet one back.
pub const IDLE_SECONDS: Bound<u64> = Bound { default: 60, min: 1, max: 86_400 };

/// Every object is reconciled again after this long (±10 %), as in controller-runtime.
pub const RESYNC_MILLIS: Bound<u64> = Bound { default: 10 * 3_600_000, min: 100, max: 30 * 24 * 3_600_000 };

/// The first wait after a failure, in milliseconds: as in controller-runtime.
pub const BASE_DELAY_MILLIS: Bound<u64> = Bound { default: 5, min: 1, max: 60_000 };

/// The longest wait after failures in a row, in milliseconds: as in controller-runtime.
pub const MAX_DELAY_MILLIS: Bound<u64> = Bound { default: 1_000_000, min: 100, max: 24 * 3_600_000 };

/// Verbs that a grant can name, in the words of `wit/controller.wit`.
pub const VERBS: [&str; 11] =
    ["get", "list", "watch", "create", "update", "patch", "apply", "delete", "status", "scale", "finalizers"];

/// Everything a host is told by its file.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// The file, as named on the command line.
    pub path: Arc<Path>,
    /// `admin:`
    pub admin: AdminConfig,
    /// `cacheDir:`; absent when neither it nor a home directory is known: then compiled
    /// code is kept in memory only.
    pub cache_dir: Option<PathBuf>,
    /// `clusterNetworks:`, which modules reach only where a grant names them.
    pub cluster_networks: Vec<IpNet>,
    /// `shutdownGracePeriod:`
    pub shutdown_grace_period: Duration,
    /// `ownership:`
    pub ownership: OwnershipConfig,
    /// `profiles:`, names unique.
    pub profiles: Vec<Profile>,
    /// `controllers:`, in file order, names unique; of the chosen profile only, once one was
    /// [chosen](HostConfig::choose).
    pub controllers: Vec<ControllerConfig>,
    /// Who this host is: not in the file, which all hosts of a ring share. See [`HostConfig::identify`].
    pub identity: Identity,
}

/// The admin endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminConfig {
    /// `admin.address:`; port 0 takes a free one, which the log names.
    pub address: SocketAddr,
}

/// A kind of host: some of the controllers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name, a DNS label.
    pub name: String,
    /// What it runs, never empty.
    pub parts: Vec<Part>,
}

/// A controller as a profile has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Name of the controller.
    pub controller: String,
    /// Its workers there; absent for as many as the controller says.
    pub workers: Option<u32>,
}

/// One controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerConfig {
    /// `name:`, a DNS label, unique in the host.
    pub name: String,
    /// `module:`; the relative path of a `file:` was resolved against the configuration file's folder.
    pub module: ModuleSource,
    /// `registries:`, which all controllers share.
    pub fetcher: Arc<Fetcher>,
    /// `signature.publicKey:`, else that of `registries:`; none for what does not come from a registry.
    pub signature_key: Option<PathBuf>,
    /// `workers:`, concurrent reconciles.
    pub workers: u32,
    /// `instances:`, fresh or warm.
    pub instances: Instances,
    /// `settings:`, an empty object when the file has none.
    pub settings: serde_json::Value,
    /// `grants:`
    pub grants: Vec<Grant>,
    /// `http:`, outside servers.
    pub http: Vec<HttpGrant>,
    /// `limits:`
    pub limits: Limits,
    /// `resync:`
    pub resync: Duration,
    /// `queue:`
    pub queue: Backoff,
    /// `ring:`, absent for `ownership.ring`.
    pub ring: Option<String>,
    /// `serviceAccount:`, absent to act as the host.
    pub service_account: Option<ServiceAccount>,
    /// Where the controller is in the file, for messages that ask to change it.
    pub place: Place,
    /// Where its `settings:` are; where the controller is when it has none.
    pub settings_place: Place,
}

impl ControllerConfig {
    /// `settings:` as the JSON text that a guest reads.
    #[must_use]
    pub fn settings_json(&self) -> Arc<str> {
        Arc::from(self.settings.to_string())
    }
}

/// The service account that a controller acts as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Absent for the namespace of the host's connection.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl ServiceAccount {
    /// The user that the API server sees.
    ///
    /// # Example
    /// ```
    /// use polyreme::config::ServiceAccount;
    /// let account = ServiceAccount { namespace: None, name: "website".to_owned() };
    /// assert_eq!(account.user("apps"), "system:serviceaccount:apps:website");
    /// ```
    #[must_use]
    pub fn user(&self, namespace: &str) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace.as_deref().unwrap_or(namespace), self.name)
    }
}

/// What one `grants:` entry allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// `apps/v1`; the core group is `v1`.
    pub api_version: String,
    /// Kinds, never empty.
    pub kinds: Vec<String>,
    /// Verbs out of [`VERBS`], never empty.
    pub verbs: Vec<String>,
    /// Namespaces; absent for all.
    pub namespaces: Option<Vec<String>>,
    /// Names; absent for all.
    pub names: Option<Vec<String>>,
    /// Line of the entry; absent for a grant that does not come from a file.
    pub line: Option<u32>,
}

impl HostConfig {
    /// Reads and checks a file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is larger than [`MAX_CONFIG_BYTES`] or has faults.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # use polyreme::config::{ConfigError, HostConfig};
    /// let config = HostConfig::load("polyreme.yaml".as_ref())?;
    /// println!("{} controllers", config.controllers.len());
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(&Self::read(path)?, path)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is larger than [`MAX_CONFIG_BYTES`].
    pub fn read(path: &Path) -> Result<String, ConfigError> {
        let failed = |source| ConfigError::Read { path: path.to_owned(), source };
        if std::fs::metadata(path).map_err(failed)?.len() > MAX_CONFIG_BYTES {
            return Err(ConfigError::TooLarge { path: path.to_owned(), limit: MAX_CONFIG_BYTES });
        }
        std::fs::read_to_string(path).map_err(failed)
    }

    /// Checks the text of a file; `path` is for messages and for relative module paths.
    ///
    /// # Errors
    ///
    /// When the text has faults.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let file: Arc<Path> = Arc::from(path);
        let raw = serde_saphyr::from_str(text)
            .map_err(|error| ConfigError::Invalid(vec![error::yaml_fault(&file, text, &error)]))?;
        check::check(raw, file)
    }

    /// Says who this host is. Strategy `ordinal` takes its ordinal from the name unless the file has one.
    ///
    /// # Errors
    ///
    /// When the ordinal is needed and the name does not end in one below `ordinal.replicas`.
    pub fn identify(&mut self, identity: Identity) -> Result<(), ConfigError> {
        if let Strategy::Ordinal(config) = &mut self.ownership.strategy
            && config.ordinal.is_none()
        {
            config.ordinal = Some(config.ordinal_from(&identity)?);
        }
        self.identity = identity;
        Ok(())
    }

    /// Keeps what the hosts of a profile run. All controllers are kept without one.
    ///
    /// # Errors
    /// When there is no such profile.
    pub fn choose(&mut self, profile: Option<&str>) -> Result<(), ConfigError> {
        let Some(name) = profile else { return Ok(()) };
        let Some(profile) = self.profiles.iter().find(|profile| profile.name == name) else {
            let known = self.profiles.iter().map(|profile| profile.name.clone()).collect();
            return Err(ConfigError::NoProfile {
                path: self.path.to_path_buf(),
                name: name.to_owned(),
                known,
            });
        };
        self.controllers.retain_mut(|controller| {
            let Some(part) = profile.parts.iter().find(|part| part.controller == controller.name) else {
                return false;
            };
            controller.workers = part.workers.unwrap_or(controller.workers);
            true
        });
        Ok(())
    }

    /// The ring that shares the objects of a controller.
    #[must_use]
    pub fn ring<'a>(&'a self, controller: &'a ControllerConfig) -> &'a str {
        controller.ring.as_deref().unwrap_or(&self.ownership.ring)
    }
}

#[cfg(test)]
mod tests;

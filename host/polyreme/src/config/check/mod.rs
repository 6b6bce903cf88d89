//! From the shape of the file to typed values: ranges, names, references, defaults.
//!
//! The checks go through the whole file and collect every fault. A value with a fault is
//! replaced by its default so that checking can go on; nothing of such a result leaves
//! this module.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use polyreme_sources::Malformed;
use serde_saphyr::{Location, Spanned};

mod http;
mod instances;
mod ownership;
mod profiles;
mod registries;

use registries::Registries;

use super::error::suggestion;
use super::limits::durations;
use super::raw::{RawAdmin, RawController, RawGrant, RawHost, RawLimits, RawQueue};
use super::{
    API_CALLS_IN_FLIGHT, API_CALLS_PER_SECOND, API_VERSION, AdminConfig, BASE_DELAY_MILLIS, Bound,
    CPU_TIME_MILLIS, ConfigError, ControllerConfig, DEFAULT_ADMIN_ADDRESS, DurationText, Fault, Grant,
    HOST_CALLS, HTTP_REQUESTS_IN_FLIGHT, HTTP_TIMEOUT_MILLIS, HostConfig, KIND, LOG_BYTES, LOG_LINES, Limits,
    MAX_DELAY_MILLIS, MEMORY, ModuleSource, PAYLOAD, Place, RESYNC_MILLIS, SHUTDOWN_GRACE_SECONDS,
    ServiceAccount, VERBS, WALL_TIME_MILLIS, WORKERS,
};
use crate::identity::{Identity, is_dns_label};
use crate::queue::schedule::Backoff;

/// The host's own field manager; a controller writes under its name.
const HOST_NAME: &str = "polyreme";
/// Longest name of an object.
const MAX_OBJECT_NAME: usize = 253;

/// Checks a file that was read without fault.
pub(super) fn check(raw: RawHost, file: Arc<Path>) -> Result<HostConfig, ConfigError> {
    let mut checker = Checker { file, faults: Vec::new() };
    let config = checker.host(raw);
    if checker.faults.is_empty() { Ok(config) } else { Err(ConfigError::Invalid(checker.faults)) }
}

struct Checker {
    file: Arc<Path>,
    faults: Vec<Fault>,
}

impl Checker {
    fn host(&mut self, raw: RawHost) -> HostConfig {
        self.fixed("apiVersion", &raw.api_version, API_VERSION);
        self.fixed("kind", &raw.kind, KIND);
        if raw.controllers.value.is_empty() {
            let remedy = "add at least one with \"- name:\" and \"module:\"";
            self.fault(raw.controllers.referenced, "controllers is empty", remedy);
        }
        self.unique_names(&raw.controllers.value);
        let grace = in_millis(SHUTDOWN_GRACE_SECONDS);
        let shutdown_grace_period = self.duration("shutdownGracePeriod", raw.shutdown_grace_period, grace);
        let ownership = self.ownership(raw.ownership, shutdown_grace_period);
        self.controllers_rings(&ownership.strategy, &raw.controllers.value);
        let cache_dir = raw.cache_dir.or_else(default_cache_dir);
        let registries = self.registries(raw.registries, cache_dir.clone());
        let controllers = self
            .each(raw.controllers.value, |checker, controller| checker.controller(controller, &registries));
        HostConfig {
            path: Arc::clone(&self.file),
            profiles: self.profiles(raw.profiles, &controllers),
            cluster_networks: self.cluster_networks(raw.cluster_networks),
            identity: Identity::default(),
            ownership,
            admin: self.admin(raw.admin),
            cache_dir,
            shutdown_grace_period,
            controllers,
        }
    }

    fn admin(&mut self, raw: Option<RawAdmin>) -> AdminConfig {
        let text = raw.and_then(|admin| admin.address);
        AdminConfig { address: text.and_then(|text| self.address(&text)).unwrap_or(DEFAULT_ADMIN_ADDRESS) }
    }

    fn address(&mut self, text: &Spanned<String>) -> Option<SocketAddr> {
        let parsed = text.value.parse().ok();
        if parsed.is_none() {
            let problem = format!("admin.address \"{}\" is not an address", text.value);
            let remedy = "write IP:PORT, such as 127.0.0.1:8080 or [::]:8080";
            self.fault(text.referenced, problem, remedy);
        }
        parsed
    }

    fn controller(&mut self, raw: Spanned<RawController>, registries: &Registries) -> ControllerConfig {
        let place = self.place(raw.value.name.referenced);
        let raw = raw.value;
        self.dns_label("controller name", &raw.name);
        if raw.name.value == HOST_NAME {
            let problem = format!("controller name \"{HOST_NAME}\" is the host's own");
            self.fault(raw.name.referenced, problem, "give it another name: field managers are named by it");
        }
        let settings_place = raw.settings.as_ref().map(|settings| self.place(settings.referenced));
        let workers = self.number("workers", raw.workers, WORKERS);
        let module = self.module(&raw.module);
        ControllerConfig {
            signature_key: self.signature_key(raw.signature, &module, registries),
            fetcher: Arc::clone(&registries.fetcher),
            module,
            workers,
            instances: self.instances(raw.instances, workers),
            settings: self.settings(raw.settings),
            grants: self.each(raw.grants.unwrap_or_default(), Self::grant),
            http: self.each(raw.http.unwrap_or_default(), Self::http_grant),
            limits: self.limits(raw.limits.unwrap_or_default()),
            resync: self.duration("resync", raw.resync, RESYNC_MILLIS),
            queue: self.queue(raw.queue.unwrap_or_default()),
            ring: self.label("ring", raw.ring),
            service_account: raw.service_account.map(|account| self.service_account(&account)),
            name: raw.name.value,
            settings_place: settings_place.unwrap_or_else(|| place.clone()),
            place,
        }
    }

    fn queue(&mut self, raw: RawQueue) -> Backoff {
        let written = raw.base_delay.as_ref().or(raw.max_delay.as_ref()).map(|delay| delay.referenced);
        let base = self.duration("queue.baseDelay", raw.base_delay, BASE_DELAY_MILLIS);
        let max = self.duration("queue.maxDelay", raw.max_delay, MAX_DELAY_MILLIS);
        if let (true, Some(at)) = (base > max, written) {
            let problem = format!("queue.baseDelay {base:?} is more than queue.maxDelay {max:?}");
            self.fault(at, problem, "lower queue.baseDelay, or raise queue.maxDelay");
        }
        Backoff { base, max }
    }

    /// `NAME` or `NAMESPACE/NAME`.
    fn service_account(&mut self, text: &Spanned<String>) -> ServiceAccount {
        let (namespace, name) = match text.value.split_once('/') {
            Some((namespace, name)) => (Some(namespace.to_owned()), name),
            None => (None, text.value.as_str()),
        };
        let is_name = |name: &str| name.split('.').all(is_dns_label) && name.len() <= MAX_OBJECT_NAME;
        if !is_name(name) || !namespace.as_deref().is_none_or(is_dns_label) {
            let problem = format!("serviceAccount \"{}\" names no service account", text.value);
            self.fault(text.referenced, problem, "write NAME, or NAMESPACE/NAME");
        }
        ServiceAccount { namespace, name: name.to_owned() }
    }

    fn settings(&mut self, raw: Option<Spanned<serde_json::Value>>) -> serde_json::Value {
        let empty = || serde_json::Value::Object(serde_json::Map::new());
        let Some(Spanned { value, referenced, .. }) = raw else { return empty() };
        if value.is_null() {
            return empty();
        }
        if !value.is_object() {
            let remedy = "write \"key: value\" lines under it, or remove it";
            self.fault(referenced, "settings is not a map", remedy);
        }
        value
    }

    fn module(&mut self, text: &Spanned<String>) -> ModuleSource {
        match text.value.parse() {
            Ok(ModuleSource::File(path)) => ModuleSource::File(self.folder().join(path)),
            Ok(remote) => remote,
            Err(Malformed { problem, remedy }) => {
                self.fault(text.referenced, problem, remedy);
                ModuleSource::File(PathBuf::new())
            }
        }
    }

    fn grant(&mut self, raw: Spanned<RawGrant>) -> Grant {
        let line = u32::try_from(raw.referenced.line()).ok();
        let raw = raw.value;
        self.api_version(&raw.api_version);
        for verb in &raw.verbs.value {
            self.verb(verb);
        }
        Grant {
            api_version: raw.api_version.value,
            kinds: self.names("kinds", raw.kinds),
            verbs: self.names("verbs", raw.verbs),
            namespaces: raw.namespaces.map(|list| self.names("namespaces", list)),
            names: raw.names.map(|list| self.names("names", list)),
            line,
        }
    }

    fn limits(&mut self, raw: RawLimits) -> Limits {
        Limits {
            memory: self.number("limits.memory", raw.memory, MEMORY),
            cpu_time: self.duration("limits.cpuTime", raw.cpu_time, CPU_TIME_MILLIS),
            wall_time: self.duration("limits.wallTime", raw.wall_time, WALL_TIME_MILLIS),
            payload: self.number("limits.payload", raw.payload, PAYLOAD),
            api_calls_in_flight: self.number(
                "limits.apiCallsInFlight",
                raw.api_calls_in_flight,
                API_CALLS_IN_FLIGHT,
            ),
            api_calls_per_second: self.number(
                "limits.apiCallsPerSecond",
                raw.api_calls_per_second,
                API_CALLS_PER_SECOND,
            ),
            http_requests_in_flight: self.number(
                "limits.httpRequestsInFlight",
                raw.http_requests_in_flight,
                HTTP_REQUESTS_IN_FLIGHT,
            ),
            http_timeout: self.duration("limits.httpTimeout", raw.http_timeout, HTTP_TIMEOUT_MILLIS),
            host_calls: self.number("limits.hostCalls", raw.host_calls, HOST_CALLS),
            log_lines: self.number("limits.logLines", raw.log_lines, LOG_LINES),
            log_bytes: self.number("limits.logBytes", raw.log_bytes, LOG_BYTES),
        }
    }

    fn number<T>(&mut self, field: &str, value: Option<Spanned<T>>, bound: Bound<T>) -> T
    where
        T: Copy + PartialOrd + Display,
    {
        let Some(value) = value else { return bound.default };
        bound.check(value.value).unwrap_or_else(|problem| {
            let remedy = format!("leave it out for {}", bound.default);
            self.fault(value.referenced, format!("{field}: {problem}"), remedy);
            bound.default
        })
    }

    fn duration(
        &mut self,
        field: &str,
        value: Option<Spanned<DurationText>>,
        millis: Bound<u64>,
    ) -> Duration {
        self.number(field, value, durations(millis)).get()
    }

    fn fixed(&mut self, field: &str, found: &Spanned<String>, wanted: &str) {
        if found.value != wanted {
            let problem = format!("{field} is \"{}\"", found.value);
            self.fault(found.referenced, problem, format!("write {wanted}"));
        }
    }

    /// A DNS label that may be left out.
    fn label(&mut self, what: &str, name: Option<Spanned<String>>) -> Option<String> {
        let name = name?;
        self.dns_label(what, &name);
        Some(name.value)
    }

    fn dns_label(&mut self, what: &str, name: &Spanned<String>) {
        if !is_dns_label(&name.value) {
            let problem = format!("{what} \"{}\" is not a DNS label", name.value);
            let remedy = "use at most 63 of a-z, 0-9 and -, with a letter or digit at both ends";
            self.fault(name.referenced, problem, remedy);
        }
    }

    fn unique_names(&mut self, controllers: &[Spanned<RawController>]) {
        for (index, controller) in controllers.iter().enumerate() {
            let name = &controller.value.name;
            let mut earlier = controllers.iter().take(index).map(|other| &other.value.name);
            if let Some(first) = earlier.find(|other| other.value == name.value) {
                let line = first.referenced.line();
                let problem = format!("controller \"{}\" is already on line {line}", name.value);
                self.fault(name.referenced, problem, "give one of them another name");
            }
        }
    }

    fn api_version(&mut self, text: &Spanned<String>) {
        let parts: Vec<&str> = text.value.split('/').collect();
        let fine = matches!(parts.as_slice(), [version] | [_, version] if is_dns_label(version));
        if !fine || text.value.starts_with('/') {
            let problem = format!("apiVersion \"{}\" is not group/version", text.value);
            self.fault(text.referenced, problem, "write apps/v1, or just v1 for the core group");
        }
    }

    fn verb(&mut self, verb: &Spanned<String>) {
        if verb.value != "*" && !VERBS.contains(&verb.value.as_str()) {
            let problem = format!("unknown verb \"{}\"", verb.value);
            self.fault(verb.referenced, problem, suggestion(&verb.value, &VERBS));
        }
    }

    /// The values of a list in which every entry names one thing.
    fn names(&mut self, field: &str, list: Spanned<Vec<Spanned<String>>>) -> Vec<String> {
        if list.value.is_empty() {
            let problem = format!("{field} is empty, which would grant nothing");
            self.fault(list.referenced, problem, format!("name at least one, or remove {field}"));
        }
        self.each(list.value, |checker, entry| {
            if entry.value.is_empty() || entry.value == "*" {
                let problem = format!("\"{}\" in {field} names nothing", entry.value);
                let remedy = match field {
                    "namespaces" | "names" => format!("remove {field} to grant all"),
                    _ => "grants have no wildcard: list each one".to_owned(),
                };
                checker.fault(entry.referenced, problem, remedy);
            }
            entry.value
        })
    }

    fn each<T, U>(&mut self, list: Vec<T>, mut check: impl FnMut(&mut Self, T) -> U) -> Vec<U> {
        list.into_iter().map(|item| check(self, item)).collect()
    }

    fn fault(&mut self, at: Location, problem: impl Into<String>, remedy: impl Into<String>) {
        let place = Some(self.place(at));
        self.faults.push(Fault { place, problem: problem.into(), remedy: remedy.into() });
    }

    fn place(&self, at: Location) -> Place {
        Place::of(&self.file, at)
    }

    fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }
}

/// `$XDG_CACHE_HOME/polyreme`, else `~/.cache/polyreme`, else nothing.
fn default_cache_dir() -> Option<PathBuf> {
    polyreme_project::paths::cache_dir()
}

fn in_millis(seconds: Bound<u64>) -> Bound<u64> {
    Bound { default: seconds.default * 1_000, min: seconds.min * 1_000, max: seconds.max * 1_000 }
}

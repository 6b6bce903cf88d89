//! What a [`Fetcher`](crate::Fetcher) is told, with the reason for each default.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::reference::{check_repository, registry_of};
use crate::source::Malformed;

/// Largest module, in bytes: what the runtime reads at most. CPython's is 18 MB.
pub const MAX_MODULE_BYTES: u64 = 128 << 20;

/// What the cache holds at most, in bytes: a hundred Python modules of 18 MB. What was used longest ago
/// goes first.
pub const MAX_CACHE_BYTES: u64 = 2 << 30;

/// Time to connect. A registry on another continent answers within one second.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time without a byte until an answer is given up.
pub const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Time for one module with all its retries: the largest one at 4 Mbit/s.
pub const DEADLINE: Duration = Duration::from_secs(300);

/// Tries again after a failed connection, 429 or 5xx, for each registry: with the delays below about 6 s,
/// which outlives the restart of a registry behind a load balancer.
pub const RETRIES: usize = 5;

/// Delay before the first retry; each further one is twice as long.
pub const FIRST_DELAY: Duration = Duration::from_millis(200);

/// What a [`Fetcher`](crate::Fetcher) is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where fetched bytes are kept; nothing is when absent.
    pub cache: Option<PathBuf>,
    /// The file with docker's credentials; absent for `$DOCKER_CONFIG/config.json`, else
    /// `~/.docker/config.json`, which need not be there.
    pub docker_config: Option<PathBuf>,
    /// By registry: what is asked before it, in this order.
    pub mirrors: BTreeMap<String, Vec<Mirror>>,
    /// Certificates (PEM) that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Largest module, in bytes.
    pub max_bytes: u64,
    /// What the cache holds at most, in bytes.
    pub max_cache_bytes: u64,
    /// Tries again after a failure that may pass.
    pub retries: usize,
    /// Delay before the first of them.
    pub first_delay: Duration,
    /// Time for one module with everything.
    pub deadline: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cache: None,
            docker_config: None,
            mirrors: BTreeMap::new(),
            ca_file: None,
            max_bytes: MAX_MODULE_BYTES,
            max_cache_bytes: MAX_CACHE_BYTES,
            retries: RETRIES,
            first_delay: FIRST_DELAY,
            deadline: DEADLINE,
        }
    }
}

/// Another registry with the same content: a host, and a path before the repository's when the
/// mirror keeps each registry under its own.
///
/// # Example
/// ```
/// use polyreme_sources::Mirror;
/// let mirror: Mirror = "harbor.example/docker-hub".parse()?;
/// assert_eq!(mirror.to_string(), "harbor.example/docker-hub");
/// # Ok::<(), polyreme_sources::Malformed>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    pub(crate) registry: String,
    pub(crate) path: Option<String>,
}

impl FromStr for Mirror {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (registry, path) = match text.split_once('/') {
            Some((registry, path)) => (registry, Some(path)),
            None => (text, None),
        };
        let form = |fault: Malformed| {
            Malformed::new(fault.problem, "write HOST[:PORT] or HOST[:PORT]/PATH, without https://")
        };
        let registry = registry_of(registry).map_err(form)?;
        path.map_or(Ok(()), check_repository).map_err(form)?;
        Ok(Self { registry, path: path.map(str::to_owned) })
    }
}

impl fmt::Display for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.registry)?;
        self.path.as_ref().map_or(Ok(()), |path| write!(f, "/{path}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_a_host_with_an_optional_path() {
        for text in ["mirror.example", "127.0.0.1:5000", "harbor.example/hub/proxy"] {
            assert_eq!(text.parse::<Mirror>().unwrap().to_string(), text);
        }
        let fault = "https://mirror.example".parse::<Mirror>().unwrap_err();
        assert!(fault.remedy.contains("without https://"), "{fault}");
    }
}

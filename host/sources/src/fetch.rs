//! Fetching: from the cache, else a mirror, else the registry; verified whatever it came from.
//!
//! Order of an artifact: the manifest by the pinned digest, its signature when one is asked for, then the
//! module by the digest that the manifest names. So nothing is returned whose digest is not, directly or through
//! the manifest, the one in the configuration, and no module whose signature does not count.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use backon::{ExponentialBuilder, Retryable};
use reqwest::Method;
use tokio::sync::OnceCell;

use crate::artifact::{Content, Descriptor, Manifest, find, malformed};
use crate::cache::Cache;
use crate::credentials::Credentials;
use crate::digest::Digest;
use crate::error::SourceError;
use crate::http::{Asked, Http, body, refusal, unanswered};
use crate::reference::{Pinned, Reference, Repository};
use crate::registry::{Access, MAX_MANIFEST_BYTES, Registry};
use crate::settings::Settings;
use crate::signature::{
    ANNOTATION, Keys, MAX_STATEMENT_BYTES, MAX_STATEMENTS, STATEMENT_TYPE, Signed, tag, verify,
};
use crate::source::{PinnedUrl, Remote};

/// Indexes that are followed from one to the next. An index of indexes exists nowhere in practice.
const MAX_INDEXES: usize = 2;

/// Largest file of signatures in the cache: all statements at their largest, in base64.
const MAX_SIGNATURES_BYTES: u64 = MAX_STATEMENTS as u64 * MAX_STATEMENT_BYTES * 2;

/// Fetches and pushes modules.
///
/// Cheap to make: certificates are read when the network is first needed. Docker's configuration and keys are
/// read each time.
///
/// # Example
/// ```no_run
/// use polyreme_sources::{Fetcher, Settings, Source};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let source = "oci://registry.example/website@sha256:\
///               e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// let fetcher = Fetcher::new(Settings { cache: Some("cache".into()), ..Settings::default() });
/// if let Source::Remote(remote) = source.parse()? {
///     let module = fetcher.fetch(&remote, Some("cosign.pub".as_ref())).await?;
///     println!("{} bytes", module.len());
/// }
/// # Ok(())
/// # }
/// ```
pub struct Fetcher {
    settings: Settings,
    cache: Option<Cache>,
    pub(crate) credentials: Credentials,
    http: OnceCell<Http>,
}

impl Fetcher {
    /// Asks neither the network nor the file system.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let cache = settings.cache.as_deref().map(|folder| Cache::new(folder, settings.max_cache_bytes));
        let credentials = Credentials::new(settings.docker_config.clone());
        Self { settings, cache, credentials, http: OnceCell::new() }
    }

    /// What it was told.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The bytes of a module. `key` is a PEM file with the public keys that may have signed an `oci:` artifact;
    /// an `https:` file has no signature besides its pinned digest, and `key` is not looked at.
    ///
    /// The network is asked for what is not in the cache, nothing else.
    ///
    /// # Errors
    /// See [`SourceError`].
    pub async fn fetch(&self, remote: &Remote, key: Option<&Path>) -> Result<Arc<[u8]>, SourceError> {
        let bytes = match remote {
            Remote::Oci(pinned) => {
                self.in_time(pinned, pinned.repository().registry(), self.artifact(pinned, key)).await
            }
            Remote::Https(pinned) => {
                let host = pinned.url().host_str().unwrap_or_default();
                self.in_time(pinned, host, self.file(pinned)).await
            }
        };
        bytes.map(Arc::from)
    }

    /// The digest that a tag has now. Mirrors are not asked: nothing would tell that they are behind.
    ///
    /// # Errors
    /// See [`SourceError`].
    pub async fn resolve(&self, reference: &Reference) -> Result<Pinned, SourceError> {
        if let Some(digest) = reference.digest() {
            return Ok(reference.pinned(digest));
        }
        let what = reference.to_string();
        let tag = reference.tag().ok_or_else(|| SourceError::NoTag {
            what: what.clone(),
            problem: "it names neither tag nor digest",
        })?;
        let repository = reference.repository();
        let finding = async {
            let http = self.http().await?;
            let registry = Registry::new(http, &self.credentials, repository, Access::Pull)?;
            let manifest = self.retried(|| registry.manifest(tag, &what)).await?;
            find(&manifest, Asked { what: &what, host: registry.host() })?;
            Ok(reference.pinned(Digest::of(&manifest)))
        };
        self.in_time(&what, repository.registry(), finding).await
    }

    pub(crate) async fn in_time<T>(
        &self,
        what: &impl ToString,
        host: &str,
        work: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, SourceError> {
        tokio::time::timeout(self.settings.deadline, work).await.unwrap_or_else(|_| {
            let seconds = self.settings.deadline.as_secs();
            Err(SourceError::TooSlow { what: what.to_string(), host: host.to_owned(), seconds })
        })
    }

    pub(crate) async fn http(&self) -> Result<&Http, SourceError> {
        let make = || async {
            let settings = self.settings.clone();
            let making = tokio::task::spawn_blocking(move || Http::new(&settings));
            making.await.map_err(|error| SourceError::Client { source: error.into() })?
        };
        self.http.get_or_try_init(make).await
    }

    /// Again after what may pass, with growing delays.
    pub(crate) async fn retried<T, F>(&self, request: impl FnMut() -> F) -> Result<T, SourceError>
    where
        F: Future<Output = Result<T, SourceError>>,
    {
        let delays = ExponentialBuilder::new()
            .with_min_delay(self.settings.first_delay)
            .with_max_times(self.settings.retries);
        let note = |error: &SourceError, delay| tracing::debug!(%error, ?delay, "trying again");
        request.retry(delays).sleep(tokio::time::sleep).when(SourceError::is_transient).notify(note).await
    }

    async fn artifact(&self, pinned: &Pinned, key: Option<&Path>) -> Result<Vec<u8>, SourceError> {
        let what = pinned.to_string();
        let asked = Asked { what: &what, host: pinned.repository().registry() };
        let sites = Sites { fetcher: self, repository: pinned.repository(), opened: OnceCell::new() };
        let mut wanted = Wanted::manifest(pinned.digest(), &what);
        let mut manifest = self.object(&sites, wanted).await?;
        if let Some(key) = key {
            self.check_signature(&sites, pinned.digest(), key, &what).await?;
        }
        for _ in 0..=MAX_INDEXES {
            match find(&manifest, asked)? {
                Content::Module(layer) => {
                    let wanted = Wanted::blob(&layer, self.settings.max_bytes, asked)?;
                    return self.object(&sites, wanted).await;
                }
                Content::Manifest(entry) => wanted.digest = entry.digest(asked)?,
            }
            manifest = self.object(&sites, wanted).await?;
        }
        Err(malformed(asked, "an index that leads to nothing but indexes"))
    }

    /// From the cache, else from a mirror, else from the registry; the cache has it then.
    async fn object(&self, sites: &Sites<'_>, wanted: Wanted<'_>) -> Result<Vec<u8>, SourceError> {
        if let Some(bytes) = self.cached(move |cache| cache.blob(wanted.digest, wanted.limit)).await {
            return Ok(bytes);
        }
        let (mirrors, origin) = sites.open().await?;
        for mirror in mirrors {
            match wanted.from(mirror).await {
                Ok(bytes) => return Ok(self.keep(bytes).await),
                Err(error) => tracing::warn!(mirror = mirror.host(), %error, "asking another registry"),
            }
        }
        Ok(self.keep(self.retried(|| wanted.from(origin)).await?).await)
    }

    /// Fails unless a signature counts. Verified each time, also what is in the cache.
    async fn check_signature(
        &self,
        sites: &Sites<'_>,
        artifact: Digest,
        key: &Path,
        what: &str,
    ) -> Result<(), SourceError> {
        let path = key.to_owned();
        let reading = tokio::task::spawn_blocking(move || Keys::read(&path));
        let keys = reading.await.map_err(|error| SourceError::Client { source: error.into() })??;
        let count = |signed: &[Signed]| verify(signed, &keys, artifact, sites.repository, what);
        let stored = self.cached(move |cache| cache.signatures(artifact, MAX_SIGNATURES_BYTES)).await;
        let stored: Option<Vec<Signed>> = stored.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if stored.is_some_and(|signed| count(&signed).is_ok()) {
            return Ok(());
        }
        let (mirrors, origin) = sites.open().await?;
        for mirror in mirrors {
            let signed = signatures(mirror, artifact, what).await;
            match signed.and_then(|signed| count(&signed).map(|()| signed)) {
                Ok(signed) => {
                    self.keep_signatures(artifact, &signed).await;
                    return Ok(());
                }
                Err(error) => tracing::warn!(mirror = mirror.host(), %error, "asking another registry"),
            }
        }
        let signed = self.retried(|| signatures(origin, artifact, what)).await?;
        count(&signed)?;
        self.keep_signatures(artifact, &signed).await;
        Ok(())
    }

    async fn file(&self, pinned: &PinnedUrl) -> Result<Vec<u8>, SourceError> {
        let (digest, limit) = (pinned.digest(), self.settings.max_bytes);
        if let Some(bytes) = self.cached(move |cache| cache.blob(digest, limit)).await {
            return Ok(bytes);
        }
        let (what, host) = (pinned.to_string(), pinned.url().host_str().unwrap_or_default());
        let asked = Asked { what: &what, host };
        let client = self.http().await?.client(pinned.url(), asked)?;
        let get = || async {
            let sent = client.request(Method::GET, pinned.url().clone()).send().await;
            let response = sent.map_err(|error| unanswered(error, asked))?;
            if !response.status().is_success() {
                return Err(refusal(response, asked).await);
            }
            verified(body(response, limit, asked).await?, digest, asked)
        };
        Ok(self.keep(self.retried(get).await?).await)
    }

    /// Looks into the cache, on a thread that may block.
    async fn cached<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Cache) -> Option<T> + Send + 'static,
    ) -> Option<T> {
        let cache = self.cache.clone()?;
        tokio::task::spawn_blocking(move || look(&cache)).await.ok().flatten()
    }

    async fn keep(&self, bytes: Vec<u8>) -> Vec<u8> {
        let Some(cache) = self.cache.clone() else { return bytes };
        let keeping = tokio::task::spawn_blocking(move || {
            cache.add_blob(&bytes);
            bytes
        });
        keeping.await.expect("the cache does not panic, and the runtime waits for blocking work")
    }

    async fn keep_signatures(&self, artifact: Digest, signed: &[Signed]) {
        let bytes = serde_json::to_vec(signed).expect("text is always JSON");
        let keep = move |cache: &Cache| {
            cache.set_signatures(artifact, &bytes);
            Some(())
        };
        self.cached(keep).await;
    }
}

/// Where an artifact may be, with what was found out on the way: a token counts for all its objects.
struct Sites<'a> {
    fetcher: &'a Fetcher,
    repository: &'a Repository,
    opened: OnceCell<(Vec<Registry<'a>>, Registry<'a>)>,
}

impl Sites<'_> {
    /// Mirrors in their order, and the registry itself.
    async fn open(&self) -> Result<&(Vec<Registry<'_>>, Registry<'_>), SourceError> {
        let Self { fetcher, repository, .. } = *self;
        let credentials = &fetcher.credentials;
        let open = || async {
            let http = fetcher.http().await?;
            let mirrors = fetcher.settings.mirrors.get(repository.registry()).into_iter().flatten();
            let mirrors = mirrors.map(|mirror| {
                let path = mirror.path.as_ref().map(|path| format!("{path}/")).unwrap_or_default();
                let name = format!("{path}{}", repository.name());
                Registry::at(http, credentials, &mirror.registry, name, Access::Pull)
            });
            let mirrors: Result<Vec<_>, _> = mirrors.collect();
            Ok((mirrors?, Registry::new(http, credentials, repository, Access::Pull)?))
        };
        self.opened.get_or_try_init(open).await
    }
}

/// What a registry has as signatures of an artifact, unverified; empty when it has none.
async fn signatures(
    registry: &Registry<'_>,
    artifact: Digest,
    what: &str,
) -> Result<Vec<Signed>, SourceError> {
    let what = format!("the signature of {what}");
    let asked = Asked { what: &what, host: registry.host() };
    let manifest = match registry.manifest(&tag(artifact), &what).await {
        Ok(bytes) => Manifest::read(&bytes, asked)?,
        Err(SourceError::NotFound { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut signed = Vec::new();
    for layer in manifest.layers.iter().take(MAX_STATEMENTS) {
        if let Some(signature) = layer.annotations.get(ANNOTATION)
            && layer.media_type == STATEMENT_TYPE
        {
            let wanted = Wanted::blob(layer, MAX_STATEMENT_BYTES, asked)?;
            signed.push(Signed::new(&wanted.from(registry).await?, signature));
        }
    }
    Ok(signed)
}

/// An object of a registry, and what it must be.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    digest: Digest,
    limit: u64,
    is_manifest: bool,
    what: &'a str,
}

impl<'a> Wanted<'a> {
    fn manifest(digest: Digest, what: &'a str) -> Self {
        Self { digest, limit: MAX_MANIFEST_BYTES, is_manifest: true, what }
    }

    /// Refused before it is asked for when it says that it is too large.
    fn blob(layer: &Descriptor, limit: u64, asked: Asked<'a>) -> Result<Self, SourceError> {
        if layer.size > limit {
            return Err(SourceError::TooLarge { what: asked.what.to_owned(), limit });
        }
        Ok(Self { digest: layer.digest(asked)?, limit, is_manifest: false, what: asked.what })
    }

    async fn from(&self, registry: &Registry<'_>) -> Result<Vec<u8>, SourceError> {
        let bytes = if self.is_manifest {
            registry.manifest(&self.digest.to_string(), self.what).await?
        } else {
            registry.blob(self.digest, self.limit, self.what).await?
        };
        verified(bytes, self.digest, Asked { what: self.what, host: registry.host() })
    }
}

/// The bytes, if they are those that were asked for.
fn verified(bytes: Vec<u8>, wanted: Digest, asked: Asked<'_>) -> Result<Vec<u8>, SourceError> {
    let found = Digest::of(&bytes);
    if found == wanted {
        return Ok(bytes);
    }
    let what = if asked.what.contains(&wanted.to_string()) {
        asked.what.to_owned()
    } else {
        format!("{wanted} of {}", asked.what)
    };
    Err(SourceError::Digest { what, host: asked.host.to_owned(), found })
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Two that were told the same fetch the same.
impl PartialEq for Fetcher {
    fn eq(&self, other: &Self) -> bool {
        self.settings == other.settings
    }
}

impl Eq for Fetcher {}

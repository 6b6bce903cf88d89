//! Pushing a module: its config, itself, and last the manifest that makes them an artifact.

use std::collections::BTreeMap;

use crate::artifact::{Artifact, MANIFEST_TYPE};
use crate::digest::Digest;
use crate::error::SourceError;
use crate::fetch::Fetcher;
use crate::reference::{Pinned, Reference};
use crate::registry::{Access, Registry};

impl Fetcher {
    /// Pushes a component under a tag, with annotations for its manifest (`org.opencontainers.image.source` and
    /// the like), and returns what to write into a configuration. Pushed again, the same module with the same
    /// annotations has the same digest. Mirrors are not pushed to.
    ///
    /// # Errors
    /// See [`SourceError`]. A tag that was pushed before is moved, unless the registry forbids it.
    ///
    /// # Example
    /// ```no_run
    /// # async fn run(fetcher: polyreme_sources::Fetcher) -> Result<(), Box<dyn std::error::Error>> {
    /// let module = std::fs::read("website.wasm")?;
    /// let pinned = fetcher.push(&module, &"registry.example/website:1.4.0".parse()?, Default::default()).await?;
    /// println!("module: {pinned}");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn push(
        &self,
        module: &[u8],
        to: &Reference,
        annotations: BTreeMap<String, String>,
    ) -> Result<Pinned, SourceError> {
        let what = to.to_string();
        let no_tag = |problem| SourceError::NoTag { what: what.clone(), problem };
        if to.digest().is_some() {
            return Err(no_tag("the digest is what a push computes"));
        }
        let tag = to.tag().ok_or_else(|| no_tag("it has no tag"))?;
        let artifact = Artifact::of(module, annotations);
        let artifact = artifact.ok_or_else(|| SourceError::NotComponent { what: what.clone() })?;
        let repository = to.repository();
        let pushing = async {
            let registry = Registry::new(self.http().await?, &self.credentials, repository, Access::Push)?;
            for blob in [module, &artifact.config] {
                self.retried(|| registry.upload(blob, &what)).await?;
            }
            self.retried(|| registry.put_manifest(tag, MANIFEST_TYPE, &artifact.manifest, &what)).await
        };
        self.in_time(&what, repository.registry(), pushing).await?;
        Ok(to.pinned(Digest::of(&artifact.manifest)))
    }
}

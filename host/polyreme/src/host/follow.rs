//! Follows the configuration file and the modules that it names.
//!
//! Files are looked at, not watched: a mounted ConfigMap is replaced by moving a link, editors replace
//! files, and network filesystems tell nobody. A look costs the reading of one small file and one `stat`
//! for each module. A file that is written while it is read is read again at the next look.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::fleet::Fleet;
use crate::config::{ConfigError, HostConfig};
use crate::explain;

/// How often files are looked at. Half of it is what a change waits on average.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a process does with every configuration that it reads, such as saying who it is.
type Adjust = dyn Fn(&mut HostConfig) -> anyhow::Result<()> + Send + Sync;

/// A configuration file, and what is made of it.
pub struct ConfigFile {
    path: PathBuf,
    adjust: Box<Adjust>,
}

/// A file by its content, or what was wrong with it.
#[derive(PartialEq, Eq)]
enum Seen {
    Digest([u8; 32]),
    Unreadable(String),
}

impl ConfigFile {
    /// The file at `path`; every configuration read from it goes through `adjust`.
    pub fn new(
        path: &Path,
        adjust: impl Fn(&mut HostConfig) -> anyhow::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self { path: path.to_owned(), adjust: Box::new(adjust) }
    }

    /// Reads it.
    ///
    /// # Errors
    /// When it cannot be read, has faults, or does not suit this process.
    pub fn load(&self) -> anyhow::Result<HostConfig> {
        let text = HostConfig::read(&self.path)?;
        self.parse(&text)
    }

    fn parse(&self, text: &str) -> anyhow::Result<HostConfig> {
        let mut config = HostConfig::parse(text, &self.path)?;
        (self.adjust)(&mut config)?;
        Ok(config)
    }

    fn look(&self) -> (Seen, Result<String, ConfigError>) {
        match HostConfig::read(&self.path) {
            Ok(text) => (Seen::Digest(Sha256::digest(&text).into()), Ok(text)),
            Err(why) => (Seen::Unreadable(explain::chain(&why)), Err(why)),
        }
    }

    /// Brings the controllers in line with the file whenever it changes. Never ends well.
    ///
    /// # Errors
    /// When nothing ever ran and nothing can.
    pub(super) async fn follow(self, fleet: &mut Fleet) -> anyhow::Result<()> {
        // The first look finds what changed since the host read the file.
        let mut seen = None;
        loop {
            let next = Instant::now() + LOOK_EVERY;
            let (now, text) = self.look();
            if seen.as_ref() != Some(&now) {
                seen = Some(now);
                self.take(fleet, text).await;
            }
            fleet.look(next).await;
            fleet.ensure_of_use()?;
            tokio::time::sleep_until(next).await;
        }
    }

    async fn take(&self, fleet: &mut Fleet, text: Result<String, ConfigError>) {
        let config = text.map_err(anyhow::Error::from).and_then(|text| self.parse(&text));
        match config {
            Ok(config) => fleet.apply(config).await,
            Err(why) => fleet.refuse(&explain::chain(why.as_ref())),
        }
    }
}

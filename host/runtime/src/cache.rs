//! Compiled code on disk, so that a restart does not compile again.
//!
//! An entry is one file named `<component digest>-<engine hash>-<digest of the code>`:
//! the first two say what it is the code of, the third lets every reader check that the
//! file is whole before it is mapped as machine code. Entries are written to a temporary
//! file and renamed. Whatever does not fit its own name is removed and compiled again.
//!
//! Machine code runs with the host's rights, so the folder must belong to this user
//! alone (mode 0700). Code that comes from a guest's author never gets here: only what
//! [`crate::Engine`] compiled is stored.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

/// The folder made inside the one configured, so that its mode is ours to set.
const FOLDER: &str = "compiled";
const EXTENSION: &str = "cwasm";
/// Entries that are kept; the least recently used go first. Several versions of 100 controllers: with fewer
/// entries than controllers a host would compile all of them at every start.
const MAX_ENTRIES: usize = 512;

/// Why a folder cannot hold compiled code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CacheError {
    #[error("failed to create or read it")]
    Io(#[from] io::Error),
    #[error("it belongs to another user, who could put machine code there")]
    Foreign,
}

/// What the code is of.
#[derive(Clone, Debug)]
pub(crate) struct CacheKey {
    /// Hex digest of the component.
    pub(crate) component: String,
    /// Hash of everything in wasmtime's version and settings that compiled code depends on.
    pub(crate) engine: u64,
}

impl CacheKey {
    fn prefix(&self) -> String {
        format!("{}-{:016x}-", self.component, self.engine)
    }
}

/// A folder of compiled code.
#[derive(Debug)]
pub(crate) struct CodeCache {
    folder: PathBuf,
}

impl CodeCache {
    /// Makes the folder when it is missing and takes everybody else's rights to it away.
    pub(crate) fn open(parent: &Path) -> Result<Self, CacheError> {
        let folder = parent.join(FOLDER);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
        let probe = NamedTempFile::new_in(&folder)?;
        if fs::symlink_metadata(&folder)?.uid() != probe.as_file().metadata()?.uid() {
            return Err(CacheError::Foreign);
        }
        Ok(Self { folder })
    }

    /// The file with the code of `key`, checked to be whole.
    pub(crate) fn find(&self, key: &CacheKey) -> Option<PathBuf> {
        let prefix = key.prefix();
        self.entries()
            .into_iter()
            .filter(|path| stem(path).starts_with(&prefix))
            .find(|path| is_whole(path, &prefix))
    }

    /// Adds an entry and returns its file.
    pub(crate) fn store(&self, key: &CacheKey, code: &[u8]) -> io::Result<PathBuf> {
        let name = format!("{}{}.{EXTENSION}", key.prefix(), hex(&Sha256::digest(code)));
        let path = self.folder.join(name);
        let mut file = NamedTempFile::new_in(&self.folder)?;
        file.write_all(code)?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        self.prune();
        Ok(path)
    }

    /// Forgets an entry that turned out to be unusable.
    pub(crate) fn remove(&self, path: &Path) {
        if let Err(error) = fs::remove_file(path) {
            tracing::warn!(path = %path.display(), %error, "failed to remove compiled code");
        }
    }

    /// All entries; none when the folder cannot be read, which only costs compiling.
    fn entries(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return Vec::new();
        };
        entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|found| found == EXTENSION))
            .collect()
    }

    /// Removes the least recently used entries beyond the limit. Code in use stays mapped.
    fn prune(&self) {
        let mut entries = self.entries();
        let excess = entries.len().saturating_sub(MAX_ENTRIES);
        entries.sort_by_cached_key(|path| last_used(path));
        for path in entries.iter().take(excess) {
            self.remove(path);
        }
    }
}

fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("")
}

/// Whether the file holds what its name promises; removes it when not.
fn is_whole(path: &Path, prefix: &str) -> bool {
    let promised = stem(path).strip_prefix(prefix).unwrap_or("");
    let whole = digest_of(path).is_ok_and(|found| found == promised);
    if whole {
        mark_used(path);
    } else {
        tracing::warn!(path = %path.display(), "compiled code is damaged: compiling again");
        let _ = fs::remove_file(path);
    }
    whole
}

/// Digest of a regular file; a link could point at what others write.
fn digest_of(path: &Path) -> io::Result<String> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut hasher = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(hex(&hasher.finalize()))
}

fn last_used(path: &Path) -> SystemTime {
    fs::metadata(path).and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

#[allow(
    clippy::disallowed_methods,
    reason = "the file system's clock orders entries; no decision of a guest depends on it"
)]
fn mark_used(path: &Path) {
    let touched =
        File::options().append(true).open(path).and_then(|file| file.set_modified(SystemTime::now()));
    if let Err(error) = touched {
        tracing::debug!(path = %path.display(), %error, "failed to mark compiled code as used");
    }
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> CacheKey {
        CacheKey { component: "ab".repeat(32), engine: 7 }
    }

    #[test]
    fn what_is_stored_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let cache = CodeCache::open(folder.path()).unwrap();
        let stored = cache.store(&key(), b"code").unwrap();
        assert_eq!(cache.find(&key()), Some(stored));
    }

    #[test]
    fn another_engine_finds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let cache = CodeCache::open(folder.path()).unwrap();
        cache.store(&key(), b"code").unwrap();
        assert_eq!(cache.find(&CacheKey { engine: 8, ..key() }), None);
    }

    #[test]
    fn a_damaged_entry_is_ignored_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = CodeCache::open(folder.path()).unwrap();
        let stored = cache.store(&key(), b"code").unwrap();
        fs::write(&stored, b"c0de").unwrap();
        assert_eq!(cache.find(&key()), None);
        assert!(!stored.exists());
    }

    #[test]
    fn a_link_is_not_an_entry() {
        let folder = tempfile::tempdir().unwrap();
        let cache = CodeCache::open(folder.path()).unwrap();
        let stored = cache.store(&key(), b"code").unwrap();
        let elsewhere = folder.path().join("elsewhere");
        fs::rename(&stored, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &stored).unwrap();
        assert_eq!(cache.find(&key()), None);
    }

    #[test]
    fn the_folder_is_closed_to_everybody_else() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(FOLDER)).unwrap();
        fs::set_permissions(folder.path().join(FOLDER), Permissions::from_mode(0o777)).unwrap();
        let cache = CodeCache::open(folder.path()).unwrap();
        assert_eq!(fs::metadata(&cache.folder).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn the_oldest_entries_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let cache = CodeCache::open(folder.path()).unwrap();
        for engine in 0..=MAX_ENTRIES as u64 {
            let path = cache.store(&CacheKey { engine, ..key() }, b"code").unwrap();
            let used = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(engine + 1);
            File::options().append(true).open(path).and_then(|file| file.set_modified(used)).unwrap();
        }
        cache.prune();
        assert_eq!(cache.entries().len(), MAX_ENTRIES);
        assert_eq!(cache.find(&CacheKey { engine: 0, ..key() }), None);
    }
}

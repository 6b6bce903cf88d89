//! Fetched bytes on disk, so that a restart needs no network.
//!
//! A blob is one file named by its digest and is checked against it whenever it is read; what does not fit its
//! name is removed and fetched again. Signatures of an artifact are one file named by its digest; nothing about
//! them is believed, they are verified whenever they are used. Files are written to a temporary file and
//! renamed, in folders of mode 0700. File names are hex digits and nothing that came over the network, so
//! nothing is ever written elsewhere. A cache that cannot be written to costs the next fetch, nothing else.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::NamedTempFile;

use crate::digest::Digest;

/// The folder made inside the one configured, so that its mode is ours to set.
const FOLDER: &str = "modules";
const BLOBS: &str = "blobs";
const SIGNATURES: &str = "signatures";

/// A folder of what was fetched. All functions block.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    max_bytes: u64,
}

impl Cache {
    pub(crate) fn new(parent: &Path, max_bytes: u64) -> Self {
        Self { folder: parent.join(FOLDER), max_bytes }
    }

    /// A blob, checked to be whole and no larger than `limit`.
    pub(crate) fn blob(&self, digest: Digest, limit: u64) -> Option<Vec<u8>> {
        let path = self.folder.join(BLOBS).join(digest.hex());
        let bytes = read(&path, limit)?;
        if Digest::of(&bytes) != digest {
            tracing::warn!(path = %path.display(), "a cached module is damaged: fetching it again");
            _ = fs::remove_file(&path);
            return None;
        }
        mark_used(&path);
        Some(bytes)
    }

    /// Adds a blob, whose digest is computed here so that a name never lies.
    pub(crate) fn add_blob(&self, bytes: &[u8]) {
        self.add(BLOBS, Digest::of(bytes), bytes);
    }

    /// What was stored as the signatures of an artifact.
    pub(crate) fn signatures(&self, artifact: Digest, limit: u64) -> Option<Vec<u8>> {
        read(&self.folder.join(SIGNATURES).join(artifact.hex()), limit)
    }

    /// Replaces the signatures of an artifact.
    pub(crate) fn set_signatures(&self, artifact: Digest, bytes: &[u8]) {
        self.add(SIGNATURES, artifact, bytes);
    }

    fn add(&self, kind: &str, name: Digest, bytes: &[u8]) {
        let folder = self.folder.join(kind);
        let written = self.write(&folder, &folder.join(name.hex()), bytes);
        if let Err(error) = written {
            let folder = self.folder.display();
            tracing::warn!(%folder, %error, "failed to keep a fetched module: the next start fetches it again");
        }
        self.prune();
    }

    fn write(&self, folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        for folder in [&self.folder, folder] {
            fs::set_permissions(folder, Permissions::from_mode(0o700))?;
        }
        // tempfile makes it for its owner alone.
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.persist(path)?;
        Ok(())
    }

    /// Removes what was used longest ago until the rest fits.
    fn prune(&self) {
        let mut entries = self.entries();
        entries.sort_by_key(|entry| entry.used);
        let mut total: u64 = entries.iter().map(|entry| entry.bytes).sum();
        for entry in entries {
            if total <= self.max_bytes {
                return;
            }
            match fs::remove_file(&entry.path) {
                Ok(()) => total -= entry.bytes,
                Err(error) => tracing::warn!(path = %entry.path.display(), %error, "failed to remove"),
            }
        }
    }

    fn entries(&self) -> Vec<Entry> {
        let folders = [BLOBS, SIGNATURES].map(|kind| self.folder.join(kind));
        let files = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
        files
            .filter_map(|file| {
                let metadata = file.metadata().ok().filter(fs::Metadata::is_file)?;
                Some(Entry { path: file.path(), bytes: metadata.len(), used: metadata.modified().ok()? })
            })
            .collect()
    }
}

struct Entry {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

/// A regular file of at most `limit` bytes; a link could point anywhere.
fn read(path: &Path, limit: u64) -> Option<Vec<u8>> {
    if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= limit) {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(limit).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[allow(clippy::disallowed_methods, reason = "the file system's clock orders entries, and nothing else")]
fn mark_used(path: &Path) {
    let touched =
        File::options().append(true).open(path).and_then(|file| file.set_modified(SystemTime::now()));
    if let Err(error) = touched {
        tracing::debug!(path = %path.display(), %error, "failed to mark a cached module as used");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIMIT: u64 = 1 << 20;

    fn cache(max_bytes: u64) -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path(), max_bytes);
        (folder, cache)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_kept_is_read_by_its_owner_alone() {
        let (_folder, cache) = cache(LIMIT);
        cache.add_blob(b"module");
        assert_eq!(cache.blob(Digest::of(b"module"), LIMIT).unwrap(), b"module");
        assert_eq!(mode(&cache.folder), 0o700);
        assert_eq!(mode(&cache.folder.join(BLOBS)), 0o700);
        assert_eq!(mode(&cache.folder.join(BLOBS).join(Digest::of(b"module").hex())), 0o600);
    }

    #[test]
    fn a_damaged_blob_is_removed() {
        let (_folder, cache) = cache(LIMIT);
        cache.add_blob(b"module");
        let path = cache.folder.join(BLOBS).join(Digest::of(b"module").hex());
        fs::write(&path, b"other").unwrap();
        assert_eq!(cache.blob(Digest::of(b"module"), LIMIT), None);
        assert!(!path.exists());
    }

    #[test]
    fn a_link_is_not_followed() {
        let (folder, cache) = cache(LIMIT);
        cache.add_blob(b"module");
        let path = cache.folder.join(BLOBS).join(Digest::of(b"module").hex());
        let elsewhere = folder.path().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert_eq!(cache.blob(Digest::of(b"module"), LIMIT), None);
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let (_folder, cache) = cache(8);
        for (age, bytes) in [(30, b"old1"), (20, b"old2")] {
            cache.add_blob(bytes);
            let path = cache.folder.join(BLOBS).join(Digest::of(bytes).hex());
            let used = fs::metadata(&path).unwrap().modified().unwrap() - Duration::from_secs(age);
            File::options().append(true).open(path).unwrap().set_modified(used).unwrap();
        }
        assert!(cache.blob(Digest::of(b"old1"), LIMIT).is_some(), "which makes it the one used last");
        cache.add_blob(b"new1");
        let kept = |bytes: &[u8]| cache.blob(Digest::of(bytes), LIMIT).is_some();
        assert_eq!((kept(b"old1"), kept(b"old2"), kept(b"new1")), (true, false, true));
    }

    #[test]
    fn a_folder_that_cannot_be_written_costs_nothing_else() {
        let (folder, _) = cache(LIMIT);
        let file = folder.path().join("a-file");
        fs::write(&file, "").unwrap();
        let cache = Cache::new(&file, LIMIT);
        cache.add_blob(b"module");
        assert_eq!(cache.blob(Digest::of(b"module"), LIMIT), None);
    }
}

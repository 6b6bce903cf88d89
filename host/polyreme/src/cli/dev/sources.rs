//! The files of a project, and whether they have changed.
//!
//! They are looked at, not listened for: a project has some dozens of them, and looking works on every file
//! system, mounted ones included. What builds and package managers write is left out, or each build would cause
//! the next.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Folders that hold no sources.
const SKIPPED: [&str; 7] = ["target", "build", "node_modules", "__pycache__", "coverage", "venv", "dist"];
/// Files that tools write.
const WRITTEN: [&str; 4] = ["Cargo.lock", "go.sum", "package-lock.json", "README.md"];

/// What a file looked like.
type Look = BTreeMap<PathBuf, (SystemTime, u64)>;

/// See the module's story.
pub(super) struct Sources {
    root: PathBuf,
    seen: Look,
}

impl Sources {
    /// As they are now.
    pub(super) fn of(root: &Path) -> Self {
        Self { root: root.to_owned(), seen: look(root) }
    }

    /// Waits until they differ from what they were when this returned last, and have stopped to change.
    pub(super) async fn changed(&mut self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let mut now = look(&self.root);
            if now == self.seen {
                continue;
            }
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let next = look(&self.root);
                if next == now {
                    break;
                }
                now = next;
            }
            self.seen = now;
            return;
        }
    }
}

fn look(root: &Path) -> Look {
    let mut seen = Look::new();
    add(root, &mut seen);
    seen
}

/// What vanishes while one looks is gone; what cannot be read is the compiler's to complain of.
fn add(folder: &Path, seen: &mut Look) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let Ok(about) = entry.metadata() else { continue };
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        if about.is_dir() && !SKIPPED.contains(&name.as_ref()) {
            add(&entry.path(), seen);
        } else if about.is_file() && !WRITTEN.contains(&name.as_ref()) {
            seen.insert(entry.path(), (about.modified().unwrap_or(SystemTime::UNIX_EPOCH), about.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_count_and_what_tools_write_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for file in ["src/main.js", "build/a.wasm", "node_modules/x/y.js", "go.sum", ".polyreme/kubeconfig"] {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), "").unwrap();
        }
        let seen: Vec<_> = look(root).into_keys().collect();
        assert_eq!(seen, [root.join("src/main.js")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("main.py");
        fs::write(&file, "one").unwrap();
        let mut sources = Sources::of(folder.path());
        fs::write(&file, "three").unwrap();
        sources.changed().await;
        let again = tokio::time::timeout(Duration::from_secs(60), sources.changed()).await;
        assert!(again.is_err(), "nothing changed since");
        fs::remove_file(&file).unwrap();
        sources.changed().await;
    }
}

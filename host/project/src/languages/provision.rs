//! Compilers that come from a language's own package registry: installed once for a user, pinned to one version.
//!
//! They lie in `tools/NAME-VERSION` of the cache folder. A folder counts only with its mark, which is written last,
//! so an installation that was interrupted begins again; a lock keeps two builds from installing at once.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::paths;
use crate::process;

/// In a folder that is whole.
const MARK: &str = ".installed";

/// A compiler, by name and version, and the folder that it is installed into.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) folder: PathBuf,
}

/// Why a compiler could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// Nobody knows where caches go.
    #[error("failed to find a folder for {tool}: neither XDG_CACHE_HOME nor HOME is set; set one of them")]
    NoCache {
        /// The compiler.
        tool: &'static str,
    },
    /// The registry's client failed.
    #[error(
        "failed to install {tool} {version}: the messages of {client} are above. It needs network once; behind a \
         proxy or a mirror, {client}'s own settings ({variable}) apply. By hand: `{command}`"
    )]
    Install {
        /// The compiler.
        tool: &'static str,
        /// Its version.
        version: &'static str,
        /// `pip` or `npm`.
        client: &'static str,
        /// The environment variable that names a mirror.
        variable: &'static str,
        /// The command line that failed.
        command: String,
    },
    /// A program could not be started.
    #[error("failed to run {program}")]
    Run {
        /// The program.
        program: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The cache cannot be written.
    #[error("failed to write {}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl Tool {
    /// Where a compiler goes; `variant` tells installations apart that do not replace each other.
    pub(crate) fn new(
        name: &'static str,
        version: &'static str,
        variant: &str,
    ) -> Result<Self, ProvisionError> {
        let cache = paths::cache_dir().ok_or(ProvisionError::NoCache { tool: name })?;
        Ok(Self { name, version, folder: cache.join("tools").join(format!("{name}-{version}{variant}")) })
    }

    /// Installs it by these commands, one after the other, unless it is there. `entry` is the file in the folder that
    /// is run later: an installation whose interpreter was removed does not count.
    pub(crate) async fn ensure(
        &self,
        entry: &Path,
        client: &'static str,
        variable: &'static str,
        commands: impl FnOnce(&Path) -> Vec<Command>,
    ) -> Result<PathBuf, ProvisionError> {
        let path = self.folder.join(entry);
        if self.is_whole(&path) {
            return Ok(path);
        }
        let _lock = self.lock().await?;
        // Somebody else may have installed it meanwhile.
        if !self.is_whole(&path) {
            self.install(client, variable, commands(&self.folder)).await?;
        }
        Ok(path)
    }

    fn is_whole(&self, entry: &Path) -> bool {
        entry.exists() && self.folder.join(MARK).exists()
    }

    async fn lock(&self) -> Result<File, ProvisionError> {
        let path = self.folder.with_extension("lock");
        let failed = |source| ProvisionError::File { path: path.clone(), source };
        fs::create_dir_all(self.folder.parent().unwrap_or(&self.folder)).map_err(failed)?;
        let file = File::create(&path).map_err(failed)?;
        let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
        locked.map_err(io::Error::other).flatten().map_err(failed)
    }

    async fn install(
        &self,
        client: &'static str,
        variable: &'static str,
        commands: Vec<Command>,
    ) -> Result<(), ProvisionError> {
        let failed = |source| ProvisionError::File { path: self.folder.clone(), source };
        tracing::info!(folder = %self.folder.display(), "installing {} {}, once", self.name, self.version);
        if self.folder.exists() {
            fs::remove_dir_all(&self.folder).map_err(failed)?;
        }
        for command in commands {
            let (program, text) = (command.get_program().to_string_lossy().into_owned(), line(&command));
            let status = process::run(command).await;
            if !status.map_err(|source| ProvisionError::Run { program, source })?.success() {
                let (tool, version) = (self.name, self.version);
                return Err(ProvisionError::Install { tool, version, client, variable, command: text });
            }
        }
        fs::write(self.folder.join(MARK), self.version).map_err(failed)
    }
}

/// A command as it would be typed, as long as nothing in it needs quotes.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(folder: &Path) -> Tool {
        Tool { name: "tool", version: "1", folder: folder.join("tools/tool-1") }
    }

    fn shell(script: &str) -> impl Fn(&Path) -> Vec<Command> {
        move |folder: &Path| {
            let mut command = Command::new("sh");
            command.args(["-c", script, "sh"]).arg(folder);
            vec![command]
        }
    }

    const INSTALL: &str = r#"mkdir -p "$1" && echo once >> "$1/../log" && touch "$1/run""#;

    #[tokio::test]
    async fn it_is_installed_once_and_again_when_its_entry_is_gone() {
        let cache = tempfile::tempdir().unwrap();
        let tool = tool(cache.path());
        let log = || fs::read_to_string(cache.path().join("tools/log")).unwrap().lines().count();
        for _ in 0..2 {
            tool.ensure(Path::new("run"), "sh", "X", shell(INSTALL)).await.unwrap();
            assert_eq!(log(), 1);
        }
        fs::remove_file(tool.folder.join("run")).unwrap();
        tool.ensure(Path::new("run"), "sh", "X", shell(INSTALL)).await.unwrap();
        assert_eq!(log(), 2);
    }

    #[tokio::test]
    async fn an_installation_that_failed_does_not_count_and_is_told_with_its_command() {
        let cache = tempfile::tempdir().unwrap();
        let tool = tool(cache.path());
        let failing = shell(r#"mkdir -p "$1" && touch "$1/run" && false"#);
        let error = tool.ensure(Path::new("run"), "pip", "PIP_INDEX_URL", failing).await.unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("failed to install tool 1: the messages of pip are above"), "{text}");
        assert!(text.contains("PIP_INDEX_URL") && text.contains("By hand: `sh -c mkdir"), "{text}");
        tool.ensure(Path::new("run"), "sh", "X", shell(INSTALL)).await.unwrap();
    }
}

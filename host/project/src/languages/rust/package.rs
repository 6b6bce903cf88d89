//! Which Cargo package a folder belongs to, and whether it can become a guest.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// Used when the workspace has no profile of that name.
const FALLBACK_PROFILE: &str = "release";

/// The profile for guests, where a workspace has one: small code, no unwinding.
const GUEST_PROFILE: &str = "guest";

/// Why a folder has no guest.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// No `Cargo.toml` there or above.
    #[error("failed to find a Cargo package in {}: there is no Cargo.toml; name the guest's folder", dir.display())]
    NoManifest {
        /// The folder.
        dir: PathBuf,
    },
    /// cargo could not be started.
    #[error(
        "failed to run cargo; install Rust: `curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh`"
    )]
    NoCargo {
        /// The system's reason.
        source: std::io::Error,
    },
    /// cargo does not accept the manifest.
    #[error("failed to read {}: {message}", manifest.display())]
    Metadata {
        /// The manifest.
        manifest: PathBuf,
        /// What cargo says.
        message: String,
    },
    /// `Cargo.toml` of a workspace without a package of its own.
    #[error("failed to find a package in {}: it is a workspace; name the folder of one of: {}", manifest.display(), members.join(", "))]
    Workspace {
        /// The manifest.
        manifest: PathBuf,
        /// Its members that can be guests.
        members: Vec<String>,
    },
    /// A package that makes no `cdylib`.
    #[error("failed to build package {name}: it is no guest, because it makes no cdylib; add `[lib]` with `crate-type = [\"cdylib\", \"rlib\"]` to {}", manifest.display())]
    NoCdylib {
        /// The package.
        name: String,
        /// The manifest.
        manifest: PathBuf,
    },
}

/// A package that can become a guest.
#[derive(Clone, Debug)]
pub(super) struct Package {
    pub(super) name: String,
    /// Cargo's id, by which its messages name the package.
    pub(super) id: String,
    pub(super) dir: PathBuf,
    pub(super) manifest: PathBuf,
    workspace: PathBuf,
    target: PathBuf,
}

/// The parts of `cargo metadata` that matter.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Member>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Member {
    name: String,
    id: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

impl Member {
    fn is_guest(&self) -> bool {
        self.targets.iter().any(|target| target.crate_types.iter().any(|kind| kind == "cdylib"))
    }
}

impl Package {
    /// The package of `dir` or of the nearest folder above it.
    pub(super) fn find(dir: &Path) -> Result<Self, PackageError> {
        let manifest = nearest_manifest(dir)?;
        let metadata = metadata(&manifest)?;
        let Some(member) = metadata.packages.iter().find(|member| member.manifest_path == manifest) else {
            let guests = metadata.packages.iter().filter(|member| member.is_guest());
            let members = guests.map(|member| member.name.clone()).collect();
            return Err(PackageError::Workspace { manifest, members });
        };
        if !member.is_guest() {
            return Err(PackageError::NoCdylib { name: member.name.clone(), manifest });
        }
        Ok(Self {
            name: member.name.clone(),
            id: member.id.clone(),
            dir: manifest.parent().unwrap_or(Path::new("/")).to_owned(),
            manifest,
            workspace: metadata.workspace_root,
            target: metadata.target_directory,
        })
    }

    /// A target folder that no host build uses: the two would evict each other's
    /// artefacts, and a build of one would wait for the other's lock.
    pub(super) fn target_dir(&self) -> PathBuf {
        self.target.join("guest-build")
    }

    pub(super) fn default_output(&self) -> PathBuf {
        self.target.join("guests").join(format!("{}.wasm", self.name))
    }

    /// The profile asked for, else `guest` where the workspace defines it, else `release`.
    pub(super) fn profile(&self, asked: Option<&str>) -> String {
        let default = || if self.has_guest_profile() { GUEST_PROFILE } else { FALLBACK_PROFILE };
        asked.unwrap_or_else(default).to_owned()
    }

    fn has_guest_profile(&self) -> bool {
        let text = std::fs::read_to_string(self.workspace.join("Cargo.toml")).unwrap_or_default();
        let manifest: toml::Table = text.parse().unwrap_or_default();
        manifest.get("profile").is_some_and(|profiles| profiles.get(GUEST_PROFILE).is_some())
    }
}

fn nearest_manifest(dir: &Path) -> Result<PathBuf, PackageError> {
    let missing = || PackageError::NoManifest { dir: dir.to_owned() };
    let start = dir.canonicalize().map_err(|_| missing())?;
    let mut candidates = start.ancestors().map(|folder| folder.join("Cargo.toml"));
    candidates.find(|manifest| manifest.is_file()).ok_or_else(missing)
}

fn metadata(manifest: &Path) -> Result<Metadata, PackageError> {
    let mut command = Command::new(super::cargo::program());
    command.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(manifest);
    let output = command.output().map_err(|source| PackageError::NoCargo { source })?;
    let failed = |message: String| PackageError::Metadata { manifest: manifest.to_owned(), message };
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_manifest_is_named() {
        let error = nearest_manifest(Path::new("/")).unwrap_err();
        assert!(error.to_string().contains("there is no Cargo.toml"), "{error}");
    }

    #[test]
    fn a_package_without_cdylib_names_the_line_to_add() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let error = Package::find(here).unwrap_err();
        assert!(matches!(error, PackageError::NoCdylib { .. }), "{error}");
        assert!(error.to_string().contains("crate-type"), "{error}");
    }

    #[test]
    fn a_workspace_names_its_guests() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let error = Package::find(&root).unwrap_err();
        assert!(error.to_string().contains("hello"), "{error}");
    }
}

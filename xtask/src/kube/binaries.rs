//! The programs of a control plane: from `KUBEBUILDER_ASSETS`, from the cache, or built.
//!
//! They are Go tools pinned by `hack/kube/go.mod`, which is the one place that names a
//! version. Built ones are kept per user and version, outside the repository; each appears
//! there by a rename, so an interrupted build continues where it was.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{paths, progress};

const GO_HELP: &str =
    "go is needed to build kube-apiserver and was not found on PATH. One of these installs it:
    apt-get install golang-go          (where it is 1.21 or newer; it then fetches the pinned version itself)
    https://go.dev/dl/                 (any system)
or set KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver and kubectl";

/// A program and the Go package it is built from.
struct Tool {
    name: &'static str,
    package: &'static str,
}

const ETCD: Tool = Tool { name: "etcd", package: "go.etcd.io/etcd/server/v3" };
const APISERVER: Tool = Tool { name: "kube-apiserver", package: "k8s.io/kubernetes/cmd/kube-apiserver" };
const CONTROLLERS: Tool =
    Tool { name: "kube-controller-manager", package: "k8s.io/kubernetes/cmd/kube-controller-manager" };
const KUBECTL: Tool = Tool { name: "kubectl", package: "k8s.io/kubernetes/cmd/kubectl" };

/// Paths of the four programs.
#[derive(Clone)]
pub(crate) struct Binaries {
    pub(crate) etcd: PathBuf,
    pub(crate) apiserver: PathBuf,
    pub(crate) controllers: PathBuf,
    pub(crate) kubectl: PathBuf,
}

impl fmt::Display for Binaries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [&self.etcd, &self.apiserver, &self.controllers, &self.kubectl];
        all.iter().try_for_each(|path| writeln!(f, "{}", path.display()))
    }
}

/// Finds them or builds what is missing.
///
/// # Errors
/// When `KUBEBUILDER_ASSETS` is set but incomplete, Go is missing, or a build fails.
pub(crate) fn ensure() -> Result<Binaries> {
    match std::env::var_os("KUBEBUILDER_ASSETS").filter(|dir| !dir.is_empty()) {
        Some(dir) => from_assets(Path::new(&dir)),
        None => built(),
    }
}

/// Kubebuilder's archives have no controller manager; ours is then built beside them.
fn from_assets(dir: &Path) -> Result<Binaries> {
    let controllers = dir.join(CONTROLLERS.name);
    Ok(Binaries {
        etcd: asset(dir, &ETCD)?,
        apiserver: asset(dir, &APISERVER)?,
        kubectl: asset(dir, &KUBECTL)?,
        controllers: if controllers.is_file() { controllers } else { build_for_assets()? },
    })
}

fn asset(dir: &Path, tool: &Tool) -> Result<PathBuf> {
    let path = dir.join(tool.name);
    if !path.is_file() {
        bail!(
            "KUBEBUILDER_ASSETS={} has no {}: complete it, or unset it to have one built",
            dir.display(),
            tool.name
        );
    }
    Ok(path)
}

fn build_for_assets() -> Result<PathBuf> {
    eprintln!("KUBEBUILDER_ASSETS has no kube-controller-manager; using {}", Versions::pinned()?.kubernetes);
    Builder::new()?.ensure(&CONTROLLERS)
}

fn built() -> Result<Binaries> {
    let builder = Builder::new()?;
    Ok(Binaries {
        etcd: builder.ensure(&ETCD)?,
        kubectl: builder.ensure(&KUBECTL)?,
        apiserver: builder.ensure(&APISERVER)?,
        controllers: builder.ensure(&CONTROLLERS)?,
    })
}

/// The versions that `hack/kube/go.mod` requires.
#[derive(Debug, PartialEq)]
struct Versions {
    kubernetes: String,
    etcd: String,
}

impl Versions {
    fn pinned() -> Result<Self> {
        let path = module().join("go.mod");
        let text = fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("failed to find the versions in {}", path.display()))
    }

    fn parse(go_mod: &str) -> Option<Self> {
        let version_of = |module: &str| {
            let mut lines = go_mod.lines().map(str::split_whitespace);
            lines.find_map(|mut words| (words.next() == Some(module)).then(|| words.next()).flatten())
        };
        Some(Self {
            kubernetes: version_of("k8s.io/kubernetes")?.to_owned(),
            etcd: version_of(ETCD.package).filter(|version| version.starts_with('v'))?.to_owned(),
        })
    }

    fn folder(&self) -> String {
        format!("{}-etcd-{}", self.kubernetes, self.etcd)
    }

    /// Without these `/version` is wrong and clients complain.
    fn linker_flags(&self) -> String {
        let mut numbers = self.kubernetes.trim_start_matches('v').split('.');
        let [major, minor] = [numbers.next(), numbers.next()].map(Option::unwrap_or_default);
        let set = |name: &str, value: &str| format!("-X k8s.io/component-base/version.{name}={value}");
        let values = [set("gitVersion", &self.kubernetes), set("gitMajor", major), set("gitMinor", minor)];
        format!("-s -w {}", values.join(" "))
    }
}

fn module() -> PathBuf {
    paths::root().join("hack/kube")
}

struct Builder {
    versions: Versions,
    dir: PathBuf,
}

impl Builder {
    fn new() -> Result<Self> {
        let versions = Versions::pinned()?;
        let dir = paths::cache()?.join("kube").join(versions.folder());
        Ok(Self { versions, dir })
    }

    fn ensure(&self, tool: &Tool) -> Result<PathBuf> {
        let path = self.dir.join(tool.name);
        if !path.is_file() {
            self.build(tool, &path)?;
        }
        Ok(path)
    }

    fn build(&self, tool: &Tool, path: &Path) -> Result<()> {
        if Command::new("go").arg("version").output().is_err() {
            bail!(GO_HELP);
        }
        fs::create_dir_all(&self.dir).with_context(|| format!("failed to create {}", self.dir.display()))?;
        let temporary = tempfile::tempdir_in(&self.dir).context("failed to make a temporary folder")?;
        let output = temporary.path().join(tool.name);
        let title = format!("build {} {} (minutes the first time)", tool.name, self.version_of(tool));
        progress::step(&title, &mut self.go_build(tool, &output))?;
        fs::rename(&output, path).with_context(|| format!("failed to keep {}", path.display()))
    }

    fn version_of(&self, tool: &Tool) -> &str {
        if tool.name == ETCD.name { &self.versions.etcd } else { &self.versions.kubernetes }
    }

    fn go_build(&self, tool: &Tool, output: &Path) -> Command {
        let mut command = Command::new("go");
        command
            .current_dir(module())
            .env("CGO_ENABLED", "0")
            .env("GOWORK", "off")
            .args(["build", "-v", "-trimpath", "-ldflags", &self.versions.linker_flags(), "-o"])
            .arg(output)
            .arg(tool.package);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GO_MOD: &str = "tool (\n\tgo.etcd.io/etcd/server/v3/x\n)\nrequire (\n\tgo.etcd.io/etcd/server/v3 v3.6.16\n\tk8s.io/kubernetes v1.36.3\n)\n";

    #[test]
    fn versions_come_from_the_require_lines() {
        let versions = Versions::parse(GO_MOD).unwrap();
        assert_eq!(versions, Versions { kubernetes: "v1.36.3".into(), etcd: "v3.6.16".into() });
    }

    #[test]
    fn the_pinned_versions_are_found() {
        assert!(Versions::pinned().unwrap().kubernetes.starts_with("v1."));
    }

    #[test]
    fn the_linker_sets_the_version_that_clients_read() {
        let flags = Versions::parse(GO_MOD).unwrap().linker_flags();
        assert!(flags.contains("gitMajor=1 ") && flags.ends_with("gitMinor=36"), "{flags}");
    }
}

//! What may lie where, and who may depend on whom: ARCHITECTURE.md's boundaries, checked.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::{Fault, Source};
use crate::guests::cargo;

/// Everything that may lie at the top, besides dotfiles.
const TOP: [&str; 19] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "clippy.toml",
    "deploy",
    "docs",
    "examples",
    "guest-sdk",
    "hack",
    "host",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "tests",
    "wit",
    "xtask",
    "target",
];

/// What the protocol may be built from: nothing that does I/O, tells time or draws numbers.
const OWNERSHIP_MAY_USE: [&str; 4] = ["consistent_hash_ring", "serde", "serde_json", "thiserror"];

/// `package` must not depend on anything that starts with one of `never`.
struct Absence {
    package: &'static str,
    never: &'static [&'static str],
    why: &'static str,
}

const ABSENCES: &[Absence] = &[
    Absence {
        package: "polyreme-runtime",
        never: &["kube", "k8s-openapi", "polyreme-apiserver"],
        why: "a guest reaches the API only through the host's capability",
    },
    Absence {
        package: "polyreme-apiserver",
        never: &["wasmtime", "polyreme-runtime"],
        why: "the local API server knows no guests",
    },
    Absence {
        package: "polyreme-project",
        never: &["kube", "wasmtime", "polyreme", "polyreme-runtime", "polyreme-apiserver"],
        why: "it builds and reads modules; running them is the host's",
    },
    Absence {
        package: "polyreme-sources",
        never: &["kube", "k8s-openapi", "wasmtime", "polyreme", "polyreme-runtime", "polyreme-project"],
        why: "it fetches modules; running them is the host's",
    },
    Absence {
        package: "polyreme-sdk",
        never: &["tokio", "wasmtime", "polyreme"],
        why: "it is compiled into every guest",
    },
    Absence {
        package: "xtask",
        never: &["tokio", "kube", "wasmtime", "polyreme"],
        why: "every `cargo xtask` builds it first",
    },
];

/// Files of the path of `polyreme run`, which never sees the local API server.
const RUN_PATH: &str = "host/polyreme/src/";
/// The places that may use it: two start it, and `polyreme rbac` looks built-in kinds up in its table.
const LOCAL_SERVER_COMMANDS: [&str; 3] =
    ["host/polyreme/src/cli/apiserver", "host/polyreme/src/cli/dev/", "host/polyreme/src/cli/rbac"];

pub(crate) fn check(sources: &[Source]) -> Result<Vec<Fault>> {
    let packages = packages()?;
    let mut faults: Vec<Fault> = sources.iter().filter_map(misplaced).collect();
    faults.extend(sources.iter().filter_map(links_local_server));
    faults.extend(ABSENCES.iter().flat_map(|absence| present(absence, &packages)));
    faults.extend(impure_ownership(&packages));
    Ok(faults)
}

fn misplaced(source: &Source) -> Option<Fault> {
    let top = source.path.split('/').next().unwrap_or_default();
    let allowed = top.starts_with('.') || TOP.contains(&top);
    (!allowed).then(|| source.fault(0, "not a place for it: see the layout in ARCHITECTURE.md"))
}

fn links_local_server(source: &Source) -> Option<Fault> {
    let watched = source.is_rust() && source.path.starts_with(RUN_PATH);
    if !watched || LOCAL_SERVER_COMMANDS.iter().any(|command| source.path.starts_with(command)) {
        return None;
    }
    let code = source.text().split("#[cfg(test)]").next().unwrap_or_default();
    let line = code.lines().position(|line| line.contains("polyreme_apiserver"))?;
    Some(
        source.fault(line + 1, "only `polyreme apiserver` and `polyreme dev` may start the local API server"),
    )
}

/// Direct dependencies (not those of tests) by package.
type Packages = BTreeMap<String, Vec<String>>;

fn present(absence: &Absence, packages: &Packages) -> Vec<Fault> {
    let dependencies = packages.get(absence.package).map(Vec::as_slice).unwrap_or_default();
    let banned = |name: &String| absence.never.iter().any(|never| is_or_belongs_to(name, never));
    let fault = |name: &String| Fault {
        path: absence.package.to_owned(),
        line: 0,
        message: format!("must not depend on {name}: {}", absence.why),
    };
    dependencies.iter().filter(|name| banned(name)).map(fault).collect()
}

/// `kube-runtime` belongs to `kube`; `polyreme-sdk` is a crate of its own.
fn is_or_belongs_to(name: &str, never: &str) -> bool {
    let family = never != "polyreme" && name.strip_prefix(never).is_some_and(|rest| rest.starts_with('-'));
    name == never || family
}

fn impure_ownership(packages: &Packages) -> Vec<Fault> {
    let dependencies = packages.get("polyreme-ownership").map(Vec::as_slice).unwrap_or_default();
    let fault = |name: &String| Fault {
        path: "polyreme-ownership".into(),
        line: 0,
        message: format!("must not depend on {name}: it does no I/O, tells no time, draws no numbers"),
    };
    dependencies.iter().filter(|name| !OWNERSHIP_MAY_USE.contains(&name.as_str())).map(fault).collect()
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `dev` or `build`; nothing for an ordinary one.
    kind: Option<String>,
}

fn packages() -> Result<Packages> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .context("failed to start cargo metadata")?;
    if !output.status.success() {
        bail!("failed to read the workspace: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("failed to read cargo's metadata")?;
    Ok(metadata.packages.into_iter().map(direct).collect())
}

fn direct(package: Package) -> (String, Vec<String>) {
    let ordinary = package.dependencies.into_iter().filter(|dependency| dependency.kind.is_none());
    (package.name, ordinary.map(|dependency| dependency.name).collect())
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    fn packages_of(name: &str, dependencies: &[&str]) -> Packages {
        Packages::from([(name.to_owned(), dependencies.iter().map(|name| (*name).to_owned()).collect())])
    }

    #[test]
    fn a_file_at_the_top_needs_a_reason() {
        assert_eq!(misplaced(&source("host/a.rs", "")), None);
        assert_eq!(misplaced(&source(".ci/run", "")), None);
        assert!(misplaced(&source("notes.txt", "")).is_some());
    }

    #[test]
    fn the_runtime_must_not_know_kubernetes() {
        let found = |dependency| present(&ABSENCES[0], &packages_of("polyreme-runtime", &[dependency])).len();
        assert_eq!((found("kube"), found("kube-runtime"), found("wasmtime")), (1, 1, 0));
    }

    #[test]
    fn ownership_may_use_only_what_is_listed() {
        let found = |dependency| impure_ownership(&packages_of("polyreme-ownership", &[dependency])).len();
        assert_eq!((found("tokio"), found("serde")), (1, 0));
    }

    #[test]
    fn the_run_path_must_not_link_the_local_server() {
        let text = "//! A story.\nuse polyreme_apiserver::Server;\n";
        assert!(links_local_server(&source("host/polyreme/src/host/mod.rs", text)).is_some());
        assert_eq!(links_local_server(&source("host/polyreme/src/cli/apiserver.rs", text)), None);
    }
}

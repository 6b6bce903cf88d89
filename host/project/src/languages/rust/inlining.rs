//! What LLVM is told of inlining.
//!
//! A call is dearer in a guest than in native code, because every function begins with a check of wasmtime's
//! epoch; and what is called in a loop, such as the reading of an object's next key, is worth more room than the rest.
//! A reconcile that reads a whole Deployment is 8 % faster with these flags, and its module less than 2 % larger
//! ([ADR 0044](../../../../../docs/adr/0044-llvm-is-told-what-to-inline.md)).

use std::env;
use std::path::{Path, PathBuf};

use super::toolchain::{Compiler, TARGET};

/// Measured together: without the first a module is a tenth larger, without the others it is slower.
pub(super) const FLAGS: [&str; 3] = [
    "-Cllvm-args=-inline-call-penalty=60",
    "-Cllvm-args=-hot-callsite-rel-freq=10",
    "-Cllvm-args=-locally-hot-callsite-threshold=800",
];

/// What cargo, started in `dir`, is passed so that the whole graph is compiled with [`FLAGS`]: nothing
/// where `compiler` does not know them.
pub(super) fn arguments(compiler: &Compiler, dir: &Path) -> Vec<String> {
    if !compiler.takes(&FLAGS, dir) {
        let flags = FLAGS.join(" ");
        tracing::info!(%compiler, "this compiler does not take {flags}: the module will be a little slower");
        return Vec::new();
    }
    vec!["--config".to_owned(), format!("{}={FLAGS:?}", key(&configurations(dir)))]
}

/// Where cargo looks for flags. It joins all that it finds in one place, but goes by one place alone: flags of the target
/// hide those of `build`. So ours join those of `build` where there are any: then it is ours that may be hidden.
fn key(files: &[PathBuf]) -> String {
    if files.iter().any(|file| has_build_flags(file)) {
        "build.rustflags".to_owned()
    } else {
        format!("target.{TARGET}.rustflags")
    }
}

fn has_build_flags(file: &Path) -> bool {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let configuration: toml::Table = text.parse().unwrap_or_default();
    configuration.get("build").is_some_and(|build| build.get("rustflags").is_some())
}

/// Every file that cargo may read its configuration from, whether it is there or not.
fn configurations(dir: &Path) -> Vec<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(env::home_dir()?.join(".cargo")));
    let folders = dir.ancestors().map(|folder| folder.join(".cargo")).chain(home);
    folders.flat_map(|folder| [folder.join("config.toml"), folder.join("config")]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(configuration: &str) -> tempfile::TempDir {
        let project = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(project.path().join("guest")).unwrap();
        std::fs::create_dir(project.path().join(".cargo")).unwrap();
        std::fs::write(project.path().join(".cargo/config.toml"), configuration).unwrap();
        project
    }

    fn key_in(project: &tempfile::TempDir) -> String {
        let files = configurations(&project.path().join("guest"));
        let theirs: Vec<PathBuf> =
            files.into_iter().filter(|file| file.starts_with(project.path())).collect();
        key(&theirs)
    }

    #[test]
    fn flags_for_every_target_are_not_hidden_by_ours() {
        assert_eq!(key_in(&project("[build]\nrustflags = [\"--cfg\", \"mine\"]\n")), "build.rustflags");
    }

    #[test]
    fn flags_of_the_target_are_joined_by_ours() {
        let ours = "target.wasm32-unknown-unknown.rustflags";
        assert_eq!(key_in(&project("")), ours);
        assert_eq!(key_in(&project("[build]\njobs = 1\n")), ours);
        assert_eq!(
            key_in(&project("[target.wasm32-unknown-unknown]\nrustflags = [\"--cfg\", \"mine\"]\n")),
            ours
        );
    }
}

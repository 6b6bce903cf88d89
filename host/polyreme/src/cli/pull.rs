//! `polyreme pull`: a module from a registry into a file, or only the digest of a tag.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use polyreme_sources::{Pinned, Reference, Remote};
use serde_json::json;

use super::registries::{Output, RegistryArgs, failure};
use super::{Failure, print};

/// Pull a module from a registry, or tell what a tag is pinned to.
///
/// Reads the artifacts of other WebAssembly tools as well. Prints the reference with its digest, which is what
/// to write as `module:` of a configuration. Credentials are those of `docker login`.
#[derive(Debug, Args)]
pub(crate) struct Pull {
    /// The module: `[oci://]REGISTRY/REPOSITORY:TAG`, or `…@sha256:DIGEST`.
    #[arg(value_name = "REFERENCE")]
    from: Reference,

    /// Where to write it [default: the last part of the repository's name, with .wasm].
    #[arg(value_name = "FILE", conflicts_with = "resolve")]
    file: Option<PathBuf>,

    /// Only tell the digest; nothing is written.
    #[arg(long)]
    resolve: bool,

    /// Refuse a module that is not signed with this key (PEM, cosign's `cosign.pub`).
    #[arg(long, value_name = "FILE", conflicts_with = "resolve")]
    key: Option<PathBuf>,

    /// The form of the answer.
    #[arg(long, short, value_enum, default_value = "text")]
    output: Output,

    #[command(flatten)]
    registries: RegistryArgs,
}

impl Pull {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let fetcher = self.registries.fetcher();
        let pinned = fetcher.resolve(&self.from).await.map_err(failure)?;
        if self.resolve {
            report(self.output, &pinned, None);
            return Ok(());
        }
        let remote = Remote::Oci(pinned.clone());
        let module = fetcher.fetch(&remote, self.key.as_deref()).await.map_err(failure)?;
        let file = self.file.unwrap_or_else(|| default_file(&pinned));
        let written = std::fs::write(&file, &module);
        written.with_context(|| format!("failed to write {}", file.display())).map_err(Failure::usage)?;
        report(self.output, &pinned, Some((file, module.len())));
        Ok(())
    }
}

/// In the folder one is in: the last part of a repository's name never has a slash, nor is it `..`.
fn default_file(pinned: &Pinned) -> PathBuf {
    let name = pinned.repository().name();
    PathBuf::from(format!("{}.wasm", name.rsplit('/').next().unwrap_or(name)))
}

fn report(output: Output, pinned: &Pinned, written: Option<(PathBuf, usize)>) {
    if output == Output::Text {
        print(pinned);
        if let Some((file, bytes)) = written {
            print(format_args!("{bytes} bytes in {}", file.display()));
        }
        return;
    }
    let (reference, digest) = (pinned.to_string(), pinned.digest().to_string());
    print(match written {
        Some((file, bytes)) => {
            json!({ "reference": reference, "digest": digest, "file": file, "bytes": bytes })
        }
        None => json!({ "reference": reference, "digest": digest }),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_after_the_repository_and_stays_in_the_folder() {
        let reference: Reference = "r.example/team/website:1".parse().unwrap();
        let pinned = reference.pinned(polyreme_sources::Digest::of(b""));
        assert_eq!(default_file(&pinned), PathBuf::from("website.wasm"));
    }
}

//! `polyreme push`: a module into a registry.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use polyreme_sources::Reference;
use serde_json::json;

use super::registries::{Output, RegistryArgs, failure};
use super::{Failure, print};

/// Push a module to a registry, in the layout that other WebAssembly tools read.
///
/// Prints what to write as `module:` of a configuration: the reference with its digest. Credentials are those
/// of `docker login`. The same module with the same annotations always has the same digest.
#[derive(Debug, Args)]
pub(crate) struct Push {
    /// The module.
    #[arg(value_name = "FILE")]
    module: PathBuf,

    /// Where to: `[oci://]REGISTRY/REPOSITORY:TAG`.
    #[arg(value_name = "REFERENCE")]
    to: Reference,

    /// An annotation of the manifest, such as `org.opencontainers.image.source=https://…`; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = annotation)]
    annotation: Vec<(String, String)>,

    /// The form of the answer.
    #[arg(long, short, value_enum, default_value = "text")]
    output: Output,

    #[command(flatten)]
    registries: RegistryArgs,
}

fn annotation(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

impl Push {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let read = std::fs::read(&self.module);
        let module = read.with_context(|| format!("failed to read {}", self.module.display()));
        let module = module.map_err(Failure::usage)?;
        let annotations = self.annotation.into_iter().collect();
        let pushed = self.registries.fetcher().push(&module, &self.to, annotations).await.map_err(failure)?;
        match self.output {
            Output::Text => print(pushed),
            Output::Json => print(json!({
                "reference": pushed.to_string(),
                "digest": pushed.digest().to_string(),
                "bytes": module.len(),
            })),
        }
        Ok(())
    }
}

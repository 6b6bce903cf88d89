//! `polyreme inspect`: what a module is and asks for, and what is wrong with one that will not load.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use polyreme::explain;
use polyreme::guest_log::GuestLog;
use polyreme_project::inspect::{Form, Inspection};
use polyreme_runtime::wit::reconciler::{Manifest, Mapping};
use polyreme_runtime::{Engine, EngineConfig, EngineError, Limits, Session};
use serde_json::{Value, json};

use super::{Failure, print};

/// Tell what a module is: name, version, kinds, what it asks for, imports, size, language, digest.
///
/// A module that will not load is told what is wrong with it; the exit code is 2 then. The module is asked what
/// it is under the limits of a host, without any access to a cluster.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The module.
    #[arg(value_name = "FILE")]
    module: PathBuf,

    /// The form of the answer.
    #[arg(long, short, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    /// Lines for people.
    Text,
    /// One JSON object.
    Json,
}

impl Inspect {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let mut seen = polyreme_project::inspect(&self.module).map_err(Failure::usage)?;
        let manifest = if seen.problems.is_empty() { self.describe(&mut seen).await? } else { None };
        match self.output {
            Output::Text => print_text(&seen, manifest.as_ref()),
            Output::Json => print(in_json(&seen, manifest.as_ref())),
        }
        if seen.problems.is_empty() {
            return Ok(());
        }
        Err(Failure::usage(anyhow!(
            "no host can run {}: {}",
            self.module.display(),
            seen.problems.join("; ")
        )))
    }

    /// What the module says of itself; a failure is a problem of it.
    async fn describe(&self, seen: &mut Inspection) -> Result<Option<Manifest>, Failure> {
        // What a host compiled is used, and the other way round, where the folder can be used.
        let cache_dir = polyreme_project::paths::cache_dir();
        let engine = Engine::new(EngineConfig { cache_dir, ..EngineConfig::default() });
        let engine = engine.or_else(|error| match error {
            EngineError::Cache { .. } => Engine::new(EngineConfig::default()),
            error => Err(error),
        });
        let engine = engine.map_err(Failure::failed)?;
        let name = self.module.file_stem().unwrap_or_default().to_string_lossy();
        let described = async {
            let module = engine.load(&name, self.module.as_path(), Limits::default()).await?;
            let session = Session::for_describe(Arc::from("{}"), Arc::new(GuestLog));
            anyhow::Ok(module.describe(session).await?)
        };
        match described.await {
            Ok(manifest) => Ok(Some(manifest)),
            Err(error) => {
                seen.problems.push(explain::chain(error.as_ref()));
                Ok(None)
            }
        }
    }
}

fn print_text(seen: &Inspection, manifest: Option<&Manifest>) {
    if let Some(manifest) = manifest {
        print(format_args!("{} {}", manifest.name, manifest.version));
        print(format_args!("  reconciles   {} {}", manifest.primary.api_version, manifest.primary.kind));
        for kind in &manifest.owns {
            print(format_args!("  owns         {} {}", kind.api_version, kind.kind));
        }
        for watch in &manifest.watches {
            let (kind, mapping) = (&watch.kind, mapping(&watch.mapping));
            print(format_args!("  watches      {} {} by {mapping}", kind.api_version, kind.kind));
        }
        for line in &manifest.permissions {
            let (kinds, verbs) = (line.kinds.join(", "), line.verbs.join(", "));
            print(format_args!("  asks for     {} {kinds}: {verbs}", line.api_version));
        }
        if manifest.settings_schema.is_some() {
            print("  settings     checked against its schema");
        }
    }
    print(format_args!("  form         {}", form(seen.form)));
    let lines = [
        ("language", seen.language.clone()),
        ("contract", seen.contract.as_ref().map(|version| format!("polyreme:controller@{version}"))),
        ("size", Some(format!("{} bytes", seen.bytes))),
        ("digest", Some(seen.digest.clone())),
        ("tools", Some(seen.tools.join(", ")).filter(|tools| !tools.is_empty())),
    ];
    for (name, value) in lines {
        if let Some(value) = value {
            print(format_args!("  {name:<12} {value}"));
        }
    }
    for import in &seen.imports {
        print(format_args!("  imports      {import}"));
    }
}

fn in_json(seen: &Inspection, manifest: Option<&Manifest>) -> Value {
    let kind = |kind: &polyreme_runtime::wit::types::Kind| json!({ "apiVersion": kind.api_version, "kind": kind.kind });
    let described = manifest.map(|manifest| {
        let watches: Vec<Value> = manifest
            .watches
            .iter()
            .map(|watch| json!({ "kind": kind(&watch.kind), "mapping": mapping(&watch.mapping), "labelSelector": watch.label_selector }))
            .collect();
        let permissions: Vec<Value> = manifest
            .permissions
            .iter()
            .map(|line| json!({ "apiVersion": line.api_version, "kinds": line.kinds, "verbs": line.verbs }))
            .collect();
        json!({
            "name": manifest.name,
            "version": manifest.version,
            "primary": kind(&manifest.primary),
            "labelSelector": manifest.label_selector,
            "owns": manifest.owns.iter().map(kind).collect::<Vec<_>>(),
            "watches": watches,
            "indexes": manifest.indexes,
            "permissions": permissions,
            "hasSettingsSchema": manifest.settings_schema.is_some(),
        })
    });
    json!({
        "form": form(seen.form),
        "language": seen.language,
        "tools": seen.tools,
        "contract": seen.contract,
        "bytes": seen.bytes,
        "digest": seen.digest,
        "imports": seen.imports,
        "exports": seen.exports,
        "manifest": described,
        "problems": seen.problems,
    })
}

fn form(form: Form) -> &'static str {
    match form {
        Form::Component => "component",
        Form::CoreModule => "core module",
        Form::Other => "no WebAssembly",
    }
}

fn mapping(mapping: &Mapping) -> String {
    match mapping {
        Mapping::Owner => "owner reference".to_owned(),
        Mapping::Label(key) => format!("label {key}"),
        Mapping::Field(path) => format!("field {path}"),
    }
}

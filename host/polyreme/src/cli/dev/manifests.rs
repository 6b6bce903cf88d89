//! The project's YAML files in the local cluster: its kinds, then its samples.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{ApiCapabilities, ApiResource, Scope, pinned_kind};
use kube::{Api, Client};
use serde_json::Value;

use super::super::print;

/// A kind is served a moment after its definition was written.
const SERVED_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);
const NAMESPACE: &str = "default";

/// An object that was applied.
pub(super) struct Sample {
    pub(super) resource: ApiResource,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
}

impl Sample {
    pub(super) fn api(&self, client: &Client) -> Api<DynamicObject> {
        match &self.namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &self.resource),
            None => Api::all_with(client.clone(), &self.resource),
        }
    }
}

/// Applies `crd.yaml` and `crds/`, then `sample.yaml` and `samples/`; the samples.
pub(super) async fn apply_all(client: &Client, root: &Path) -> Result<Vec<Sample>> {
    let kinds = files(root, "crd")?;
    if kinds.is_empty() {
        bail!(
            "failed to find the kinds of {}: put their CustomResourceDefinitions into crd.yaml or crds/",
            root.display()
        );
    }
    for file in kinds {
        apply_file(client, root, &file).await?;
    }
    let mut samples = Vec::new();
    for file in files(root, "sample")? {
        samples.extend(apply_file(client, root, &file).await?);
    }
    Ok(samples)
}

/// `NAME.yaml` and the `.yaml` files of `NAMEs/`, in name order.
fn files(root: &Path, name: &str) -> Result<Vec<PathBuf>> {
    let (single, folder) = (root.join(format!("{name}.yaml")), root.join(format!("{name}s")));
    let mut files = Vec::new();
    if folder.is_dir() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("failed to list {}", folder.display()))?;
        let is_yaml = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "yaml");
        files.extend(entries.flatten().map(|entry| entry.path()).filter(is_yaml));
        files.sort();
    }
    files.extend(Some(single).filter(|file| file.is_file()));
    Ok(files)
}

async fn apply_file(client: &Client, root: &Path, file: &Path) -> Result<Vec<Sample>> {
    let text = fs::read_to_string(file).with_context(|| format!("failed to read {}", file.display()))?;
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(&text).with_context(|| format!("failed to read {}", file.display()))?;
    let mut applied = Vec::new();
    for document in
        documents.iter().filter(|document| !document.is_null() && document["kind"] != "Kustomization")
    {
        let done = apply(client, document).await;
        applied.push(done.with_context(|| format!("failed to apply {}", file.display()))?);
    }
    print(format_args!("applied {}", file.strip_prefix(root).unwrap_or(file).display()));
    Ok(applied)
}

async fn apply(client: &Client, document: &Value) -> Result<Sample> {
    let object: DynamicObject =
        serde_json::from_value(document.clone()).context("it is no Kubernetes object")?;
    let kind = object.types.as_ref().context("an object has no apiVersion and kind")?;
    let name = object.metadata.name.clone().context("an object has no metadata.name")?;
    let (resource, about) = served(client, &GroupVersionKind::try_from(kind)?).await?;
    let namespace = (about.scope == Scope::Namespaced)
        .then(|| object.metadata.namespace.clone().unwrap_or_else(|| NAMESPACE.to_owned()));
    let sample = Sample { resource, namespace, name };
    let params = PatchParams::apply("polyreme-dev").force();
    sample.api(client).patch(&sample.name, &params, &Patch::Apply(document)).await?;
    Ok(sample)
}

async fn served(client: &Client, kind: &GroupVersionKind) -> Result<(ApiResource, ApiCapabilities)> {
    let found = async {
        loop {
            match pinned_kind(client, kind).await {
                Ok(found) => return found,
                Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    };
    let found = tokio::time::timeout(SERVED_WITHIN, found).await;
    found.with_context(|| {
        format!(
            "the local cluster has no kind {} {}; the local API server knows the built-in kinds that \
                 controllers commonly use, others need a definition in crd.yaml",
            kind.api_version(),
            kind.kind
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_comes_before_the_file_of_its_name_and_other_files_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join("crds")).unwrap();
        for file in ["crds/b.yaml", "crds/a.yaml", "crds/notes.txt", "crd.yaml", "sample.yaml"] {
            fs::write(root.join(file), "").unwrap();
        }
        let names: Vec<_> = files(root, "crd").unwrap();
        assert_eq!(names, ["crds/a.yaml", "crds/b.yaml", "crd.yaml"].map(|name| root.join(name)));
        assert_eq!(files(root, "sample").unwrap(), [root.join("sample.yaml")]);
    }
}

//! YAML documents into an API server, by server-side apply, as `kubectl apply` would.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::Value;
use serde_json::value::RawValue;

const FIELD_MANAGER: &str = "polyreme-tests";

/// Applies every document of a file, or of every `.yaml` file of a folder in name order.
///
/// # Errors
/// Names the file or the object that could not be applied.
pub async fn apply_files(client: &Client, path: &Path) -> Result<Vec<DynamicObject>> {
    let mut applied = Vec::new();
    for file in yaml_files(path)? {
        let text = fs::read_to_string(&file).with_context(|| format!("failed to read {}", file.display()))?;
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text)
            .with_context(|| format!("failed to parse {}", file.display()))?;
        applied.extend(apply_objects(client, &documents).await?);
    }
    Ok(applied)
}

/// Applies objects in order.
///
/// # Errors
/// Names the object that could not be applied.
pub async fn apply_objects(client: &Client, objects: &[Value]) -> Result<Vec<DynamicObject>> {
    let mut applied = Vec::new();
    for object in objects.iter().filter(|object| is_manifest(object)) {
        applied.push(apply(client, object).await?);
    }
    Ok(applied)
}

async fn apply(client: &Client, value: &Value) -> Result<DynamicObject> {
    let object: DynamicObject = serde_json::from_value(value.clone()).context("failed to read an object")?;
    let kind = object.types.clone().context("failed to read an object: it has no kind")?;
    let name = object.metadata.name.clone().unwrap_or_default();
    let resource =
        ApiResource::from_gvk(&GroupVersionKind::try_from(&kind).context("failed to read a kind")?);
    let api: Api<DynamicObject> = match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let applied = api.patch(&name, &params, &Patch::Apply(for_yaml(value)?)).await;
    applied.with_context(|| format!("failed to apply {} {name}", kind.kind))
}

/// Apply is read as YAML, which drops the blanks around a line separator (U+2028) in a text.
fn for_yaml(value: &Value) -> Result<Box<RawValue>> {
    let text = value.to_string().replace('\u{2028}', "\\u2028");
    RawValue::from_string(text).context("failed to write an object")
}

/// Kustomizations describe files, they are not objects of a cluster.
fn is_manifest(object: &Value) -> bool {
    !object.is_null() && object["kind"] != "Kustomization"
}

fn yaml_files(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).with_context(|| format!("failed to list {}", path.display()))?;
    let is_yaml = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "yaml");
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_yaml).collect();
    files.sort();
    Ok(files)
}

//! Deleting a namespace deletes what is in it; the namespace goes last.

use std::sync::Arc;

use serde_json::Value;

use super::unless_raced;
use crate::api::{Api, At, DeleteOptions, Part};
use crate::error::ApiError;
use crate::json;
use crate::kinds::Resource;
use crate::store::Object;

pub(super) fn round(api: &Arc<Api>) -> Result<(), ApiError> {
    let Some(resource) = api.registry().find("", "v1", "namespaces") else { return Ok(()) };
    let namespaces = api.store.snapshot(&resource.storage, None).objects;
    for (_, namespace) in namespaces.iter().filter(|(_, n)| json::is_deleting(&n.value)) {
        let name = json::name(&namespace.value);
        if empty(api, name)? {
            unless_raced(finish(api, &resource, namespace))?;
        }
    }
    Ok(())
}

/// Deletes everything in a namespace; answers whether nothing is left.
fn empty(api: &Api, namespace: &str) -> Result<bool, ApiError> {
    let mut left = false;
    for storage in api.store.storages() {
        let Some(resource) = api.registry().of_storage(&storage) else { continue };
        if !resource.namespaced {
            continue;
        }
        for (_, object) in api.store.snapshot(&storage, Some(namespace)).objects {
            left |= !remove(api, &resource, &object)?;
        }
    }
    Ok(!left)
}

/// Deletes one object; answers whether it is gone.
fn remove(api: &Api, resource: &Arc<Resource>, object: &Object) -> Result<bool, ApiError> {
    if json::is_deleting(&object.value) {
        return Ok(false);
    }
    let at = At {
        resource: resource.clone(),
        namespace: json::namespace(&object.value).to_owned(),
        name: json::name(&object.value).to_owned(),
        part: Part::Main,
    };
    match api.delete(&at, &DeleteOptions::default()) {
        Ok(deleted) => Ok(deleted.gone),
        Err(error) if error.code == 404 => Ok(true),
        Err(error) => Err(error),
    }
}

/// Takes the finalizer `kubernetes` away, which ends a namespace that nothing else holds.
fn finish(api: &Api, resource: &Arc<Resource>, namespace: &Object) -> Result<(), ApiError> {
    let mut value = namespace.value.clone();
    let kept = json::strings(value.pointer("/spec/finalizers"));
    let kept: Vec<Value> = kept.into_iter().filter(|f| *f != "kubernetes").map(Value::from).collect();
    if kept.len() == json::items(value.pointer("/spec/finalizers")).len() {
        return Ok(());
    }
    let kept = (!kept.is_empty()).then(|| Value::from(kept));
    json::set(json::map_at(&mut value, "spec"), "finalizers", kept);
    let name = json::name(&namespace.value).to_owned();
    let at = At { resource: resource.clone(), namespace: String::new(), name, part: Part::Finalize };
    api.update(&at, value, &super::system()).map(drop)
}

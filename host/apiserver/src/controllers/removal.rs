//! Deleting a definition deletes its objects first.

use std::sync::Arc;

use super::unless_raced;
use crate::api::{Api, At, DeleteOptions, Part, definition_storage};
use crate::error::ApiError;
use crate::json;
use crate::kinds::Definition;
use crate::store::{Key, Object};

/// The finalizer that every definition carries.
pub(crate) const DEFINITION_CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

pub(super) fn round(api: &Arc<Api>) -> Result<(), ApiError> {
    let storage = definition_storage();
    let definitions = api.store.snapshot(&storage, None).objects;
    for (path, object) in definitions.into_iter().filter(|(_, d)| json::is_deleting(&d.value)) {
        if !remove_objects(api, &object)? {
            continue;
        }
        release(api, &Key { storage: storage.clone(), path }, &object);
        api.reload_definitions();
    }
    Ok(())
}

/// Deletes the objects of a definition; answers whether none is left.
fn remove_objects(api: &Api, definition: &Object) -> Result<bool, ApiError> {
    let Ok(definition) = Definition::read(&definition.value) else { return Ok(true) };
    let storage = definition.storage();
    let Some(resource) = api.registry().of_storage(&storage) else { return Ok(true) };
    for (_, object) in api.store.snapshot(&storage, None).objects {
        let at = At {
            resource: resource.clone(),
            namespace: json::namespace(&object.value).to_owned(),
            name: json::name(&object.value).to_owned(),
            part: Part::Main,
        };
        if !json::is_deleting(&object.value) {
            unless_raced(api.delete(&at, &DeleteOptions::default()))?;
        }
    }
    Ok(api.store.snapshot(&storage, None).objects.is_empty())
}

/// Takes the finalizer away; losing the race means that another round does it.
fn release(api: &Api, key: &Key, object: &Object) {
    let mut value = object.value.clone();
    let kept = json::finalizers(&object.value);
    let kept: Vec<&str> = kept.into_iter().filter(|f| *f != DEFINITION_CLEANUP).collect();
    json::set_finalizers(&mut value, &kept);
    let _lost = match kept.is_empty() {
        true => api.store.delete(key, object.revision),
        false if value != object.value => api.store.put(key, Some(object.revision), value, |_| Ok(())),
        false => return,
    };
}

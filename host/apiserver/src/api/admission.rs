//! What single built-in kinds get on create and update beyond their schema's defaults: the
//! parts of their strategies and admission plugins that clients see.

use serde_json::{Value, json};

use super::definitions::stored_versions;
use super::{Api, services};
use crate::error::ApiError;
use crate::json as read;
use crate::kinds::Resource;

/// Finishes a new object of a kind that needs it.
pub(super) fn on_create(resource: &Resource, object: &mut Value) {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "namespaces") => namespace(object),
        ("", "pods") => pod(object),
        ("apiextensions.k8s.io", _) => definition(object),
        _ => {}
    }
}

/// Finishes a changed object of a kind that needs it.
pub(super) fn on_update(resource: &Resource, object: &mut Value) {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "namespaces") => label_namespace(object),
        ("apiextensions.k8s.io", _) => {
            definition_names(object);
            let stored = stored_versions(object);
            read::map_at(object, "status").insert("storedVersions".to_owned(), stored.into());
        }
        _ => {}
    }
}

/// Keeps what the server gave the object when a client replaces it without. Nobody owns such
/// fields: `managedFields` are worked out before.
pub(super) fn keep_allocated(resource: &Resource, old: &Value, object: &mut Value) {
    if is_service(resource) {
        services::keep_allocated(old, object);
    }
}

/// Gives a valid object what only the server can give.
pub(super) fn allocate(
    api: &Api,
    resource: &Resource,
    old: Option<&Value>,
    object: &mut Value,
) -> Result<(), ApiError> {
    if is_service(resource) {
        return services::allocate(api, resource, old, object);
    }
    Ok(())
}

fn is_service(resource: &Resource) -> bool {
    resource.group.is_empty() && resource.plural == "services"
}

fn namespace(object: &mut Value) {
    read::map_at(object, "spec").insert("finalizers".to_owned(), json!(["kubernetes"]));
    label_namespace(object);
}

fn label_namespace(object: &mut Value) {
    let name = read::name(object).to_owned();
    let labels = read::meta_mut(object).entry("labels").or_insert_with(|| json!({}));
    read::as_map(labels).insert("kubernetes.io/metadata.name".to_owned(), name.into());
}

/// Pods run as a service account; nothing here mounts its token.
fn pod(object: &mut Value) {
    let spec = read::map_at(object, "spec");
    let account = spec.get("serviceAccountName").cloned().unwrap_or_else(|| "default".into());
    spec.insert("serviceAccountName".to_owned(), account.clone());
    spec.insert("serviceAccount".to_owned(), account);
}

/// A definition begins with nothing accepted; `definitions` works it out at once.
fn definition(object: &mut Value) {
    definition_names(object);
    let finalizer = crate::controllers::DEFINITION_CLEANUP;
    let mut finalizers: Vec<String> = read::finalizers(object).iter().map(|f| (*f).to_owned()).collect();
    if !finalizers.iter().any(|f| f == finalizer) {
        finalizers.push(finalizer.to_owned());
    }
    let finalizers: Vec<&str> = finalizers.iter().map(String::as_str).collect();
    read::set_finalizers(object, &finalizers);
    let versions = read::items(object.pointer("/spec/versions")).iter();
    let stored = versions.filter(|v| v.get("storage") == Some(&Value::Bool(true)));
    let stored: Vec<Value> = stored.filter_map(|v| v.get("name").cloned()).collect();
    let status = json!({
        "conditions": null, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": stored,
    });
    read::as_map(object).insert("status".to_owned(), status);
}

/// Names that follow from `kind` when they are not given.
fn definition_names(object: &mut Value) {
    let conversion = json!({"strategy": "None"});
    read::map_at(object, "spec").entry("conversion").or_insert(conversion);
    let kind = object.pointer("/spec/names/kind").and_then(Value::as_str).unwrap_or_default().to_owned();
    if kind.is_empty() {
        return;
    }
    let spec = read::map_at(object, "spec");
    let names = read::as_map(spec.entry("names").or_insert_with(|| json!({})));
    names.entry("singular").or_insert_with(|| kind.to_lowercase().into());
    names.entry("listKind").or_insert_with(|| format!("{kind}List").into());
}

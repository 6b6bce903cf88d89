//! What single built-in kinds get on create and update beyond their schema's defaults: the
//! parts of their strategies and admission plugins that clients see.

use serde_json::{Value, json};

use super::Api;
use super::definitions::stored_versions;
use crate::error::ApiError;
use crate::json as read;
use crate::kinds::Resource;
use crate::schema::Cause;
use crate::store::StorageId;

/// Service addresses come from 10.96.0.0/16, the range that kubeadm uses; .0 and .1 of the
/// first block are not given out.
const SERVICE_PREFIX: [u8; 2] = [10, 96];
const SERVICE_HOSTS: u32 = 65_534;
const FIRST_SERVICE_HOST: u32 = 10;

/// Finishes a new object of a kind that needs it.
pub(super) fn on_create(api: &Api, resource: &Resource, object: &mut Value) -> Result<(), ApiError> {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "namespaces") => namespace(object),
        ("", "services") => return service(api, resource, object),
        ("", "pods") => pod(object),
        ("apiextensions.k8s.io", _) => definition(object),
        _ => {}
    }
    Ok(())
}

/// Keeps what the server set when a client replaces the object without it.
pub(super) fn on_update(resource: &Resource, old: &Value, object: &mut Value) {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "namespaces") => label_namespace(object),
        ("", "services") => keep_service_addresses(old, object),
        ("apiextensions.k8s.io", _) => {
            definition_names(object);
            let stored = stored_versions(object);
            read::map_at(object, "status").insert("storedVersions".to_owned(), stored.into());
        }
        _ => {}
    }
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

fn is_headless(object: &Value) -> bool {
    let text = |field: &str| object.pointer(&format!("/spec/{field}")).and_then(Value::as_str);
    text("clusterIP") == Some("None") || text("type") == Some("ExternalName")
}

fn service(api: &Api, resource: &Resource, object: &mut Value) -> Result<(), ApiError> {
    if is_headless(object) {
        let spec = read::map_at(object, "spec");
        if spec.get("clusterIP").and_then(Value::as_str) == Some("None") {
            spec.insert("clusterIPs".to_owned(), json!(["None"]));
        }
        return Ok(());
    }
    let wanted = object.pointer("/spec/clusterIP").and_then(Value::as_str).unwrap_or_default();
    let address = service_address(api, &resource.storage, wanted).ok_or_else(|| {
        let why = format!("failed to allocate IP {wanted}: provided IP is already allocated");
        let cause = Cause::invalid("spec.clusterIPs", &json!([wanted]), &why);
        ApiError::invalid(resource.subject(), read::name(object), &[cause])
    })?;
    let spec = read::map_at(object, "spec");
    spec.insert("clusterIPs".to_owned(), json!([address]));
    spec.insert("clusterIP".to_owned(), address.into());
    Ok(())
}

/// The address asked for if it is free, or the first free one.
fn service_address(api: &Api, storage: &StorageId, wanted: &str) -> Option<String> {
    let services = api.store.snapshot(storage, None).objects;
    let taken: std::collections::HashSet<&str> =
        services.iter().filter_map(|(_, s)| s.value.pointer("/spec/clusterIP")?.as_str()).collect();
    if !wanted.is_empty() {
        return (!taken.contains(wanted)).then(|| wanted.to_owned());
    }
    let [a, b] = SERVICE_PREFIX;
    let address = |host: u32| format!("{a}.{b}.{}.{}", host >> 8, host & 0xff);
    (FIRST_SERVICE_HOST..SERVICE_HOSTS).map(address).find(|ip| !taken.contains(ip.as_str()))
}

fn keep_service_addresses(old: &Value, object: &mut Value) {
    if is_headless(object) {
        return;
    }
    let old = |field: &str| old.pointer(&format!("/spec/{field}")).cloned();
    let spec = read::map_at(object, "spec");
    for field in ["clusterIP", "clusterIPs"] {
        let absent =
            matches!(spec.get(field), None | Some(Value::Null)) || spec.get(field) == Some(&json!(""));
        if absent {
            read::set(spec, field, old(field));
        }
    }
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

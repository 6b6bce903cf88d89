//! Accepting CustomResourceDefinitions: names, conditions, and the registry that follows.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Api;
use crate::clock;
use crate::json as read;
use crate::kinds::{Definition, Registry, is_established};
use crate::store::{Key, Object, StorageId};

/// Where definitions are stored.
pub(crate) fn definition_storage() -> StorageId {
    "apiextensions.k8s.io/customresourcedefinitions".into()
}

impl Api {
    /// Brings every definition's status and the registry up to date. Called after each
    /// change of a definition, so a client that saw its write can use the kind at once.
    pub(crate) fn reload_definitions(&self) {
        let _turn = self.reloading.lock();
        let storage = definition_storage();
        let mut accepted: Vec<Arc<Object>> = Vec::new();
        let mut objects = self.store.snapshot(&storage, None).objects;
        objects.sort_by_key(|(_, object)| creation_order(&object.value));
        for (path, object) in objects {
            let key = Key { storage: storage.clone(), path };
            accepted.push(self.accept(&key, object, &accepted));
        }
        let readable = accepted.iter().filter(|o| is_established(&o.value));
        let definitions: Vec<Definition> = readable.filter_map(|o| Definition::read(&o.value).ok()).collect();
        let registry = Registry::new(&definitions, &self.registry());
        *self.registry.write() = Arc::new(registry);
    }

    /// Updates one definition's status if it is not what it should be.
    fn accept(&self, key: &Key, object: Arc<Object>, others: &[Arc<Object>]) -> Arc<Object> {
        let status = status_of(&object.value, others);
        if object.value.get("status") == Some(&status) {
            return object;
        }
        let mut value = object.value.clone();
        read::as_map(&mut value).insert("status".to_owned(), status);
        // Losing means that somebody changed the definition, and that change reloads again.
        self.store.put(key, Some(object.revision), value, |_| Ok(())).unwrap_or(object)
    }
}

/// Older definitions keep their names.
fn creation_order(object: &Value) -> (String, String) {
    let time = read::meta(object, "creationTimestamp").unwrap_or_default();
    (time.to_owned(), read::name(object).to_owned())
}

fn is_condition(condition: &Value, kind: &str) -> bool {
    condition.get("type").and_then(Value::as_str) == Some(kind)
}

fn status_of(object: &Value, others: &[Arc<Object>]) -> Value {
    let names = object.pointer("/spec/names").cloned().unwrap_or_default();
    let conflict = others.iter().find_map(|other| conflict(object, &other.value));
    let was_established = is_established(object);
    let accepted = match conflict {
        None => names,
        Some(_) => object.pointer("/status/acceptedNames").cloned().unwrap_or_default(),
    };
    let mut conditions = vec![names_condition(object, conflict.as_deref())];
    conditions.push(established_condition(object, conflict.is_none() || was_established));
    let other = read::items(object.pointer("/status/conditions")).iter();
    let known = |c: &&Value| is_condition(c, "NamesAccepted") || is_condition(c, "Established");
    conditions.extend(other.filter(|c| !known(c)).cloned());
    json!({
        "conditions": conditions, "acceptedNames": accepted, "storedVersions": stored_versions(object),
    })
}

/// The versions that objects may be stored in: those so far and the one that is now.
pub(super) fn stored_versions(object: &Value) -> Vec<Value> {
    let mut stored = read::items(object.pointer("/status/storedVersions")).to_vec();
    let versions = read::items(object.pointer("/spec/versions")).iter();
    for version in versions.filter(|v| v.get("storage") == Some(&Value::Bool(true))) {
        let name = version.get("name").cloned().unwrap_or_default();
        if !stored.contains(&name) {
            stored.push(name);
        }
    }
    stored
}

/// A name of this definition that an older one of its group already has.
fn conflict(object: &Value, other: &Value) -> Option<String> {
    if object.pointer("/spec/group") != other.pointer("/spec/group") {
        return None;
    }
    let name = |o: &Value, field: &str| o.pointer(&format!("/status/acceptedNames/{field}")).cloned();
    let wanted = |field: &str| object.pointer(&format!("/spec/names/{field}")).cloned();
    ["kind", "listKind"].into_iter().find_map(|field| {
        let wanted = wanted(field)?;
        (name(other, field)? == wanted).then(|| format!("{wanted} is already in use"))
    })
}

fn names_condition(object: &Value, conflict: Option<&str>) -> Value {
    match conflict {
        None => condition(object, "NamesAccepted", true, "NoConflicts", "no conflicts found"),
        Some(why) => condition(object, "NamesAccepted", false, "NameConflict", why),
    }
}

fn established_condition(object: &Value, established: bool) -> Value {
    match established {
        true => condition(
            object,
            "Established",
            true,
            "InitialNamesAccepted",
            "the initial names have been accepted",
        ),
        false => condition(object, "Established", false, "NotAccepted", "not all names are accepted"),
    }
}

/// A condition whose transition time moves only when its status does.
fn condition(object: &Value, kind: &str, is: bool, reason: &str, message: &str) -> Value {
    let status = if is { "True" } else { "False" };
    let old = read::items(object.pointer("/status/conditions")).iter().find(|c| is_condition(c, kind));
    let old = old.filter(|c| c.get("status").and_then(Value::as_str) == Some(status));
    let time = old.and_then(|c| c.get("lastTransitionTime").cloned());
    json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": time.unwrap_or_else(|| clock::seconds(clock::now()).into()),
    })
}

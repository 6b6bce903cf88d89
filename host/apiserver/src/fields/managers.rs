//! `metadata.managedFields`: who owns which fields of an object.
//!
//! An entry is one (manager, operation, API version, subresource); an applier keeps its entry
//! when it changes the API version. Entries are written in the real server's order: appliers
//! first, then by time, then by name. Bound: at most [`MAX_UPDATERS`] entries of operation
//! `Update`; beyond that the oldest are merged into one named `ancient-changes`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::encode::{decode, encode};
use super::set::Set;

/// `DefaultMaxUpdateManagers` of the real server.
pub const MAX_UPDATERS: usize = 10;

/// Who owns fields.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Manager {
    pub(super) name: String,
    pub(super) applied: bool,
    /// Empty for appliers.
    pub(super) api_version: String,
    pub(super) subresource: String,
}

impl Manager {
    pub(super) fn new(name: &str, applied: bool, api_version: &str, subresource: &str) -> Self {
        let api_version = if applied { "" } else { api_version };
        Self {
            name: name.to_owned(),
            applied,
            api_version: api_version.to_owned(),
            subresource: subresource.to_owned(),
        }
    }

    /// `"kubectl" using apps/v1`, as conflicts name it.
    pub(super) fn describe(&self) -> String {
        let mut text = format!("{:?}", self.name);
        if !self.subresource.is_empty() {
            text = format!("{text} with subresource {:?}", self.subresource);
        }
        if !self.applied {
            text = format!("{text} using {}", self.api_version);
        }
        text
    }
}

/// What a manager owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) set: Set,
    pub(super) api_version: String,
    /// As written in the object, to the second.
    pub(super) time: Option<String>,
}

pub(super) type Managers = BTreeMap<Manager, Owned>;

/// The managers recorded in an object.
pub(super) fn read(object: &Value) -> Managers {
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    let mut managers = Managers::new();
    for entry in entries.into_iter().flatten() {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let applied = text("operation") == "Apply";
        let manager = Manager::new(text("manager"), applied, text("apiVersion"), text("subresource"));
        let owned = Owned {
            set: entry.get("fieldsV1").map(decode).unwrap_or_default(),
            api_version: text("apiVersion").to_owned(),
            time: Some(text("time").to_owned()).filter(|time| !time.is_empty()),
        };
        managers.insert(manager, owned);
    }
    managers.retain(|_, owned| !owned.set.is_empty());
    managers
}

/// Records the managers in an object, or nothing when there are none.
pub(super) fn write(object: &mut Value, managers: &Managers) {
    let Some(map) = object.as_object_mut() else {
        return;
    };
    let metadata = map.entry("metadata").or_insert_with(|| json!({}));
    let Some(metadata) = metadata.as_object_mut() else {
        return;
    };
    let mut entries: Vec<(&Manager, &Owned)> = managers.iter().collect();
    if entries.is_empty() {
        metadata.remove("managedFields");
        return;
    }
    entries.sort_by_key(|(manager, owned)| (!manager.applied, owned.time.clone(), (*manager).clone()));
    let entries: Vec<Value> = entries.into_iter().map(|(manager, owned)| entry(manager, owned)).collect();
    metadata.insert("managedFields".to_owned(), Value::Array(entries));
}

fn entry(manager: &Manager, owned: &Owned) -> Value {
    let mut entry = Map::new();
    let mut put = |name: &str, value: Value| drop(entry.insert(name.to_owned(), value));
    put("manager", Value::from(manager.name.as_str()));
    put("operation", Value::from(if manager.applied { "Apply" } else { "Update" }));
    put("apiVersion", Value::from(owned.api_version.as_str()));
    put("fieldsType", Value::from("FieldsV1"));
    put("fieldsV1", encode(&owned.set));
    if let Some(time) = &owned.time {
        put("time", Value::from(time.as_str()));
    }
    if !manager.subresource.is_empty() {
        put("subresource", Value::from(manager.subresource.as_str()));
    }
    Value::Object(entry)
}

/// Merges the oldest updaters until there are few enough.
pub(super) fn cap(managers: &mut Managers) {
    let mut updaters: Vec<(Option<String>, Manager)> = managers
        .iter()
        .filter(|(manager, _)| !manager.applied)
        .map(|(manager, owned)| (owned.time.clone(), manager.clone()))
        .collect();
    updaters.sort();
    let mut excess = updaters.len().saturating_sub(MAX_UPDATERS);
    if excess > 0 {
        // The first one merged only changes its name, so one more has to go.
        excess += 1;
    }
    for (_, manager) in updaters.into_iter().take(excess) {
        let Some(owned) = managers.remove(&manager) else {
            continue;
        };
        let bucket = Manager::new("ancient-changes", false, &owned.api_version, "");
        let merged = match managers.remove(&bucket) {
            Some(before) => Owned { set: before.set.union(&owned.set), ..owned },
            None => owned,
        };
        managers.insert(bucket, merged);
    }
}

/// Whether a client asks to forget all managers: an empty list, or one empty entry.
pub(super) fn is_reset(object: &Value) -> bool {
    match object.pointer("/metadata/managedFields") {
        Some(Value::Array(entries)) => match entries.as_slice() {
            [] => true,
            [Value::Object(only)] => only.is_empty(),
            _ => false,
        },
        _ => false,
    }
}

/// Takes the record out of an object, so that it is not compared or owned.
pub(super) fn strip(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
}

//! Tables: what `kubectl get` prints, made by the server.

use serde_json::{Value, json};

use super::query::Query;
use crate::error::ApiError;
use crate::kinds::{Origin, Resource};
use crate::{clock, json as read, table};

/// `includeObject`: what each row carries beside its cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Include {
    Nothing,
    #[default]
    Metadata,
    Object,
}

impl Include {
    pub(super) fn of(query: &Query) -> Result<Self, ApiError> {
        match query.get("includeObject") {
            None | Some("Metadata") => Ok(Self::Metadata),
            Some("None") => Ok(Self::Nothing),
            Some("Object") => Ok(Self::Object),
            Some(other) => Err(ApiError::bad_request(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: \"{other}\": must be 'Metadata', 'Object', 'None', or empty"
            ))),
        }
    }
}

fn columns(resource: &Resource) -> Vec<table::Column> {
    match &resource.origin {
        Origin::BuiltIn => table::builtin_columns(&resource.group, &resource.kind),
        Origin::Custom { columns, .. } => table::custom_columns(columns),
    }
}

/// The table of some objects; `metadata` is the list's.
pub(super) fn table(resource: &Resource, objects: &[Value], metadata: Value, include: Include) -> Value {
    let mut table = table::table(&columns(resource), objects, clock::now());
    let map = read::as_map(&mut table);
    map.insert("metadata".to_owned(), metadata);
    if let Some(Value::Array(rows)) = map.get_mut("rows") {
        for (row, object) in rows.iter_mut().zip(objects) {
            read::set(read::as_map(row), "object", carried(object, include));
        }
    }
    table
}

fn carried(object: &Value, include: Include) -> Option<Value> {
    match include {
        Include::Nothing => None,
        Include::Metadata => Some(super::respond::metadata_of(object)),
        Include::Object => Some(object.clone()),
    }
}

/// A bookmark in a watch of tables: a table with one row without cells, as the real server
/// sends it.
pub(super) fn bookmark(resource: &Resource, object: &Value, include: Include) -> Value {
    let mut table = table(resource, &[], json!({}), include);
    let map = read::as_map(&mut table);
    let row = json!({"cells": [], "object": super::respond::metadata_of(object)});
    map.insert("rows".to_owned(), json!([row]));
    let version = read::meta(object, "resourceVersion").map(Value::from);
    read::set(read::map_at(&mut table, "metadata"), "resourceVersion", version);
    table
}

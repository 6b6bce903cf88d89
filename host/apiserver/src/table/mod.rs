//! Tables: the columns of `kubectl get`, computed by the server.
//!
//! Columns of built-in kinds follow `k8s.io/kubernetes/pkg/printers/internalversion`, columns
//! of custom resources their `additionalPrinterColumns`. Columns of priority above 0 are for
//! `-o wide`; the client hides them. What a row carries beside its cells is the caller's
//! choice (`includeObject`), so rows are made without an object.

mod age;
mod jsonpath;
mod network;
mod objects;
mod pods;
mod workloads;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

pub use age::human_duration;
pub use jsonpath::{JsonPath, PathError};

/// How a cell is computed.
#[derive(Debug, Clone)]
enum Cell {
    Made(fn(&View<'_>) -> Value),
    Path(Option<JsonPath>),
}

/// One column of a table.
#[derive(Debug, Clone)]
pub struct Column {
    name: String,
    kind: String,
    format: String,
    description: String,
    priority: i64,
    cell: Cell,
}

impl Column {
    fn made(name: &str, kind: &str, priority: i64, cell: fn(&View<'_>) -> Value) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            format: if name == "Name" { "name".to_owned() } else { String::new() },
            description: described(name),
            priority,
            cell: Cell::Made(cell),
        }
    }

    fn definition(&self) -> Value {
        json!({
            "name": self.name, "type": self.kind, "format": self.format,
            "description": self.description, "priority": self.priority,
        })
    }

    fn value(&self, view: &View<'_>) -> Value {
        match &self.cell {
            Cell::Made(make) => make(view),
            Cell::Path(path) => {
                let found = path.as_ref().and_then(|path| path.first(view.object));
                found.map_or(Value::Null, |found| self.custom(&found, view))
            }
        }
    }

    /// A cell of a custom column, by the column's declared type.
    fn custom(&self, found: &Value, view: &View<'_>) -> Value {
        match self.kind.as_str() {
            "string" => Value::from(printed(found)),
            "integer" => found.as_f64().map_or(Value::Null, |number| json!(number as i64)),
            "number" => found.as_f64().map_or(Value::Null, |number| json!(number)),
            "boolean" if found.is_boolean() => found.clone(),
            "date" => found.as_str().map_or(Value::Null, |time| Value::from(view.since(time, "<invalid>"))),
            _ => Value::Null,
        }
    }
}

/// Of names, what the API documents; of other columns, what they are.
fn described(column: &str) -> String {
    match column {
        "Name" => NAME.to_owned(),
        "Age" => AGE.to_owned(),
        other => format!("{other} of the object, as kubectl prints it."),
    }
}

const NAME: &str = "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";

const AGE: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

/// A value as Go's JSONPath prints it.
fn printed(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// An object while its row is made.
struct View<'a> {
    object: &'a Value,
    now: DateTime<Utc>,
}

impl View<'_> {
    fn at(&self, pointer: &str) -> Option<&Value> {
        self.object.pointer(pointer).filter(|value| !value.is_null())
    }

    fn text(&self, pointer: &str) -> &str {
        self.at(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    fn number(&self, pointer: &str) -> i64 {
        self.at(pointer).and_then(Value::as_i64).unwrap_or_default()
    }

    fn list(&self, pointer: &str) -> &[Value] {
        list_at(self.object, pointer)
    }

    fn has(&self, pointer: &str) -> bool {
        self.at(pointer).is_some()
    }

    /// Number of members of an object.
    fn size(&self, pointer: &str) -> usize {
        self.at(pointer).and_then(Value::as_object).map_or(0, serde_json::Map::len)
    }

    /// The text, or `<none>`.
    fn or_none(&self, pointer: &str) -> Value {
        Value::from(or(self.text(pointer), "<none>"))
    }

    fn since(&self, time: &str, otherwise: &str) -> String {
        match DateTime::parse_from_rfc3339(time) {
            Ok(time) => human_duration(self.now.signed_duration_since(time)),
            Err(_) => otherwise.to_owned(),
        }
    }

    /// How long ago the time at `pointer` was.
    fn age_of(&self, pointer: &str) -> String {
        self.since(self.text(pointer), "<unknown>")
    }
}

fn list_at<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text_at<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

fn name() -> Column {
    Column::made("Name", "string", 0, |view| Value::from(view.text("/metadata/name")))
}

fn age() -> Column {
    Column::made("Age", "string", 0, |view| Value::from(view.age_of("/metadata/creationTimestamp")))
}

/// The first entries of a list, and how many more there are.
fn with_more(entries: &[String], most: usize) -> String {
    let shown = entries.get(..most).unwrap_or(entries).join(",");
    match entries.len().checked_sub(most) {
        Some(more) if more > 0 => format!("{shown} + {more} more..."),
        _ if entries.is_empty() => "<none>".to_owned(),
        _ => shown,
    }
}

/// The columns of a built-in kind; name and creation time for kinds without columns of
/// their own.
#[must_use]
pub fn builtin_columns(group: &str, kind: &str) -> Vec<Column> {
    pods::columns(group, kind)
        .or_else(|| workloads::columns(group, kind))
        .or_else(|| network::columns(group, kind))
        .or_else(|| objects::columns(group, kind))
        .unwrap_or_else(default_columns)
}

/// A label selector object in the syntax of selector strings; empty when it selects all.
#[must_use]
pub fn selector_text(selector: &Value) -> String {
    match workloads::selector(Some(selector)) {
        text if text == "<none>" => String::new(),
        text => text,
    }
}

fn default_columns() -> Vec<Column> {
    let created = |view: &View<'_>| Value::from(view.text("/metadata/creationTimestamp"));
    vec![name(), Column::made("Created At", "date", 0, created)]
}

/// The columns of a custom resource, from the `additionalPrinterColumns` of its version;
/// name and age when there are none.
#[must_use]
pub fn custom_columns(columns: &[Value]) -> Vec<Column> {
    let mut all = vec![name()];
    if columns.is_empty() {
        let created = json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"});
        all.push(custom_column(&created));
    }
    all.extend(columns.iter().map(custom_column));
    all
}

fn custom_column(column: &Value) -> Column {
    let text = |name: &str| column.get(name).and_then(Value::as_str).unwrap_or_default();
    let path = text("jsonPath");
    let described = format!("Custom resource definition column (in JSONPath format): {path}");
    Column {
        name: text("name").to_owned(),
        kind: text("type").to_owned(),
        format: text("format").to_owned(),
        description: or(text("description"), &described).to_owned(),
        priority: column.get("priority").and_then(Value::as_i64).unwrap_or_default(),
        cell: Cell::Path(JsonPath::parse(path).ok()),
    }
}

/// A `meta.k8s.io/v1` Table of some objects, its rows without objects. `now` decides ages.
///
/// # Example
/// ```
/// use polyreme_apiserver::table;
/// use serde_json::json;
/// let columns = table::builtin_columns("", "ConfigMap");
/// let object = json!({"metadata": {"name": "c"}, "data": {"a": "", "b": ""}});
/// let table = table::table(&columns, &[object], chrono::DateTime::UNIX_EPOCH);
/// assert_eq!(table["rows"][0]["cells"], json!(["c", 2, "<unknown>"]));
/// ```
#[must_use]
pub fn table(columns: &[Column], objects: &[Value], now: DateTime<Utc>) -> Value {
    let definitions: Vec<Value> = columns.iter().map(Column::definition).collect();
    let rows: Vec<Value> = objects.iter().map(|object| row(columns, object, now)).collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {},
        "columnDefinitions": definitions, "rows": rows,
    })
}

fn row(columns: &[Column], object: &Value, now: DateTime<Utc>) -> Value {
    let view = View { object, now };
    let cells: Vec<Value> = columns.iter().map(|column| column.value(&view)).collect();
    json!({"cells": cells})
}

#[cfg(test)]
mod tests;

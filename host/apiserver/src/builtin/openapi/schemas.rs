//! The components of a document: schemas of kinds and everything they refer to.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::definitions::{DEFINITIONS, REFERENCE};
use super::{GroupVersion, OpenApiResource};
use crate::schema::{Additional, Kind, ListType, Schema};

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";

/// Components by name, each once.
#[derive(Default)]
pub(super) struct Components {
    known: BTreeMap<String, Value>,
}

impl Components {
    /// Adds a kind and its list, and answers the kind's component name.
    pub(super) fn add(&mut self, about: GroupVersion<'_>, resource: &OpenApiResource<'_>) -> String {
        let name = match resource.schema.definition.as_deref() {
            Some(definition) => {
                self.definition(definition);
                definition.to_owned()
            }
            None => {
                let name = about.component(resource.kind);
                self.known.insert(name.clone(), written(resource.schema));
                name
            }
        };
        for needed in [OBJECT_META, LIST_META, STATUS] {
            self.definition(needed);
        }
        self.mark(&name, about.of_kind(resource.kind));
        self.list(about, resource.kind, &name);
        name
    }

    pub(super) fn finish(self) -> Map<String, Value> {
        self.known.into_iter().collect()
    }

    fn mark(&mut self, name: &str, kind: Value) {
        if let Some(map) = self.known.get_mut(name).and_then(Value::as_object_mut) {
            map.insert("x-kubernetes-group-version-kind".to_owned(), json!([kind]));
        }
    }

    fn list(&mut self, about: GroupVersion<'_>, kind: &str, item: &str) {
        let list_kind = format!("{kind}List");
        let list = json!({
            "description": format!("{list_kind} is a list of {kind}"),
            "type": "object",
            "required": ["items"],
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": {"allOf": [{"$ref": format!("{REFERENCE}{LIST_META}")}]},
                "items": {"type": "array", "items": {"allOf": [{"$ref": format!("{REFERENCE}{item}")}]}},
            },
            "x-kubernetes-group-version-kind": [about.of_kind(&list_kind)],
        });
        self.known.insert(format!("{item}List"), list);
    }

    /// Adds a definition of `k8s-openapi` and, in turn, what it refers to.
    fn definition(&mut self, name: &str) {
        let Some(source) = DEFINITIONS.json(name).filter(|_| !self.known.contains_key(name)) else {
            return;
        };
        let schema = DEFINITIONS.get(name);
        let mut written = source.clone();
        extend(&mut written, &schema);
        self.known.insert(name.to_owned(), written);
        let mut references = Vec::new();
        collect_references(source, &mut references);
        for reference in references {
            self.definition(&reference);
        }
    }
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            let reference = map.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix(REFERENCE));
            found.extend(reference.map(str::to_owned));
            map.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| collect_references(value, found)),
        _ => {}
    }
}

/// Adds merge extensions to a published schema and writes references as the server does:
/// inside `allOf`, so that a description beside them is legal.
fn extend(source: &mut Value, schema: &Schema) {
    let Some(map) = source.as_object_mut() else { return };
    if schema.definition.is_some() && schema.atomic {
        map.insert("x-kubernetes-map-type".to_owned(), Value::from("atomic"));
    }
    // The crate makes `metadata` required in every kind.
    if let Some(Value::Array(required)) = map.get_mut("required") {
        required.retain(|field| field != "metadata");
    }
    let Some(properties) = map.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    for (name, member) in properties.iter_mut() {
        if let Some(schema) = schema.properties.get(name) {
            extend_member(member, schema);
        }
    }
}

fn extend_member(member: &mut Value, schema: &Schema) {
    let Some(map) = member.as_object_mut() else { return };
    if let Some(reference) = map.remove("$ref") {
        map.insert("allOf".to_owned(), json!([{"$ref": reference}]));
    }
    for nested in ["items", "additionalProperties"] {
        let inner = map.get_mut(nested).and_then(Value::as_object_mut);
        if let Some((reference, inner)) = inner.and_then(|inner| Some((inner.remove("$ref")?, inner))) {
            inner.insert("allOf".to_owned(), json!([{"$ref": reference}]));
        }
    }
    map.extend(merge_extensions(schema));
    if schema.always {
        map.insert("default".to_owned(), json!({}));
    } else if let Some(default) = &schema.default {
        map.insert("default".to_owned(), default.clone());
    }
}

fn merge_extensions(schema: &Schema) -> Map<String, Value> {
    let mut map = Map::new();
    let mut put = |name: &str, value: Value| drop(map.insert(format!("x-kubernetes-{name}"), value));
    match &schema.list {
        ListType::Map(keys) => {
            put("list-type", Value::from("map"));
            put("list-map-keys", json!(keys));
        }
        ListType::Set => put("list-type", Value::from("set")),
        ListType::Atomic if schema.kind == Some(Kind::Array) => put("list-type", Value::from("atomic")),
        ListType::Atomic => {}
    }
    if schema.atomic && schema.kind == Some(Kind::Object) {
        put("map-type", Value::from("atomic"));
    }
    let strategy = &schema.merge;
    if let Some(key) = &strategy.key {
        put("patch-merge-key", Value::from(key.as_str()));
    }
    let is_list = schema.kind == Some(Kind::Array);
    let names = match (strategy.merge && is_list, strategy.retain_keys) {
        (true, true) => "merge,retainKeys",
        (true, false) => "merge",
        (false, true) => "retainKeys",
        (false, false) => return map,
    };
    put("patch-strategy", Value::from(names));
    map
}

/// The JSON of a parsed schema.
fn written(schema: &Schema) -> Value {
    if schema.definition.as_deref() == Some(OBJECT_META) {
        return json!({"allOf": [{"$ref": format!("{REFERENCE}{OBJECT_META}")}]});
    }
    let mut map = merge_extensions(schema);
    let mut put = |name: &str, value: Value| drop(map.insert(name.to_owned(), value));
    if let Some(kind) = schema.kind {
        put("type", Value::from(kind.name()));
    }
    if let Some(description) = &schema.description {
        put("description", Value::from(&**description));
    }
    if let Some(default) = &schema.default {
        put("default", default.clone());
    }
    if !schema.required.is_empty() {
        put("required", json!(schema.required));
    }
    if let Some(items) = &schema.items {
        put("items", written(items));
    }
    if !schema.properties.is_empty() {
        let members = schema.properties.iter().map(|(name, member)| (name.clone(), written(member)));
        put("properties", Value::Object(members.collect()));
    }
    match &schema.additional {
        Additional::Of(values) => put("additionalProperties", written(values)),
        Additional::Any => put("additionalProperties", Value::Bool(true)),
        Additional::Undefined | Additional::Forbidden => {}
    }
    map.extend(flags(schema));
    map.extend(limits(schema));
    Value::Object(map)
}

fn flags(schema: &Schema) -> Map<String, Value> {
    let all = [
        ("nullable", schema.nullable),
        ("x-kubernetes-preserve-unknown-fields", schema.preserve_unknown),
        ("x-kubernetes-embedded-resource", schema.embedded),
        ("x-kubernetes-int-or-string", schema.int_or_string),
    ];
    let set = all.into_iter().filter(|(_, set)| *set);
    set.map(|(name, _)| (name.to_owned(), Value::Bool(true))).collect()
}

fn limits(schema: &Schema) -> Map<String, Value> {
    let checks = &schema.checks;
    let size = &checks.size;
    let numbers = [
        ("minLength", size.min_length),
        ("maxLength", size.max_length),
        ("minItems", size.min_items),
        ("maxItems", size.max_items),
        ("minProperties", size.min_properties),
        ("maxProperties", size.max_properties),
    ];
    let numbers = numbers.into_iter().filter_map(|(name, limit)| Some((name, Value::from(limit?))));
    let bounds = [
        ("minimum", &checks.number.minimum),
        ("maximum", &checks.number.maximum),
        ("multipleOf", &checks.number.multiple_of),
    ];
    let bounds = bounds.into_iter().filter_map(|(name, limit)| Some((name, Value::Number(limit.clone()?))));
    let pattern = checks.pattern.as_ref().map(|(source, _)| ("pattern", Value::from(source.as_str())));
    let format = checks.format.as_ref().map(|name| ("format", Value::from(name.as_str())));
    let allowed = (!checks.allowed.is_empty()).then(|| ("enum", json!(checks.allowed)));
    let all = numbers.chain(bounds).chain(pattern).chain(format).chain(allowed);
    all.map(|(name, value)| (name.to_owned(), value)).collect()
}

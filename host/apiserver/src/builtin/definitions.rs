//! Schemas of the built-in kinds: the JSON schemas of `k8s-openapi`, turned into [`Schema`]
//! once and shared, with the merge rules of `merge_keys` added.
//!
//! The JSON stays available for OpenAPI documents. A definition that contains itself
//! (`JSONSchemaProps`) accepts anything from the second level on.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::merge_keys::{APPLY, PATCH, REPLACE, STRUCTS};
use crate::schema::{Additional, Checks, Kind, ListType, MergeStrategy, Schema};

/// Where `$ref`s of definitions point, in schemas and in OpenAPI documents alike.
pub(super) const REFERENCE: &str = "#/components/schemas/";

/// How server-side apply merges a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Merge {
    ListMap(&'static [&'static str]),
    ListSet,
    AtomicMap,
    AtomicStruct,
}

/// Every definition that some built-in kind reaches, by name, as JSON and as [`Schema`].
pub(super) struct Definitions {
    json: Map<String, Value>,
    built: BTreeMap<String, Arc<Schema>>,
}

pub(super) static DEFINITIONS: LazyLock<Definitions> = LazyLock::new(|| {
    let settings = SchemaSettings::default().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    let mut generator = SchemaGenerator::new(settings);
    for resource in super::resources() {
        (resource.register)(&mut generator);
    }
    super::kinds::register_extra(&mut generator);
    Definitions::new(generator.take_definitions(false))
});

impl Definitions {
    fn new(json: Map<String, Value>) -> Self {
        let mut builder = Builder { json: &json, built: BTreeMap::new(), open: Vec::new() };
        for name in json.keys() {
            builder.definition(name);
        }
        let built = builder.built;
        Self { json, built }
    }

    /// The schema of a definition; one that accepts everything when there is none.
    pub(super) fn get(&self, name: &str) -> Arc<Schema> {
        let found = self.built.get(name).map(Arc::clone);
        found.unwrap_or_else(|| Arc::new(Schema::anything()))
    }

    /// The JSON of a definition.
    pub(super) fn json(&self, name: &str) -> Option<&Value> {
        self.json.get(name)
    }
}

struct Builder<'a> {
    json: &'a Map<String, Value>,
    built: BTreeMap<String, Arc<Schema>>,
    open: Vec<String>,
}

impl Builder<'_> {
    fn definition(&mut self, name: &str) -> Arc<Schema> {
        if let Some(done) = self.built.get(name) {
            return Arc::clone(done);
        }
        let Some(source) = self.json.get(name).filter(|_| !self.is_open(name)) else {
            return Arc::new(Schema::anything());
        };
        self.open.push(name.to_owned());
        let mut schema = self.node(source, Some(name));
        self.open.pop();
        schema.definition = Some(name.into());
        let shared = Arc::new(adjusted(name, schema));
        self.built.insert(name.to_owned(), Arc::clone(&shared));
        shared
    }

    fn is_open(&self, name: &str) -> bool {
        self.open.iter().any(|open| open == name)
    }

    fn reference(&mut self, source: &Value) -> Option<Arc<Schema>> {
        let name = source.get("$ref")?.as_str()?.strip_prefix(REFERENCE)?;
        Some(self.definition(name))
    }

    fn shared(&mut self, source: &Value) -> Arc<Schema> {
        self.reference(source).unwrap_or_else(|| Arc::new(self.node(source, None)))
    }

    /// One node of a definition; `owner` names it when it is the definition itself.
    fn node(&mut self, source: &Value, owner: Option<&str>) -> Schema {
        let Some(map) = source.as_object() else {
            return Schema::anything();
        };
        let kind = map.get("type").and_then(Value::as_str).and_then(kind);
        let properties = self.properties(map, owner);
        let additional = map.get("additionalProperties").map(|values| self.shared(values));
        let items = map.get("items").map(|items| self.shared(items));
        let is_open = properties.is_empty() && additional.is_none();
        let int_or_string = map.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true));
        Schema {
            kind,
            preserve_unknown: is_open && matches!(kind, None | Some(Kind::Object)) && !int_or_string,
            properties,
            additional: additional.map_or(Additional::Undefined, Additional::Of),
            items,
            required: strings(map.get("required")),
            int_or_string,
            checks: Checks {
                format: map.get("format").and_then(Value::as_str).map(str::to_owned),
                ..Checks::default()
            },
            ..Schema::default()
        }
    }

    fn properties(&mut self, map: &Map<String, Value>, owner: Option<&str>) -> BTreeMap<String, Arc<Schema>> {
        let members = map.get("properties").and_then(Value::as_object);
        let mut properties = BTreeMap::new();
        for (name, source) in members.into_iter().flatten() {
            let schema = self.shared(source);
            let schema = match owner {
                Some(owner) => with_merge_rules(owner, name, schema, is_always(map, owner, name)),
                None => schema,
            };
            properties.insert(name.clone(), schema);
        }
        properties
    }
}

fn kind(name: &str) -> Option<Kind> {
    match name {
        "object" => Some(Kind::Object),
        "array" => Some(Kind::Array),
        "string" => Some(Kind::String),
        "integer" => Some(Kind::Integer),
        "number" => Some(Kind::Number),
        "boolean" => Some(Kind::Boolean),
        _ => None,
    }
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let entries = value.and_then(Value::as_array).into_iter().flatten();
    entries.filter_map(Value::as_str).map(str::to_owned).collect()
}

type Field = (&'static str, &'static str);

static APPLY_RULES: LazyLock<HashMap<Field, Merge>> =
    LazyLock::new(|| APPLY.iter().map(|(owner, field, rule)| ((*owner, *field), *rule)).collect());

static PATCH_RULES: LazyLock<HashMap<Field, MergeStrategy>> = LazyLock::new(|| {
    let rule = |key: &str, retain_keys| MergeStrategy {
        merge: true,
        key: Some(key.to_owned()).filter(|key| !key.is_empty()),
        retain_keys,
        replace: false,
    };
    let merged = PATCH.iter().map(|(owner, field, key, retain)| ((*owner, *field), rule(key, *retain)));
    let whole = MergeStrategy { replace: true, ..MergeStrategy::default() };
    merged.chain(REPLACE.iter().map(|field| (*field, whole.clone()))).collect()
});

/// The schema of one field with what the tables say of it.
fn with_merge_rules(owner: &str, field: &str, schema: Arc<Schema>, always: bool) -> Arc<Schema> {
    let apply = rule(&APPLY_RULES, owner, field);
    let patch = rule(&PATCH_RULES, owner, field);
    let default = protocol_default(owner, field);
    if apply.is_none() && patch.is_none() && default.is_none() && !always {
        return schema;
    }
    let mut schema = (*schema).clone();
    schema.always = always;
    if let Some(merge) = apply {
        apply_rule(&mut schema, *merge);
    }
    if let Some(strategy) = patch {
        schema.merge = strategy.clone();
    }
    schema.default = default.or(schema.default);
    Arc::new(schema)
}

/// Whether a member is a Go struct by value.
fn is_always(owner_source: &Map<String, Value>, owner: &str, field: &str) -> bool {
    let members = owner_source.get("properties");
    let is_kind = members.is_some_and(|m| m.get("apiVersion").is_some() && m.get("kind").is_some());
    let standard = is_kind && matches!(field, "metadata" | "spec" | "status");
    (standard && !owner.ends_with("meta.v1.Status")) || STRUCTS.contains(&(owner, field))
}

fn rule<'a, T>(rules: &'a HashMap<(&'a str, &'a str), T>, owner: &'a str, field: &'a str) -> Option<&'a T> {
    rules.get(&(owner, field))
}

fn apply_rule(schema: &mut Schema, merge: Merge) {
    match merge {
        Merge::ListSet => schema.list = ListType::Set,
        Merge::ListMap(keys) => {
            schema.list = ListType::Map(keys.iter().map(|key| (*key).to_owned()).collect());
        }
        Merge::AtomicMap | Merge::AtomicStruct => schema.atomic = true,
    }
}

/// `protocol` is a key of port lists and may be left out; the published schema has a default
/// for it there and (among key fields) nowhere else.
fn protocol_default(owner: &str, field: &str) -> Option<Value> {
    let is_port = owner.ends_with("core.v1.ContainerPort") || owner.ends_with("core.v1.ServicePort");
    (is_port && field == "protocol").then(|| Value::from("TCP"))
}

/// Rules of a definition itself, and what `k8s-openapi` has differently from the server.
fn adjusted(name: &str, mut schema: Schema) -> Schema {
    if let Some(merge) = rule(&APPLY_RULES, name, "") {
        apply_rule(&mut schema, *merge);
    }
    // The crate makes `metadata` required in every kind; the server fills it in.
    schema.required.retain(|field| field != "metadata");
    schema
}

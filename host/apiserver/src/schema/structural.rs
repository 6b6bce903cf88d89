//! What makes a schema structural: the rules a CRD's schema must keep so that pruning,
//! defaulting and validation are well defined.
//!
//! Follows `apiextensions-apiserver/pkg/apiserver/schema/validation.go` and the parts of
//! `pkg/apis/apiextensions/validation` that clients meet. Works on the JSON as it was sent,
//! because a parsed schema no longer knows what was written where it may not be.

use serde_json::{Map, Value};

use super::cause::{Cause, child, index, key};
use super::parse::{flag, list, members, text, texts};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// Every violation in `source`, with paths beginning at `path`.
pub(super) fn check(source: &Value, path: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    match source.as_object() {
        Some(map) => structure(map, Level::Root, path, &mut causes),
        None => causes.push(Cause::required(path, "schemas are required")),
    }
    causes
}

fn structure(map: &Map<String, Value>, level: Level, path: &str, causes: &mut Vec<Cause>) {
    check_type(map, level, path, causes);
    check_extensions(map, path, causes);
    check_lists(map, path, causes);
    check_meta_fields(map, level, path, causes);
    unsupported(map, path, causes);
    children(map, level, path, causes);
    value_validation(map, path, causes);
    let here = Place { shape: path.to_owned(), branch: path.to_owned() };
    completeness(Some(map), map, &here, causes);
}

fn children(map: &Map<String, Value>, level: Level, path: &str, causes: &mut Vec<Cause>) {
    if let Some(items) = map.get("items").and_then(Value::as_object) {
        structure(items, Level::Item, &child(path, "items"), causes);
    }
    for (name, member) in members(map, "properties") {
        let path = key(&child(path, "properties"), name);
        let is_root_metadata = level == Level::Root && name == "metadata";
        if let (Some(member), false) = (member.as_object(), is_root_metadata) {
            structure(member, Level::Field, &path, causes);
        }
    }
    let path = child(path, "additionalProperties");
    if map.contains_key("additionalProperties") && level == Level::Root {
        causes.push(Cause::forbidden(&path, "must not be used at the root"));
    }
    if let Some(values) = map.get("additionalProperties").and_then(Value::as_object) {
        structure(values, Level::Field, &path, causes);
    }
}

fn check_type(map: &Map<String, Value>, level: Level, path: &str, causes: &mut Vec<Cause>) {
    const NAMES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
    let place = child(path, "type");
    let open = flag(map, "x-kubernetes-int-or-string") || flag(map, "x-kubernetes-preserve-unknown-fields");
    let embedded = flag(map, "x-kubernetes-embedded-resource");
    match text(map, "type") {
        None if embedded => causes.push(Cause::required(&place, EMBEDDED_TYPE)),
        None if open => {}
        None => causes.push(Cause::required(&place, missing_type(level))),
        Some(name) if !NAMES.contains(&name) => {
            let names = NAMES.map(str::to_owned);
            causes.push(Cause::not_supported(&place, &Value::from(name), &names));
        }
        Some(name) if embedded && name != "object" => {
            causes.push(Cause::invalid(&place, &Value::from(name), EMBEDDED_TYPE));
        }
        Some(name) if level == Level::Root && name != "object" => {
            let shown = Value::from(name);
            causes.push(Cause::invalid(&place, &shown, "must be object at the root"));
        }
        Some(_) => {}
    }
    if text(map, "type") == Some("array") && !map.contains_key("items") {
        causes.push(Cause::required(&child(path, "items"), "must be specified"));
    }
}

const EMBEDDED_TYPE: &str = "must be object if x-kubernetes-embedded-resource is true";

fn missing_type(level: Level) -> &'static str {
    match level {
        Level::Root => "must not be empty at the root",
        Level::Item => "must not be empty for specified array items",
        Level::Field => "must not be empty for specified object fields",
    }
}

fn check_extensions(map: &Map<String, Value>, path: &str, causes: &mut Vec<Cause>) {
    let int_or_string = flag(map, "x-kubernetes-int-or-string");
    let preserve = flag(map, "x-kubernetes-preserve-unknown-fields");
    let embedded = flag(map, "x-kubernetes-embedded-resource");
    for (set, name) in
        [(preserve, "x-kubernetes-preserve-unknown-fields"), (embedded, "x-kubernetes-embedded-resource")]
    {
        if int_or_string && set {
            let detail = "must be false if x-kubernetes-int-or-string is true";
            causes.push(Cause::invalid(&child(path, name), &Value::Bool(true), detail));
        }
    }
    if embedded && map.contains_key("additionalProperties") {
        let detail = "must not be used if x-kubernetes-embedded-resource is set";
        causes.push(Cause::forbidden(&child(path, "additionalProperties"), detail));
    }
    if embedded && !preserve && members(map, "properties").next().is_none() {
        let detail = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        causes.push(Cause::required(&child(path, "properties"), detail));
    }
    if members(map, "properties").next().is_some() && map.contains_key("additionalProperties") {
        let detail = "additionalProperties and properties are mutual exclusive";
        causes.push(Cause::forbidden(&child(path, "additionalProperties"), detail));
    }
}

fn check_lists(map: &Map<String, Value>, path: &str, causes: &mut Vec<Cause>) {
    let place = child(path, "x-kubernetes-list-type");
    let keys = texts(map, "x-kubernetes-list-map-keys");
    let Some(list_type) = text(map, "x-kubernetes-list-type") else {
        if !keys.is_empty() {
            let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
            causes.push(Cause::required(&place, detail));
        }
        return;
    };
    if !matches!(list_type, "atomic" | "set" | "map") {
        let names = ["atomic", "set", "map"].map(str::to_owned);
        causes.push(Cause::not_supported(&place, &Value::from(list_type), &names));
    } else if text(map, "type") != Some("array") {
        let shown = Value::from(text(map, "type").unwrap_or_default());
        let detail = "must be array if x-kubernetes-list-type is specified";
        causes.push(Cause::invalid(&child(path, "type"), &shown, detail));
    } else if list_type == "map" {
        check_map_keys(map, &keys, path, causes);
    }
}

fn check_map_keys(map: &Map<String, Value>, keys: &[String], path: &str, causes: &mut Vec<Cause>) {
    let place = child(path, "x-kubernetes-list-map-keys");
    if keys.is_empty() {
        let detail = "must not be empty if x-kubernetes-list-type is map";
        causes.push(Cause::required(&place, detail));
    }
    let Some(items) = map.get("items").and_then(Value::as_object) else {
        return;
    };
    let required = texts(items, "required");
    let declared: Vec<_> = members(items, "properties").collect();
    for (at, name) in keys.iter().enumerate() {
        let Some((_, member)) = declared.iter().find(|(known, _)| *known == name) else {
            let detail = "entries must all be names of item properties";
            causes.push(Cause::invalid(&index(&place, at), &Value::from(name.as_str()), detail));
            continue;
        };
        if !required.contains(name) && member.get("default").is_none() {
            let place = child(&key(&child(&child(path, "items"), "properties"), name), "default");
            let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            causes.push(Cause::required(&place, detail));
        }
    }
}

fn check_meta_fields(map: &Map<String, Value>, level: Level, path: &str, causes: &mut Vec<Cause>) {
    let embedded = flag(map, "x-kubernetes-embedded-resource");
    if level != Level::Root && !embedded {
        return;
    }
    for (name, member) in members(map, "properties") {
        let place = key(&child(path, "properties"), name);
        let given = member.get("type").and_then(Value::as_str).unwrap_or("");
        match name.as_str() {
            "apiVersion" | "kind" if given != "string" => {
                let place = child(&place, "type");
                causes.push(Cause::invalid(&place, &Value::from(given), "must be string"));
            }
            "metadata" if given != "object" => {
                let place = child(&place, "type");
                causes.push(Cause::invalid(&place, &Value::from(given), "must be object"));
            }
            "metadata" if level == Level::Root && restricts_too_much(member) => {
                let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
                causes.push(Cause::forbidden(&place, detail));
            }
            _ => {}
        }
    }
}

fn restricts_too_much(metadata: &Value) -> bool {
    let Some(map) = metadata.as_object() else {
        return false;
    };
    let harmless = |name: &String| matches!(name.as_str(), "type" | "properties" | "description");
    !map.keys().all(harmless)
        || members(map, "properties").any(|(name, _)| name != "name" && name != "generateName")
}

/// Keywords of JSON schema that a CRD may not use at all.
fn unsupported(map: &Map<String, Value>, path: &str, causes: &mut Vec<Cause>) {
    for name in ["$ref", "definitions", "dependencies", "patternProperties", "id", "$schema"] {
        if map.contains_key(name) {
            let detail = format!("{name} is not supported");
            causes.push(Cause::forbidden(&child(path, name), &detail));
        }
    }
    if flag(map, "uniqueItems") {
        let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        causes.push(Cause::forbidden(&child(path, "uniqueItems"), detail));
    }
    if map.get("additionalProperties") == Some(&Value::Bool(false)) {
        let detail = "additionalProperties cannot be set to false";
        causes.push(Cause::forbidden(&child(path, "additionalProperties"), detail));
    }
}

fn value_validation(map: &Map<String, Value>, path: &str, causes: &mut Vec<Cause>) {
    if let Some(source) = text(map, "pattern")
        && let Err(error) = regex::Regex::new(source)
    {
        let detail = format!("must be a valid regular expression, but isn't: {error}");
        causes.push(Cause::invalid(&child(path, "pattern"), &Value::from(source), &detail));
    }
    for junctor in ["allOf", "anyOf", "oneOf"] {
        if junctor == "anyOf" && is_int_or_string_branches(map) {
            continue;
        }
        for (at, branch) in list(map, junctor).enumerate() {
            let path = index(&child(path, junctor), at);
            let allowed_first = junctor == "allOf" && at == 0;
            nested(branch, allowed_first, &path, causes);
        }
    }
    if let Some(inner) = map.get("not") {
        nested(inner, false, &child(path, "not"), causes);
    }
}

/// The one place where branches may carry types: `anyOf: [{type: integer}, {type: string}]`.
fn is_int_or_string_branches(map: &Map<String, Value>) -> bool {
    let types: Vec<_> = list(map, "anyOf")
        .map(|branch| branch.as_object().filter(|b| b.len() == 1)?.get("type")?.as_str())
        .collect();
    types == [Some("integer"), Some("string")]
}

const NOT_IN_BRANCHES: [(&str, &str); 11] = [
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
    ("x-kubernetes-embedded-resource", "must be false to be structural"),
    ("x-kubernetes-int-or-string", "must be false to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-validations", "must be empty to be structural"),
];

/// Branches of combinators may restrict values, never add shape.
fn nested(branch: &Value, allows_types: bool, path: &str, causes: &mut Vec<Cause>) {
    let Some(map) = branch.as_object() else { return };
    for (name, detail) in NOT_IN_BRANCHES {
        let written = map.get(name).is_some_and(|v| *v != Value::Bool(false) && *v != "");
        if written {
            causes.push(Cause::forbidden(&child(path, name), detail));
        }
    }
    if !(allows_types && is_int_or_string_branches(map)) {
        value_validation(map, path, causes);
    }
    if let Some(items) = map.get("items") {
        nested(items, false, &child(path, "items"), causes);
    }
    for (name, member) in members(map, "properties") {
        let path = key(&child(path, "properties"), name);
        if name == "metadata" {
            causes.push(Cause::forbidden(&path, "must not be specified in a nested context"));
        }
        nested(member, false, &path, causes);
    }
}

/// Whatever a branch of `values` names must be declared by the shape as well.
fn completeness(
    shape: Option<&Map<String, Value>>,
    values: &Map<String, Value>,
    at: &Place,
    causes: &mut Vec<Cause>,
) {
    for junctor in ["allOf", "anyOf", "oneOf"] {
        for (position, branch) in list(values, junctor).enumerate() {
            let junction = index(&child(&at.branch, junctor), position);
            branch_completeness(shape, branch, &at.with_branch(junction), causes);
        }
    }
    if let Some(inner) = values.get("not") {
        let junction = child(&at.branch, "not");
        branch_completeness(shape, inner, &at.with_branch(junction), causes);
    }
}

/// Where the shape is, and where the branch is that relies on it.
struct Place {
    shape: String,
    branch: String,
}

impl Place {
    fn with_branch(&self, branch: String) -> Self {
        Self { shape: self.shape.clone(), branch }
    }
}

fn branch_completeness(
    shape: Option<&Map<String, Value>>,
    branch: &Value,
    at: &Place,
    causes: &mut Vec<Cause>,
) {
    let Some(branch) = branch.as_object() else { return };
    let Some(shape) = shape else {
        let detail = format!("because it is defined in {}", at.branch);
        return causes.push(Cause::required(&at.shape, &detail));
    };
    completeness(Some(shape), branch, at, causes);
    if let Some(items) = branch.get("items") {
        let below = Place { shape: child(&at.shape, "items"), branch: child(&at.branch, "items") };
        let known = shape.get("items").and_then(Value::as_object);
        branch_completeness(known, items, &below, causes);
    }
    for (name, member) in members(branch, "properties") {
        let below = Place {
            shape: key(&child(&at.shape, "properties"), name),
            branch: key(&child(&at.branch, "properties"), name),
        };
        let known = shape.get("properties").and_then(|p| p.get(name));
        branch_completeness(known.and_then(Value::as_object), member, &below, causes);
    }
}

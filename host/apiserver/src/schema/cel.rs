//! Validation rules (`x-kubernetes-validations`): CEL expressions over a node and its past.
//!
//! `kube-cel` compiles and evaluates; this module decides where and with which old value a
//! rule runs, because that depends on how lists correlate: entries of `map` lists by key,
//! members of objects by name, entries of other lists not at all (then a rule that reads
//! `oldSelf` does not run). Each node keeps its own rules over a copy of its schema without
//! the rules below it, so that one evaluation never runs another node's rules.
//! A rule with `optionalOldSelf` sees an optional; `kube-cel` binds `null`, so the rule's text
//! is rewritten to make one. Bound: `kube-cel` refuses schemas nested deeper than 64.

use std::sync::LazyLock;

use kube_cel::{CompilationError, CompiledSchema, ErrorKind, ValidationError};
use regex::Regex;
use serde_json::{Map, Value};

use super::{Additional, Cause, Findings, Kind, Schema, cause, lists};

/// The compiled rules of one node.
#[derive(Debug)]
pub struct Rules {
    compiled: CompiledSchema,
    kind: Option<Kind>,
}

impl Rules {
    /// Compiles the rules of a node; none when it has none. Errors of compilation are added
    /// to `causes`: the CRD is refused, as the real server refuses it.
    pub(super) fn parse(source: &Value, path: &str, causes: &mut Vec<Cause>) -> Option<Self> {
        let rules = source.get("x-kubernetes-validations")?.as_array()?;
        if rules.is_empty() {
            return None;
        }
        let compiled = kube_cel::compile_schema(&own_rules(source));
        let path = cause::child(path, "x-kubernetes-validations");
        for (at, (result, rule)) in compiled.validations.iter().zip(rules).enumerate() {
            let path = cause::index(&path, at);
            causes.extend(empty_rule(rule, &path));
            causes.extend(result.as_ref().err().map(|e| failed(e, rule, &path)));
        }
        Some(Self { compiled, kind: source.get("type").and_then(Value::as_str).and_then(shape) })
    }

    /// A value that is as it was is not refused by a rule that does not look at what was: the
    /// rule may be newer than the value (`shouldRatchetError` in
    /// `apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go`).
    fn check(&self, value: &Value, old: Option<&Value>, path: &str, found: &mut Findings) {
        let Err(errors) = kube_cel::validate_compiled(&self.compiled, value, old) else { return };
        let is_same = old == Some(value);
        for error in errors {
            let cause = self.tell(&error, value, path);
            match is_same && !OLD_SELF.is_match(&error.rule) {
                true => found.warnings.push(cause.to_string()),
                false => found.causes.push(cause),
            }
        }
    }

    fn tell(&self, error: &ValidationError, value: &Value, path: &str) -> Cause {
        let place = match error.field_path.trim_start_matches('.') {
            "" => path.to_owned(),
            below => cause::child(path, below),
        };
        if error.kind != ErrorKind::ValidationFailure {
            let shown = Value::from(self.kind.map_or("", Kind::name));
            let detail = format!("{} evaluating rule: {}", error.message, error.rule.trim());
            return Cause::invalid(&place, &shown, &detail);
        }
        let detail = error.message.trim();
        match error.reason.as_deref() {
            Some("FieldValueForbidden") => Cause::forbidden(&place, detail),
            Some("FieldValueRequired") => Cause::required(&place, detail),
            Some("FieldValueDuplicate") => Cause::duplicate(&place, value),
            _ if self.kind.is_some() => Cause::invalid_omitted(&place, detail),
            _ => Cause::invalid(&place, value, detail),
        }
    }
}

/// Objects and lists are not shown in errors, scalars are.
fn shape(kind: &str) -> Option<Kind> {
    match kind {
        "object" => Some(Kind::Object),
        "array" => Some(Kind::Array),
        _ => None,
    }
}

fn empty_rule(rule: &Value, path: &str) -> Option<Cause> {
    let text = rule.get("rule").and_then(Value::as_str).unwrap_or("");
    text.trim().is_empty().then(|| Cause::required(&cause::child(path, "rule"), "rule is not specified"))
}

fn failed(error: &CompilationError, rule: &Value, path: &str) -> Cause {
    let (member, detail) = match error {
        CompilationError::Parse { source, .. } => ("rule", format!("compilation failed: {source}")),
        CompilationError::MessageExpressionParse { source, .. } => {
            ("messageExpression", format!("messageExpression compilation failed: {source}"))
        }
        other => ("rule", other.to_string()),
    };
    let shown = rule.get(member).unwrap_or(rule);
    Cause::invalid(&cause::child(path, member), shown, &detail)
}

/// The node's schema with its own rules only, and without defaults: they are filled in
/// before rules run.
fn own_rules(source: &Value) -> Value {
    let mut copy = source.clone();
    if let Value::Object(map) = &mut copy {
        map.remove("default");
        let rules = map.get_mut("x-kubernetes-validations").and_then(Value::as_array_mut);
        rules.into_iter().flatten().for_each(make_old_self_optional);
        for (_, value) in map.iter_mut().filter(|(k, _)| *k != "x-kubernetes-validations") {
            strip(value);
        }
    }
    copy
}

static OLD_SELF: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\boldSelf\b").expect("the pattern is a literal that compiles"));

fn make_old_self_optional(rule: &mut Value) {
    let Some(map) = rule.as_object_mut().filter(|map| map.get("optionalOldSelf") == Some(&Value::Bool(true)))
    else {
        return;
    };
    let text = map.get("rule").and_then(Value::as_str).unwrap_or_default().trim();
    let told = format!("failed rule: {text}");
    map.entry("message").or_insert_with(|| Value::from(told));
    for name in ["rule", "messageExpression"] {
        if let Some(Value::String(text)) = map.get_mut(name) {
            let optional = "(oldSelf == null ? optional.none() : optional.of(oldSelf))";
            *text = OLD_SELF.replace_all(text, optional).into_owned();
        }
    }
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("x-kubernetes-validations");
            if map.contains_key("type") {
                map.remove("default");
            }
            map.values_mut().for_each(strip);
        }
        Value::Array(entries) => entries.iter_mut().for_each(strip),
        _ => {}
    }
}

/// Runs every rule at and below `schema`. `null` values are never checked: a rule about
/// nullness belongs to the surrounding object.
pub(super) fn evaluate(
    schema: &Schema,
    value: &Value,
    old: Option<&Value>,
    path: &str,
    found: &mut Findings,
) {
    if value.is_null() {
        return;
    }
    if let Some(rules) = &schema.rules {
        rules.check(value, old.filter(|old| !old.is_null()), path, found);
    }
    match value {
        Value::Object(map) => in_object(schema, map, old, path, found),
        Value::Array(entries) => in_list(schema, entries, old, path, found),
        _ => {}
    }
}

fn in_object(
    schema: &Schema,
    map: &Map<String, Value>,
    old: Option<&Value>,
    path: &str,
    found: &mut Findings,
) {
    for (name, value) in map {
        let old = old.and_then(|old| old.get(name));
        if let Some(member) = schema.properties.get(name) {
            evaluate(member, value, old, &cause::child(path, name), found);
        } else if let Additional::Of(member) = &schema.additional {
            evaluate(member, value, old, &cause::key(path, name), found);
        }
    }
}

fn in_list(schema: &Schema, entries: &[Value], old: Option<&Value>, path: &str, found: &mut Findings) {
    let Some(items) = &schema.items else { return };
    let before: &[Value] = old.and_then(Value::as_array).map_or(&[], Vec::as_slice);
    for (at, entry) in entries.iter().enumerate() {
        let old = lists::correlate(schema, before, entry);
        evaluate(items, entry, old, &cause::index(path, at), found);
    }
}

//! Checking an object against its schema, in the real server's words.
//!
//! The walk mirrors `kube-openapi/pkg/validation/validate`, including how it counts matches
//! to choose which branch of `anyOf` and `oneOf` to report. On update, what did not change is
//! not reported (ratcheting, `CRDValidationRatcheting`), so an object that was valid under an
//! older schema can still be edited elsewhere; a rule that it breaks is a warning then. Rules run
//! only when no other error hides them; otherwise one more cause says that they did not.

use serde_json::{Map, Value};

use super::cause::{NO_FIELD, child, index, key};
use super::{Additional, Cause, Kind, Schema, cel, embedded, format, lists};

/// What [`validate`] has to say.
#[derive(Debug, Default)]
pub struct Findings {
    /// Why the object is refused; empty when it may be stored.
    pub causes: Vec<Cause>,
    /// Rules that what did not change breaks.
    pub warnings: Vec<String>,
}

/// What is wrong with `value`; nothing when it may be stored. `old` is the stored object of
/// an update.
///
/// # Example
/// ```
/// use polyreme_apiserver::schema::{Schema, validate};
/// use serde_json::json;
/// let schema = Schema::from_crd(&json!({
///     "type": "object",
///     "properties": {"spec": {"type": "object", "required": ["theme"]}},
/// })).expect("the schema is structural");
/// let found = validate(&schema, &json!({"spec": {}}), None);
/// assert_eq!(found.causes[0].to_string(), "spec.theme: Required value");
/// ```
#[must_use]
pub fn validate(schema: &Schema, value: &Value, old: Option<&Value>) -> Findings {
    let causes = node(schema, value, old, "").into_causes();
    let mut found = Findings { causes, warnings: Vec::new() };
    embedded::check(schema, value, "", &mut found.causes);
    if !had_duplicates(schema, old) {
        lists::duplicates(schema, value, "", &mut found.causes);
    }
    if schema.has_rules() {
        if found.causes.iter().any(Cause::blocks_rules) {
            found.causes.push(Cause::invalid("", &Value::Null, RULES_NOT_CHECKED));
        } else {
            cel::evaluate(schema, value, old, "", &mut found);
        }
    }
    found
}

/// Adds a cause for every default below `schema` that its own schema would refuse.
pub(super) fn defaults(schema: &Schema, path: &str, causes: &mut Vec<Cause>) {
    if let Some(default) = &schema.default {
        let under = child(path, "default");
        let mut found =
            Findings { causes: node(schema, default, None, "").into_causes(), warnings: Vec::new() };
        if found.causes.is_empty() {
            cel::evaluate(schema, default, None, "", &mut found);
        }
        causes.extend(found.causes.into_iter().map(|cause| {
            let below = cause.field.strip_prefix(NO_FIELD).unwrap_or(&cause.field);
            let field = if below.is_empty() { under.clone() } else { child(&under, below) };
            Cause { field, ..cause }
        }));
    }
    for (name, member) in &schema.properties {
        defaults(member, &key(&child(path, "properties"), name), causes);
    }
    if let Some(items) = &schema.items {
        defaults(items, &child(path, "items"), causes);
    }
    if let Additional::Of(values) = &schema.additional {
        defaults(values, &child(path, "additionalProperties"), causes);
    }
}

const RULES_NOT_CHECKED: &str = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";

fn had_duplicates(schema: &Schema, old: Option<&Value>) -> bool {
    let mut before = Vec::new();
    if let Some(old) = old {
        lists::duplicates(schema, old, "", &mut before);
    }
    !before.is_empty()
}

/// Errors found so far, and how many checks matched: the count decides which failed branch
/// of an `anyOf` is the most likely one.
#[derive(Default)]
struct Outcome {
    errors: Vec<Problem>,
    matches: usize,
}

/// A cause and the sentence that tells two of them apart.
struct Problem {
    cause: Cause,
    sentence: String,
}

impl Outcome {
    fn add(&mut self, cause: Cause, sentence: String) {
        if !self.errors.iter().any(|known| known.sentence == sentence) {
            self.errors.push(Problem { cause, sentence });
        }
    }

    fn merge(&mut self, other: Self) {
        self.matches += other.matches;
        for problem in other.errors {
            self.add(problem.cause, problem.sentence);
        }
    }

    /// A finished check: it counts as one match whether or not it found something.
    fn merge_counted(&mut self, other: Self) {
        self.merge(other);
        self.matches += 1;
    }

    fn is_valid(&self) -> bool {
        self.errors.is_empty()
    }

    fn into_causes(self) -> Vec<Cause> {
        self.errors.into_iter().map(|problem| problem.cause).collect()
    }

    fn invalid(&mut self, path: &str, value: &Value, sentence: String) {
        self.add(Cause::invalid(place(path), value, &sentence), sentence);
    }

    /// Errors of combinators belong to no field.
    fn about_whole(&mut self, sentence: String) {
        self.add(Cause::invalid("", &Value::from(""), &sentence), sentence);
    }
}

/// Members of the root are addressed `.spec` while walking; the leading dot is not shown.
fn place(path: &str) -> &str {
    match path.trim_start_matches('.') {
        "" => NO_FIELD,
        place => place,
    }
}

fn node(schema: &Schema, value: &Value, old: Option<&Value>, path: &str) -> Outcome {
    let mut found = Outcome::default();
    if old.is_some_and(|old| old == value) {
        return found;
    }
    if value.is_null() {
        found.merge(of_type(schema, value, path));
        found.merge(of_enum(schema, value, path));
        return found;
    }
    if schema.kind.is_some() || schema.int_or_string || schema.checks.format.is_some() {
        found.merge_counted(of_type(schema, value, path));
    }
    found.merge_counted(of_combinators(schema, value, path));
    match value {
        Value::String(text) => {
            found.merge_counted(of_text(schema, text, path));
            found.merge(of_format(schema, text, path));
        }
        Value::Number(_) => found.merge_counted(of_number(schema, value, path)),
        Value::Array(entries) => found.merge_counted(of_list(schema, entries, old, path)),
        _ => {}
    }
    found.merge_counted(of_enum(schema, value, path));
    if let Value::Object(map) = value {
        found.merge_counted(of_object(schema, map, old, path));
    }
    found.matches += 1;
    found
}

/// JSON type and the format that Go's type inference would give it.
fn inferred(value: &Value) -> (&'static str, &'static str) {
    match value {
        Value::Null => ("null", ""),
        Value::Bool(_) => ("boolean", ""),
        Value::String(_) => ("string", ""),
        Value::Array(_) => ("array", ""),
        Value::Object(_) => ("object", ""),
        Value::Number(n) if n.is_f64() => ("number", "double"),
        Value::Number(_) => ("integer", "int64"),
    }
}

fn expected(schema: &Schema) -> Vec<&'static str> {
    if schema.int_or_string {
        return vec!["integer", "string"];
    }
    schema.kind.map(Kind::name).into_iter().collect()
}

fn is_whole(value: &Value) -> bool {
    value.as_f64().is_some_and(|number| number.fract() == 0.0)
}

fn of_type(schema: &Schema, value: &Value, path: &str) -> Outcome {
    let mut found = Outcome { matches: 1, ..Outcome::default() };
    let expected = expected(schema);
    if value.is_null() {
        if !expected.is_empty() && !schema.nullable {
            wrong_type(&mut found, path, &expected.join(","), "null");
        }
        return found;
    }
    let (name, inferred_format) = inferred(value);
    let whole = name == "number" && expected.contains(&"integer") && is_whole(value);
    let fits = expected.contains(&name) || whole || (name == "integer" && expected.contains(&"number"));
    let written = known_format(schema);
    let is_text = matches!(value, Value::String(_) | Value::Array(_));
    let numeric = expected.contains(&"number") || expected.contains(&"integer");
    match written {
        Some(written) if !is_text && !fits && written != inferred_format => {
            wrong_type(&mut found, path, written, inferred_format);
        }
        Some(_) if is_text && !numeric => {}
        _ if !fits && !expected.is_empty() => {
            wrong_type(&mut found, path, &expected.join(","), name);
        }
        _ => {}
    }
    found
}

/// The format, unless the server would ignore it for this type.
fn known_format(schema: &Schema) -> Option<&str> {
    let written = schema.checks.format.as_deref()?;
    let known = match schema.kind {
        Some(Kind::String) => format::accepts(written, "").is_some(),
        Some(Kind::Integer) => matches!(written, "int32" | "int64"),
        Some(Kind::Number) => matches!(written, "float" | "double"),
        None if schema.int_or_string => false,
        None => format::accepts(written, "").is_some(),
        _ => false,
    };
    known.then_some(written)
}

fn wrong_type(found: &mut Outcome, path: &str, wanted: &str, got: &str) {
    let sentence = format!("{path} in body must be of type {wanted}: {got:?}");
    found.add(Cause::type_invalid(place(path), got, &sentence), sentence);
}

fn of_enum(schema: &Schema, value: &Value, path: &str) -> Outcome {
    let mut found = Outcome::default();
    let allowed = &schema.checks.allowed;
    let same = |known: &Value| known == value || (known.is_number() && known.as_f64() == value.as_f64());
    if allowed.is_empty() || allowed.iter().any(same) {
        return found;
    }
    let names: Vec<String> = allowed.iter().map(bare).collect();
    let sentence = format!("{path} in body should be one of [{}]", names.join(" "));
    found.add(Cause::not_supported(place(path), value, &names), sentence);
    found
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn of_text(schema: &Schema, text: &str, path: &str) -> Outcome {
    let mut found = Outcome::default();
    let size = &schema.checks.size;
    let length = text.chars().count() as u64;
    let shown = Value::from(text);
    if let Some(most) = size.max_length.filter(|most| length > *most) {
        let sentence = format!("{path} in body should be at most {most} chars long");
        found.add(Cause::too_long(place(path), most), sentence);
        return found;
    }
    if let Some(least) = size.min_length.filter(|least| length < *least) {
        let sentence = format!("{path} in body should be at least {least} chars long");
        found.invalid(path, &shown, sentence);
        return found;
    }
    match &schema.checks.pattern {
        Some((source, Ok(pattern))) if !pattern.is_match(text) => {
            found.invalid(path, &shown, format!("{path} in body should match '{source}'"));
        }
        Some((source, Err(reason))) => {
            let sentence =
                format!("{path} in body should match '{source}, but pattern is invalid: {reason}'");
            found.invalid(path, &shown, sentence);
        }
        _ => {}
    }
    found
}

fn of_format(schema: &Schema, text: &str, path: &str) -> Outcome {
    let mut found = Outcome::default();
    let Some(name) = known_format(schema) else {
        return found;
    };
    match format::accepts(name, text) {
        None => return found,
        Some(true) => {}
        Some(false) => {
            let sentence = format!("{path} in body must be of type {name}: {text:?}");
            found.add(Cause::type_invalid(place(path), text, &sentence), sentence);
        }
    }
    found.matches += 1;
    found
}

fn of_number(schema: &Schema, value: &Value, path: &str) -> Outcome {
    let mut found = Outcome { matches: 1, ..Outcome::default() };
    let Some(number) = value.as_number() else {
        return found;
    };
    if let Some(range) = out_of_range(schema, number) {
        found.about_whole(format!("Checked value must be of type integer {range} in {path}"));
    }
    for sentence in schema.checks.number.broken_by(number, path) {
        // A factor that is cut to 0 is itself the offending value.
        let shown = if sentence.starts_with("factor") { &Value::from(0) } else { value };
        found.invalid(path, shown, sentence);
    }
    found
}

/// Which range of integers a number is outside of.
fn out_of_range(schema: &Schema, number: &serde_json::Number) -> Option<String> {
    let format = schema.checks.format.as_deref().filter(|name| matches!(*name, "int32" | "int64"));
    let fits = match (number.as_i64(), format) {
        (Some(number), Some("int32")) => i32::try_from(number).is_ok(),
        (Some(_), _) => true,
        (None, _) => number.as_f64().is_some_and(|number| number.fract() == 0.0),
    };
    let named = format.map_or_else(|| "(default format)".to_owned(), |name| format!("with format {name}"));
    (schema.kind == Some(Kind::Integer) && !fits).then_some(named)
}

fn of_list(schema: &Schema, entries: &[Value], old: Option<&Value>, path: &str) -> Outcome {
    let mut found = Outcome { matches: 1, ..Outcome::default() };
    let before: &[Value] = old.and_then(Value::as_array).map_or(&[], Vec::as_slice);
    if let Some(items) = &schema.items {
        for (at, entry) in entries.iter().enumerate() {
            let old = lists::correlate(schema, before, entry);
            found.merge(node(items, entry, old, &index(path, at)));
        }
    }
    let length = entries.len() as u64;
    let size = &schema.checks.size;
    if let Some(least) = size.min_items.filter(|least| length < *least) {
        let sentence = format!("{path} in body should have at least {least} items");
        found.invalid(path, &Value::from(length), sentence);
    }
    if let Some(most) = size.max_items.filter(|most| length > *most) {
        let sentence = format!("{path} in body should have at most {most} items");
        found.add(Cause::too_many(place(path), length, most), sentence);
    }
    let mut rest = entries;
    while let Some((first, others)) = rest.split_first() {
        if schema.checks.unique_items && others.contains(first) {
            let sentence = format!("{path} in body shouldn't contain duplicates");
            found.invalid(path, &Value::from(""), sentence);
        }
        rest = others;
    }
    found
}

fn of_object(schema: &Schema, map: &Map<String, Value>, old: Option<&Value>, path: &str) -> Outcome {
    let mut found = of_object_size(schema, map, path);
    for (name, value) in map {
        let old = old.and_then(|old| old.get(name));
        let declared = schema.properties.get(name);
        match (declared, &schema.additional) {
            (Some(member), _) => found.merge(node(member, value, old, &child(path, name))),
            (None, Additional::Of(member)) => {
                found.merge(node(member, value, old, &format!("{path}.{name}")));
            }
            (None, Additional::Forbidden) => {
                let sentence = format!("{path}.{name} in body is a forbidden property");
                found.invalid(path, &Value::from(name.as_str()), sentence);
            }
            _ => {}
        }
    }
    for name in schema.required.iter().filter(|name| !map.contains_key(*name)) {
        let path = format!("{path}.{name}");
        let sentence = format!("{path} in body is required");
        found.add(Cause::required(place(&path), ""), sentence);
    }
    found
}

fn of_object_size(schema: &Schema, map: &Map<String, Value>, path: &str) -> Outcome {
    let mut found = Outcome::default();
    let length = map.len() as u64;
    let size = &schema.checks.size;
    if let Some(least) = size.min_properties.filter(|least| length < *least) {
        let sentence = format!("{path} in body should have at least {least} properties");
        found.invalid(path, &Value::from(length), sentence);
    }
    if let Some(most) = size.max_properties.filter(|most| length > *most) {
        let sentence = format!("{path} in body should have at most {most} properties");
        found.add(Cause::too_many(place(path), length, most), sentence);
    }
    found
}

fn of_combinators(schema: &Schema, value: &Value, path: &str) -> Outcome {
    let mut found = Outcome { matches: 1, ..Outcome::default() };
    let checks = &schema.checks;
    if !checks.any_of.is_empty() {
        found.merge(of_any(&checks.any_of, value, path));
    }
    if !checks.one_of.is_empty() {
        found.merge(of_one(&checks.one_of, value, path));
    }
    if !checks.all_of.is_empty() {
        found.merge(of_all(&checks.all_of, value, path));
    }
    let forbidden = checks.not.as_deref();
    if forbidden.is_some_and(|not| node(not, value, None, path).is_valid()) {
        found.about_whole(format!("{path:?} must not validate the schema (not)"));
    }
    found
}

/// The first failed branch with the most matches, which is the one to explain.
fn best(failures: Vec<Outcome>) -> Option<Outcome> {
    failures.into_iter().reduce(|best, next| if next.matches > best.matches { next } else { best })
}

fn of_any(branches: &[Schema], value: &Value, path: &str) -> Outcome {
    let mut failures = Vec::new();
    for branch in branches {
        let tried = node(branch, value, None, path);
        if tried.is_valid() {
            return tried;
        }
        failures.push(tried);
    }
    let mut found = Outcome::default();
    found.about_whole(format!("{path:?} must validate at least one schema (anyOf)"));
    best(failures).into_iter().for_each(|b| found.merge(b));
    found
}

fn of_one(branches: &[Schema], value: &Value, path: &str) -> Outcome {
    let tried = branches.iter().map(|b| node(b, value, None, path));
    let (mut valid, failed): (Vec<_>, Vec<_>) = tried.partition(Outcome::is_valid);
    let mut found = Outcome::default();
    let told = match valid.len() {
        1 => return valid.pop().unwrap_or_default(),
        0 => "Found none valid".to_owned(),
        n => format!("Found {n} valid alternatives"),
    };
    let sentence = format!("{path:?} must validate one and only one schema (oneOf). {told}");
    found.about_whole(sentence);
    if valid.is_empty() {
        best(failed).into_iter().for_each(|b| found.merge(b));
    }
    found
}

fn of_all(branches: &[Schema], value: &Value, path: &str) -> Outcome {
    let mut found = Outcome::default();
    let mut valid = 0;
    for branch in branches {
        let tried = node(branch, value, None, path);
        valid += usize::from(tried.is_valid());
        found.merge(tried);
    }
    if valid != branches.len() {
        let none = if valid == 0 { ". None validated" } else { "" };
        found.about_whole(format!("{path:?} must validate all the schemas (allOf){none}"));
    }
    found
}

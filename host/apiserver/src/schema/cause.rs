//! One reason why an object is refused, worded as the API server words it.
//!
//! Clients match on `reason` and people read `message`; both come from the field-error
//! constructors of `k8s.io/apimachinery/pkg/util/validation/field`, which the constructors
//! below follow word for word. A cause without a path is printed with the field `<nil>`,
//! because that is what the real server prints.

use std::fmt;

use serde_json::Value;

/// What the real server prints for an error that belongs to no field.
pub(super) const NO_FIELD: &str = "<nil>";

/// One entry of `status.details.causes`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cause {
    /// Path of the field, for example `spec.ports[0].port`.
    pub field: String,
    /// Machine-readable kind of error, for example `FieldValueRequired`.
    pub reason: &'static str,
    /// The error without its path, for example `Required value`.
    pub message: String,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Marks a type error apart from other invalid values: both are reported as
/// `FieldValueInvalid` by name, but only this one stops rule evaluation.
pub const TYPE_INVALID: &str = "FieldValueTypeInvalid";

impl Cause {
    fn new(field: &str, reason: &'static str, head: &str, detail: &str) -> Self {
        let field = if field.is_empty() { NO_FIELD } else { field };
        let message = if detail.is_empty() { head.to_owned() } else { format!("{head}: {detail}") };
        Self { field: field.to_owned(), reason, message }
    }

    /// A value that is there but wrong.
    #[must_use]
    pub fn invalid(field: &str, value: &Value, detail: &str) -> Self {
        let head = format!("Invalid value: {}", shown(value));
        Self::new(field, "FieldValueInvalid", &head, detail)
    }

    /// A wrong value that is too big to show.
    #[must_use]
    pub fn invalid_omitted(field: &str, detail: &str) -> Self {
        Self::new(field, "FieldValueInvalid", "Invalid value", detail)
    }

    /// A value of another JSON type than the schema's.
    #[must_use]
    pub fn type_invalid(field: &str, found: &str, detail: &str) -> Self {
        let head = format!("Invalid value: {found:?}");
        Self::new(field, TYPE_INVALID, &head, detail)
    }

    /// A value that is missing.
    #[must_use]
    pub fn required(field: &str, detail: &str) -> Self {
        Self::new(field, "FieldValueRequired", "Required value", detail)
    }

    /// A value that may not be given, or not be changed, here.
    #[must_use]
    pub fn forbidden(field: &str, detail: &str) -> Self {
        Self::new(field, "FieldValueForbidden", "Forbidden", detail)
    }

    /// A second entry with the same key.
    #[must_use]
    pub fn duplicate(field: &str, value: &Value) -> Self {
        let head = format!("Duplicate value: {}", shown(value));
        Self::new(field, "FieldValueDuplicate", &head, "")
    }

    /// A value that is not in the enumeration.
    #[must_use]
    pub fn not_supported(field: &str, value: &Value, allowed: &[String]) -> Self {
        let quoted: Vec<String> = allowed.iter().map(|a| format!("{a:?}")).collect();
        let head = format!("Unsupported value: {}", shown(value));
        let detail = format!("supported values: {}", quoted.join(", "));
        Self::new(field, "FieldValueNotSupported", &head, &detail)
    }

    /// A field that another manager owns, in a server-side apply.
    #[must_use]
    pub fn field_manager_conflict(field: &str, owner: &str) -> Self {
        Self::new(field, "FieldManagerConflict", &format!("conflict with {owner}"), "")
    }

    /// A text longer than `max` characters.
    #[must_use]
    pub fn too_long(field: &str, max: u64) -> Self {
        let unit = if max == 1 { "byte" } else { "bytes" };
        let detail = format!("may not be more than {max} {unit}");
        Self::new(field, "FieldValueTooLong", "Too long", &detail)
    }

    /// A list or map with more than `max` entries.
    #[must_use]
    pub fn too_many(field: &str, actual: u64, max: u64) -> Self {
        let unit = if max == 1 { "item" } else { "items" };
        let head = format!("Too many: {actual}");
        let detail = format!("must have at most {max} {unit}");
        Self::new(field, "FieldValueTooMany", &head, &detail)
    }

    /// Whether this error keeps the server from evaluating validation rules, as
    /// `hasBlockingErr` of the custom-resource strategy decides it.
    #[must_use]
    pub fn blocks_rules(&self) -> bool {
        matches!(
            self.reason,
            "FieldValueNotSupported"
                | "FieldValueRequired"
                | "FieldValueTooLong"
                | "FieldValueTooMany"
                | TYPE_INVALID
        )
    }
}

/// All causes in one line, as they stand in `status.message`: one alone is bare, several
/// are bracketed, repetitions are dropped.
#[must_use]
pub fn aggregate(causes: &[Cause]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for cause in causes {
        let line = cause.to_string();
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    match lines.as_slice() {
        [only] => only.clone(),
        _ => format!("[{}]", lines.join(", ")),
    }
}

/// A value as Go's `%q`, `%v` or JSON would show it inside an error.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Null => "null".to_owned(),
        other => other.to_string(),
    }
}

/// Path of a named member: `spec` and `replicas` give `spec.replicas`.
#[must_use]
pub fn child(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Path of a map entry: `data` and `a.b` give `data[a.b]`.
#[must_use]
pub fn key(path: &str, name: &str) -> String {
    format!("{path}[{name}]")
}

/// Path of a list entry.
#[must_use]
pub fn index(path: &str, at: usize) -> String {
    format!("{path}[{at}]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_cause_reads_like_the_real_servers() {
        let cases = [
            (Cause::required("spec.theme", ""), "spec.theme: Required value"),
            (Cause::invalid("spec.n", &json!(7), "too big"), "spec.n: Invalid value: 7: too big"),
            (Cause::duplicate("a[1]", &json!({"name": "x"})), r#"a[1]: Duplicate value: {"name":"x"}"#),
            (
                Cause::not_supported("p", &json!("x"), &["a".into(), "b".into()]),
                r#"p: Unsupported value: "x": supported values: "a", "b""#,
            ),
            (Cause::too_long("p", 5), "p: Too long: may not be more than 5 bytes"),
            (Cause::invalid("", &Value::Null, "rules"), "<nil>: Invalid value: null: rules"),
        ];
        for (cause, expected) in cases {
            assert_eq!(cause.to_string(), expected);
        }
    }

    #[test]
    fn several_causes_are_bracketed_and_one_is_bare() {
        let one = Cause::required("a", "");
        let two = Cause::required("b", "");
        assert_eq!(aggregate(std::slice::from_ref(&one)), "a: Required value");
        assert_eq!(aggregate(&[one.clone(), two, one]), "[a: Required value, b: Required value]");
    }
}

//! Paths like `spec.theme` into an object's JSON text, for indexes and field selectors.
//!
//! A path is read straight from the text, one level at a time: only the members on the way are
//! looked at, nothing is built. A list at the end of the path stands for each of its elements.

use std::fmt;

use serde_json::value::RawValue;

/// Most levels a path may have; a CRD's own fields rarely go below ten.
const MAX_DEPTH: usize = 16;

/// A dotted path below the object's root.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldPath(Box<str>);

impl FieldPath {
    /// Parses `spec.theme` or `.spec.theme`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path.
    pub fn parse(text: &str) -> Result<Self, String> {
        let path = text.strip_prefix('.').unwrap_or(text);
        let wrong = |why: &str| Err(format!("field path {text:?} {why}; write it like \"spec.theme\""));
        if path.is_empty() || path.split('.').any(str::is_empty) {
            return wrong("has an empty part");
        }
        if path.contains(['[', ']', '*', '$', '{', '}', ' ']) {
            return wrong("holds characters that no field name has (JSONPath is not supported)");
        }
        if path.split('.').count() > MAX_DEPTH {
            return wrong("is deeper than 16 levels");
        }
        Ok(Self(path.into()))
    }

    /// The path without a leading dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The scalar values at this path, as text: none when the field is absent or an object.
    pub fn values(&self, json: &str) -> Vec<Box<str>> {
        let Ok(mut value) = serde_json::from_str::<&RawValue>(json) else { return Vec::new() };
        for part in self.0.split('.') {
            match member(value, part) {
                Some(found) => value = found,
                None => return Vec::new(),
            }
        }
        scalars(value)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn member<'a>(object: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    let members: std::collections::HashMap<std::borrow::Cow<'a, str>, &'a RawValue> =
        serde_json::from_str(object.get()).ok()?;
    members.get(name).copied()
}

fn scalars(value: &RawValue) -> Vec<Box<str>> {
    match serde_json::from_str::<serde_json::Value>(value.get()) {
        Ok(serde_json::Value::Array(items)) => items.iter().filter_map(scalar).collect(),
        Ok(value) => scalar(&value).into_iter().collect(),
        Err(_) => Vec::new(),
    }
}

fn scalar(value: &serde_json::Value) -> Option<Box<str>> {
    match value {
        serde_json::Value::String(text) => Some(text.as_str().into()),
        serde_json::Value::Number(number) => Some(number.to_string().into()),
        serde_json::Value::Bool(flag) => Some(flag.to_string().into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(path: &str, json: &str) -> Vec<String> {
        FieldPath::parse(path).unwrap().values(json).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn scalars_and_lists_of_scalars_are_found() {
        let json = r#"{"spec":{"theme":"dark","size":3,"on":true,"hosts":["a","b"],"deep":{"x":{}}}}"#;
        assert_eq!(values("spec.theme", json), ["dark"]);
        assert_eq!(values(".spec.size", json), ["3"]);
        assert_eq!(values("spec.on", json), ["true"]);
        assert_eq!(values("spec.hosts", json), ["a", "b"]);
    }

    #[test]
    fn what_is_not_there_has_no_values() {
        let json = r#"{"spec":{"deep":{"x":null}}}"#;
        for path in ["spec", "spec.deep", "spec.deep.x", "spec.deep.x.y", "status", "spec.none"] {
            assert!(values(path, json).is_empty(), "{path}");
        }
    }

    #[test]
    fn malformed_paths_are_refused_with_a_remedy() {
        for path in ["", ".", "spec..theme", "spec.", "spec[0]", "{.spec}", &"a.".repeat(20)] {
            let error = FieldPath::parse(path).unwrap_err();
            assert!(error.contains("spec.theme"), "{error}");
        }
    }
}

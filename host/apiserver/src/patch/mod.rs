//! The three patches a client may send, as functions from an object and a patch to an object.
//!
//! - [`json_patch`]: a list of operations (RFC 6902), with the two leniencies of the library
//!   the real server uses: `replace` of an absent member adds it, and `test` for `null`
//!   accepts an absent member.
//! - [`merge_patch`]: RFC 7386.
//! - [`strategic_merge`]: lists are merged by the keys the schema names, with the directives
//!   of `k8s.io/apimachinery/pkg/util/strategicpatch`. Only built-in kinds have it.
//!
//! All three take a schema, though only the last one reads it, so that a caller can choose
//! among them. Nothing is changed in place; an error leaves the caller with what it had. Bound: a JSON
//! patch has at most [`MAX_OPERATIONS`] operations, as on the real server.

mod json;
mod order;
mod strategic;

use serde_json::Value;

use crate::schema::Schema;

pub use json::MAX_OPERATIONS;

/// Why a patch cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// The patch itself is malformed: 400.
    #[error("failed to decode patch: {0}")]
    Malformed(String),
    /// It is well-formed but does not fit the object, or a `test` failed: 422.
    #[error("failed to apply patch: {0}")]
    Inapplicable(String),
}

/// Applies a JSON patch.
///
/// # Errors
/// [`PatchError::Malformed`] when it is not a list of operations,
/// [`PatchError::Inapplicable`] when an operation does not fit or a `test` fails.
///
/// # Example
/// ```
/// use polyreme_apiserver::{patch::json_patch, schema::Schema};
/// use serde_json::json;
/// let patch = json!([{"op": "add", "path": "/data", "value": {"a": "1"}}]);
/// assert_eq!(json_patch(&json!({}), &patch, &Schema::anything()), Ok(json!({"data": {"a": "1"}})));
/// ```
pub fn json_patch(target: &Value, patch: &Value, _schema: &Schema) -> Result<Value, PatchError> {
    json::apply(target, patch)
}

/// Applies a merge patch.
///
/// # Errors
/// [`PatchError::Malformed`] when the patch is not an object.
///
/// # Example
/// ```
/// use polyreme_apiserver::{patch::merge_patch, schema::Schema};
/// use serde_json::json;
/// let merged = merge_patch(&json!({"a": 1, "b": 2}), &json!({"a": null, "c": 3}), &Schema::anything());
/// assert_eq!(merged, Ok(json!({"b": 2, "c": 3})));
/// ```
pub fn merge_patch(target: &Value, patch: &Value, _schema: &Schema) -> Result<Value, PatchError> {
    if !patch.is_object() {
        let what =
            "error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}";
        return Err(PatchError::Malformed(what.to_owned()));
    }
    let mut merged = target.clone();
    json_patch::merge(&mut merged, patch);
    Ok(merged)
}

/// Applies a strategic merge patch, guided by the merge keys in `schema`.
///
/// # Errors
/// [`PatchError::Malformed`] when the patch is not an object or a directive is malformed.
///
/// # Example
/// ```
/// use polyreme_apiserver::{builtin, patch::strategic_merge};
/// use serde_json::json;
/// let pods = builtin::find("", "v1", "pods").expect("pods are built in").schema();
/// let pod = json!({"spec": {"containers": [{"name": "a", "image": "x:1"}, {"name": "b"}]}});
/// let patch = json!({"spec": {"containers": [{"name": "a", "image": "x:2"}]}});
/// let merged = strategic_merge(&pod, &patch, &pods).expect("the patch fits");
/// assert_eq!(merged["spec"]["containers"][0]["image"], "x:2");
/// assert_eq!(merged["spec"]["containers"][1]["name"], "b");
/// ```
pub fn strategic_merge(target: &Value, patch: &Value, schema: &Schema) -> Result<Value, PatchError> {
    strategic::apply(target, patch, schema)
}

#[cfg(test)]
mod tests;

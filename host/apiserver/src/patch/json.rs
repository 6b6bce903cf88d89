//! JSON patch: the `json-patch` crate, one operation at a time, with the leniencies of
//! `gopkg.in/evanphx/json-patch.v4`.

use json_patch::jsonptr::Pointer;
use json_patch::{AddOperation, PatchOperation};
use serde_json::Value;

use super::PatchError;

/// Operations in one patch (`maxJSONPatchOperations` of the real server).
pub const MAX_OPERATIONS: usize = 10_000;

pub(super) fn apply(target: &Value, patch: &Value) -> Result<Value, PatchError> {
    let Value::Array(operations) = patch else {
        let what = "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp";
        return Err(PatchError::Malformed(what.to_owned()));
    };
    if operations.len() > MAX_OPERATIONS {
        let problem = format!(
            "the allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}",
            operations.len()
        );
        return Err(PatchError::Malformed(problem));
    }
    let mut patched = target.clone();
    for operation in operations {
        step(&mut patched, decode(operation)?)?;
    }
    Ok(patched)
}

/// An unknown operation is found out when it is applied, not when the patch is read.
fn decode(operation: &Value) -> Result<PatchOperation, PatchError> {
    serde_json::from_value(operation.clone()).map_err(|error| PatchError::Inapplicable(error.to_string()))
}

fn step(document: &mut Value, operation: PatchOperation) -> Result<(), PatchError> {
    let operation = match operation {
        PatchOperation::Test(test) if test.value.is_null() && !exists(document, &test.path) => {
            return Ok(());
        }
        PatchOperation::Replace(replace) if is_absent_member(document, &replace.path) => {
            PatchOperation::Add(AddOperation { path: replace.path, value: replace.value })
        }
        other => other,
    };
    json_patch::patch(document, std::slice::from_ref(&operation))
        .map_err(|error| PatchError::Inapplicable(error.kind.to_string() + " at " + error.path.as_str()))
}

fn exists(document: &Value, path: &Pointer) -> bool {
    document.pointer(path.as_str()).is_some()
}

/// A member that is not there, of an object that is.
fn is_absent_member(document: &Value, path: &Pointer) -> bool {
    let parent = path.parent().and_then(|parent| document.pointer(parent.as_str()));
    parent.is_some_and(Value::is_object) && !exists(document, path)
}

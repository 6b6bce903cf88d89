//! Selectors over JSON objects: the shared grammar of `polyreme-selector`, applied to values.

use serde_json::Value;

pub use polyreme_selector::{FieldSelector, LabelSelector, SelectorError};

/// Whether an object's `metadata.labels` meet a selector.
pub fn labels_match(selector: &LabelSelector, object: &Value) -> bool {
    let labels = object.pointer("/metadata/labels");
    selector.matches(|key| labels?.get(key)?.as_str())
}

//! Filling in the defaults a schema declares.
//!
//! Follows `apiextensions-apiserver/pkg/apiserver/schema/defaulting`: a default applies when
//! the member is absent, or `null` where `null` is not allowed; defaults inside a default
//! apply as well. A `null` that may not stay and has no default is dropped
//! (`PruneNonNullableNullsWithoutDefaults`).

use serde_json::{Map, Value};

use super::Schema;

/// Fills in defaults below `value`, which may be an object of any depth.
///
/// # Example
/// ```
/// use polyreme_apiserver::schema::{self, Schema};
/// use serde_json::json;
/// let schema = Schema::from_crd(&json!({
///     "type": "object",
///     "properties": {"spec": {
///         "type": "object",
///         "default": {},
///         "properties": {"replicas": {"type": "integer", "default": 1}},
///     }},
/// })).expect("the schema is structural");
/// let mut object = json!({});
/// schema::default(&schema, &mut object);
/// assert_eq!(object, json!({"spec": {"replicas": 1}}));
/// ```
pub fn default(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(map) => {
            drop_nulls(schema, map);
            fill(schema, map);
            for (name, member) in map.iter_mut() {
                if let Some(inner) = schema.member(name) {
                    replace_null(inner, member);
                    default(inner, member);
                }
            }
        }
        Value::Array(entries) => {
            let Some(items) = &schema.items else { return };
            for entry in entries {
                replace_null(items, entry);
                default(items, entry);
            }
        }
        _ => {}
    }
}

fn fill(schema: &Schema, map: &mut Map<String, Value>) {
    for (name, member) in &schema.properties {
        if let (Some(default), false) = (&member.default, map.contains_key(name)) {
            map.insert(name.clone(), default.clone());
        }
    }
}

fn replace_null(schema: &Schema, value: &mut Value) {
    if let (Value::Null, false, Some(default)) = (&*value, schema.nullable, &schema.default) {
        *value = default.clone();
    }
}

/// A `null` in a place of unknown content is content and stays.
fn drop_nulls(schema: &Schema, map: &mut Map<String, Value>) {
    map.retain(|name, value| {
        let refused = |member: &Schema| !member.nullable && member.default.is_none();
        !(value.is_null() && schema.member(name).is_some_and(refused))
    });
}

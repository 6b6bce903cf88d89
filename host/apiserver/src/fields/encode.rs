//! Sets as `FieldsV1` JSON, the form they have in `metadata.managedFields`.
//!
//! `f:` a member, `k:` a keyed entry, `v:` a set entry, `i:` a position, `.` the parent itself.
//! Follows `sigs.k8s.io/structured-merge-diff/v6/fieldpath/serialize.go`.

use serde_json::{Map, Value};

use super::set::{Element, Set};

/// The JSON of a set.
#[must_use]
pub fn encode(set: &Set) -> Value {
    let mut map = Map::new();
    for element in &set.members {
        map.insert(name_of(element), Value::Object(Map::new()));
    }
    for (element, child) in &set.children {
        let mut inner = encode(child);
        if let (true, Value::Object(inner)) = (set.members.contains(element), &mut inner) {
            inner.insert(".".to_owned(), Value::Object(Map::new()));
        }
        map.insert(name_of(element), inner);
    }
    Value::Object(map)
}

/// The set in a `FieldsV1`; what is not understood is left out.
#[must_use]
pub fn decode(fields: &Value) -> Set {
    let mut set = Set::default();
    for (name, inner) in fields.as_object().into_iter().flatten() {
        let Some(element) = element_of(name) else {
            continue;
        };
        let below = inner.as_object();
        if below.is_none_or(|below| below.is_empty() || below.contains_key(".")) {
            set.members.insert(element.clone());
        }
        set.add_child(element, decode(inner));
    }
    set
}

fn name_of(element: &Element) -> String {
    match element {
        Element::Field(name) => format!("f:{name}"),
        Element::Key(fields) => format!("k:{fields}"),
        Element::Value(value) => format!("v:{value}"),
        Element::Index(index) => format!("i:{index}"),
    }
}

fn element_of(name: &str) -> Option<Element> {
    let (prefix, rest) = name.split_once(':')?;
    match prefix {
        "f" => Some(Element::Field(rest.to_owned())),
        "k" => Some(Element::key(serde_json::from_str::<Value>(rest).ok()?.as_object()?)),
        "v" => Some(Element::Value(serde_json::from_str::<Value>(rest).ok()?.to_string())),
        "i" => rest.parse().ok().map(Element::Index),
        _ => None,
    }
}

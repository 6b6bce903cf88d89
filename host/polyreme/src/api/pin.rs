//! Which object, and which version of it, a write is for: preconditions in the guest's own bytes.
//!
//! A write can be held up on its way and land after the object has changed hands. The API server
//! refuses it then if it says what it was meant for: `metadata.uid` and `metadata.resourceVersion`
//! in an object, a merge patch or an apply, two operations at the end of a JSON patch, `preconditions`
//! of a deletion. What the guest said of them stays; the host adds what it knows and the guest left
//! out. Everything else keeps its bytes: numbers, order of members, spelling of strings.
//!
//! Pure. A resourceVersion of zeros is none: the server takes `"0"` for "any".

use polyreme_runtime::wit::kubernetes::{DeleteOptions, PatchType, Propagation};
use polyreme_runtime::wit::types::Error;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::bad_request;
use crate::object::{Members, Object, push_members};

const UID: &str = "uid";
const VERSION: &str = "resourceVersion";

/// The incarnation and the version that a write names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pin {
    /// `metadata.uid`.
    pub uid: Option<String>,
    /// `metadata.resourceVersion`.
    pub version: Option<String>,
}

impl Pin {
    /// What is to be added to a write that says this much itself. A guest that names another
    /// incarnation than the host knows gets nothing added: the server shall judge.
    pub(super) fn missing(&self, known: Option<&Object>) -> Self {
        let Some(known) = known.filter(|known| self.uid.as_deref().is_none_or(|uid| *uid == *known.uid))
        else {
            return Self::default();
        };
        let uid = Some(known.uid.to_string()).filter(|uid| !uid.is_empty() && self.uid.is_none());
        let version = version(&known.resource_version.0).filter(|_| self.version.is_none());
        Self { uid, version }
    }

    fn members(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let members = [(UID, self.uid.as_deref()), (VERSION, self.version.as_deref())];
        members.into_iter().filter_map(|(key, value)| Some((key, value?)))
    }
}

/// A version that pins something.
fn version(text: &str) -> Option<String> {
    (!text.bytes().all(|digit| digit == b'0')).then(|| text.to_owned())
}

fn uid(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// What a guest hands over to be sent.
#[derive(Clone, Debug)]
pub(super) enum Payload {
    /// An object, whole or in part.
    Object(String),
    /// The operations of a JSON patch.
    Operations(String),
    /// A deletion.
    Delete(DeleteOptions),
}

impl Payload {
    /// A patch as the guest wrote it.
    pub(super) fn patch(patch_type: PatchType, text: String) -> Self {
        match patch_type {
            PatchType::JsonPatch => Self::Operations(text),
            PatchType::Merge | PatchType::Strategic => Self::Object(text),
        }
    }

    /// What the guest itself pins.
    ///
    /// # Errors
    /// `bad-request` when the text cannot be read in one way only.
    pub(super) fn said(&self) -> Result<Pin, Error> {
        match self {
            Self::Object(text) => said_by_object(text),
            Self::Operations(text) => said_by_operations(text),
            Self::Delete(options) => Ok(Pin {
                uid: options.uid.as_deref().and_then(uid),
                version: options.resource_version.as_deref().and_then(version),
            }),
        }
    }

    /// The body to send: the guest's, with the pin added.
    ///
    /// # Errors
    /// As [`Payload::said`].
    pub(super) fn body(&self, add: &Pin) -> Result<String, Error> {
        match self {
            Self::Object(text) | Self::Operations(text) if *add == Pin::default() => Ok(text.clone()),
            Self::Object(text) => pinned_object(text, add),
            Self::Operations(text) => pinned_operations(text, add),
            Self::Delete(options) => Ok(delete_body(options, add)),
        }
    }
}

/// Reads `metadata` of an object; absent in some merge patches.
fn metadata<'a>(members: &Members<'a>) -> Result<Option<Members<'a>>, Error> {
    let Some(text) = only(members, "metadata")? else { return Ok(None) };
    let metadata = serde_json::from_str(text.get());
    Ok(Some(metadata.map_err(|_| bad_request("metadata must be a JSON object".to_owned()))?))
}

/// A member by its name. Of two with one name servers take either, so there must not be two.
fn only<'a>(Members(members): &Members<'a>, name: &str) -> Result<Option<&'a RawValue>, Error> {
    let mut found = members.iter().filter(|(key, _)| key == name).map(|(_, value)| *value);
    match (found.next(), found.next()) {
        (first, None) => Ok(first),
        _ => Err(bad_request(format!("{name} is there twice"))),
    }
}

fn read(text: &str) -> Result<Members<'_>, Error> {
    serde_json::from_str(text).map_err(|error| bad_request(format!("that is no JSON object: {error}")))
}

fn said_by_object(text: &str) -> Result<Pin, Error> {
    let Some(metadata) = metadata(&read(text)?)? else { return Ok(Pin::default()) };
    let member = |name: &str| -> Result<Option<String>, Error> {
        let Some(value) = only(&metadata, name)? else { return Ok(None) };
        serde_json::from_str(value.get())
            .map_err(|_| bad_request(format!("metadata.{name} must be a string")))
    };
    Ok(Pin {
        uid: member(UID)?.as_deref().and_then(uid),
        version: member(VERSION)?.as_deref().and_then(version),
    })
}

/// The last word of the operations on both.
fn said_by_operations(text: &str) -> Result<Pin, Error> {
    #[derive(Deserialize)]
    struct Operation {
        #[serde(default)]
        op: String,
        #[serde(default)]
        path: String,
        from: Option<String>,
        #[serde(default)]
        value: Value,
    }
    let operations: Vec<Operation> = serde_json::from_str(text)
        .map_err(|error| bad_request(format!("that is no list of JSON patch operations: {error}")))?;
    let mut said = Pin::default();
    for Operation { op, path, from, value } in operations {
        let sets = matches!(op.as_str(), "add" | "replace" | "test");
        for (name, parse) in [(UID, uid as fn(&str) -> Option<String>), (VERSION, version)] {
            let slot = if name == UID { &mut said.uid } else { &mut said.version };
            if op == "move" && from.as_deref().is_some_and(|from| below(from, name).is_some()) {
                *slot = None;
            }
            if let Some(below) = below(&path, name) {
                let named = value.pointer(below).filter(|_| sets);
                *slot = named.and_then(Value::as_str).and_then(parse);
            }
        }
    }
    Ok(said)
}

/// Where a metadata member is in a value at `path`; `None` when it is not in there.
fn below(path: &str, name: &'static str) -> Option<&'static str> {
    let pointer = if name == UID { "/metadata/uid" } else { "/metadata/resourceVersion" };
    pointer.strip_prefix(path).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn pinned_object(text: &str, add: &Pin) -> Result<String, Error> {
    let mut members = read(text)?;
    let mut kept = metadata(&members)?.unwrap_or(Members(Vec::new()));
    kept.0.retain(|(name, _)| !add.members().any(|(added, _)| name == added));
    let mut inner = String::with_capacity(text.len() + 128);
    push_members(&mut inner, kept.0.iter());
    for (name, value) in add.members() {
        let comma = if inner.is_empty() { "" } else { "," };
        inner.push_str(&format!("{comma}\"{name}\":{}", Value::from(value)));
    }
    let pinned = RawValue::from_string(format!("{{{inner}}}"))
        .map_err(|error| bad_request(format!("metadata is not JSON: {error}")))?;
    match members.0.iter_mut().find(|(name, _)| name == "metadata") {
        Some((_, value)) => *value = &pinned,
        None => members.0.push(("metadata".into(), &pinned)),
    }
    let mut out = String::with_capacity(text.len() + 256);
    out.push('{');
    push_members(&mut out, members.0.iter());
    out.push('}');
    Ok(out)
}

/// At the end, so that the guest's own tests see the object as it is.
fn pinned_operations(text: &str, add: &Pin) -> Result<String, Error> {
    let operations: Vec<&RawValue> = serde_json::from_str(text)
        .map_err(|error| bad_request(format!("that is no list of JSON patch operations: {error}")))?;
    let added = add
        .members()
        .map(|(name, value)| json!({"op": "add", "path": format!("/metadata/{name}"), "value": value}));
    let all: Vec<String> = operations
        .into_iter()
        .map(|operation| operation.get().to_owned())
        .chain(added.map(|operation| operation.to_string()))
        .collect();
    Ok(format!("[{}]", all.join(",")))
}

fn delete_body(options: &DeleteOptions, add: &Pin) -> String {
    let propagation = match options.propagation {
        Propagation::Background => "Background",
        Propagation::Foreground => "Foreground",
        Propagation::Orphan => "Orphan",
    };
    let said = [(UID, options.uid.as_deref()), (VERSION, options.resource_version.as_deref())];
    let said = said.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let preconditions: serde_json::Map<_, _> =
        said.chain(add.members()).map(|(name, value)| (name.to_owned(), value.into())).collect();
    json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": propagation,
        "preconditions": preconditions,
    })
    .to_string()
}

#[cfg(test)]
mod tests;

//! Objects in Kubernetes' protobuf, which Go clients send of built-in kinds, made into JSON values.
//!
//! A body is `k8s\0` and an envelope (`runtime.Unknown`) of kind and message. What a message holds is in [`messages`],
//! and a few are written in another way in JSON (`special`). What Go would leave out of JSON is left out: a zero
//! where the field is no pointer. Fields that the table does not know are skipped, as the real server does.
//!
//! Nothing is written in protobuf: kubectl, client-go and controller-runtime, which send it, take JSON as well.

mod messages;
mod special;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use polyreme_protobuf::{self as wire, MAGIC};
use serde_json::{Map, Value, json};

use messages::{Field, Form};

/// Messages in messages: far more than any kind has by itself; schemas can be nested without end.
const MAX_DEPTH: usize = 64;

/// Why a body is no object.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProtobufError {
    #[error("it does not begin with \"k8s\\0\", so it is not Kubernetes' protobuf")]
    Foreign,
    #[error("{kind} of {api_version} has no protobuf form here")]
    Kind { api_version: String, kind: String },
    #[error("messages are nested deeper than {MAX_DEPTH}")]
    Depth,
    #[error("the time is out of range")]
    Time,
    #[error("it holds JSON that is none: {0}")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Wire(#[from] wire::Error),
    #[error("{path}: {why}")]
    At { path: String, why: Box<Self> },
}

impl ProtobufError {
    /// The same, and in which field.
    fn within(self, field: &str) -> Self {
        match self {
            Self::At { path, why } => Self::At { path: format!("{field}.{path}"), why },
            why => Self::At { path: field.to_owned(), why: Box::new(why) },
        }
    }
}

type Result<T> = std::result::Result<T, ProtobufError>;

/// An object from a body.
pub(crate) fn object(body: &[u8]) -> Result<Value> {
    let envelope = body.strip_prefix(MAGIC).ok_or(ProtobufError::Foreign)?;
    let type_meta = wire::bytes(envelope, 1)?;
    let (api_version, kind) = (wire::text(type_meta, 1)?, wire::text(type_meta, 2)?);
    let message = messages::of_kind(api_version, kind)
        .ok_or_else(|| ProtobufError::Kind { api_version: api_version.to_owned(), kind: kind.to_owned() })?;
    let mut object = Map::new();
    object.insert("apiVersion".into(), api_version.into());
    object.insert("kind".into(), kind.into());
    read(message, wire::bytes(envelope, 2)?, 0, &mut object)?;
    Ok(Value::Object(object))
}

/// Reads a message into an object.
fn read(message: &str, bytes: &[u8], depth: usize, object: &mut Map<String, Value>) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(ProtobufError::Depth);
    }
    let known = messages::fields(message);
    for read in wire::fields(bytes) {
        let read = read?;
        let place = known.binary_search_by_key(&read.number, |field| field.number);
        if let Some(field) = place.ok().and_then(|place| known.get(place)) {
            put(field, read, depth, object)?;
        }
    }
    Ok(())
}

/// Adds one occurrence of a field.
fn put(field: &Field, read: wire::Field<'_>, depth: usize, object: &mut Map<String, Value>) -> Result<()> {
    match (field.json, &field.form) {
        (None, Form::Message(inlined)) => self::read(inlined, read.bytes()?, depth + 1, object),
        (None, _) => Ok(()),
        (Some(name), _) => add(field, name, read, depth, object).map_err(|why| why.within(name)),
    }
}

fn add(
    field: &Field,
    name: &str,
    read: wire::Field<'_>,
    depth: usize,
    object: &mut Map<String, Value>,
) -> Result<()> {
    match &field.form {
        Form::List(item) => {
            let list = object.entry(name).or_insert_with(|| json!([]));
            list.as_array_mut().map_or(Ok(()), |list| push(item, read, depth, list))
        }
        Form::Map(form) => {
            let key = wire::text(read.bytes()?, 1)?.to_owned();
            // What is not there is empty.
            let value = wire::last(read.bytes()?, 2)?.map(|read| value(form, read, depth)).transpose()?;
            let map = object.entry(name).or_insert_with(|| json!({}));
            map.as_object_mut().map(|map| map.insert(key, value.unwrap_or_else(|| empty(form))));
            Ok(())
        }
        form => {
            let value = value(form, read, depth)?;
            if !value.is_null() && (field.keeps_zero || !is_zero(&value)) {
                object.insert(name.to_owned(), value);
            }
            Ok(())
        }
    }
}

fn push(item: &Form, read: wire::Field<'_>, depth: usize, list: &mut Vec<Value>) -> Result<()> {
    match item {
        Form::Integer => list.extend(read.integers()?.into_iter().map(Value::from)),
        item => list.push(value(item, read, depth)?),
    }
    Ok(())
}

fn value(form: &Form, read: wire::Field<'_>, depth: usize) -> Result<Value> {
    Ok(match form {
        Form::Text => read.text()?.into(),
        Form::Integer => read.integer()?.into(),
        Form::Boolean => (read.integer()? != 0).into(),
        Form::Bytes => STANDARD.encode(read.bytes()?).into(),
        Form::Double => special::double(read.double()?),
        Form::Message(message) => match special::value(message, read.bytes()?, depth)? {
            Some(value) => value,
            None => message_value(message, read.bytes()?, depth)?,
        },
        // As the value of a map a list is a message of its items.
        Form::List(item) => {
            let mut list = Vec::new();
            for read in wire::fields(read.bytes()?) {
                let read = read?;
                if read.number == 1 {
                    push(item, read, depth, &mut list)?;
                }
            }
            Value::Array(list)
        }
        // No kind has maps of maps; `messages` would not know one.
        Form::Map(_) => Value::Null,
    })
}

fn message_value(message: &str, bytes: &[u8], depth: usize) -> Result<Value> {
    let mut object = Map::new();
    read(message, bytes, depth + 1, &mut object)?;
    Ok(Value::Object(object))
}

fn empty(form: &Form) -> Value {
    match form {
        Form::Text | Form::Bytes => "".into(),
        Form::List(_) => json!([]),
        _ => json!({}),
    }
}

/// What Go leaves out where it may. A struct is never left out.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Bool(is_set) => !is_set,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests;

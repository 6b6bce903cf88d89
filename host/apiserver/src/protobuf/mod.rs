//! Objects in Kubernetes' protobuf, which Go clients send of built-in kinds, made into JSON values.
//!
//! A body is `k8s\0` and an envelope (`runtime.Unknown`) of kind and message. What a message holds is in [`messages`],
//! and a few are written in another way in JSON (`special`). What Go would leave out of JSON is left out: a zero
//! where the field is no pointer. Fields that the table does not know are skipped, as the real server does.
//!
//! Nothing is written in protobuf: every client that sends it takes JSON as well.

mod messages;
mod special;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::DecodeError;
use prost::bytes::Buf as _;
use prost::encoding::{WireType, decode_key, decode_varint};
use serde_json::{Map, Value, json};

use messages::{Field, Form};

/// What every body begins with.
const MAGIC: &[u8] = b"k8s\0";

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
    #[error("a text is not UTF-8")]
    Text(#[from] std::str::Utf8Error),
    #[error("it holds JSON that is none: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it is cut off or broken: {0}")]
    Wire(#[from] DecodeError),
    #[error("it is cut off")]
    Short,
}

type Result<T> = std::result::Result<T, ProtobufError>;

/// The value of a field as it is encoded.
#[derive(Clone, Copy)]
enum Raw<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Raw<'a> {
    fn bytes(self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Number(_) => &[],
        }
    }

    fn text(self) -> Result<&'a str> {
        Ok(std::str::from_utf8(self.bytes())?)
    }

    /// Negative numbers are written in full, as 64 bits.
    fn integer(self) -> i64 {
        match self {
            Self::Number(number) => number.cast_signed(),
            Self::Bytes(_) => 0,
        }
    }
}

/// An object from a body.
pub(crate) fn object(body: &[u8]) -> Result<Value> {
    let envelope = body.strip_prefix(MAGIC).ok_or(ProtobufError::Foreign)?;
    let type_meta = last(envelope, 1)?.map_or(&[][..], Raw::bytes);
    let text = |number| -> Result<&str> { last(type_meta, number)?.map_or(Ok(""), Raw::text) };
    let (api_version, kind) = (text(1)?, text(2)?);
    let message = messages::of_kind(api_version, kind)
        .ok_or_else(|| ProtobufError::Kind { api_version: api_version.to_owned(), kind: kind.to_owned() })?;
    let mut object = Map::new();
    object.insert("apiVersion".into(), api_version.into());
    object.insert("kind".into(), kind.into());
    read(message, last(envelope, 2)?.map_or(&[], Raw::bytes), 0, &mut object)?;
    Ok(Value::Object(object))
}

/// Reads a message into an object.
fn read(message: &str, bytes: &[u8], depth: usize, object: &mut Map<String, Value>) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(ProtobufError::Depth);
    }
    let known = messages::fields(message);
    each(bytes, |number, raw| match known.binary_search_by_key(&number, |field| field.number) {
        Ok(place) => known.get(place).map_or(Ok(()), |field| put(field, raw, depth, object)),
        Err(_) => Ok(()),
    })
}

/// Adds one occurrence of a field.
fn put(field: &Field, raw: Raw<'_>, depth: usize, object: &mut Map<String, Value>) -> Result<()> {
    let Some(name) = field.json else {
        let Form::Message(inlined) = field.form else { return Ok(()) };
        return read(inlined, raw.bytes(), depth + 1, object);
    };
    match &field.form {
        Form::List(item) => {
            let list = object.entry(name).or_insert_with(|| json!([]));
            list.as_array_mut().map_or(Ok(()), |list| push(item, raw, depth, list))
        }
        Form::Map(form) => {
            let key = last(raw.bytes(), 1)?.map_or(Ok(""), Raw::text)?.to_owned();
            let value = value(form, last(raw.bytes(), 2)?.unwrap_or(Raw::Bytes(&[])), depth)?;
            let map = object.entry(name).or_insert_with(|| json!({}));
            map.as_object_mut().map(|map| map.insert(key, value));
            Ok(())
        }
        form => {
            let value = value(form, raw, depth)?;
            if !value.is_null() && (field.keeps_zero || !is_zero(&value)) {
                object.insert(name.to_owned(), value);
            }
            Ok(())
        }
    }
}

/// Adds an item of a list; numbers may come many at once.
fn push(item: &Form, raw: Raw<'_>, depth: usize, list: &mut Vec<Value>) -> Result<()> {
    if let (Form::Integer, Raw::Bytes(mut packed)) = (item, raw) {
        while packed.has_remaining() {
            list.push(Raw::Number(decode_varint(&mut packed)?).integer().into());
        }
        return Ok(());
    }
    list.push(value(item, raw, depth)?);
    Ok(())
}

fn value(form: &Form, raw: Raw<'_>, depth: usize) -> Result<Value> {
    Ok(match form {
        Form::Text => raw.text()?.into(),
        Form::Integer => raw.integer().into(),
        Form::Boolean => (raw.integer() != 0).into(),
        Form::Bytes => STANDARD.encode(raw.bytes()).into(),
        Form::Double => special::double(raw),
        Form::Message(message) => match special::value(message, raw.bytes(), depth)? {
            Some(value) => value,
            None => {
                let mut object = Map::new();
                read(message, raw.bytes(), depth + 1, &mut object)?;
                Value::Object(object)
            }
        },
        // As the value of a map a list is a message of its items.
        Form::List(item) => {
            let mut list = Vec::new();
            each(
                raw.bytes(),
                |number, raw| if number == 1 { push(item, raw, depth, &mut list) } else { Ok(()) },
            )?;
            Value::Array(list)
        }
        Form::Map(_) => Value::Null,
    })
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

/// The last occurrence of a field: the one that counts.
fn last(message: &[u8], wanted: u32) -> Result<Option<Raw<'_>>> {
    let mut found = None;
    each(message, |number, raw| {
        if number == wanted {
            found = Some(raw);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Every field of a message, in order.
fn each<'a>(mut rest: &'a [u8], mut field: impl FnMut(u32, Raw<'a>) -> Result<()>) -> Result<()> {
    while rest.has_remaining() {
        let (number, wire) = decode_key(&mut rest)?;
        let raw = match wire {
            WireType::Varint => Raw::Number(decode_varint(&mut rest)?),
            WireType::SixtyFourBit => Raw::Number(rest.try_get_u64_le().map_err(|_| ProtobufError::Short)?),
            WireType::ThirtyTwoBit => {
                Raw::Number(rest.try_get_u32_le().map_err(|_| ProtobufError::Short)?.into())
            }
            WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(&mut rest)?).unwrap_or(usize::MAX);
                let (bytes, after) = rest.split_at_checked(length).ok_or(ProtobufError::Short)?;
                rest = after;
                Raw::Bytes(bytes)
            }
            WireType::StartGroup | WireType::EndGroup => return Err(ProtobufError::Short),
        };
        field(number, raw)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;

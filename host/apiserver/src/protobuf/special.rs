//! Messages that are something else than an object of their fields in JSON.

use chrono::{DateTime, SecondsFormat, Utc};
use polyreme_protobuf as wire;
use serde_json::Value;

use super::{ProtobufError, Result, message_value};

const SCHEMA: &str = "apiextensions.v1.JSONSchemaProps";

/// What the message is in JSON; `None` for messages that are objects.
pub(super) fn value(message: &str, bytes: &[u8], depth: usize) -> Result<Option<Value>> {
    Ok(Some(match message {
        "meta.v1.Time" => time(bytes, SecondsFormat::Secs)?,
        "meta.v1.MicroTime" => time(bytes, SecondsFormat::Micros)?,
        "resource.Quantity" => wire::text(bytes, 1)?.into(),
        "intstr.IntOrString" => int_or_string(bytes)?,
        "runtime.RawExtension" | "meta.v1.FieldsV1" | "apiextensions.v1.JSON" => json(bytes)?,
        "apiextensions.v1.JSONSchemaPropsOrArray" => {
            schema_or(bytes, 1, depth, |rest| each(rest, |read| message_value(SCHEMA, read.bytes()?, depth)))?
        }
        "apiextensions.v1.JSONSchemaPropsOrStringArray" => {
            schema_or(bytes, 1, depth, |rest| each(rest, |read| Ok(read.text()?.into())))?
        }
        "apiextensions.v1.JSONSchemaPropsOrBool" => {
            schema_or(bytes, 2, depth, |rest| Ok((wire::integer(rest, 1)? != 0).into()))?
        }
        _ => return Ok(None),
    }))
}

/// A number that is whole is written without a fraction, as Go writes it.
pub(super) fn double(number: f64) -> Value {
    // Up to there every whole number is exact.
    if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
        return Value::from(number as i64);
    }
    Value::from(number)
}

/// The zero time is none.
fn time(bytes: &[u8], precision: SecondsFormat) -> Result<Value> {
    let (seconds, nanos) = (wire::integer(bytes, 1)?, wire::integer(bytes, 2)?);
    if (seconds, nanos) == (0, 0) {
        return Ok(Value::Null);
    }
    let time: Option<DateTime<Utc>> =
        u32::try_from(nanos).ok().and_then(|nanos| DateTime::from_timestamp(seconds, nanos));
    Ok(time.ok_or(ProtobufError::Time)?.to_rfc3339_opts(precision, true).into())
}

fn int_or_string(bytes: &[u8]) -> Result<Value> {
    Ok(match wire::integer(bytes, 1)? {
        1 => wire::text(bytes, 3)?.into(),
        _ => wire::integer(bytes, 2)?.into(),
    })
}

fn json(bytes: &[u8]) -> Result<Value> {
    match wire::bytes(bytes, 1)? {
        [] => Ok(Value::Null),
        text => Ok(serde_json::from_slice(text)?),
    }
}

/// A schema, if the field with this number has one, or something else.
fn schema_or(
    bytes: &[u8],
    number: u32,
    depth: usize,
    other: impl FnOnce(&[u8]) -> Result<Value>,
) -> Result<Value> {
    match wire::last(bytes, number)? {
        Some(schema) => message_value(SCHEMA, schema.bytes()?, depth),
        None => other(bytes),
    }
}

/// The list in field 2.
fn each(bytes: &[u8], item: impl Fn(wire::Field<'_>) -> Result<Value>) -> Result<Value> {
    let mut all = Vec::new();
    for read in wire::fields(bytes) {
        let read = read?;
        if read.number == 2 {
            all.push(item(read)?);
        }
    }
    Ok(Value::Array(all))
}

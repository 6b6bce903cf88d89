//! Messages that are something else than an object of their fields in JSON.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value};

use super::{Raw, Result, each, last, read};

/// What the message is in JSON; `None` for messages that are objects.
pub(super) fn value(message: &str, bytes: &[u8], depth: usize) -> Result<Option<Value>> {
    Ok(Some(match message {
        "meta.v1.Time" => time(bytes, SecondsFormat::Secs)?,
        "meta.v1.MicroTime" => time(bytes, SecondsFormat::Micros)?,
        "resource.Quantity" => last(bytes, 1)?.map_or(Ok("0"), Raw::text)?.into(),
        "intstr.IntOrString" => int_or_string(bytes)?,
        "runtime.RawExtension" | "meta.v1.FieldsV1" | "apiextensions.v1.JSON" => json(bytes)?,
        "apiextensions.v1.JSONSchemaPropsOrArray" => schema_or_array(bytes, depth)?,
        "apiextensions.v1.JSONSchemaPropsOrBool" => schema_or_bool(bytes, depth)?,
        "apiextensions.v1.JSONSchemaPropsOrStringArray" => schema_or_strings(bytes, depth)?,
        _ => return Ok(None),
    }))
}

/// A number that is whole is written without a fraction, as Go writes it.
pub(super) fn double(raw: Raw<'_>) -> Value {
    let Raw::Number(bits) = raw else { return Value::Null };
    let number = f64::from_bits(bits);
    // Up to there every whole number is exact.
    if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
        return Value::from(number as i64);
    }
    Value::from(number)
}

/// The zero time is none.
fn time(bytes: &[u8], precision: SecondsFormat) -> Result<Value> {
    let number = |of| -> Result<i64> { Ok(last(bytes, of)?.map_or(0, Raw::integer)) };
    let (seconds, nanos) = (number(1)?, u32::try_from(number(2)?).unwrap_or(0));
    if (seconds, nanos) == (0, 0) {
        return Ok(Value::Null);
    }
    let time: Option<DateTime<Utc>> = DateTime::from_timestamp(seconds, nanos);
    Ok(time.map_or(Value::Null, |time| time.to_rfc3339_opts(precision, true).into()))
}

fn int_or_string(bytes: &[u8]) -> Result<Value> {
    let is_text = last(bytes, 1)?.is_some_and(|kind| kind.integer() == 1);
    Ok(match is_text {
        true => last(bytes, 3)?.map_or(Ok(""), Raw::text)?.into(),
        false => last(bytes, 2)?.map_or(0, Raw::integer).into(),
    })
}

fn json(bytes: &[u8]) -> Result<Value> {
    match last(bytes, 1)?.map_or(&[][..], Raw::bytes) {
        [] => Ok(Value::Null),
        text => Ok(serde_json::from_slice(text)?),
    }
}

fn schema(bytes: &[u8], depth: usize) -> Result<Value> {
    let mut object = Map::new();
    read("apiextensions.v1.JSONSchemaProps", bytes, depth + 1, &mut object)?;
    Ok(Value::Object(object))
}

fn schema_or_array(bytes: &[u8], depth: usize) -> Result<Value> {
    if let Some(one) = last(bytes, 1)? {
        return schema(one.bytes(), depth);
    }
    let mut all = Vec::new();
    each(bytes, |number, raw| {
        if number == 2 {
            all.push(schema(raw.bytes(), depth)?);
        }
        Ok(())
    })?;
    Ok(Value::Array(all))
}

fn schema_or_bool(bytes: &[u8], depth: usize) -> Result<Value> {
    match last(bytes, 2)? {
        Some(one) => schema(one.bytes(), depth),
        None => Ok(last(bytes, 1)?.is_some_and(|allows| allows.integer() != 0).into()),
    }
}

fn schema_or_strings(bytes: &[u8], depth: usize) -> Result<Value> {
    if let Some(one) = last(bytes, 1)? {
        return schema(one.bytes(), depth);
    }
    let mut all = Vec::new();
    each(bytes, |number, raw| {
        if number == 2 {
            all.push(raw.text()?.into());
        }
        Ok(())
    })?;
    Ok(Value::Array(all))
}

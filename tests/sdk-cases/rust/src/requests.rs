//! Servers outside of Kubernetes.

use std::time::Duration;

use polyreme_sdk::{Context, Error, HttpReason, HttpRequest, HttpResponse};
use serde_json::{Value, json};

use crate::text;

/// More than `limits.payload` by default.
const TOO_MUCH_BYTES: usize = 4 << 20;

/// A URL below the server of the input.
fn at(input: &Value, path: &str) -> Result<String, Error> {
    Ok(format!("{}{path}", text(input, "server")?))
}

pub(crate) fn get(ctx: &Context, input: &Value) -> Result<Value, Error> {
    let response = ctx.http(&HttpRequest::get(at(input, "/colour")?))?;
    Ok(json!({ "status": response.status, "colour": response.text(), "note": response.header("X-Note") }))
}

pub(crate) fn post(ctx: &Context, input: &Value) -> Result<Value, Error> {
    let bytes: Vec<u8> = (0..=255).collect();
    let request = HttpRequest::post(at(input, "/echo")?).header("x-note", "from the guest").body(bytes);
    let response = ctx.http(&request)?;
    let hex: String = response.body.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(json!({ "status": response.status, "note": response.header("x-note"), "bytes": hex }))
}

pub(crate) fn json(ctx: &Context, input: &Value) -> Result<Value, Error> {
    let request = HttpRequest::post(at(input, "/echo")?).json(&json!({ "text": "grüße, 世界 🚣" }))?;
    let response = ctx.http(&request)?.success()?;
    let echoed: Value = response.json()?;
    Ok(json!({ "type": response.header("content-type"), "text": echoed.get("text") }))
}

pub(crate) fn statuses(ctx: &Context, input: &Value) -> Result<Value, Error> {
    let missing = ctx.http(&HttpRequest::get(at(input, "/missing")?))?;
    let away = ctx.http(&HttpRequest::get(at(input, "/away")?))?;
    Ok(json!({ "statuses": [missing.status, away.status] }))
}

pub(crate) fn not_granted(ctx: &Context, input: &Value) -> Result<Value, Error> {
    Ok(refusal(ctx.http(&HttpRequest::delete(at(input, "/colour")?))))
}

pub(crate) fn too_large(ctx: &Context, input: &Value) -> Result<Value, Error> {
    Ok(refusal(ctx.http(&HttpRequest::get(at(input, "/large")?))))
}

pub(crate) fn limit_exceeded(ctx: &Context, input: &Value) -> Result<Value, Error> {
    let request = HttpRequest::post(at(input, "/echo")?).body("x".repeat(TOO_MUCH_BYTES));
    Ok(refusal(ctx.http(&request)))
}

pub(crate) fn timeout(ctx: &Context, input: &Value) -> Result<Value, Error> {
    let request = HttpRequest::get(at(input, "/slow")?).timeout(Duration::from_millis(100));
    Ok(refusal(ctx.http(&request)))
}

pub(crate) fn bad_request(ctx: &Context, input: &Value) -> Result<Value, Error> {
    Ok(refusal(ctx.http(&HttpRequest::get(at(input, "/colour")?).header("host", "elsewhere"))))
}

pub(crate) fn connect(ctx: &Context) -> Value {
    refusal(ctx.http(&HttpRequest::get("http://127.0.0.1:1/")))
}

/// The contract's word for why there is no response, and the message.
fn refusal(outcome: Result<HttpResponse, Error>) -> Value {
    let reason = match outcome.as_ref().err().and_then(Error::http_reason) {
        Some(HttpReason::NotGranted) => "not-granted",
        Some(HttpReason::NotOwner) => "not-owner",
        Some(HttpReason::BadRequest) => "bad-request",
        Some(HttpReason::LimitExceeded) => "limit-exceeded",
        Some(HttpReason::Dns) => "dns",
        Some(HttpReason::Connect) => "connect",
        Some(HttpReason::Tls) => "tls",
        Some(HttpReason::Unavailable) => "unavailable",
        Some(HttpReason::Timeout) => "timeout",
        Some(HttpReason::TooLarge) => "too-large",
        Some(HttpReason::Broken) => "broken",
        Some(HttpReason::Other) => "other",
        None => "none",
    };
    json!({ "reason": reason, "message": outcome.err().map(|error| error.chain()) })
}

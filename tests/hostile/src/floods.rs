//! Too much of something.

use polyreme_sdk::bindings::polyreme::controller::kubernetes::{self, Source};
use polyreme_sdk::bindings::polyreme::controller::random;
use polyreme_sdk::k8s_openapi::api::core::v1::ConfigMap;
use polyreme_sdk::{Action, Context, Error, Object, ObjectRef, info};

use crate::forgeries::write;

/// Far beyond any quota of lines or calls that a scenario sets.
const MANY: u32 = 100_000;
/// What the issue names.
const HUGE: usize = 100 << 20;
/// More than a payload, less than what ends a guest at once.
const LONG: usize = 4 << 20;

pub(crate) fn logs(ctx: &Context) -> Result<Action, Error> {
    for line in 0..MANY {
        info!(ctx, "line {line} of a flood");
    }
    Ok(Action::Done)
}

/// Reads of the cache: each is free, and together they are not.
pub(crate) fn calls(object: &ConfigMap) -> Result<Action, Error> {
    let this = ObjectRef {
        api_version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        namespace: object.metadata.namespace.clone(),
        name: object.name().to_owned(),
    };
    for _ in 0..MANY {
        kubernetes::get(&this, Source::Cache).map_err(|error| Error::retry(error.message))?;
    }
    Err(Error::terminal("nobody stopped it"))
}

pub(crate) fn payload(object: &ConfigMap) -> Result<Action, Error> {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let metadata = format!(r#""metadata":{{"name":"huge","namespace":"{namespace}"}}"#);
    let head = format!(r#"{{"apiVersion":"v1","kind":"ConfigMap",{metadata},"data":{{"filler":""#);
    let tail = r#""}}"#;
    // One allocation: the limit that is to be met is not that of memory.
    let mut text = String::with_capacity(head.len() + HUGE + tail.len());
    text += &head;
    text.extend(std::iter::repeat_n('x', HUGE));
    text += tail;
    write(&text, None)
}

pub(crate) fn random_bytes() -> Result<Action, Error> {
    Err(Error::terminal(format!("got {} bytes", random::bytes(u32::MAX).len())))
}

pub(crate) fn too_long_a_verdict() -> Error {
    Error::retry("x".repeat(LONG))
}

/// The contract's texts are UTF-8.
#[allow(unsafe_code, reason = "that is the deed: no safe code can make such a text")]
pub(crate) fn text_that_is_none() -> Error {
    // SAFETY: none. The text goes to the host and nowhere else.
    Error::retry(unsafe { String::from_utf8_unchecked(vec![0xff, 0xfe]) })
}

//! Request bodies: bounded, and JSON, YAML or protobuf made into a JSON value.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use serde_json::Value;

use crate::error::ApiError;
use crate::protobuf::{self, ProtobufError};

/// The largest body read: what kube-apiserver allows (`MaxRequestBodyBytes`).
pub(crate) const MAX_BODY_BYTES: usize = 3 << 20;

const ACCEPTED: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/// What is read of a body that is too large, so that its sender is there to hear that: a connection that is
/// closed on somebody who writes is broken for them, and the answer lost.
const MAX_DISCARDED_BYTES: usize = 64 << 20;

/// The whole body, or 413.
pub(crate) async fn read(mut body: Body) -> Result<Bytes, ApiError> {
    let (mut whole, mut seen) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame
            .map_err(|error| ApiError::bad_request(format!("failed to read the request body: {error}")))?;
        // Trailers are of no interest.
        let Ok(data) = frame.into_data() else { continue };
        seen += data.len();
        if seen > MAX_DISCARDED_BYTES {
            break;
        }
        if seen <= MAX_BODY_BYTES {
            whole.extend_from_slice(&data);
        }
    }
    if seen > MAX_BODY_BYTES { Err(ApiError::too_large(MAX_BODY_BYTES)) } else { Ok(whole.freeze()) }
}

/// The media type of the body without its parameters; JSON when none is named.
pub(crate) fn media_type(headers: &HeaderMap) -> &str {
    let header = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let bare = header.and_then(|h| h.split(';').next()).map(str::trim);
    bare.filter(|m| !m.is_empty()).unwrap_or("application/json")
}

/// An object as clients send it.
pub(crate) fn object(media_type: &str, bytes: &[u8]) -> Result<Value, ApiError> {
    match media_type {
        "application/json" => json(bytes),
        "application/yaml" | "application/x-yaml" | "text/yaml" => yaml(bytes),
        "application/vnd.kubernetes.protobuf" => protobuf::object(bytes).map_err(|why| undecodable(&why)),
        _ => Err(ApiError::unsupported_media_type(&ACCEPTED)),
    }
}

/// Custom resources have no protobuf form, here or anywhere.
fn undecodable(why: &ProtobufError) -> ApiError {
    match why {
        ProtobufError::Kind { .. } => {
            let mut error = ApiError::unsupported_media_type(&["application/json", "application/yaml"]);
            error.message.push_str(&format!(" ({why})"));
            error
        }
        why => ApiError::bad_request(format!("failed to read the body as protobuf: {why}")),
    }
}

/// JSON text; the error is worded as Go's decoder words it.
pub(crate) fn json(bytes: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(bytes)
        .map_err(|e| ApiError::bad_request(format!("couldn't get version/kind; json parse error: {e}")))
}

/// The JSON text of a patch.
pub(crate) fn patch(bytes: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(bytes).map_err(|e| ApiError::bad_request(format!("error decoding patch: {e}")))
}

/// YAML text, of which JSON is a part.
pub(crate) fn yaml(bytes: &[u8]) -> Result<Value, ApiError> {
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    let text =
        std::str::from_utf8(bytes).map_err(|e| ApiError::bad_request(format!("error decoding YAML: {e}")))?;
    serde_saphyr::from_str(text).map_err(|e| ApiError::bad_request(format!("error decoding YAML: {e}")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn a_body_above_the_limit_is_refused() {
        let body = Body::from(vec![b' '; MAX_BODY_BYTES + 1]);
        assert_eq!(read(body).await.unwrap_err().code, 413);
        let body = Body::from(vec![b' '; MAX_BODY_BYTES]);
        assert_eq!(read(body).await.unwrap().len(), MAX_BODY_BYTES);
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_is_read_to_its_end_and_no_further_than_is_sensible() {
        let chunk = Bytes::from(vec![b' '; 1 << 20]);
        for (sent, taken) in [(5, 5), (100, 65)] {
            let count = Arc::new(AtomicUsize::new(0));
            let (counted, chunk) = (count.clone(), chunk.clone());
            let chunks = (0..sent).map(move |_| {
                counted.fetch_add(1, Ordering::Relaxed);
                Ok::<_, std::io::Error>(chunk.clone())
            });
            let refused = read(Body::from_stream(futures::stream::iter(chunks))).await.unwrap_err();
            assert_eq!((refused.code, count.load(Ordering::Relaxed)), (413, taken));
        }
    }

    #[test]
    fn yaml_and_json_are_objects() {
        let expected = json!({"kind": "Pod", "n": 1, "on": true, "s": "1"});
        assert_eq!(object("application/yaml", b"kind: Pod\nn: 1\non: true\ns: '1'\n"), Ok(expected.clone()));
        assert_eq!(object("application/json", br#"{"kind":"Pod","n":1,"on":true,"s":"1"}"#), Ok(expected));
    }

    #[test]
    fn protobuf_of_a_built_in_kind_is_an_object() {
        let body = |text: &[u8]| object("application/vnd.kubernetes.protobuf", text);
        // An envelope of version and kind, and a message of metadata with a name.
        let built_in = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09Namespace\x12\x05\x0a\x03\x0a\x01a";
        let expected = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}});
        assert_eq!(body(built_in), Ok(expected));
        let refused = body(b"k8s\0\x0a\x0d\x0a\x04a/v1\x12\x05Thing").unwrap_err();
        assert_eq!(refused.code, 415);
        assert!(
            refused.message.ends_with("(Thing of a/v1 has no protobuf form here)"),
            "{}",
            refused.message
        );
        assert_eq!(body(b"k8s").unwrap_err().code, 400);
    }
}

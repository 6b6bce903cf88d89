//! A watch as a stream of JSON lines.

use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::{BufMut, Bytes, BytesMut};
use futures::stream;
use http::header;
use serde_json::{Value, json};

use super::accept::{Accept, Form};
use super::respond;
use super::tables::{self, Include};
use crate::api::{Frame, Watch, from_stored};
use crate::kinds::Resource;

/// Lines are gathered into one write up to this size.
const CHUNK_BYTES: usize = 64 * 1024;

/// Turns frames into lines.
struct Encoder {
    resource: Arc<Resource>,
    form: Form,
    include: Include,
    /// Only the first table of a watch names its columns.
    columns_sent: bool,
}

/// The streaming answer to a watch.
pub(super) fn response(watch: Watch, accept: Accept, include: Include) -> Response {
    let encoder =
        Encoder { resource: watch.resource.clone(), form: accept.form, include, columns_sent: false };
    let chunks = stream::unfold((watch, encoder), |(mut watch, mut encoder)| async move {
        let mut chunk = BytesMut::new();
        let mut next = Some(watch.next().await?);
        while let Some(frame) = next {
            encoder.line(&frame, &mut chunk);
            next = if chunk.len() < CHUNK_BYTES { watch.next_ready() } else { None };
        }
        Some((Ok::<Bytes, std::convert::Infallible>(chunk.freeze()), (watch, encoder)))
    });
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(chunks)).into_response()
}

impl Encoder {
    fn line(&mut self, frame: &Frame, out: &mut BytesMut) {
        out.put_slice(b"{\"type\":\"");
        out.put_slice(frame.kind().as_bytes());
        out.put_slice(b"\",\"object\":");
        out.put_slice(&self.object(frame));
        out.put_slice(b"}\n");
    }

    fn object(&mut self, frame: &Frame) -> Bytes {
        let is_object = matches!(frame, Frame::Added(_) | Frame::Modified(_) | Frame::Deleted(_));
        match self.form {
            Form::Table if !matches!(frame, Frame::Error(_)) => bytes(&self.table(frame)),
            Form::Metadata if is_object => bytes(&respond::metadata_of(&frame.object(&self.resource))),
            Form::Metadata => bytes(&self.metadata_bookmark(frame)),
            _ => self.plain(frame),
        }
    }

    /// The stored bytes when the version is the stored one: no copy is made per watcher.
    fn plain(&self, frame: &Frame) -> Bytes {
        if let Frame::Added(o) | Frame::Modified(o) | Frame::Deleted(o) = frame
            && matches!(from_stored(&self.resource, o), std::borrow::Cow::Borrowed(_))
        {
            return o.json();
        }
        bytes(&frame.object(&self.resource))
    }

    fn metadata_bookmark(&self, frame: &Frame) -> Value {
        match frame {
            Frame::Error(error) => error.status(),
            frame => respond::metadata_of(&frame.object(&self.resource)),
        }
    }

    fn table(&mut self, frame: &Frame) -> Value {
        let object = frame.object(&self.resource);
        let mut table = match frame {
            Frame::Bookmark { .. } => tables::bookmark(&self.resource, &object, self.include),
            _ => tables::table(&self.resource, &[object], json!({}), self.include),
        };
        if std::mem::replace(&mut self.columns_sent, true) {
            crate::json::as_map(&mut table).insert("columnDefinitions".to_owned(), Value::Null);
        }
        table
    }
}

fn bytes(value: &Value) -> Bytes {
    serde_json::to_vec(value).map(Bytes::from).unwrap_or_default()
}

//! HTTP requests to the API server, built by hand: bodies are the guest's own bytes.
//!
//! A write carries the time that is left for it. kube-apiserver reads `timeout` as a Go duration
//! (`WithRequestDeadline`), counts it from when it received the request, and answers 504 after it; what
//! is longer than its own limit is cut to that. It is sent in whole milliseconds, rounded down: seconds
//! would have to be rounded up, past the window, or down, to `0s`, which means no limit.

use std::time::Duration;

use http::{Method, Request, header};
use kube::api::DynamicObject;
use kube::core::Resource as _;
use polyreme_runtime::wit::kubernetes::{ListQuery, PatchType, WriteOptions};
use polyreme_runtime::wit::types::Error;

use super::bad_request;
use crate::cache::Resource;
use crate::object::ObjectKey;

const JSON: &str = "application/json";

type Query = form_urlencoded::Serializer<'static, String>;

fn query() -> Query {
    Query::new(String::new())
}

fn path(resource: &Resource, key: &ObjectKey) -> String {
    format!("{}/{}", DynamicObject::url_path(&resource.api, key.namespace.as_deref()), key.name)
}

/// Names were checked before they come here.
fn request(
    method: Method,
    path: &str,
    mut query: Query,
    content_type: &'static str,
    body: String,
) -> Result<Request<Vec<u8>>, Error> {
    let query = query.finish();
    let uri = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    let request = Request::builder().method(method).uri(uri).header(header::ACCEPT, JSON);
    let request = request.header(header::CONTENT_TYPE, content_type).body(body.into_bytes());
    request.map_err(|error| bad_request(format!("failed to build request: {error}")))
}

pub(super) fn get(resource: &Resource, key: &ObjectKey) -> Result<Request<Vec<u8>>, Error> {
    request(Method::GET, &path(resource, key), query(), JSON, String::new())
}

/// The namespace was checked before it comes here.
pub(super) fn list(resource: &Resource, wanted: &ListQuery) -> Result<Request<Vec<u8>>, Error> {
    let limit = (wanted.limit > 0).then(|| wanted.limit.to_string());
    let pairs = [
        ("labelSelector", Some(&wanted.label_selector).filter(|text| !text.is_empty())),
        ("fieldSelector", Some(&wanted.field_selector).filter(|text| !text.is_empty())),
        ("limit", limit.as_ref()),
        ("continue", wanted.continue_.as_ref()),
    ];
    let mut query = query();
    query.extend_pairs(pairs.into_iter().filter_map(|(key, value)| Some((key, value?))));
    let path = DynamicObject::url_path(&resource.api, wanted.namespace.as_deref());
    request(Method::GET, &path, query, JSON, String::new())
}

/// How an object is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// POST to the collection.
    Create,
    /// PUT.
    Update,
    /// Server-side apply.
    Apply,
    /// PATCH of a type.
    Patch(PatchType),
    /// DELETE.
    Delete,
}

impl Change {
    fn method(self) -> Method {
        match self {
            Self::Create => Method::POST,
            Self::Update => Method::PUT,
            Self::Apply | Self::Patch(_) => Method::PATCH,
            Self::Delete => Method::DELETE,
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Create | Self::Update | Self::Delete => JSON,
            Self::Apply => "application/apply-patch+yaml",
            Self::Patch(PatchType::Merge) => "application/merge-patch+json",
            Self::Patch(PatchType::JsonPatch) => "application/json-patch+json",
            Self::Patch(PatchType::Strategic) => "application/strategic-merge-patch+json",
        }
    }
}

/// A write without its body and its time: may be sent several times.
#[derive(Clone, Debug)]
pub(super) struct Write {
    change: Change,
    path: String,
    query: Vec<(&'static str, String)>,
    subresource: bool,
}

impl Write {
    /// A deletion; its options are its body.
    pub(super) fn delete(resource: &Resource, key: &ObjectKey) -> Self {
        Self { change: Change::Delete, path: path(resource, key), query: Vec::new(), subresource: false }
    }

    /// Any other change.
    pub(super) fn new(
        change: Change,
        resource: &Resource,
        key: &ObjectKey,
        options: &WriteOptions,
        default_manager: &str,
    ) -> Self {
        let suffix = options.subresource.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
        let path = match change {
            Change::Create => DynamicObject::url_path(&resource.api, key.namespace.as_deref()),
            _ => path(resource, key) + &suffix,
        };
        let manager = options.field_manager.as_deref().unwrap_or(default_manager);
        let mut query = vec![("fieldManager", manager.to_owned())];
        query.extend(options.dry_run.then(|| ("dryRun", "All".to_owned())));
        query.extend((change == Change::Apply).then(|| ("force", options.force.to_string())));
        Self { change, path, query, subresource: options.subresource.is_some() }
    }

    /// Whether it makes an object that is not there.
    pub(super) fn makes(&self) -> bool {
        matches!(self.change, Change::Create | Change::Apply) && !self.subresource
    }

    /// The request, to be carried out within `window`.
    pub(super) fn request(&self, body: String, window: Duration) -> Result<Request<Vec<u8>>, Error> {
        let mut query = query();
        query.extend_pairs(&self.query);
        query.append_pair("timeout", &format!("{}ms", window.as_millis()));
        let body = if self.change == Change::Apply { for_yaml(body) } else { body };
        request(self.change.method(), &self.path, query, self.change.content_type(), body)
    }
}

/// JSON that means the same when it is read as YAML, which is how kube-apiserver reads an apply: YAML 1.1
/// takes some characters that JSON allows in a text for line breaks, drops the blanks around them, and does not
/// accept others (go-yaml `is_break`, `yaml_parser_update_buffer`).
fn for_yaml(json: String) -> String {
    if !json.contains(is_other_in_yaml) {
        return json;
    }
    let escaped = |c: char| format!("\\u{:04x}", u32::from(c));
    json.chars().map(|c| if is_other_in_yaml(c) { escaped(c) } else { c.to_string() }).collect()
}

/// Outside of texts JSON has none of them.
fn is_other_in_yaml(c: char) -> bool {
    matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_yaml_takes_for_a_line_break_is_escaped() {
        let json = "{\"a\":\"x\u{2028}y\u{85}z\u{feff}\u{1f6a3}\"}".to_owned();
        let sent = for_yaml(json.clone());
        assert_eq!(sent, "{\"a\":\"x\\u2028y\\u0085z\\ufeff\u{1f6a3}\"}");
        let same = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(same(&sent), same(&json));
        assert_eq!(for_yaml("{\"a\":\"\u{e9}\"}".into()), "{\"a\":\"\u{e9}\"}");
    }
}

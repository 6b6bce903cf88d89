//! A consistent list of no more than metadata: which objects exist, in which version, and whose they are.
//!
//! For the barrier it is the cheapest read that proves what a watch cannot: that nothing has changed. The
//! real API server is asked for protobuf, which it writes and we read some ten times faster than JSON, and
//! uncompressed; a server that does not know protobuf answers in JSON.

use futures::AsyncReadExt as _;
use http::{Request, header};
use kube::Client;
use kube::api::DynamicObject;
use kube::core::Resource as _;
use polyreme_protobuf::{self as protobuf, MAGIC};
use serde::Deserialize;
use serde::de::Error as _;

use super::{CacheId, Resource};
use crate::object::{Identity, Label, ObjectKey, Owner, OwnerReference, ResourceVersion, controller_of};

/// Objects asked for at a time: an answer of a few megabytes.
const PAGE: usize = 5_000;
const ACCEPT: &str = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,\
                      application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/// What a list shows, all of one moment.
#[derive(Debug, Default)]
pub(super) struct MetadataList {
    /// The moment.
    pub(super) version: ResourceVersion,
    pub(super) items: Vec<Metadata>,
}

/// An object, as far as it decides where it belongs and whether it is news.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Metadata {
    key: ObjectKey,
    uid: Box<str>,
    version: ResourceVersion,
    controller: Option<Owner>,
    labels: Vec<Label>,
}

impl Metadata {
    pub(super) fn identity(&self) -> Identity<'_> {
        Identity {
            key: &self.key,
            uid: &self.uid,
            resource_version: &self.version,
            controller: self.controller.as_ref(),
            labels: Some(&self.labels),
        }
    }
}

/// Lists what a cache covers. Without a resourceVersion a list is consistent, and its pages show one moment.
pub(super) async fn list(client: &Client, id: &CacheId, resource: &Resource) -> kube::Result<MetadataList> {
    let mut all = MetadataList::default();
    let mut next: Option<String> = None;
    loop {
        let page = page(client, resource, &query(id, next.as_deref())).await?;
        all.items.extend(page.list.items);
        all.version = page.list.version;
        next = page.next;
        if next.is_none() {
            return Ok(all);
        }
    }
}

fn query(id: &CacheId, next: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", &PAGE.to_string());
    if !id.selector.is_empty() {
        query.append_pair("labelSelector", &id.selector);
    }
    if let Some(token) = next {
        query.append_pair("continue", token);
    }
    query.finish()
}

/// The version of a consistent read; one object is the least that can be asked for.
pub(super) async fn version(client: &Client, resource: &Resource) -> kube::Result<ResourceVersion> {
    Ok(page(client, resource, "limit=1").await?.list.version)
}

struct Page {
    list: MetadataList,
    next: Option<String>,
}

async fn page(client: &Client, resource: &Resource, query: &str) -> kube::Result<Page> {
    let uri = format!("{}?{query}", DynamicObject::url_path(&resource.api, None));
    let request =
        Request::get(uri).header(header::ACCEPT, ACCEPT).header(header::ACCEPT_ENCODING, "identity");
    let request = request.body(Vec::new()).map_err(kube::Error::HttpError)?;
    let mut body = Vec::new();
    let mut stream = std::pin::pin!(client.request_stream(request).await?);
    stream.read_to_end(&mut body).await.map_err(kube::Error::ReadEvents)?;
    let page = match body.strip_prefix(MAGIC) {
        Some(message) => from_protobuf(message)
            .map_err(|why| serde_json::Error::custom(format!("no list of metadata in protobuf: {why}"))),
        None => from_json(&body),
    };
    page.map_err(kube::Error::SerdeError)
}

fn from_json(body: &[u8]) -> serde_json::Result<Page> {
    #[derive(Deserialize)]
    struct List {
        metadata: ListMeta,
        #[serde(default)]
        items: Vec<Item>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ListMeta {
        resource_version: Box<str>,
        #[serde(rename = "continue")]
        next: Option<String>,
    }
    #[derive(Deserialize)]
    struct Item {
        metadata: ObjectMeta,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ObjectMeta {
        name: Box<str>,
        namespace: Option<Box<str>>,
        uid: Box<str>,
        resource_version: Box<str>,
        owner_references: Option<Vec<OwnerReference>>,
        labels: Option<std::collections::BTreeMap<Box<str>, Box<str>>>,
    }
    let List { metadata, items } = serde_json::from_slice(body)?;
    let items = items.into_iter().map(|Item { metadata }| Metadata {
        key: ObjectKey::new(metadata.namespace.as_deref(), &metadata.name),
        uid: metadata.uid,
        version: ResourceVersion(metadata.resource_version),
        controller: controller_of(metadata.owner_references),
        labels: metadata.labels.unwrap_or_default().into_iter().collect(),
    });
    let list = MetadataList { version: ResourceVersion(metadata.resource_version), items: items.collect() };
    Ok(Page { list, next: metadata.next.filter(|next| !next.is_empty()) })
}

/// A `runtime.Unknown` that holds a `PartialObjectMetadataList`; field numbers are those of `generated.proto`
/// in k8s.io/apimachinery (`pkg/runtime`, `pkg/apis/meta/v1`).
fn from_protobuf(message: &[u8]) -> protobuf::Result<Page> {
    const UNKNOWN_RAW: u32 = 2;
    const LIST_META: u32 = 1;
    const LIST_ITEMS: u32 = 2;
    const ITEM_META: u32 = 1;
    const VERSION: u32 = 2;
    const CONTINUE: u32 = 3;
    let list = protobuf::bytes(message, UNKNOWN_RAW)?;
    let meta = protobuf::bytes(list, LIST_META)?;
    let version = protobuf::text(meta, VERSION)?;
    if version.is_empty() {
        // Every list has one: this is something else, or was cut off where a field ends.
        return Err(protobuf::Error::Cut);
    }
    let next = Some(protobuf::text(meta, CONTINUE)?.to_owned()).filter(|next| !next.is_empty());
    let mut items = Vec::new();
    for field in protobuf::fields(list) {
        let field = field?;
        if field.number == LIST_ITEMS {
            items.push(object_meta(protobuf::bytes(field.bytes()?, ITEM_META)?)?);
        }
    }
    Ok(Page { list: MetadataList { version: ResourceVersion(version.into()), items }, next })
}

fn object_meta(message: &[u8]) -> protobuf::Result<Metadata> {
    const LABELS: u32 = 11;
    const OWNER_REFERENCES: u32 = 13;
    let (mut name, mut namespace, mut uid, mut version) = ("", "", "", "");
    let (mut controller, mut labels) = (None, Vec::new());
    for field in protobuf::fields(message) {
        let field = field?;
        match field.number {
            1 => name = field.text()?,
            3 => namespace = field.text()?,
            5 => uid = field.text()?,
            6 => version = field.text()?,
            LABELS => labels.push(label(field.bytes()?)?),
            OWNER_REFERENCES if controller.is_none() => controller = owner(field.bytes()?)?,
            _ => (),
        }
    }
    let (uid, version) = (uid.into(), ResourceVersion(version.into()));
    Ok(Metadata { key: ObjectKey::new(Some(namespace), name), uid, version, controller, labels })
}

fn label(message: &[u8]) -> protobuf::Result<Label> {
    Ok((protobuf::text(message, 1)?.into(), protobuf::text(message, 2)?.into()))
}

/// An owner reference, if it is the controller's.
fn owner(message: &[u8]) -> protobuf::Result<Option<Owner>> {
    const CONTROLLER: u32 = 6;
    if protobuf::integer(message, CONTROLLER)? == 0 {
        return Ok(None);
    }
    let text = |number: u32| protobuf::text(message, number).map(Box::from);
    Ok(Some(Owner { kind: text(1)?, name: text(3)?, uid: text(4)?, api_version: text(5)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of a message, less than 128 bytes long.
    fn message(number: u8, content: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(content.len()).unwrap()], content].concat()
    }

    #[test]
    fn json_and_protobuf_say_the_same() {
        let owner = [
            message(1, b"Website"),
            message(3, b"w"),
            message(4, b"wu"),
            message(5, b"h/v1"),
            vec![6 << 3, 1],
        ];
        let other =
            [message(1, b"Node"), message(3, b"n"), message(4, b"nu"), message(5, b"v1"), vec![6 << 3, 0]];
        let label = [message(1, b"app"), message(2, b"web")].concat();
        let meta = [
            message(1, b"d"),
            message(3, b"ns"),
            message(5, b"du"),
            message(6, b"41"),
            vec![7 << 3, 3],
            message(11, &label),
            message(13, &other.concat()),
            message(13, &owner.concat()),
        ];
        let list_meta = [message(2, b"42"), message(3, b"more")].concat();
        let list = [message(1, &list_meta), message(2, &message(1, &meta.concat()))].concat();
        let binary = from_protobuf(&message(2, &list)).unwrap();
        let text = from_json(
            br#"{"metadata":{"resourceVersion":"42","continue":"more"},"items":[{"metadata":{"name":"d",
            "namespace":"ns","uid":"du","resourceVersion":"41","labels":{"app":"web"},"ownerReferences":[
            {"kind":"Node","name":"n","uid":"nu","apiVersion":"v1"},
            {"kind":"Website","name":"w","uid":"wu","apiVersion":"h/v1","controller":true}]}}]}"#,
        );
        let text = text.unwrap();
        assert_eq!((binary.list.items, binary.list.version), (text.list.items, text.list.version));
        assert_eq!((binary.next.as_deref(), text.next.as_deref()), (Some("more"), Some("more")));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert!(from_protobuf(b"").is_err());
        assert!(from_protobuf(&message(2, &message(2, b"\x0a\x7f"))).is_err());
        assert!(from_json(br#"{"kind":"Status"}"#).is_err());
    }
}

//! One Kubernetes object as the host keeps it: its JSON text and the few facts the host reads.
//!
//! Objects are never parsed into a tree. The text is what the API server sent, minus
//! `metadata.managedFields` (often half of the bytes, and of no use to a reconciler: a server keeps
//! the managers of an object that is written back without the field), plus `apiVersion` and `kind`
//! where a typed list left them out. Beside the text stand the names, the owner and three digests
//! that answer "did anything change that matters to whom" without looking at the text again.
//!
//! An `Object` is immutable; a changed object is a new one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

/// API version and kind, as they stand in an object: `apps/v1` `Deployment`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind {
    /// `group/version`, or just `v1` for the core group.
    pub api_version: Arc<str>,
    /// CamelCase singular.
    pub kind: Arc<str>,
}

impl Kind {
    /// Both parts as they are written in an object.
    pub fn new(api_version: &str, kind: &str) -> Self {
        Self { api_version: api_version.into(), kind: kind.into() }
    }

    /// The group, empty for the core group.
    pub fn group(&self) -> &str {
        group(&self.api_version)
    }

    /// The version without the group.
    pub fn version(&self) -> &str {
        self.api_version.split_once('/').map_or(&self.api_version, |(_, version)| version)
    }

    /// Same group and kind; versions of one kind are the same objects.
    pub fn same_resource(&self, api_version: &str, kind: &str) -> bool {
        *self.kind == *kind && self.group() == group(api_version)
    }
}

fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.api_version, self.kind)
    }
}

/// Namespace and name: what identifies an object within its kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// Absent for cluster-scoped kinds.
    pub namespace: Option<Arc<str>>,
    /// `metadata.name`.
    pub name: Arc<str>,
}

impl ObjectKey {
    /// A key from borrowed parts; an empty namespace counts as none.
    pub fn new(namespace: Option<&str>, name: &str) -> Self {
        Self { namespace: namespace.filter(|n| !n.is_empty()).map(Into::into), name: name.into() }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// A resourceVersion. Ordered within one resource (Kubernetes 1.35 promises it, etcd always gave it).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceVersion(pub Box<str>);

impl ResourceVersion {
    /// Whether this is certainly no newer than the other: both are decimal numbers (of any length) and
    /// this one is not greater, or both are the same text.
    pub fn at_most(&self, other: &Self) -> bool {
        let (a, b) = (&self.0, &other.0);
        let number = |s: &str| !s.is_empty() && s.bytes().all(|c| c.is_ascii_digit());
        a == b || (number(a) && number(b) && (a.len(), a) < (b.len(), b))
    }
}

/// The owner reference with `controller: true`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// API version of the owner, as the reference says.
    pub api_version: Box<str>,
    /// Kind of the owner.
    pub kind: Box<str>,
    /// Name of the owner, in the namespace of the object or cluster-scoped.
    pub name: Box<str>,
    /// Uid of the owner: a namesake created later is not the owner.
    pub uid: Box<str>,
}

/// Key and value.
pub type Label = (Box<str>, Box<str>);

/// What decides where an object belongs and whether it is news: readable without parsing the rest.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// Namespace and name.
    pub key: &'a ObjectKey,
    /// `metadata.uid`.
    pub uid: &'a str,
    /// `metadata.resourceVersion`.
    pub resource_version: &'a ResourceVersion,
    /// The controlling owner, if any.
    pub controller: Option<&'a Owner>,
    /// `metadata.labels`; absent when they were not read.
    pub labels: Option<&'a [Label]>,
}

/// One object: text, facts, digests.
#[derive(Clone)]
pub struct Object {
    /// Canonical JSON text, see the module's story.
    pub json: Box<str>,
    /// Namespace and name.
    pub key: ObjectKey,
    /// `metadata.uid`.
    pub uid: Box<str>,
    /// `metadata.resourceVersion`.
    pub resource_version: ResourceVersion,
    /// `metadata.generation`, 0 where the kind has none.
    pub generation: i64,
    /// `metadata.labels` in the order of the text.
    pub labels: Box<[Label]>,
    /// The controlling owner, if any.
    pub controller: Option<Owner>,
    /// `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// Digest of everything but resourceVersion, generation, managedFields and status.
    pub desired_digest: u64,
    /// Digest of `status`; 0 when there is none.
    pub status_digest: u64,
    /// Digest of metadata without the volatile fields.
    pub metadata_digest: u64,
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Object({} uid={} rv={})", self.key, self.uid, self.resource_version.0)
    }
}

/// Why a text is not an object.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// Not JSON, or a metadata field of the wrong type.
    #[error("failed to parse object")]
    Parse(#[from] serde_json::Error),
    /// No `metadata.name`.
    #[error("failed to find metadata.name in object")]
    NoName,
    /// `apiVersion` or `kind` is missing.
    #[error("failed to find apiVersion and kind in object")]
    NoKind,
}

/// Name and text of one member of a JSON object.
pub(crate) type Member<'a> = (Cow<'a, str>, &'a RawValue);

/// A JSON object as its members in order, values untouched.
pub(crate) struct Members<'a>(pub(crate) Vec<Member<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> serde::de::Visitor<'de> for Visitor<'a> {
            type Value = Members<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(8);
                while let Some(Key(key)) = map.next_key::<Key<'a>>()? {
                    members.push((key, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor(std::marker::PhantomData))
    }
}

/// A member name, borrowed unless it holds escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// The metadata that the host reads.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Facts {
    #[serde(default)]
    name: Box<str>,
    namespace: Option<Box<str>>,
    #[serde(default)]
    uid: Box<str>,
    #[serde(default)]
    resource_version: Box<str>,
    #[serde(default)]
    generation: i64,
    #[serde(default, deserialize_with = "pairs")]
    labels: Vec<Label>,
    owner_references: Option<Vec<OwnerReference>>,
    deletion_timestamp: Option<serde::de::IgnoredAny>,
}

/// An owner reference as it stands in an object.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OwnerReference {
    #[serde(default)]
    controller: Option<bool>,
    #[serde(flatten)]
    owner: Owner,
}

fn pairs<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Label>, D::Error> {
    let map = Option::<BTreeMap<Box<str>, Box<str>>>::deserialize(deserializer)?;
    Ok(map.unwrap_or_default().into_iter().collect())
}

/// Members of metadata that move without anybody having changed the object.
const VOLATILE: [&str; 3] = ["resourceVersion", "generation", "managedFields"];

impl Object {
    /// Reads an object of `kind` as an API server sent it, with or without `apiVersion` and `kind`.
    ///
    /// # Errors
    /// When the text is no JSON object or has no `metadata.name`.
    ///
    /// # Example
    /// ```
    /// use polyreme::object::{Kind, Object};
    /// let text = r#"{"metadata":{"name":"a","uid":"1","resourceVersion":"7"},"data":{}}"#;
    /// let object = Object::parse(text, &Kind::new("v1", "ConfigMap"))?;
    /// assert_eq!(&*object.key.name, "a");
    /// assert!(object.json.starts_with(r#"{"apiVersion":"v1","kind":"ConfigMap","#));
    /// # Ok::<(), polyreme::object::ObjectError>(())
    /// ```
    pub fn parse(text: &str, kind: &Kind) -> Result<Self, ObjectError> {
        let Members(members) = serde_json::from_str(text)?;
        let metadata = members.iter().find(|(key, _)| key == "metadata").ok_or(ObjectError::NoName)?.1;
        let facts: Facts = serde_json::from_str(metadata.get())?;
        if facts.name.is_empty() {
            return Err(ObjectError::NoName);
        }
        let Members(metadata) = serde_json::from_str(metadata.get())?;
        let metadata_digest = digest(metadata.iter().filter(|(key, _)| !VOLATILE.contains(&key.as_ref())));
        let desired = members.iter().filter(|(key, _)| !["metadata", "status"].contains(&key.as_ref()));
        Ok(Self {
            json: canonical_text(kind, &members, &metadata),
            desired_digest: combine(metadata_digest, digest(desired.filter(|(key, _)| !is_type_meta(key)))),
            status_digest: members
                .iter()
                .find(|(key, _)| key == "status")
                .map_or(0, |m| digest([m].into_iter())),
            metadata_digest,
            key: ObjectKey::new(facts.namespace.as_deref(), &facts.name),
            uid: facts.uid,
            resource_version: ResourceVersion(facts.resource_version),
            generation: facts.generation,
            labels: facts.labels.into_boxed_slice(),
            controller: controller_of(facts.owner_references),
            deleting: facts.deletion_timestamp.is_some(),
        })
    }

    /// The same object as if its deletion had been asked for at a time.
    #[must_use]
    pub fn as_deleting(&self, since: Timestamp) -> Self {
        // The canonical text has nothing but apiVersion and kind before it.
        let (metadata, since) = (r#""metadata":{"#, since.strftime("%Y-%m-%dT%H:%M:%SZ"));
        let with = format!(r#"{metadata}"deletionTimestamp":"{since}","#);
        Self { json: self.json.replacen(metadata, &with, 1).into(), deleting: true, ..self.clone() }
    }

    /// What decides where it belongs.
    pub fn identity(&self) -> Identity<'_> {
        Identity {
            key: &self.key,
            uid: &self.uid,
            resource_version: &self.resource_version,
            controller: self.controller.as_ref(),
            labels: Some(&self.labels),
        }
    }

    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(k, _)| **k == *key).map(|(_, value)| &**value)
    }

    /// Whether anything but resourceVersion, generation and managedFields differs.
    pub fn differs_from(&self, other: &Self) -> bool {
        self.uid != other.uid
            || self.desired_digest != other.desired_digest
            || self.status_digest != other.status_digest
    }

    /// Bytes that the object keeps in memory, for the cache metrics.
    pub fn weight_bytes(&self) -> usize {
        let labels: usize = self.labels.iter().map(|(k, v)| k.len() + v.len() + 32).sum();
        size_of::<Self>() + self.json.len() + self.uid.len() + labels
    }
}

/// The owner reference with `controller: true` of `metadata.ownerReferences`.
pub(crate) fn controller_of(references: Option<Vec<OwnerReference>>) -> Option<Owner> {
    references?.into_iter().find(|r| r.controller == Some(true)).map(|r| r.owner)
}

fn is_type_meta(key: &str) -> bool {
    key == "apiVersion" || key == "kind"
}

/// API servers write members in a fixed order, so equal content has equal text.
fn digest<'a, 'b: 'a>(members: impl Iterator<Item = &'a Member<'b>>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (key, value) in members {
        key.hash(&mut hasher);
        value.get().hash(&mut hasher);
    }
    hasher.finish()
}

fn combine(a: u64, b: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (a, b).hash(&mut hasher);
    hasher.finish()
}

fn canonical_text(kind: &Kind, members: &[Member<'_>], metadata: &[Member<'_>]) -> Box<str> {
    let mut out =
        String::with_capacity(members.iter().map(|(k, v)| k.len() + v.get().len() + 4).sum::<usize>() + 64);
    let quote = |text: &str| serde_json::Value::from(text).to_string();
    let _ = write!(
        out,
        r#"{{"apiVersion":{},"kind":{},"metadata":{{"#,
        quote(&kind.api_version),
        quote(&kind.kind)
    );
    let kept = metadata.iter().filter(|(key, _)| key != "managedFields");
    push_members(&mut out, kept);
    out.push('}');
    for member in members.iter().filter(|(key, _)| key != "metadata" && !is_type_meta(key)) {
        out.push(',');
        push_members(&mut out, [member].into_iter());
    }
    out.push('}');
    out.into_boxed_str()
}

/// Writes members as they stand between the braces of an object.
pub(crate) fn push_members<'a, 'b: 'a>(out: &mut String, members: impl Iterator<Item = &'a Member<'b>>) {
    for (i, (key, value)) in members.enumerate() {
        let comma = if i == 0 { "" } else { "," };
        let key = serde_json::Value::from(key.as_ref());
        let _ = write!(out, "{comma}{key}:{}", value.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(extra_metadata: &str, spec: &str, status: &str) -> Object {
        let text = format!(
            r#"{{"metadata":{{"name":"web","namespace":"shop","uid":"u1"{extra_metadata}}},"spec":{spec},"status":{status}}}"#
        );
        Object::parse(&text, &Kind::new("apps/v1", "Deployment")).unwrap()
    }

    #[test]
    fn an_object_can_be_read_as_one_that_is_being_deleted() {
        let object = deployment(r#","finalizers":["a.test/b"]"#, "{}", r#"{"metadata":{"x":1}}"#);
        let deleting = object.as_deleting("2026-01-02T03:04:05.6Z".parse().unwrap());
        let again = Object::parse(&deleting.json, &Kind::new("apps/v1", "Deployment")).unwrap();
        assert!(again.deleting && deleting.deleting && again.status_digest == object.status_digest);
        assert!(
            deleting.json.contains(r#""metadata":{"deletionTimestamp":"2026-01-02T03:04:05Z","name":"web","#)
        );
    }

    #[test]
    fn type_meta_is_added_and_managed_fields_are_cut() {
        let object = deployment(r#","managedFields":[{"manager":"x"}],"resourceVersion":"3""#, "{}", "{}");
        let value: serde_json::Value = serde_json::from_str(&object.json).unwrap();
        assert_eq!(value["apiVersion"], "apps/v1");
        assert_eq!(value["kind"], "Deployment");
        assert_eq!(value["metadata"].get("managedFields"), None);
        assert_eq!(value["metadata"]["resourceVersion"], "3");
    }

    #[test]
    fn type_meta_that_is_there_is_not_doubled() {
        let text = r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"},"data":{"k":"v"}}"#;
        let object = Object::parse(text, &Kind::new("v1", "ConfigMap")).unwrap();
        assert_eq!(object.json.matches("apiVersion").count(), 1);
    }

    #[test]
    fn volatile_metadata_does_not_count_as_a_difference() {
        let a = deployment(r#","resourceVersion":"3","generation":1,"managedFields":[]"#, "{}", "{}");
        let b = deployment(r#","resourceVersion":"4","generation":2"#, "{}", "{}");
        assert!(!a.differs_from(&b));
    }

    #[test]
    fn labels_spec_and_status_count_as_differences() {
        let base = deployment("", "{}", "{}");
        assert!(base.differs_from(&deployment(r#","labels":{"a":"b"}"#, "{}", "{}")));
        assert!(base.differs_from(&deployment("", r#"{"replicas":1}"#, "{}")));
        let status = deployment("", "{}", r#"{"replicas":1}"#);
        assert!(base.differs_from(&status));
        assert_eq!(base.desired_digest, status.desired_digest);
    }

    #[test]
    fn only_the_controlling_owner_counts() {
        let reference = |name: &str, controller: bool| {
            format!(
                r#"{{"apiVersion":"v1","kind":"X","name":"{name}","uid":"{name}","controller":{controller}}}"#
            )
        };
        let owners = format!(r#","ownerReferences":[{},{}]"#, reference("a", false), reference("b", true));
        assert_eq!(&*deployment(&owners, "{}", "{}").controller.unwrap().name, "b");
    }

    #[test]
    fn names_with_escapes_survive() {
        let text = r#"{"metadata":{"name":"a","annotations":{"k\"ey":"v"}},"da\u0074a":{"x\ny":"z"}}"#;
        let object = Object::parse(text, &Kind::new("v1", "ConfigMap")).unwrap();
        let value: serde_json::Value = serde_json::from_str(&object.json).unwrap();
        assert_eq!(value["data"]["x\ny"], "z");
        assert_eq!(value["metadata"]["annotations"]["k\"ey"], "v");
    }

    #[test]
    fn nulls_in_metadata_are_absent_values() {
        let text =
            r#"{"metadata":{"name":"a","labels":null,"ownerReferences":null,"deletionTimestamp":null}}"#;
        let object = Object::parse(text, &Kind::new("v1", "ConfigMap")).unwrap();
        assert!(object.labels.is_empty() && object.controller.is_none() && !object.deleting);
    }

    #[test]
    fn resource_versions_compare_as_numbers_of_any_length() {
        let rv = |s: &str| ResourceVersion(s.into());
        assert!(rv("9").at_most(&rv("10")));
        assert!(rv("9").at_most(&rv("9")));
        assert!(!rv("10").at_most(&rv("9")));
        assert!(!rv("").at_most(&rv("9")));
        assert!(rv("99999999999999999999999").at_most(&rv("100000000000000000000000")));
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        let kind = Kind::new("v1", "ConfigMap");
        for text in ["", "[]", "{}", r#"{"metadata":{}}"#, r#"{"metadata":{"name":3}}"#] {
            assert!(Object::parse(text, &kind).is_err(), "{text}");
        }
    }
}

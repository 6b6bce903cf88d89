//! Kinds as Rust types.
//!
//! A kind is any type with k8s-openapi's `Resource` and `Metadata` traits: all of
//! `k8s_openapi::api`, and your own kinds through [`crate::resource!`]. [`Object`] is
//! implemented for them all and holds what controllers ask of metadata.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use k8s_openapi::{ClusterResourceScope, Metadata, NamespaceResourceScope, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::polyreme::controller::types::{Kind, ObjectRef};
use crate::error::Error;
use crate::place;

/// Whether objects of a kind live in namespaces. `Namespaced` or `Cluster` in
/// [`crate::resource!`].
pub trait Scope {
    /// True when `metadata.namespace` is part of an object's identity.
    const NAMESPACED: bool;
}

impl Scope for NamespaceResourceScope {
    const NAMESPACED: bool = true;
}

impl Scope for ClusterResourceScope {
    const NAMESPACED: bool = false;
}

/// A Kubernetes object of a known kind; implemented for every such type.
///
/// # Example
/// ```
/// use polyreme_sdk::k8s_openapi::api::core::v1::ConfigMap;
/// use polyreme_sdk::Object;
///
/// let mut owner = ConfigMap::default();
/// owner.metadata.name = Some("parent".into());
/// owner.metadata.uid = Some("0b1d".into());
///
/// let child = ConfigMap { metadata: owner.child("child"), ..Default::default() };
/// assert!(child.is_controlled_by(&owner));
/// ```
pub trait Object: Resource<Scope: Scope> + Metadata<Ty = ObjectMeta> {
    /// `metadata.name`; empty when it has none yet.
    fn name(&self) -> &str {
        self.metadata().name.as_deref().unwrap_or_default()
    }

    /// `metadata.namespace`.
    fn namespace(&self) -> Option<&str> {
        self.metadata().namespace.as_deref()
    }

    /// `metadata.uid`; empty when the API server has not given one yet.
    fn uid(&self) -> &str {
        self.metadata().uid.as_deref().unwrap_or_default()
    }

    /// `metadata.generation`: counts changes of what users wish for; 0 when unset.
    fn generation(&self) -> i64 {
        self.metadata().generation.unwrap_or_default()
    }

    /// The value of a label.
    fn label(&self, key: &str) -> Option<&str> {
        lookup(self.metadata().labels.as_ref(), key)
    }

    /// The value of an annotation.
    fn annotation(&self, key: &str) -> Option<&str> {
        lookup(self.metadata().annotations.as_ref(), key)
    }

    /// Whether the object waits for its finalizers.
    fn is_deleting(&self) -> bool {
        self.metadata().deletion_timestamp.is_some()
    }

    /// Whether `metadata.finalizers` contains this one.
    fn has_finalizer(&self, finalizer: &str) -> bool {
        let held = self.metadata().finalizers.as_ref();
        held.is_some_and(|all| all.iter().any(|one| one == finalizer))
    }

    /// An owner reference that makes this object the controller of another: it is garbage
    /// collected with this one, and its changes lead back to it.
    ///
    /// Needs `metadata.uid`, so only objects that came from the API server can own.
    fn controller_reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: Self::API_VERSION.into(),
            kind: Self::KIND.into(),
            name: self.name().into(),
            uid: self.uid().into(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }

    /// Metadata for an object called `name` that this one controls, in the same namespace.
    fn child(&self, name: impl Into<String>) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.into()),
            namespace: self.metadata().namespace.clone(),
            owner_references: Some(vec![self.controller_reference()]),
            ..ObjectMeta::default()
        }
    }

    /// Whether `owner` is the controller of this object, by uid.
    fn is_controlled_by<O: Object>(&self, owner: &O) -> bool {
        let references = self.metadata().owner_references.iter().flatten();
        references
            .filter(|reference| reference.controller == Some(true))
            .any(|reference| reference.uid == owner.uid())
    }

    /// Kind, namespace and name, as the contract names objects.
    fn object_ref(&self) -> ObjectRef {
        reference::<Self>(self.namespace(), self.name())
    }
}

impl<T: Resource<Scope: Scope> + Metadata<Ty = ObjectMeta>> Object for T {}

/// An object that can be written; lets [`crate::Context::apply_all`] take several kinds.
pub trait Writable {
    /// The object as JSON text, with `apiVersion` and `kind`.
    fn encode(&self) -> Result<String, Error>;
    /// Kind, namespace and name.
    fn target(&self) -> ObjectRef;
}

impl<T: Object + Serialize> Writable for T {
    fn encode(&self) -> Result<String, Error> {
        serde_json::to_string(self)
            .map_err(|source| Error::Encode { object: display(&self.object_ref()), source })
    }

    fn target(&self) -> ObjectRef {
        self.object_ref()
    }
}

/// The kind of a type.
pub(crate) fn kind_of<T: Object + ?Sized>() -> Kind {
    Kind { api_version: T::API_VERSION.into(), kind: T::KIND.into() }
}

/// The reference to one object of a type; the namespace is dropped for cluster-scoped kinds.
pub(crate) fn reference<T: Object + ?Sized>(namespace: Option<&str>, name: &str) -> ObjectRef {
    ObjectRef {
        api_version: T::API_VERSION.into(),
        kind: T::KIND.into(),
        namespace: namespace.filter(|_| <T::Scope as Scope>::NAMESPACED).map(Into::into),
        name: name.into(),
    }
}

/// `Deployment project-foo/kubecon`.
pub(crate) fn display(object: &ObjectRef) -> String {
    match &object.namespace {
        Some(namespace) => format!("{} {namespace}/{}", object.kind, object.name),
        None => format!("{} {}", object.kind, object.name),
    }
}

/// Reads an object; a fault names the field.
pub(crate) fn decode<T: DeserializeOwned>(json: &str, object: &ObjectRef) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|source| Error::Decode {
        object: display(object),
        path: place::path(json, &source),
        source,
    })
}

fn lookup<'a>(map: Option<&'a BTreeMap<String, String>>, key: &str) -> Option<&'a str> {
    map.and_then(|map| map.get(key)).map(String::as_str)
}

/// The group of an apiVersion: `apps` of `apps/v1`, empty for `v1`.
#[doc(hidden)]
pub const fn group(api_version: &'static str) -> &'static str {
    match slash(api_version, 0) {
        Some(at) => api_version.split_at(at).0,
        None => "",
    }
}

/// The version of an apiVersion: `v1` of `apps/v1`.
#[doc(hidden)]
pub const fn version(api_version: &'static str) -> &'static str {
    match slash(api_version, 0) {
        Some(at) => api_version.split_at(at + 1).1,
        None => api_version,
    }
}

/// Where the first slash is. Recursion: iterators do not run in constants.
const fn slash(text: &str, from: usize) -> Option<usize> {
    match text.as_bytes().split_at(from).1 {
        [] => None,
        [b'/', ..] => Some(from),
        _ => slash(text, from + 1),
    }
}

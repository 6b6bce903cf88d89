//! From what people write, `website/foo/bar`, to the object whose slot is asked for.
//!
//! The object need not exist where its name alone decides its slot. Where it does, the objects that
//! control it are found as well, because a child goes with its owner in controllers that reconcile that.

use kube::api::{Api, DynamicObject, PartialObjectMeta};
use kube::discovery::{ApiResource, Discovery, Scope};
use kube::{Client, ResourceExt};
use polyreme_ownership::slots::Root;

use crate::explain;

/// Longest chain of controller owner references that is followed.
const MAX_OWNERS: usize = 16;

/// `TYPE/NAMESPACE/NAME`, or `TYPE/NAME` of a cluster-scoped kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    /// Resource, kind or controller.
    pub what: String,
    /// Absent for cluster-scoped objects.
    pub namespace: Option<String>,
    /// `metadata.name`
    pub name: String,
}

/// An object whose slot can be computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundObject {
    /// API group.
    pub group: String,
    /// Plural.
    pub resource: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// `metadata.name`
    pub name: String,
    /// `metadata.uid`; empty when there is no such object.
    pub uid: String,
}

/// Why no object was found.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The text has another form.
    #[error("failed to read \"{0}\": write TYPE/NAMESPACE/NAME, or TYPE/NAME for a cluster-scoped kind")]
    Form(String),
    /// Nothing is called that.
    #[error(
        "failed to find \"{0}\": it is no resource or kind of this API server, and no controller of --config"
    )]
    Unknown(String),
    /// Several things are.
    #[error("failed to choose \"{name}\": it may be {}; write one of these", among.join(" or "))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// What it may be.
        among: Vec<String>,
    },
    /// Namespaced and written without, or the reverse.
    #[error("failed to find the object: {resource} is {}", if *namespaced { "namespaced: write TYPE/NAMESPACE/NAME" } else { "cluster-scoped: write TYPE/NAME" })]
    Scope {
        /// The resource.
        resource: String,
        /// What it is.
        namespaced: bool,
    },
    /// A request failed.
    #[error("failed to find the object: {0}")]
    Request(String),
}

impl std::str::FromStr for ObjectName {
    type Err = LookupError;

    fn from_str(text: &str) -> Result<Self, LookupError> {
        let parts: Vec<&str> = text.split('/').collect();
        let (what, namespace, name) = match parts.as_slice() {
            [what, name] => (what, None, name),
            [what, namespace, name] => (what, Some((*namespace).to_owned()), name),
            _ => return Err(LookupError::Form(text.to_owned())),
        };
        if parts.iter().any(|part| part.is_empty()) {
            return Err(LookupError::Form(text.to_owned()));
        }
        Ok(Self { what: (*what).to_owned(), namespace, name: (*name).to_owned() })
    }
}

impl FoundObject {
    /// As the hash wants it.
    #[must_use]
    pub fn root(&self) -> Root<'_> {
        let Self { group, resource, namespace, name, uid } = self;
        Root { group, resource, namespace, name, uid }
    }
}

/// The kinds of an API server.
pub struct Kinds {
    client: Client,
    known: Vec<(ApiResource, Scope)>,
}

impl Kinds {
    /// Asks the server what it serves.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn discover(client: Client) -> Result<Self, LookupError> {
        let discovery = Discovery::new(client.clone()).run_aggregated().await;
        let discovery = discovery.map_err(|error| LookupError::Request(explain::request_error(&error)))?;
        let resources =
            discovery.groups_alphabetical().into_iter().flat_map(|group| group.recommended_resources());
        let known = resources.map(|(resource, capabilities)| (resource, capabilities.scope)).collect();
        Ok(Self { client, known })
    }

    /// The object that `name` names, and those that control it, the nearest first.
    ///
    /// # Errors
    /// When the kind is unknown, or the object cannot be read.
    pub async fn find(&self, name: &ObjectName) -> Result<Vec<FoundObject>, LookupError> {
        let known = self.known.iter().map(|(resource, _)| resource);
        let resource = choose(&name.what, known)?;
        self.check_scope(resource, name.namespace.is_some())?;
        self.chain(resource, name).await
    }

    /// The same where the kind is known already.
    ///
    /// # Errors
    /// When the server does not serve the kind, or the object cannot be read.
    pub async fn find_kind(
        &self,
        api_version: &str,
        kind: &str,
        name: &ObjectName,
    ) -> Result<Vec<FoundObject>, LookupError> {
        let unknown = || LookupError::Unknown(format!("{api_version} {kind}"));
        let resource = self.kind(api_version, kind).ok_or_else(unknown)?;
        self.check_scope(resource, name.namespace.is_some())?;
        self.chain(resource, name).await
    }

    fn check_scope(&self, resource: &ApiResource, has_namespace: bool) -> Result<(), LookupError> {
        let namespaced = self.is_namespaced(resource);
        if namespaced == has_namespace {
            return Ok(());
        }
        Err(LookupError::Scope { resource: qualified(resource), namespaced })
    }

    fn is_namespaced(&self, resource: &ApiResource) -> bool {
        self.known.iter().any(|(known, scope)| known == resource && *scope == Scope::Namespaced)
    }

    /// A kind in whatever version the server recommends.
    fn kind(&self, api_version: &str, kind: &str) -> Option<&ApiResource> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let same = |resource: &&ApiResource| resource.kind == kind && resource.group == group;
        self.known.iter().map(|(resource, _)| resource).find(same)
    }

    async fn chain(
        &self,
        resource: &ApiResource,
        name: &ObjectName,
    ) -> Result<Vec<FoundObject>, LookupError> {
        let mut found = Vec::new();
        let mut next = Some((resource, name.name.clone()));
        while let Some((resource, name_of_next)) = next.take() {
            let namespace = name.namespace.as_deref().filter(|_| self.is_namespaced(resource));
            let object = self.get(resource, namespace, &name_of_next).await?;
            found.push(FoundObject {
                group: resource.group.clone(),
                resource: resource.plural.clone(),
                namespace: namespace.unwrap_or_default().to_owned(),
                name: name_of_next,
                uid: object.as_ref().and_then(ResourceExt::uid).unwrap_or_default(),
            });
            if found.len() > MAX_OWNERS {
                break;
            }
            let owners = object.iter().flat_map(|object| object.owner_references());
            let controller = owners.into_iter().find(|owner| owner.controller == Some(true)).cloned();
            next =
                controller.and_then(|owner| Some((self.kind(&owner.api_version, &owner.kind)?, owner.name)));
        }
        Ok(found)
    }

    async fn get(
        &self,
        resource: &ApiResource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<PartialObjectMeta<DynamicObject>>, LookupError> {
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, resource),
            None => Api::all_with(self.client.clone(), resource),
        };
        let object = api.get_metadata_opt(name).await;
        object.map_err(|error| LookupError::Request(explain::request_error(&error)))
    }
}

/// The one resource that somebody means by `websites`, `Website` or either with a group behind a dot;
/// the core group comes first, since it has no name to be written.
fn choose<'a>(
    name: &str,
    known: impl Iterator<Item = &'a ApiResource>,
) -> Result<&'a ApiResource, LookupError> {
    let wanted = name.to_lowercase();
    let (word, group) = wanted.split_once('.').map_or((wanted.as_str(), None), |(word, g)| (word, Some(g)));
    let is_it = |resource: &&ApiResource| {
        let word_fits = resource.plural == word || resource.kind.to_lowercase() == word;
        word_fits && group.is_none_or(|group| resource.group == group)
    };
    let found: Vec<_> = known.filter(is_it).collect();
    let core = found.iter().find(|resource| resource.group.is_empty());
    match (core, found.as_slice()) {
        (Some(core), _) => Ok(core),
        (None, []) => Err(LookupError::Unknown(name.to_owned())),
        (None, [one]) => Ok(one),
        (None, several) => {
            let among = several.iter().map(|resource| qualified(resource)).collect();
            Err(LookupError::Ambiguous { name: name.to_owned(), among })
        }
    }
}

fn qualified(resource: &ApiResource) -> String {
    [resource.plural.as_str(), &resource.group].join(".").trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(group: &str, plural: &str, kind: &str) -> ApiResource {
        ApiResource {
            group: group.into(),
            version: "v1".into(),
            api_version: format!("{group}/v1"),
            kind: kind.into(),
            plural: plural.into(),
        }
    }

    #[test]
    fn names_of_objects_are_read() {
        let name: ObjectName = "website/foo/bar".parse().unwrap();
        assert_eq!(
            (name.what.as_str(), name.namespace.as_deref(), name.name.as_str()),
            ("website", Some("foo"), "bar")
        );
        assert_eq!("node/a".parse::<ObjectName>().unwrap().namespace, None);
        for bad in ["website", "a/b/c/d", "a//b", "/a/b"] {
            assert!(
                bad.parse::<ObjectName>().unwrap_err().to_string().contains("TYPE/NAMESPACE/NAME"),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_resource_is_known_by_its_plural_or_kind_with_or_without_its_group() {
        let known = [resource("h.dev", "websites", "Website"), resource("apps", "deployments", "Deployment")];
        for name in ["websites", "Website", "website", "website.h.dev", "websites.h.dev"] {
            assert_eq!(choose(name, known.iter()).unwrap().plural, "websites", "{name}");
        }
        for name in ["site", "website.apps"] {
            assert!(matches!(choose(name, known.iter()), Err(LookupError::Unknown(_))), "{name}");
        }
    }

    #[test]
    fn a_name_of_several_resources_lists_them() {
        let known = [resource("a.dev", "sites", "Site"), resource("b.dev", "sites", "Site")];
        let error = choose("site", known.iter()).unwrap_err().to_string();
        assert!(error.contains("sites.a.dev or sites.b.dev"), "{error}");
        assert_eq!(choose("sites.b.dev", known.iter()).unwrap().group, "b.dev");
        let known = [resource("events.k8s.io", "events", "Event"), resource("", "events", "Event")];
        assert_eq!(choose("event", known.iter()).unwrap().group, "", "the core group comes first");
    }
}

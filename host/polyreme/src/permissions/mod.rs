//! What a module may do to which object: requested ∩ granted, and little by default. Pure.
//!
//! `describe` asks, the configuration grants, and only what both name is allowed. Without any grant a
//! module may read its primary kind, write the status and the finalizers of the object under
//! reconcile, and manage the children of that object (kinds in `owns` that carry a controller owner
//! reference to it). Nothing else: a refusal names the line of configuration that would allow it.
//!
//! The same function decides for reads from the cache and for requests to the API server.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use polyreme_runtime::wit::reconciler::{Manifest, Permission};

use crate::config::Grant;
use crate::object::Kind;

/// Kinds whose writes must be granted name by name: with them a module could take over the ring, the
/// host's identity or the cluster. An empty kind stands for the whole group.
const GUARDED: [(&str, &str); 7] = [
    ("coordination.k8s.io", ""),
    ("rbac.authorization.k8s.io", ""),
    ("admissionregistration.k8s.io", ""),
    ("apiextensions.k8s.io", ""),
    ("authentication.k8s.io", ""),
    ("certificates.k8s.io", ""),
    ("", "ServiceAccount"),
];

/// What a guest wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read many objects.
    List,
    /// Make a new object.
    Create,
    /// Replace an object.
    Update,
    /// Change an object by a patch.
    Patch,
    /// Server-side apply.
    Apply,
    /// Delete an object.
    Delete,
}

impl Verb {
    /// The word in `permissions` and `grants`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Apply => "apply",
            Self::Delete => "delete",
        }
    }

    fn reads(self) -> bool {
        matches!(self, Self::Get | Self::List)
    }
}

/// Which part of an object a write touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// The object itself.
    Body,
    /// Nothing but `metadata.finalizers`.
    Finalizers,
    /// A subresource.
    Subresource(&'a str),
}

/// One access to be decided.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// What is to be done.
    pub verb: Verb,
    /// To which kind.
    pub kind: &'a Kind,
    /// In which namespace; absent for cluster-scoped kinds and for all namespaces.
    pub namespace: Option<&'a str>,
    /// To which object; absent for a list.
    pub name: Option<&'a str>,
    /// To which part of it.
    pub part: Part<'a>,
    /// Whether it is the object under reconcile.
    pub is_self: bool,
}

/// The decision on an access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Allowed.
    Allow,
    /// Allowed for children of the object under reconcile only.
    AllowChildren,
    /// Refused; the sentence names the remedy.
    Deny(String),
}

/// The rights of one controller.
#[derive(Clone, Debug)]
pub struct Policy {
    controller: String,
    config: Arc<Path>,
    primary: Kind,
    owns: Vec<Kind>,
    requested: Vec<Permission>,
    granted: Vec<Grant>,
}

impl Policy {
    /// The rights that follow from a manifest and the grants of the configuration.
    pub fn new(controller: &str, config: Arc<Path>, manifest: &Manifest, granted: Vec<Grant>) -> Self {
        let kind = |kind: &polyreme_runtime::wit::types::Kind| Kind::new(&kind.api_version, &kind.kind);
        Self {
            controller: controller.to_owned(),
            config,
            primary: kind(&manifest.primary),
            owns: manifest.owns.iter().map(kind).collect(),
            requested: manifest.permissions.clone(),
            granted,
        }
    }

    /// Decides one access.
    pub fn decide(&self, access: &Access<'_>) -> Decision {
        if self.is_granted(access) {
            return Decision::Allow;
        }
        self.by_default(access).unwrap_or_else(|| Decision::Deny(self.refusal(access)))
    }

    fn by_default(&self, access: &Access<'_>) -> Option<Decision> {
        let primary = *access.kind == self.primary;
        if primary && access.verb.reads() {
            return Some(Decision::Allow);
        }
        let own_part = matches!(access.part, Part::Finalizers | Part::Subresource("status"));
        if primary && access.is_self && own_part && !matches!(access.verb, Verb::Create | Verb::Delete) {
            return Some(Decision::Allow);
        }
        let child = self.owns.contains(access.kind) && !needs_grant(access.kind);
        let body = matches!(access.part, Part::Body | Part::Finalizers);
        (child && (access.verb.reads() || body)).then_some(Decision::AllowChildren)
    }

    fn is_granted(&self, access: &Access<'_>) -> bool {
        let asked = self.requested.iter().any(|permission| asks(permission, access));
        asked && self.granted.iter().any(|grant| grants(grant, access))
    }

    fn refusal(&self, access: &Access<'_>) -> String {
        let Self { controller, config, .. } = self;
        let word = word(access);
        let (api_version, kind) = (&access.kind.api_version, &access.kind.kind);
        let what = Described(access);
        if !self.requested.iter().any(|permission| asks(permission, access)) {
            return format!(
                "controller {controller:?} may not {word} {what}: its describe asks for no such permission; \
                 add {{api-version: {api_version}, kinds: [{kind}], verbs: [{word}]}} to the manifest's \
                 permissions and grant it in {}",
                config.display()
            );
        }
        let names = match access.name {
            Some(name) if is_guarded(access.kind) && !access.verb.reads() => format!(", names: [{name}]"),
            _ => String::new(),
        };
        format!(
            "controller {controller:?} may not {word} {what}: not granted; add to its grants in {}: \
             - {{apiVersion: {api_version}, kinds: [{kind}], verbs: [{word}]{names}}}",
            config.display()
        )
    }
}

struct Described<'a>(&'a Access<'a>);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.kind.kind)?;
        match (self.0.namespace, self.0.name) {
            (Some(namespace), Some(name)) => write!(f, " {namespace}/{name}"),
            (None, Some(name)) => write!(f, " {name}"),
            (Some(namespace), None) => write!(f, " in namespace {namespace}"),
            (None, None) => f.write_str(" in all namespaces"),
        }
    }
}

/// The verb that permissions and grants must name: subresources have one of their own.
fn word<'a>(access: &Access<'a>) -> &'a str {
    match access.part {
        Part::Subresource(subresource) if !access.verb.reads() => subresource,
        _ => access.verb.as_str(),
    }
}

fn asks(permission: &Permission, access: &Access<'_>) -> bool {
    *permission.api_version == *access.kind.api_version
        && permission.kinds.iter().any(|kind| **kind == *access.kind.kind)
        && names_verb(&permission.verbs, access)
}

fn grants(grant: &Grant, access: &Access<'_>) -> bool {
    let any_of = |list: &Option<Vec<String>>, value: Option<&str>| match (list, value) {
        (None, _) => true,
        (Some(list), Some(value)) => list.iter().any(|item| item == value),
        (Some(_), None) => false,
    };
    let by_name = access.verb.reads() || !is_guarded(access.kind) || grant.names.is_some();
    *grant.api_version == *access.kind.api_version
        && grant.kinds.iter().any(|kind| **kind == *access.kind.kind)
        && names_verb(&grant.verbs, access)
        && any_of(&grant.namespaces, access.namespace)
        && any_of(&grant.names, access.name)
        && by_name
}

/// The exact verb, or, for a change of finalizers only, the verb `finalizers`.
fn names_verb(verbs: &[String], access: &Access<'_>) -> bool {
    let word = word(access);
    let finalizers = access.part == Part::Finalizers;
    verbs.iter().any(|verb| verb == word || (finalizers && verb == "finalizers"))
}

fn is_guarded(kind: &Kind) -> bool {
    GUARDED.iter().any(|(group, k)| *group == kind.group() && (k.is_empty() || **k == *kind.kind))
}

/// Whether objects of a kind are nobody's children without a grant.
pub(crate) fn needs_grant(kind: &Kind) -> bool {
    is_guarded(kind) || (kind.group().is_empty() && *kind.kind == *"Secret")
}

#[cfg(test)]
mod tests;

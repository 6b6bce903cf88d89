//! The host's default permissions, so that a missing one is found by a test.
//!
//! Everything the manifest asks for counts as granted. Besides, a controller reads its
//! primary kind, writes status and finalizers of the object under reconcile, and manages
//! children of that object. The host decides by the same rules (`permissions` there).

use polyreme_selector::FieldSelector;
use serde_json::Value;

use super::store::refusal;
use crate::bindings::exports::polyreme::controller::reconciler::{Kind, Manifest, Mapping};
use crate::bindings::polyreme::controller::types::{Error, ObjectRef, Reason};
use crate::resource::display;

/// Groups that no manifest may own kinds of: they must be asked for.
const GUARDED_GROUPS: [&str; 6] = [
    "coordination.k8s.io",
    "rbac.authorization.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "authentication.k8s.io",
    "certificates.k8s.io",
];

/// Core kinds that must be asked for as well.
const GUARDED_KINDS: [&str; 2] = ["Secret", "ServiceAccount"];

/// What one reconcile may do.
pub(super) struct Access {
    pub(super) manifest: Manifest,
    pub(super) object: ObjectRef,
    pub(super) uid: Value,
}

/// One thing a reconcile wants to do.
pub(super) struct Wish<'a> {
    /// get, list, create, update, patch, apply or delete.
    pub(super) verb: &'static str,
    pub(super) target: &'a ObjectRef,
    pub(super) subresource: Option<&'a str>,
    /// What was sent, and what is there.
    pub(super) sent: Option<&'a Value>,
    pub(super) held: Option<&'a Value>,
}

impl Access {
    /// Allows or refuses, with the remedy.
    pub(super) fn check(&self, wish: &Wish<'_>) -> Result<(), Error> {
        let child = self.owns(wish.target);
        if self.asks(wish) || self.on_primary(wish) || (child && self.on_child(wish)) {
            return Ok(());
        }
        let remedy = if child {
            "it is not a child of the object under reconcile: give it `metadata: object.child(name)`, \
             or ask for the permission in the manifest"
        } else {
            "ask for it in the manifest: `.asks::<Kind>(&[verb])`"
        };
        let message = format!(
            "controller {:?} may not {} {}: {remedy}",
            self.manifest.name,
            word(wish),
            display(wish.target)
        );
        Err(refusal(Reason::NotGranted, message))
    }

    /// Whether lists of a kind hold children only.
    pub(super) fn lists_children_only(&self, kind: &ObjectRef) -> bool {
        let wish = Wish { verb: "list", target: kind, subresource: None, sent: None, held: None };
        !self.asks(&wish) && !self.on_primary(&wish)
    }

    /// Whether the object under reconcile controls this one.
    pub(super) fn is_child(&self, object: &Value) -> bool {
        let owners = object["metadata"]["ownerReferences"].as_array();
        let mut owners = owners.into_iter().flatten();
        owners.any(|owner| owner["controller"] == true && owner["uid"] == self.uid)
    }

    /// Refuses to select by a field that the host has no index on. Of what it does not keep the
    /// API server knows the fields; children are few, and all are looked at.
    pub(super) fn check_fields(&self, kind: &ObjectRef, fields: &FieldSelector) -> Result<(), Error> {
        if self.lists_children_only(kind) || !self.keeps_all(kind) {
            return Ok(());
        }
        let is_known = |path: &str| {
            ["metadata.name", "metadata.namespace"].contains(&path)
                || (is_kind(&self.manifest.primary, kind) && self.indexes().any(|index| index == bare(path)))
        };
        let unknown = fields.terms().iter().find(|term| !is_known(&term.path));
        unknown.map_or(Ok(()), |term| {
            let message = format!(
                "there is no index on {}: add it to the manifest by `.indexes` (for the primary kind), or \
                 read with `ctx.live()`",
                term.path
            );
            Err(refusal(Reason::BadRequest, message))
        })
    }

    /// Whether the host has all objects of a kind in its cache.
    fn keeps_all(&self, kind: &ObjectRef) -> bool {
        let manifest = &self.manifest;
        let mut watches = manifest.watches.iter();
        (is_kind(&manifest.primary, kind) && manifest.label_selector.is_empty())
            || manifest.owns.iter().any(|owned| is_kind(owned, kind))
            || watches.any(|watch| is_kind(&watch.kind, kind) && watch.label_selector.is_empty())
    }

    /// The fields of the primary that are declared, and those of mappings.
    fn indexes(&self) -> impl Iterator<Item = &str> {
        let mapped = self.manifest.watches.iter().filter_map(|watch| match &watch.mapping {
            Mapping::Field(path) => Some(path),
            _ => None,
        });
        self.manifest.indexes.iter().chain(mapped).map(|path| bare(path))
    }

    fn asks(&self, wish: &Wish<'_>) -> bool {
        self.manifest.permissions.iter().any(|permission| {
            permission.api_version == wish.target.api_version
                && permission.kinds.contains(&wish.target.kind)
                && permission.verbs.iter().any(|verb| verb == word(wish))
        })
    }

    fn on_primary(&self, wish: &Wish<'_>) -> bool {
        let reads = matches!(wish.verb, "get" | "list");
        let own_part = wish.subresource == Some("status") || wish.sent.is_some_and(only_finalizers);
        let changes = matches!(wish.verb, "update" | "patch" | "apply");
        let is_self = *wish.target == self.object;
        is_kind(&self.manifest.primary, wish.target) && (reads || (is_self && own_part && changes))
    }

    fn on_child(&self, wish: &Wish<'_>) -> bool {
        let elsewhere = self.object.namespace.is_some()
            && wish.target.namespace != self.object.namespace
            && wish.verb != "list";
        let whole = matches!(wish.verb, "create" | "update" | "apply");
        let stays_child = !whole || wish.sent.is_some_and(|sent| self.is_child(sent));
        let is_child = wish.held.is_none_or(|held| self.is_child(held));
        !elsewhere && wish.subresource.is_none() && stays_child && is_child
    }

    fn owns(&self, target: &ObjectRef) -> bool {
        let owned = self.manifest.owns.iter().any(|kind| is_kind(kind, target));
        let group = target.api_version.split_once('/').map(|split| split.0);
        let guarded = match group {
            Some(group) => GUARDED_GROUPS.contains(&group),
            None => GUARDED_KINDS.contains(&target.kind.as_str()),
        };
        owned && !guarded
    }
}

/// A field's path without the dot that may lead it.
pub(super) fn bare(path: &str) -> &str {
    path.strip_prefix('.').unwrap_or(path)
}

fn is_kind(kind: &Kind, target: &ObjectRef) -> bool {
    kind.api_version == target.api_version && kind.kind == target.kind
}

/// The verb a permission must name: a subresource has one of its own.
fn word<'a>(wish: &Wish<'a>) -> &'a str {
    wish.subresource.unwrap_or(wish.verb)
}

fn only_finalizers(sent: &Value) -> bool {
    let allowed = ["finalizers", "name", "namespace", "uid", "resourceVersion"];
    let metadata = sent["metadata"].as_object();
    let top = sent.as_object().into_iter().flat_map(|fields| fields.keys());
    let mut rest = top.filter(|key| !["apiVersion", "kind", "metadata"].contains(&key.as_str()));
    rest.next().is_none()
        && metadata.is_some_and(|fields| {
            fields.contains_key("finalizers") && fields.keys().all(|key| allowed.contains(&key.as_str()))
        })
}

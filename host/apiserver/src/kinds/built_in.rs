//! The built-in kinds as resources.

use super::{Origin, Resource, ScalePaths, Traits};
use crate::builtin::{self, BuiltinResource};

/// Every built-in resource.
pub(super) fn resources() -> impl Iterator<Item = Resource> {
    builtin::resources().iter().map(resource)
}

fn resource(known: &BuiltinResource) -> Resource {
    let words = |list: &[&str]| list.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    Resource {
        group: known.group.to_owned(),
        version: known.version.to_owned(),
        kind: known.kind.to_owned(),
        list_kind: known.list_kind(),
        plural: known.plural.to_owned(),
        singular: known.singular.to_owned(),
        short_names: words(known.short_names),
        categories: words(known.categories),
        namespaced: known.namespaced,
        verbs: words(known.verbs),
        subresources: words(known.subresources),
        scale: known.subresources.contains(&"scale").then(scale_paths),
        storage: storage(known),
        schema: known.schema(),
        traits: Traits::built_in(known.group, known.plural),
        origin: Origin::BuiltIn,
    }
}

/// Events of both groups are the same objects.
fn storage(known: &BuiltinResource) -> std::sync::Arc<str> {
    match (known.group, known.plural) {
        ("events.k8s.io", "events") => "/events".into(),
        (group, plural) => format!("{group}/{plural}").into(),
    }
}

fn scale_paths() -> ScalePaths {
    ScalePaths {
        spec: ".spec.replicas".to_owned(),
        status: ".status.replicas".to_owned(),
        selector: Some(".spec.selector".to_owned()),
    }
}

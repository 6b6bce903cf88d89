//! OpenAPI v3 documents, one for each group and version.
//!
//! What clients read of them decides what is in them: kubectl looks for the `fieldValidation`
//! parameter and the patch types of a kind before it applies, computes strategic merge patches
//! from the patch extensions of the schemas, and `kubectl explain` prints the descriptions.
//! Built-in schemas are those of `k8s-openapi` with their extensions added; schemas of custom
//! resources are written from their parsed form.

mod paths;
mod schemas;

use serde_json::{Map, Value, json};

use crate::schema::Schema;

/// One resource of a document.
#[derive(Debug, Clone, Copy)]
pub struct OpenApiResource<'a> {
    /// Kind, for example `Deployment`.
    pub kind: &'a str,
    /// Name in paths.
    pub plural: &'a str,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// What can be done with it.
    pub verbs: &'a [String],
    /// `status`, `scale`, …
    pub subresources: &'a [String],
    /// The schema of its objects.
    pub schema: &'a Schema,
}

/// The group and version a document is about.
#[derive(Debug, Clone, Copy)]
struct GroupVersion<'a> {
    group: &'a str,
    version: &'a str,
}

impl GroupVersion<'_> {
    /// `x-kubernetes-group-version-kind` of an operation.
    fn of_kind(&self, kind: &str) -> Value {
        json!({"group": self.group, "version": self.version, "kind": kind})
    }

    /// `/apis/apps/v1`.
    fn prefix(&self) -> String {
        match self.group {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        }
    }

    /// The component of a custom kind: `dev.polyreme.webhosting.v1alpha1.Website`.
    fn component(&self, kind: &str) -> String {
        let reversed: Vec<&str> = self.group.split('.').rev().collect();
        format!("{}.{}.{kind}", reversed.join("."), self.version)
    }
}

/// The document of one group and version.
///
/// # Example
/// ```
/// use polyreme_apiserver::builtin::{self, OpenApiResource};
/// let leases = builtin::find("coordination.k8s.io", "v1", "leases").expect("built in");
/// let verbs: Vec<String> = leases.verbs.iter().map(|v| v.to_string()).collect();
/// let resource = OpenApiResource {
///     kind: leases.kind, plural: leases.plural, namespaced: true,
///     verbs: &verbs, subresources: &[], schema: &leases.schema(),
/// };
/// let document = builtin::openapi_v3("coordination.k8s.io", "v1", &[resource]);
/// let path = "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{name}";
/// assert!(document["paths"][path]["patch"].is_object());
/// ```
#[must_use]
pub fn openapi_v3(group: &str, version: &str, resources: &[OpenApiResource<'_>]) -> Value {
    let about = GroupVersion { group, version };
    let mut paths = Map::new();
    let mut components = schemas::Components::default();
    for resource in resources {
        let component = components.add(about, resource);
        paths::add(&mut paths, about, resource, &component);
    }
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.36.0"},
        "paths": paths,
        "components": {"schemas": components.finish()},
    })
}

#[cfg(test)]
mod tests;

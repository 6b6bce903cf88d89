//! CustomResourceDefinitions: from the stored object to resources.

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::Value;

use super::{Origin, Resource, ScalePaths, Traits};
use crate::json;
use crate::schema::{Cause, Schema};
use crate::store::StorageId;

const VERBS: [&str; 8] = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];

/// The names and versions of an accepted definition.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    group: String,
    plural: String,
    kind: String,
    list_kind: String,
    singular: String,
    short_names: Vec<String>,
    categories: Vec<String>,
    namespaced: bool,
    versions: Vec<Version>,
}

#[derive(Debug, Clone)]
struct Version {
    name: String,
    schema: Arc<Schema>,
    status: bool,
    scale: Option<ScalePaths>,
    columns: Vec<Value>,
    selectable: Vec<String>,
}

fn text(value: &Value, pointer: &str) -> String {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

fn texts(value: &Value, pointer: &str) -> Vec<String> {
    let list = json::strings(value.pointer(pointer));
    list.into_iter().map(str::to_owned).collect()
}

impl Definition {
    /// Reads a definition that [`check_definition`] accepted; names come from
    /// `status.acceptedNames`, so that a conflict leaves the accepted ones in force.
    pub(crate) fn read(object: &Value) -> Result<Self, Vec<Cause>> {
        let versions = json::items(object.pointer("/spec/versions"));
        let served = versions.iter().enumerate();
        let served = served.filter(|(_, v)| v.get("served") == Some(&Value::Bool(true)));
        let names = |field: &str| format!("/status/acceptedNames/{field}");
        Ok(Definition {
            group: text(object, "/spec/group"),
            plural: text(object, &names("plural")),
            kind: text(object, &names("kind")),
            list_kind: text(object, &names("listKind")),
            singular: text(object, &names("singular")),
            short_names: texts(object, &names("shortNames")),
            categories: texts(object, &names("categories")),
            namespaced: text(object, "/spec/scope") == "Namespaced",
            versions: served.map(|(at, v)| Version::read(object, v, at)).collect::<Result<_, _>>()?,
        })
    }

    /// Where its objects are stored.
    pub(crate) fn storage(&self) -> StorageId {
        format!("{}/{}", self.group, self.plural).into()
    }

    /// One resource for each served version.
    pub(crate) fn resources(&self) -> impl Iterator<Item = Resource> {
        self.versions.iter().map(|version| self.resource(version))
    }

    fn resource(&self, version: &Version) -> Resource {
        let status = version.status.then(|| "status".to_owned());
        let scale = version.scale.as_ref().map(|_| "scale".to_owned());
        Resource {
            group: self.group.clone(),
            version: version.name.clone(),
            kind: self.kind.clone(),
            list_kind: self.list_kind.clone(),
            plural: self.plural.clone(),
            singular: self.singular.clone(),
            short_names: self.short_names.clone(),
            categories: self.categories.clone(),
            namespaced: self.namespaced,
            verbs: VERBS.map(str::to_owned).to_vec(),
            subresources: status.into_iter().chain(scale).collect(),
            scale: version.scale.clone(),
            storage: self.storage(),
            schema: version.schema.clone(),
            traits: Traits::CUSTOM,
            origin: Origin::Custom {
                columns: version.columns.clone(),
                selectable: version.selectable.clone(),
            },
        }
    }
}

impl Version {
    fn read(definition: &Value, version: &Value, at: usize) -> Result<Self, Vec<Cause>> {
        let scale = version.pointer("/subresources/scale").map(|scale| ScalePaths {
            spec: text(scale, "/specReplicasPath"),
            status: text(scale, "/statusReplicasPath"),
            selector: Some(text(scale, "/labelSelectorPath")).filter(|p| !p.is_empty()),
        });
        let selectable = json::items(version.get("selectableFields")).iter();
        Ok(Version {
            name: text(version, "/name"),
            schema: Arc::new(schema(definition, version, at)?),
            status: version.pointer("/subresources/status").is_some(),
            scale,
            columns: json::items(version.get("additionalPrinterColumns")).to_vec(),
            selectable: selectable.map(|f| text(f, "/jsonPath").trim_start_matches('.').to_owned()).collect(),
        })
    }
}

fn schema(definition: &Value, version: &Value, at: usize) -> Result<Schema, Vec<Cause>> {
    let path = format!("spec.versions[{at}].schema");
    match version.pointer("/schema/openAPIV3Schema") {
        Some(schema) => Schema::from_crd(schema).map_err(|causes| {
            let path = if shares_schema(definition) { "spec.validation" } else { &path };
            let under = |c: Cause| Cause { field: format!("{path}.{}", c.field), ..c };
            causes.into_iter().map(under).collect()
        }),
        None => Err(vec![Cause::required(&format!("{path}.openAPIV3Schema"), "")]),
    }
}

/// One schema for all versions is looked at, and complained about, in one place.
fn shares_schema(definition: &Value) -> bool {
    let versions = json::items(definition.pointer("/spec/versions"));
    versions.windows(2).all(|pair| match pair {
        [a, b] => a.get("schema") == b.get("schema"),
        _ => true,
    })
}

/// What is wrong with a definition as a client sent it (after defaults).
pub(crate) fn check_definition(object: &Value) -> Vec<Cause> {
    let mut causes = check_names(object);
    let versions = json::items(object.pointer("/spec/versions"));
    let is = |v: &&Value, field: &str| v.get(field) == Some(&Value::Bool(true));
    if versions.iter().filter(|v| is(v, "storage")).count() != 1 {
        let names: Vec<Value> = versions.iter().filter_map(|v| v.get("name").cloned()).collect();
        let why = "must have exactly one version marked as storage version";
        causes.push(Cause::invalid("spec.versions", &Value::from(names), why));
    }
    for (at, version) in versions.iter().enumerate() {
        causes.extend(schema(object, version, at).err().into_iter().flatten());
    }
    causes
}

fn check_names(object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    for field in ["group", "scope"] {
        if text(object, &format!("/spec/{field}")).is_empty() {
            causes.push(Cause::required(&format!("spec.{field}"), ""));
        }
    }
    for field in ["plural", "kind"] {
        if text(object, &format!("/spec/names/{field}")).is_empty() {
            causes.push(Cause::required(&format!("spec.names.{field}"), ""));
        }
    }
    let expected = format!("{}.{}", text(object, "/spec/names/plural"), text(object, "/spec/group"));
    if json::name(object) != expected {
        let why = "must be spec.names.plural+\".\"+spec.group";
        causes.push(Cause::invalid("metadata.name", &Value::from(json::name(object)), why));
    }
    let scope = text(object, "/spec/scope");
    if !matches!(scope.as_str(), "" | "Namespaced" | "Cluster") {
        let allowed = ["Cluster".to_owned(), "Namespaced".to_owned()];
        causes.push(Cause::not_supported("spec.scope", &Value::from(scope), &allowed));
    }
    causes
}

/// Order of versions in discovery: GA above beta above alpha, higher numbers first, other
/// names last in alphabetical order (`k8s.io/apimachinery/pkg/version`). Larger is better.
pub(crate) fn priority(version: &str) -> impl Ord + use<> {
    let parsed = parse_version(version);
    let other = parsed.is_none().then(|| std::cmp::Reverse(version.to_owned()));
    (parsed.map_or((0, 0, 0), |p| p), Optional(other))
}

/// `None` above everything: well-formed versions are compared by their numbers alone.
#[derive(PartialEq, Eq)]
struct Optional(Option<std::cmp::Reverse<String>>);

impl PartialOrd for Optional {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Optional {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => a.cmp(b),
            (a, b) => a.is_none().cmp(&b.is_none()),
        }
    }
}

/// Stability (3 GA, 2 beta, 1 alpha), major, minor.
fn parse_version(version: &str) -> Option<(u8, u32, u32)> {
    let rest = version.strip_prefix('v')?;
    for (word, stability) in [("beta", 2), ("alpha", 1)] {
        if let Some((major, minor)) = rest.split_once(word) {
            let minor = if minor.is_empty() { 0 } else { minor.parse().ok()? };
            return Some((stability, major.parse().ok()?, minor));
        }
    }
    Some((3, rest.parse().ok()?, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_kubernetes_orders_them() {
        let mut versions = ["foo10", "v1alpha1", "v2", "v1beta2", "foo1", "v10", "v1", "v11beta2", "v1beta1"];
        versions.sort_by_key(|v| std::cmp::Reverse(priority(v)));
        assert_eq!(
            versions,
            ["v10", "v2", "v1", "v11beta2", "v1beta2", "v1beta1", "v1alpha1", "foo1", "foo10"]
        );
    }
}

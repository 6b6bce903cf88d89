//! CustomResourceDefinitions: from the stored object to resources.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{self, AtomicU64};

use serde_json::Value;

use super::{Origin, Resource, ScalePaths, Traits};
use crate::json;
use crate::schema::{Cause, Schema};
use crate::store::StorageId;

/// Counts readings of definitions, from 1.
static EDITION: AtomicU64 = AtomicU64::new(1);

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
    /// Those that are served.
    versions: Vec<Version>,
    stored: Arc<StoredAs>,
}

/// As what the objects of a definition are stored.
#[derive(Debug)]
pub(crate) struct StoredAs {
    /// The version that is written.
    pub(crate) version: String,
    /// Of every version that objects may still be stored in.
    pub(crate) schemas: HashMap<String, Arc<Schema>>,
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
        let sources = json::items(object.pointer("/spec/versions"));
        let is =
            |at: usize, field: &str| sources.get(at).and_then(|v| v.get(field)) == Some(&Value::Bool(true));
        let all = sources.iter().enumerate().map(|(at, source)| Version::read(object, source, at));
        let all = all.collect::<Result<Vec<_>, _>>()?;
        let written = all.iter().enumerate().find(|(at, _)| is(*at, "storage"));
        let stored = StoredAs {
            version: written.map(|(_, version)| version.name.clone()).unwrap_or_default(),
            schemas: all.iter().map(|version| (version.name.clone(), version.schema.clone())).collect(),
        };
        let served = all.into_iter().enumerate().filter(|(at, _)| is(*at, "served"));
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
            versions: served.map(|(_, version)| version).collect(),
            stored: Arc::new(stored),
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
                stored: self.stored.clone(),
                edition: EDITION.fetch_add(1, atomic::Ordering::Relaxed),
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

/// What is wrong with a definition as a client sent it (after defaults), or with the step
/// from `old` to it.
pub(crate) fn check_definition(object: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = check_names(object);
    causes.extend(match old {
        Some(old) => check_step(object, old),
        None => check_full_name(object).into_iter().collect(),
    });
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
    let scope = text(object, "/spec/scope");
    if !matches!(scope.as_str(), "" | "Namespaced" | "Cluster") {
        let allowed = ["Cluster".to_owned(), "Namespaced".to_owned()];
        causes.push(Cause::not_supported("spec.scope", &Value::from(scope), &allowed));
    }
    causes
}

fn check_full_name(object: &Value) -> Option<Cause> {
    let expected = format!("{}.{}", text(object, "/spec/names/plural"), text(object, "/spec/group"));
    let why = "must be spec.names.plural+\".\"+spec.group";
    let name = json::name(object);
    (name != expected).then(|| Cause::invalid("metadata.name", &Value::from(name), why))
}

/// Where and as what objects are stored stays as it is (`ValidateCustomResourceDefinitionUpdate`
/// in `apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go`).
fn check_step(object: &Value, old: &Value) -> Vec<Cause> {
    let established: &[&str] = if is_established(old) { &["scope", "names.kind"] } else { &[] };
    let fixed = established.iter().chain(&["group", "names.plural"]);
    let mut causes: Vec<Cause> = fixed.filter_map(|field| check_fixed(object, old, field)).collect();
    causes.extend(check_stored_versions(object, old));
    causes
}

fn check_fixed(object: &Value, old: &Value, field: &str) -> Option<Cause> {
    let pointer = format!("/spec/{}", field.replace('.', "/"));
    let (before, after) = (text(old, &pointer), text(object, &pointer));
    let path = format!("spec.{field}");
    (after != before).then(|| Cause::invalid(&path, &Value::from(after), "field is immutable"))
}

/// A version that may still be in store stays. A write of the status, which leaves the spec as
/// it is, is not asked (`ValidateUpdateCustomResourceDefinitionStatus`).
fn check_stored_versions(object: &Value, old: &Value) -> Vec<Cause> {
    if object.get("spec") == old.get("spec") {
        return Vec::new();
    }
    let versions = json::items(object.pointer("/spec/versions"));
    let is_kept = |name: &str| versions.iter().any(|version| text(version, "/name") == name);
    let stored = texts(object, "/status/storedVersions").into_iter().enumerate();
    let missing = stored.filter(|(_, name)| !is_kept(name));
    missing.map(|(at, version)| missing_version(at, &version)).collect()
}

fn missing_version(at: usize, version: &str) -> Cause {
    let why = format!(
        "missing from spec.versions; {version} was previously a storage version, and must remain in \
         spec.versions until a storage migration ensures no data remains persisted in {version} and \
         removes {version} from status.storedVersions"
    );
    Cause::invalid(&format!("status.storedVersions[{at}]"), &Value::from(version), &why)
}

/// Whether the objects of a definition have ever been served.
pub(crate) fn is_established(definition: &Value) -> bool {
    let conditions = json::items(definition.pointer("/status/conditions"));
    conditions.iter().any(|c| text(c, "/type") == "Established" && text(c, "/status") == "True")
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
    use serde_json::json;

    fn definition(versions: &[&str]) -> Value {
        let schema = json!({"openAPIV3Schema": {"type": "object"}});
        let version =
            |(at, name): (usize, &&str)| json!({"name": name, "storage": at == 0, "schema": schema});
        let versions: Vec<Value> = versions.iter().enumerate().map(version).collect();
        json!({
            "metadata": {"name": "things.a.example"},
            "spec": {
                "group": "a.example", "scope": "Namespaced",
                "names": {"plural": "things", "kind": "Thing"}, "versions": versions,
            },
            "status": {
                "storedVersions": ["v1"],
                "conditions": [{"type": "Established", "status": "True"}],
            },
        })
    }

    /// What is wrong with a step from version `v1` to a changed definition.
    fn refused(change: impl Fn(&mut Value), established: bool) -> Vec<String> {
        let mut old = definition(&["v1"]);
        if !established {
            old["status"]["conditions"] = json!([]);
        }
        let mut new = old.clone();
        change(&mut new);
        check_definition(&new, Some(&old)).into_iter().map(|cause| cause.to_string()).collect()
    }

    #[test]
    fn a_definition_keeps_what_its_objects_are_stored_under() {
        let changes = [("scope", "Cluster"), ("group", "b.example")];
        for (field, value) in changes {
            let wrong = refused(|new| new["spec"][field] = json!(value), true);
            assert_eq!(wrong, [format!("spec.{field}: Invalid value: \"{value}\": field is immutable")]);
        }
        for (field, value) in [("kind", "Other"), ("plural", "others")] {
            let wrong = refused(|new| new["spec"]["names"][field] = json!(value), true);
            assert_eq!(
                wrong,
                [format!("spec.names.{field}: Invalid value: \"{value}\": field is immutable")]
            );
        }
        assert!(refused(|new| new["spec"]["names"]["singular"] = json!("one"), true).is_empty());
    }

    #[test]
    fn scope_and_kind_can_change_before_anything_is_served() {
        assert!(refused(|new| new["spec"]["scope"] = json!("Cluster"), false).is_empty());
        assert!(refused(|new| new["spec"]["names"]["kind"] = json!("Other"), false).is_empty());
        assert_eq!(refused(|new| new["spec"]["names"]["plural"] = json!("others"), false).len(), 1);
    }

    #[test]
    fn a_version_that_was_stored_stays_until_the_status_forgets_it() {
        let moved = |new: &mut Value| new["spec"] = definition(&["v2", "v1"])["spec"].clone();
        assert!(refused(moved, true).is_empty());
        let gone = |new: &mut Value| new["spec"] = definition(&["v2"])["spec"].clone();
        let wrong = refused(gone, true);
        assert_eq!(wrong.len(), 1);
        assert!(
            wrong[0].starts_with(
                "status.storedVersions[0]: Invalid value: \"v1\": missing from spec.versions; v1 was"
            ),
            "{wrong:?}"
        );
        let forgotten = |new: &mut Value| new["status"]["storedVersions"] = json!(["v2"]);
        assert!(refused(forgotten, true).is_empty());
    }

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

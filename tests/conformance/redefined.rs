//! Objects that were stored before their definition changed, and the versions they are read in.

use anyhow::{Result, ensure};
use polyreme_tests::eventually;
use serde_json::{Value, json};

use super::support::{Answer, Bench, DEFINITIONS, JSON_PATCH, LIMIT, MERGE};

/// A kind of the test's own, which it may change.
struct Kind<'a> {
    bench: &'a Bench,
    group: String,
}

const PROPERTIES: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";

impl<'a> Kind<'a> {
    /// With a stored version `v1` and a version `v2` that knows other fields.
    async fn installed(bench: &'a Bench) -> Result<Self> {
        let kind = Kind { bench, group: format!("{}.example", bench.ns.name()) };
        let version = |name: &str, stored: bool, properties: Value| {
            let spec = json!({"type": "object", "properties": properties});
            let schema = json!({"type": "object", "properties": {"spec": spec}});
            json!({"name": name, "served": true, "storage": stored, "schema": {"openAPIV3Schema": schema}})
        };
        let shared = json!({"type": "string"});
        let size = json!({"type": "integer", "default": 1});
        let first = json!({"shared": shared, "size": size, "old": shared});
        let second = json!({"shared": shared, "extra": {"type": "string", "default": "x"}});
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("things.{}", kind.group)},
            "spec": {
                "group": kind.group, "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
                "versions": [version("v1", true, first), version("v2", false, second)],
            },
        });
        bench.install(definition).await?;
        Ok(kind)
    }

    fn objects(&self, version: &str) -> String {
        format!("/apis/{}/{version}/namespaces/{{ns}}/things", self.group)
    }

    async fn create(&self, version: &str, name: &str, spec: Value) -> Result<Answer> {
        let api_version = format!("{}/{version}", self.group);
        let body =
            json!({"apiVersion": api_version, "kind": "Thing", "metadata": {"name": name}, "spec": spec});
        Ok(self.bench.post(&self.objects(version), body).await?.is(201))
    }

    async fn spec(&self, version: &str, name: &str) -> Result<Value> {
        let read = self.bench.get(&format!("{}/{name}", self.objects(version))).await?.is(200);
        Ok(read.at("/spec").clone())
    }

    async fn redefine(&self, patch: Value) -> Result<()> {
        let path = format!("{DEFINITIONS}/things.{}", self.group);
        self.bench.patch(&path, JSON_PATCH, patch).await?.is(200);
        Ok(())
    }

    /// A real server takes a moment to follow a definition.
    async fn until_spec_is(&self, name: &str, expected: &Value) -> Result<()> {
        eventually("the new definition", LIMIT, async || {
            let found = self.spec("v1", name).await?;
            ensure!(found == *expected, "it is {found}");
            Ok(())
        })
        .await
    }

    async fn remove(self) -> Result<()> {
        self.bench.delete(&format!("{DEFINITIONS}/things.{}", self.group)).await?.is(200);
        Ok(())
    }
}

#[tokio::test]
async fn an_object_is_read_by_the_definition_of_today() -> Result<()> {
    let bench = Bench::new("redefined").await?;
    let kind = Kind::installed(&bench).await?;
    kind.create("v1", "a", json!({"shared": "s", "old": "o"})).await?;
    kind.redefine(json!([
        {"op": "remove", "path": format!("{PROPERTIES}/old")},
        {"op": "add", "path": format!("{PROPERTIES}/new"), "value": {"type": "string", "default": "n"}},
    ]))
    .await?;
    let expected = json!({"shared": "s", "size": 1, "new": "n"});
    kind.until_spec_is("a", &expected).await?;
    let listed = bench.get(&kind.objects("v1")).await?.is(200);
    assert_eq!(listed.at("/items/0/spec"), &expected);
    let selected = format!("{}?labelSelector=!absent&watch=1", kind.objects("v1"));
    let seen = bench.watch(&selected).await?.next().await?;
    assert_eq!(seen["object"]["spec"], expected);
    let path = format!("{}/a", kind.objects("v1"));
    let labelled = bench.patch(&path, MERGE, json!({"metadata": {"labels": {"a": "b"}}})).await?.is(200);
    assert_eq!(labelled.at("/metadata/generation"), &json!(1), "{}", labelled.text);
    kind.remove().await
}

#[tokio::test]
async fn a_version_shows_and_stores_what_its_schema_knows() -> Result<()> {
    let bench = Bench::new("two-versions").await?;
    let kind = Kind::installed(&bench).await?;
    kind.create("v1", "a", json!({"shared": "s", "old": "o"})).await?;
    assert_eq!(kind.spec("v2", "a").await?, json!({"shared": "s"}));
    kind.create("v2", "b", json!({"shared": "s", "size": 3})).await?;
    assert_eq!(kind.spec("v2", "b").await?, json!({"shared": "s"}));
    assert_eq!(kind.spec("v1", "b").await?, json!({"shared": "s", "size": 1}));
    kind.remove().await
}

#[tokio::test]
async fn a_new_rule_leaves_alone_what_does_not_change() -> Result<()> {
    let bench = Bench::new("ratchet").await?;
    let kind = Kind::installed(&bench).await?;
    kind.create("v1", "a", json!({"shared": "s"})).await?;
    let rule = json!([{"rule": "self != 's'", "message": "not this"}]);
    let mark = json!({"type": "string", "default": "n"});
    kind.redefine(json!([
        {"op": "add", "path": format!("{PROPERTIES}/shared/x-kubernetes-validations"), "value": rule},
        {"op": "add", "path": format!("{PROPERTIES}/new"), "value": mark},
    ]))
    .await?;
    kind.until_spec_is("a", &json!({"shared": "s", "size": 1, "new": "n"})).await?;
    let path = format!("{}/a", kind.objects("v1"));
    let changed = bench.patch(&path, MERGE, json!({"spec": {"size": 2}})).await?.is(200);
    let warning = changed.headers.get("warning").and_then(|w| w.to_str().ok()).unwrap_or_default();
    assert!(warning.contains("spec.shared: Invalid value: \\\"s\\\": not this"), "{warning}");
    bench.patch(&path, MERGE, json!({"spec": {"shared": "t"}})).await?.is(200);
    let refused = bench.patch(&path, MERGE, json!({"spec": {"shared": "s"}})).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["spec.shared"]);
    kind.remove().await
}

#[tokio::test]
async fn a_default_follows_its_own_rules() -> Result<()> {
    let bench = Bench::new("ruled-default").await?;
    let kind = Kind::installed(&bench).await?;
    let rule = json!([{"rule": "self > 5", "message": "more"}]);
    let patch =
        json!([{"op": "add", "path": format!("{PROPERTIES}/size/x-kubernetes-validations"), "value": rule}]);
    let path = format!("{DEFINITIONS}/things.{}", kind.group);
    let refused = bench.patch(&path, JSON_PATCH, patch).await?.refused(422, "Invalid");
    let field = "spec.versions[0].schema.openAPIV3Schema.properties[spec].properties[size].default";
    assert_eq!(refused.cause_fields(), [field]);
    kind.remove().await
}

//! CustomResourceDefinitions: from definition to a served kind and back.

use anyhow::{Result, ensure};
use polyreme_tests::eventually;
use serde_json::{Value, json};

use super::support::{Bench, DEFINITIONS, GADGETS, LIMIT, MERGE, gadget, gadgets};

/// A definition of this case's own.
fn definition(group: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("things.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"plural": "things", "kind": "Thing"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string"}}}}}},
            }],
        },
    })
}

async fn with_things(hint: &str) -> Result<(Bench, String, String)> {
    let bench = Bench::new(hint).await?;
    let group = format!("{}.polyreme.dev", bench.ns.name());
    bench.install(definition(&group)).await?;
    let things = format!("/apis/{group}/v1/namespaces/{{ns}}/things");
    let path = format!("{DEFINITIONS}/things.{group}");
    Ok((bench, path, things))
}

/// Until its names are accepted and cannot change any more: its kind may be served a little earlier.
async fn until_established(bench: &Bench, path: &str) -> Result<()> {
    eventually("the definition being established", LIMIT, async || {
        let read = bench.get(path).await?.is(200);
        let conditions = read.at("/status/conditions").as_array().cloned().unwrap_or_default();
        let is = |kind: &str| conditions.iter().any(|c| c["type"] == kind && c["status"] == "True");
        ensure!(is("Established") && is("NamesAccepted"), "{}", read.text);
        ensure!(read.at("/status/storedVersions") == &json!(["v1"]), "{}", read.text);
        ensure!(read.str("/status/acceptedNames/listKind") == "ThingList", "{}", read.text);
        ensure!(read.str("/spec/names/singular") == "thing", "{}", read.text);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_definition_is_established() -> Result<()> {
    let (bench, path, _) = with_things("established").await?;
    until_established(&bench, &path).await?;
    bench.delete(&path).await?.is(200);
    Ok(())
}

#[tokio::test]
async fn a_deleted_definition_takes_its_objects_along() -> Result<()> {
    let (bench, path, things) = with_things("removed").await?;
    bench.post(&things, thing(&bench, "a")).await?.is(201);
    bench.delete(&path).await?.is(200);
    bench.until_gone(&path).await?;
    bench.until_gone(&things).await?;
    bench.get(&things).await?.is(404);
    Ok(())
}

fn thing(bench: &Bench, name: &str) -> Value {
    let version = format!("{}.polyreme.dev/v1", bench.ns.name());
    json!({"apiVersion": version, "kind": "Thing", "metadata": {"name": name}, "spec": {"a": "x"}})
}

#[tokio::test]
async fn an_object_is_seen_in_every_version() -> Result<()> {
    let bench = Bench::with_gadgets("versions").await?;
    bench.post(GADGETS, gadget("a")).await?.is(201);
    let beta = GADGETS.replace("/v1/", "/v1beta1/");
    let seen = bench.get(&format!("{beta}/a")).await?.is(200);
    assert_eq!(seen.str("/apiVersion"), "conformance.polyreme.dev/v1beta1");
    assert_eq!(seen.at("/spec/size"), &json!(3));
    assert_eq!(bench.get(&beta).await?.is(200).names(), ["a"]);
    bench.get(&format!("{}/a", GADGETS.replace("/v1/", "/v2/"))).await?.is(404);
    Ok(())
}

#[tokio::test]
async fn a_definition_must_be_named_after_its_kind() -> Result<()> {
    let bench = Bench::new("misnamed").await?;
    let mut definition = definition("misnamed.polyreme.dev");
    definition["metadata"]["name"] = json!("wrong.misnamed.polyreme.dev");
    let refused = bench.post(DEFINITIONS, definition).await?.refused(422, "Invalid");
    assert!(refused.cause_fields().contains(&"metadata.name"), "{}", refused.text);
    Ok(())
}

#[tokio::test]
async fn a_definition_needs_a_structural_schema() -> Result<()> {
    let bench = Bench::new("structural").await?;
    let mut definition = definition("structural.polyreme.dev");
    definition["spec"]["versions"][0]["schema"] =
        json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": {}}}});
    let refused = bench.post(DEFINITIONS, definition.clone()).await?.refused(422, "Invalid");
    assert!(
        refused.text.contains("spec.validation.openAPIV3Schema.properties[spec].type"),
        "{}",
        refused.text
    );
    definition["spec"]["versions"][0]["storage"] = json!(false);
    bench.post(DEFINITIONS, definition).await?.refused(422, "Invalid");
    Ok(())
}

#[tokio::test]
async fn a_definition_keeps_what_its_objects_are_stored_under() -> Result<()> {
    let (bench, path, _) = with_things("fixed").await?;
    until_established(&bench, &path).await?;
    let wrong = [
        (json!({"scope": "Cluster"}), "spec.scope"),
        (json!({"names": {"kind": "Other"}}), "spec.names.kind"),
        (json!({"group": "other.polyreme.dev"}), "spec.group"),
        (json!({"names": {"plural": "others"}}), "spec.names.plural"),
    ];
    for (spec, field) in wrong {
        let refused = bench.patch(&path, MERGE, json!({"spec": spec})).await?.refused(422, "Invalid");
        assert_eq!(refused.cause_fields(), [field], "{}", refused.text);
        assert!(refused.message().contains("field is immutable"), "{}", refused.text);
    }
    bench.delete(&path).await?.is(200);
    Ok(())
}

#[tokio::test]
async fn a_version_that_was_stored_stays_until_the_status_forgets_it() -> Result<()> {
    let (bench, path, _) = with_things("stored").await?;
    let v1 = bench.get(&path).await?.is(200).at("/spec/versions/0").clone();
    let versions = |stored: &[(&str, bool)]| {
        let version = |(name, storage): &(&str, bool)| {
            let mut version = v1.clone();
            (version["name"], version["storage"]) = (json!(name), json!(storage));
            version
        };
        json!({"spec": {"versions": stored.iter().map(version).collect::<Vec<_>>()}})
    };
    let refused = bench.patch(&path, MERGE, versions(&[("v2", true)])).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["status.storedVersions[0]"], "{}", refused.text);
    let why = "Invalid value: \"v1\": missing from spec.versions; v1 was previously a storage version";
    assert!(refused.message().contains(why), "{}", refused.text);
    let moved = bench.patch(&path, MERGE, versions(&[("v1", false), ("v2", true)])).await?.is(200);
    assert_eq!(moved.at("/status/storedVersions"), &json!(["v1", "v2"]));
    let managers = moved.at("/metadata/managedFields").as_array().cloned().unwrap_or_default();
    let of_the_spec = managers.iter().filter(|entry| entry["subresource"] != "status");
    assert!(
        of_the_spec.into_iter().all(|entry| entry["fieldsV1"].get("f:status").is_none()),
        "{}",
        moved.text
    );
    let forgotten = json!({"status": {"storedVersions": ["v2"]}});
    bench.patch(&format!("{path}/status"), MERGE, forgotten).await?.is(200);
    bench.patch(&path, MERGE, versions(&[("v2", true)])).await?.is(200);
    bench.delete(&path).await?.is(200);
    Ok(())
}

#[tokio::test]
async fn a_definition_that_exists_already_exists() -> Result<()> {
    let bench = Bench::with_gadgets("again").await?;
    bench.post(DEFINITIONS, gadgets()).await?.refused(409, "AlreadyExists");
    Ok(())
}

//! Creating, reading, replacing.

use anyhow::Result;
use http::Method;
use serde_json::{Value, json};

use super::support::{Bench, CONFIG_MAPS};

#[tokio::test]
async fn a_new_object_gets_what_the_server_owns() -> Result<()> {
    let bench = Bench::new("new").await?;
    let body = json!({"metadata": {"name": "a", "uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z"}, "data": {"k": "v"}});
    let created = bench.post(CONFIG_MAPS, body).await?.is(201);
    assert_eq!(created.str("/apiVersion"), "v1");
    assert_eq!(created.str("/kind"), "ConfigMap");
    assert_eq!(created.str("/metadata/namespace"), bench.ns.name());
    assert_eq!(created.str("/metadata/uid").len(), 36);
    assert!(created.str("/metadata/creationTimestamp").starts_with("20"));
    assert_ne!(created.str("/metadata/creationTimestamp"), "2001-01-01T00:00:00Z");
    assert_eq!(created.at("/metadata/generation"), &Value::Null);
    let read = bench.get(&format!("{CONFIG_MAPS}/a")).await?.is(200);
    assert_eq!(read.body, created.body);
    Ok(())
}

#[tokio::test]
async fn a_second_object_of_a_name_already_exists() -> Result<()> {
    let bench = Bench::new("twice").await?;
    bench.config_map("a", "x").await?;
    let again = bench.post(CONFIG_MAPS, json!({"metadata": {"name": "a"}})).await?;
    let again = again.refused(409, "AlreadyExists");
    assert_eq!(again.message(), "configmaps \"a\" already exists");
    assert_eq!(again.at("/details"), &json!({"name": "a", "kind": "configmaps"}));
    Ok(())
}

#[tokio::test]
async fn an_absent_object_is_not_found() -> Result<()> {
    let bench = Bench::new("absent").await?;
    let absent = bench.get(&format!("{CONFIG_MAPS}/a")).await?.refused(404, "NotFound");
    assert_eq!(absent.message(), "configmaps \"a\" not found");
    assert_eq!(absent.str("/kind"), "Status");
    assert_eq!(absent.str("/status"), "Failure");
    assert_eq!(absent.at("/code"), &json!(404));
    assert_eq!(absent.at("/details"), &json!({"name": "a", "kind": "configmaps"}));
    Ok(())
}

#[tokio::test]
async fn a_name_is_generated_from_a_prefix() -> Result<()> {
    let bench = Bench::new("generate").await?;
    let created = bench.post(CONFIG_MAPS, json!({"metadata": {"generateName": "part-"}})).await?.is(201);
    let name = created.str("/metadata/name");
    assert!(name.starts_with("part-") && name.len() == 10, "{name}");
    let long = "x".repeat(80);
    let created = bench.post(CONFIG_MAPS, json!({"metadata": {"generateName": long}})).await?.is(201);
    assert_eq!(created.str("/metadata/name").len(), 63);
    Ok(())
}

#[tokio::test]
async fn an_object_needs_a_name() -> Result<()> {
    let bench = Bench::new("nameless").await?;
    let refused = bench.post(CONFIG_MAPS, json!({"metadata": {}})).await?.refused(422, "Invalid");
    assert!(refused.message().contains("name or generateName is required"), "{}", refused.text);
    Ok(())
}

#[tokio::test]
async fn a_name_must_be_a_dns_name() -> Result<()> {
    let bench = Bench::new("names").await?;
    let refused =
        bench.post(CONFIG_MAPS, json!({"metadata": {"name": "Not_A_Name"}})).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["metadata.name"]);
    assert_eq!(refused.str("/details/kind"), "ConfigMap");
    Ok(())
}

#[tokio::test]
async fn a_label_must_be_a_label() -> Result<()> {
    let bench = Bench::new("labels").await?;
    let body = json!({"metadata": {"name": "a", "labels": {"app": "not a label"}}});
    let refused = bench.post(CONFIG_MAPS, body).await?.refused(422, "Invalid");
    assert_eq!(refused.cause_fields(), ["metadata.labels"]);
    Ok(())
}

#[tokio::test]
async fn an_object_belongs_to_the_namespace_of_its_url() -> Result<()> {
    let bench = Bench::new("other").await?;
    let body = json!({"metadata": {"name": "a", "namespace": "another"}});
    let refused = bench.post(CONFIG_MAPS, body).await?.refused(400, "BadRequest");
    assert!(refused.message().contains("does not match the namespace"), "{}", refused.text);
    Ok(())
}

#[tokio::test]
async fn nothing_is_created_in_a_namespace_that_is_not_there() -> Result<()> {
    let bench = Bench::new("nowhere").await?;
    let refused = bench
        .post("/api/v1/namespaces/nowhere-at-all/configmaps", json!({"metadata": {"name": "a"}}))
        .await?;
    let refused = refused.refused(404, "NotFound");
    assert_eq!(refused.message(), "namespaces \"nowhere-at-all\" not found");
    Ok(())
}

#[tokio::test]
async fn a_yaml_body_is_read() -> Result<()> {
    let bench = Bench::new("yaml").await?;
    let yaml = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: v\n".to_vec();
    let created =
        bench.send(Method::POST, CONFIG_MAPS, &[("content-type", "application/yaml")], yaml).await?.is(201);
    assert_eq!(created.str("/data/k"), "v");
    Ok(())
}

#[tokio::test]
async fn a_dry_run_changes_nothing() -> Result<()> {
    let bench = Bench::new("dry").await?;
    let path = format!("{CONFIG_MAPS}?dryRun=All");
    let created = bench.post(&path, json!({"metadata": {"name": "a"}})).await?.is(201);
    assert_eq!(created.str("/metadata/uid").len(), 36);
    bench.get(&format!("{CONFIG_MAPS}/a")).await?.is(404);
    bench.config_map("b", "x").await?;
    bench.delete(&format!("{CONFIG_MAPS}/b?dryRun=All")).await?.is(200);
    bench.get(&format!("{CONFIG_MAPS}/b")).await?.is(200);
    let refused =
        bench.post(&format!("{CONFIG_MAPS}?dryRun=Maybe"), json!({"metadata": {"name": "a"}})).await?;
    assert!(matches!(refused.code, 400 | 422), "{}", refused.text);
    Ok(())
}

#[tokio::test]
async fn a_broken_body_is_a_bad_request() -> Result<()> {
    let bench = Bench::new("broken").await?;
    let headers = [("content-type", "application/json")];
    bench
        .send(Method::POST, CONFIG_MAPS, &headers, b"{\"metadata\":".to_vec())
        .await?
        .refused(400, "BadRequest");
    Ok(())
}

#[tokio::test]
async fn a_body_of_another_kind_is_a_bad_request() -> Result<()> {
    let bench = Bench::new("kind").await?;
    let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}});
    bench.post(CONFIG_MAPS, body).await?.refused(400, "BadRequest");
    Ok(())
}

#[tokio::test]
async fn a_field_of_another_type_is_a_bad_request() -> Result<()> {
    let bench = Bench::new("type").await?;
    let body = json!({"metadata": {"name": "a"}, "data": {"k": 1}});
    let refused = bench.post(CONFIG_MAPS, body).await?.refused(400, "BadRequest");
    assert!(
        refused.message().contains("ConfigMap in version \"v1\" cannot be handled as a ConfigMap"),
        "{}",
        refused.text
    );
    Ok(())
}

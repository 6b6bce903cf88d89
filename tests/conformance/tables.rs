//! Other forms of an answer: tables, metadata, YAML.

use anyhow::Result;
use serde_json::{Value, json};

use super::support::{Answer, Bench, CONFIG_MAPS, DEPLOYMENTS, GADGETS, deployment, gadget};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
const METADATA: &str = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";

fn columns(table: &Answer) -> Vec<&str> {
    let columns = table.at("/columnDefinitions").as_array().map(Vec::as_slice).unwrap_or_default();
    columns.iter().filter_map(|c| c["name"].as_str()).collect()
}

#[tokio::test]
async fn config_maps_are_shown_as_a_table() -> Result<()> {
    let bench = Bench::new("table").await?;
    bench.config_map("a", "x").await?;
    let table = bench.get_as(&format!("{CONFIG_MAPS}?labelSelector=app"), TABLE).await?.is(200);
    assert_eq!(table.str("/kind"), "Table");
    assert_eq!(table.str("/apiVersion"), "meta.k8s.io/v1");
    assert_eq!(columns(&table), ["Name", "Data", "Age"]);
    assert_eq!(table.at("/rows/0/cells/0"), &json!("a"));
    assert_eq!(table.at("/rows/0/cells/1"), &json!(1));
    assert_eq!(table.str("/rows/0/object/kind"), "PartialObjectMetadata");
    assert_eq!(table.str("/rows/0/object/metadata/name"), "a");
    assert_ne!(table.version(), "");
    Ok(())
}

#[tokio::test]
async fn deployments_are_shown_as_kubectl_shows_them() -> Result<()> {
    let bench = Bench::new("deployments").await?;
    bench.post(DEPLOYMENTS, deployment("a", 0)).await?.is(201);
    let table = bench.get_as(&format!("{DEPLOYMENTS}/a"), TABLE).await?.is(200);
    let names = ["Name", "Ready", "Up-to-date", "Available", "Age", "Containers", "Images", "Selector"];
    assert_eq!(columns(&table), names);
    assert_eq!(table.at("/rows/0/cells/1"), &json!("0/0"));
    assert_eq!(table.at("/rows/0/cells/6"), &json!("example.invalid/main:1"));
    Ok(())
}

#[tokio::test]
async fn a_custom_resource_is_shown_by_its_columns() -> Result<()> {
    let bench = Bench::with_gadgets("columns").await?;
    bench.post(GADGETS, gadget("a")).await?.is(201);
    let table = bench.get_as(GADGETS, TABLE).await?.is(200);
    assert_eq!(columns(&table), ["Name", "Size", "Mode", "Age"]);
    assert_eq!(table.at("/columnDefinitions/2/priority"), &json!(1));
    let cells = table.at("/rows/0/cells").as_array().cloned().unwrap_or_default();
    assert_eq!(cells.get(..3), Some([json!("a"), json!(3), json!("slow")].as_slice()));
    Ok(())
}

#[tokio::test]
async fn rows_carry_what_was_asked_for() -> Result<()> {
    let bench = Bench::new("include").await?;
    bench.config_map("a", "x").await?;
    let path = |include: &str| format!("{CONFIG_MAPS}?labelSelector=app&includeObject={include}");
    let none = bench.get_as(&path("None"), TABLE).await?.is(200);
    assert_eq!(none.at("/rows/0/object"), &Value::Null);
    let whole = bench.get_as(&path("Object"), TABLE).await?.is(200);
    assert_eq!(whole.str("/rows/0/object/data/key"), "value");
    Ok(())
}

#[tokio::test]
async fn a_watch_shows_tables() -> Result<()> {
    let bench = Bench::new("watch").await?;
    bench.config_map("a", "x").await?;
    let mut watch = bench.watch_as(&format!("{CONFIG_MAPS}?watch=1&labelSelector=app"), TABLE).await?;
    let first = watch.next().await?;
    assert_eq!(first["type"], "ADDED");
    assert_eq!(first["object"]["kind"], "Table");
    assert_eq!(first["object"]["columnDefinitions"][0]["name"], "Name");
    assert_eq!(first["object"]["rows"][0]["cells"][0], "a");
    bench.config_map("b", "x").await?;
    let second = watch.next().await?;
    assert_eq!(second["object"]["columnDefinitions"], Value::Null);
    assert_eq!(second["object"]["rows"][0]["cells"][0], "b");
    Ok(())
}

#[tokio::test]
async fn metadata_comes_alone() -> Result<()> {
    let bench = Bench::new("metadata").await?;
    bench.config_map("a", "x").await?;
    let one = bench.get_as(&format!("{CONFIG_MAPS}/a"), METADATA).await?.is(200);
    assert_eq!(one.str("/kind"), "PartialObjectMetadata");
    assert_eq!(one.at("/data"), &Value::Null);
    assert_eq!(one.str("/metadata/labels/app"), "x");
    let list = bench.get_as(&format!("{CONFIG_MAPS}?labelSelector=app"), METADATA_LIST).await?.is(200);
    assert_eq!(list.str("/kind"), "PartialObjectMetadataList");
    assert_eq!(list.names(), ["a"]);
    let mut watch = bench.watch_as(&format!("{CONFIG_MAPS}?watch=1&labelSelector=app"), METADATA).await?;
    let event = watch.next().await?;
    assert_eq!(event["object"]["kind"], "PartialObjectMetadata");
    assert_eq!(event["object"]["data"], Value::Null);
    Ok(())
}

#[tokio::test]
async fn an_object_is_shown_as_yaml() -> Result<()> {
    let bench = Bench::new("yaml").await?;
    bench.config_map("a", "x").await?;
    let yaml = bench.get_as(&format!("{CONFIG_MAPS}/a"), "application/yaml").await?.is(200);
    assert!(yaml.text.contains("\nkind: ConfigMap\n"), "{}", yaml.text);
    Ok(())
}

#[tokio::test]
async fn a_form_that_nobody_writes_is_not_acceptable() -> Result<()> {
    let bench = Bench::new("form").await?;
    bench.config_map("a", "x").await?;
    bench.get_as(&format!("{CONFIG_MAPS}/a"), "application/xml").await?.refused(406, "NotAcceptable");
    Ok(())
}

//! Lists: selectors, pages, versions.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::support::{Bench, CONFIG_MAPS, GADGETS, gadget};

async fn three(hint: &str) -> Result<Bench> {
    let bench = Bench::new(hint).await?;
    for (name, app) in [("a", "x"), ("b", "y"), ("c", "x")] {
        bench.config_map(name, app).await?;
    }
    Ok(bench)
}

#[tokio::test]
async fn a_list_is_typed_and_sorted_by_name() -> Result<()> {
    let bench = three("list").await?;
    let list = bench.get(&format!("{CONFIG_MAPS}?labelSelector=app")).await?.is(200);
    assert_eq!(list.str("/kind"), "ConfigMapList");
    assert_eq!(list.str("/apiVersion"), "v1");
    assert_eq!(list.names(), ["a", "b", "c"]);
    assert_eq!(list.at("/items/0/kind"), &Value::Null);
    Ok(())
}

#[tokio::test]
async fn items_of_custom_resources_carry_their_type() -> Result<()> {
    let bench = Bench::with_gadgets("typed").await?;
    bench.post(GADGETS, gadget("a")).await?.is(201);
    let list = bench.get(GADGETS).await?.is(200);
    assert_eq!(list.str("/kind"), "GadgetList");
    assert_eq!(list.str("/items/0/kind"), "Gadget");
    Ok(())
}

#[tokio::test]
async fn label_selectors_select() -> Result<()> {
    let bench = three("labels").await?;
    for (selector, names) in [
        ("app%3Dx", vec!["a", "c"]),
        ("app%3D%3Dy", vec!["b"]),
        ("app!%3Dx,app", vec!["b"]),
        ("app%20in%20(x,y)", vec!["a", "b", "c"]),
        ("app%20notin%20(x),app", vec!["b"]),
        ("app,!app", vec![]),
    ] {
        let list = bench.get(&format!("{CONFIG_MAPS}?labelSelector={selector}")).await?.is(200);
        assert_eq!(list.names(), names, "{selector}");
    }
    bench.get(&format!("{CONFIG_MAPS}?labelSelector=a%20b%20c")).await?.refused(400, "BadRequest");
    Ok(())
}

#[tokio::test]
async fn field_selectors_select() -> Result<()> {
    let bench = three("fields").await?;
    let one = bench.get(&format!("{CONFIG_MAPS}?fieldSelector=metadata.name%3Db")).await?.is(200);
    assert_eq!(one.names(), ["b"]);
    let others = bench
        .get(&format!("{CONFIG_MAPS}?labelSelector=app&fieldSelector=metadata.name!%3Db"))
        .await?
        .is(200);
    assert_eq!(others.names(), ["a", "c"]);
    let refused =
        bench.get(&format!("{CONFIG_MAPS}?fieldSelector=data.key%3Dvalue")).await?.refused(400, "BadRequest");
    assert!(refused.message().contains("\"data.key\" is not a known field selector"), "{}", refused.text);
    Ok(())
}

#[tokio::test]
async fn a_selectable_field_of_a_custom_resource_selects() -> Result<()> {
    let bench = Bench::with_gadgets("selectable").await?;
    bench.post(GADGETS, gadget("a")).await?.is(201);
    let list = bench.get(&format!("{GADGETS}?fieldSelector=spec.mode%3Dslow")).await?.is(200);
    assert_eq!(list.names(), ["a"]);
    let none = bench.get(&format!("{GADGETS}?fieldSelector=spec.mode%3Dfast")).await?.is(200);
    assert!(none.names().is_empty());
    Ok(())
}

#[tokio::test]
async fn pages_show_one_state() -> Result<()> {
    let bench = Bench::with_gadgets("pages").await?;
    for name in ["a", "b", "c"] {
        bench.post(GADGETS, gadget(name)).await?.is(201);
    }
    let first = bench.get(&format!("{GADGETS}?limit=2")).await?.is(200);
    assert_eq!(first.names(), ["a", "b"]);
    assert_eq!(first.at("/metadata/remainingItemCount"), &json!(1));
    bench.post(GADGETS, gadget("bb")).await?.is(201);
    bench.delete(&format!("{GADGETS}/c")).await?.is(200);
    let token = first.str("/metadata/continue");
    let second = bench.get(&format!("{GADGETS}?limit=2&continue={token}")).await?.is(200);
    assert_eq!(second.names(), ["c"]);
    assert_eq!(second.version(), first.version());
    assert_eq!(second.str("/metadata/continue"), "");
    Ok(())
}

#[tokio::test]
async fn a_page_with_a_selector_does_not_say_how_many_remain() -> Result<()> {
    let bench = three("remain").await?;
    let page = bench.get(&format!("{CONFIG_MAPS}?limit=1&labelSelector=app%3Dx")).await?.is(200);
    assert_eq!(page.names(), ["a"]);
    assert_ne!(page.str("/metadata/continue"), "");
    assert_eq!(page.at("/metadata/remainingItemCount"), &Value::Null);
    Ok(())
}

#[tokio::test]
async fn a_list_can_show_an_earlier_state() -> Result<()> {
    let bench = Bench::with_gadgets("exact").await?;
    let version = bench.post(GADGETS, gadget("a")).await?.is(201).version();
    bench.post(GADGETS, gadget("b")).await?.is(201);
    let exact = format!("{GADGETS}?resourceVersion={version}&resourceVersionMatch=Exact");
    assert_eq!(bench.get(&exact).await?.is(200).names(), ["a"]);
    let newer = format!("{GADGETS}?resourceVersion={version}&resourceVersionMatch=NotOlderThan");
    assert_eq!(bench.get(&newer).await?.is(200).names(), ["a", "b"]);
    Ok(())
}

#[tokio::test]
async fn versions_that_make_no_sense_are_refused() -> Result<()> {
    let bench = Bench::new("garbage").await?;
    bench.get(&format!("{CONFIG_MAPS}?resourceVersion=garbage")).await?.is(400);
    bench.get(&format!("{CONFIG_MAPS}?resourceVersionMatch=Exact")).await?.is(422);
    bench.get(&format!("{CONFIG_MAPS}?resourceVersion=0&resourceVersionMatch=Exact")).await?.is(422);
    bench.get(&format!("{CONFIG_MAPS}?limit=x")).await?.is(400);
    Ok(())
}

#[tokio::test]
async fn a_list_from_the_future_times_out() -> Result<()> {
    let bench = Bench::new("future").await?;
    let now: u64 = bench.get(CONFIG_MAPS).await?.version().parse()?;
    let path = format!("{CONFIG_MAPS}?resourceVersion={}", now + 100_000_000);
    let refused = bench.get(&path).await?.refused(504, "Timeout");
    let causes = refused.at("/details/causes").as_array().context("no causes")?;
    assert!(causes.iter().any(|c| c["reason"] == "ResourceVersionTooLarge"), "{}", refused.text);
    Ok(())
}

#[tokio::test]
async fn a_continue_token_that_is_none_is_refused() -> Result<()> {
    let bench = Bench::new("token").await?;
    bench.get(&format!("{CONFIG_MAPS}?limit=1&continue=rubbish")).await?.refused(400, "BadRequest");
    Ok(())
}

#[tokio::test]
async fn all_namespaces_are_listed_together() -> Result<()> {
    let (one, two) = (Bench::new("one").await?, Bench::new("two").await?);
    let marker = format!("m-{}", one.ns.name());
    one.config_map("a", &marker).await?;
    two.config_map("b", &marker).await?;
    let list = one.get(&format!("/api/v1/configmaps?labelSelector=app%3D{marker}")).await?.is(200);
    assert_eq!(list.names(), ["a", "b"]);
    Ok(())
}

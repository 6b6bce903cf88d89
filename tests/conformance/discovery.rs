//! What there is, and how clients find out.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::support::{Answer, Bench, CONFIG_MAPS};

fn resource(list: &Answer, name: &str) -> Option<Value> {
    list.at("/resources").as_array()?.iter().find(|r| r["name"] == name).cloned()
}

#[tokio::test]
async fn the_core_group_lists_its_resources() -> Result<()> {
    let bench = Bench::new("core").await?;
    assert_eq!(bench.get("/api").await?.is(200).at("/versions"), &json!(["v1"]));
    let list = bench.get("/api/v1").await?.is(200);
    assert_eq!(list.str("/kind"), "APIResourceList");
    assert_eq!(list.str("/groupVersion"), "v1");
    let maps = resource(&list, "configmaps").context("no configmaps")?;
    assert_eq!(maps["kind"], "ConfigMap");
    assert_eq!(maps["namespaced"], true);
    assert_eq!(maps["shortNames"], json!(["cm"]));
    assert_eq!(maps["singularName"], "configmap");
    assert!(resource(&list, "namespaces/finalize").is_some() && resource(&list, "pods/status").is_some());
    Ok(())
}

#[tokio::test]
async fn groups_list_their_versions() -> Result<()> {
    let bench = Bench::with_gadgets("groups").await?;
    let groups = bench.get("/apis").await?.is(200);
    let names: Vec<&str> = groups
        .at("/groups")
        .as_array()
        .context("no groups")?
        .iter()
        .filter_map(|g| g["name"].as_str())
        .collect();
    for name in [
        "apps",
        "batch",
        "coordination.k8s.io",
        "apiextensions.k8s.io",
        "events.k8s.io",
        "rbac.authorization.k8s.io",
        "conformance.polyreme.dev",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    let group = bench.get("/apis/conformance.polyreme.dev").await?.is(200);
    assert_eq!(group.str("/preferredVersion/version"), "v1");
    assert_eq!(group.str("/versions/1/groupVersion"), "conformance.polyreme.dev/v1beta1");
    Ok(())
}

#[tokio::test]
async fn a_custom_resource_is_discovered() -> Result<()> {
    let bench = Bench::with_gadgets("custom").await?;
    let list = bench.get("/apis/conformance.polyreme.dev/v1").await?.is(200);
    let gadgets = resource(&list, "gadgets").context("no gadgets")?;
    assert_eq!(gadgets["kind"], "Gadget");
    assert_eq!(gadgets["shortNames"], json!(["gd"]));
    assert_eq!(gadgets["categories"], json!(["toys"]));
    let scale = resource(&list, "gadgets/scale").context("no scale")?;
    assert_eq!((&scale["group"], &scale["kind"]), (&json!("autoscaling"), &json!("Scale")));
    Ok(())
}

#[tokio::test]
async fn discovery_comes_in_one_document() -> Result<()> {
    let bench = Bench::with_gadgets("aggregated").await?;
    let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    let core = bench.get_as("/api", accept).await?.is(200);
    assert_eq!(core.str("/kind"), "APIGroupDiscoveryList");
    assert_eq!(core.headers.get("content-type").and_then(|v| v.to_str().ok()), accept.split(',').next());
    let apis = bench.get_as("/apis", accept).await?.is(200);
    let items = apis.at("/items").as_array().context("no items")?;
    let group =
        items.iter().find(|g| g["metadata"]["name"] == "conformance.polyreme.dev").context("no group")?;
    let gadgets = &group["versions"][0]["resources"][0];
    assert_eq!(gadgets["resource"], "gadgets");
    assert_eq!(gadgets["scope"], "Namespaced");
    assert_eq!(
        gadgets["responseKind"],
        json!({"group": "conformance.polyreme.dev", "version": "v1", "kind": "Gadget"})
    );
    Ok(())
}

#[tokio::test]
async fn what_is_not_there_is_a_plain_404() -> Result<()> {
    let bench = Bench::new("unknown").await?;
    for path in ["/apis/nothing.polyreme.dev/v1/things", "/nothing"] {
        let absent = bench.get(path).await?.is(404);
        assert_eq!(absent.text, "404 page not found\n", "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_group_of_the_servers_own_says_so_in_a_status() -> Result<()> {
    let bench = Bench::new("own").await?;
    for path in ["/api/v1/things", "/apis/apps/v9/deployments", "/api/v1/configmaps/a"] {
        let absent = bench.get(path).await?.refused(404, "NotFound");
        assert_eq!(absent.message(), "the server could not find the requested resource", "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn the_server_says_its_version_and_health() -> Result<()> {
    let bench = Bench::new("version").await?;
    let version = bench.get("/version").await?.is(200);
    assert_eq!(version.str("/major"), "1");
    assert!(version.str("/gitVersion").starts_with("v1."));
    for path in ["/healthz", "/livez", "/readyz"] {
        assert_eq!(bench.get(path).await?.is(200).text, "ok");
    }
    Ok(())
}

#[tokio::test]
async fn a_request_without_a_token_is_unauthorized() -> Result<()> {
    let bench = Bench::new("token").await?.with_token("wrong").await?;
    bench.get(CONFIG_MAPS).await?.refused(401, "Unauthorized");
    Ok(())
}

#[tokio::test]
async fn openapi_documents_are_found_by_their_hash() -> Result<()> {
    let bench = Bench::with_gadgets("openapi").await?;
    let index = bench.get("/openapi/v3").await?.is(200);
    let url = index.at("/paths/apis~1apps~1v1/serverRelativeURL").as_str().context("no apps/v1")?;
    let document = bench.get(url).await?.is(200);
    assert!(document.str("/openapi").starts_with("3."));
    let path = "/paths/~1apis~1apps~1v1~1namespaces~1{namespace}~1deployments~1{name}/patch";
    let patch = document.at(path);
    let parameters = patch["parameters"].as_array().context("no parameters")?;
    assert!(parameters.iter().any(|p| p["name"] == "fieldValidation"), "{patch}");
    Ok(())
}

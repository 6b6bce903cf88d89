//! Artifacts in the layouts of other tools are read. That their own code reads ours is seen in
//! `tests/scenarios/sources.rs`.

use std::collections::BTreeMap;

use polyreme_sources::SourceError;
use serde_json::json;

use crate::fixture::{Home, MANIFEST_TYPE, component, fetch, registry};

#[tokio::test]
async fn layouts_of_older_tools_are_read() {
    let (server, home) = (registry!(), Home::new());
    for (config, layer) in [
        // `oras push REF site.wasm:application/wasm`
        ("application/vnd.oci.empty.v1+json", "application/wasm"),
        ("application/vnd.wasm.config.v1+json", "application/vnd.wasm.content.layer.v1+wasm"),
        ("application/vnd.module.wasm.config.v1+json", "application/vnd.module.wasm.content.layer.v1+wasm"),
    ] {
        let module = component("site");
        let config = server.put_blob("site", config, b"{}").await;
        let layer = server.put_blob("site", layer, &module).await;
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config, "layers": [layer] });
        let digest = server.put_manifest("site", "old", &manifest).await;
        let pinned = server.reference("site:old").pinned(digest);
        assert_eq!(*fetch(&home.fetcher(), &pinned).await.unwrap(), module[..]);
    }
}

#[tokio::test]
async fn a_container_image_is_told_from_a_module() {
    let (server, home) = (registry!(), Home::new());
    let config = server.put_blob("site", "application/vnd.oci.image.config.v1+json", b"{}").await;
    let layer = server.put_blob("site", "application/vnd.oci.image.layer.v1.tar+gzip", b"tar").await;
    let manifest =
        json!({ "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config, "layers": [layer] });
    let digest = server.put_manifest("site", "image", &manifest).await;
    let error = fetch(&home.fetcher(), &server.reference("site:image").pinned(digest)).await.unwrap_err();
    assert!(matches!(&error, SourceError::NotWasm { found, .. } if found.contains("tar+gzip")), "{error}");
}

#[tokio::test]
async fn an_index_with_one_module_leads_to_it_and_others_are_listed() {
    let (server, home) = (registry!(), Home::new());
    let module = component("site");
    let inner = home.fetcher().push(&module, &server.reference("site:1"), BTreeMap::new()).await.unwrap();
    let bytes = serde_json::to_vec(&server.manifest("site", "1").await).unwrap().len();
    let entry = |architecture: &str| {
        json!({ "mediaType": MANIFEST_TYPE, "digest": inner.digest().to_string(), "size": bytes,
                "platform": { "architecture": architecture, "os": "linux" } })
    };
    let index = |entries: Vec<serde_json::Value>| {
        let media_type = "application/vnd.oci.image.index.v1+json";
        json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": entries })
    };
    let one = server.put_manifest("site", "one", &index(vec![entry("wasm")])).await;
    let pinned = server.reference("site").pinned(one);
    assert_eq!(*fetch(&home.fetcher(), &pinned).await.unwrap(), module[..]);
    let two = server.put_manifest("site", "two", &index(vec![entry("amd64"), entry("arm64")])).await;
    let error = fetch(&home.fetcher(), &server.reference("site").pinned(two)).await.unwrap_err();
    assert!(matches!(error, SourceError::Index { count: 2, .. }), "{error}");
}

//! Artifacts of other tools are read, and what is pushed here other tools read.

use std::collections::BTreeMap;

use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use oci_wasm::{WasmClient, WasmConfig};
use polyreme_sources::SourceError;
use serde_json::json;

use crate::fixture::{Home, MANIFEST_TYPE, RegistryServer, component, fetch, registry, with_ring};

/// The client of `wkg`, wasmCloud and others.
fn their_client() -> WasmClient {
    with_ring();
    let config = ClientConfig { protocol: ClientProtocol::Http, ..ClientConfig::default() };
    WasmClient::new(Client::try_from(config).unwrap())
}

fn their_reference(server: &RegistryServer, name: &str) -> oci_client::Reference {
    format!("{}/{name}", server.address()).parse().unwrap()
}

#[tokio::test]
async fn oci_wasm_reads_what_is_pushed_here() {
    let (server, home) = (registry!(), Home::new());
    let module = component("site");
    let to = server.reference("team/site:1");
    let pinned = home.fetcher().push(&module, &to, BTreeMap::new()).await.unwrap();
    let (client, theirs) = (their_client(), their_reference(&server, "team/site:1"));
    let image = client.pull(&theirs, &RegistryAuth::Anonymous).await.unwrap();
    assert_eq!(image.layers[0].data, module);
    let (_, config, digest) =
        client.pull_manifest_and_config(&theirs, &RegistryAuth::Anonymous).await.unwrap();
    assert_eq!(digest, pinned.digest().to_string());
    assert_eq!(config.component.unwrap().imports, ["test:site/api@1.0.0"]);
    assert_eq!(config.layer_digests, [polyreme_sources::Digest::of(&module).to_string()]);
}

#[tokio::test]
async fn what_oci_wasm_pushes_is_read_here_and_described_alike() {
    let (server, home) = (registry!(), Home::new());
    let module = component("site");
    let (config, layer) = WasmConfig::from_raw_component(module.clone(), None).unwrap();
    let described = serde_json::to_value(config.component.as_ref().unwrap()).unwrap();
    let theirs = their_reference(&server, "site:theirs");
    their_client().push(&theirs, &RegistryAuth::Anonymous, layer, config, None).await.unwrap();
    let pinned = home.fetcher().resolve(&server.reference("site:theirs")).await.unwrap();
    assert_eq!(*fetch(&home.fetcher(), &pinned).await.unwrap(), module[..]);

    home.fetcher().push(&module, &server.reference("site:ours"), BTreeMap::new()).await.unwrap();
    let manifest = server.manifest("site", "ours").await;
    let ours = server.blob("site", manifest["config"]["digest"].as_str().unwrap()).await;
    let ours: serde_json::Value = serde_json::from_slice(&ours).unwrap();
    assert_eq!(ours["component"]["imports"], described["imports"]);
    assert_eq!(ours["component"]["exports"], described["exports"]);
}

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

//! What was pushed is fetched, from the registry once and from the cache ever after.

use std::collections::BTreeMap;
use std::fs;

use polyreme_sources::{Digest, Fetcher, Settings, SourceError};
use serde_json::json;

use crate::fixture::{Home, chain, component, fetch, registry};

#[tokio::test]
async fn what_was_pushed_is_fetched() {
    let (server, home) = (registry!(), Home::new());
    let module = component("site");
    let to = server.reference("team/site:1.0");
    let annotations = BTreeMap::from([("org.opencontainers.image.version".into(), "1.0".into())]);
    let pinned = home.fetcher().push(&module, &to, annotations).await.unwrap();
    assert_eq!(*fetch(&home.fetcher(), &pinned).await.unwrap(), module[..]);
    assert_eq!(home.fetcher().resolve(&to).await.unwrap(), pinned);

    let manifest = server.manifest("team/site", "1.0").await;
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    assert_eq!(manifest["annotations"]["org.opencontainers.image.version"], "1.0");
}

#[tokio::test]
async fn the_same_module_pushed_again_has_the_same_digest() {
    let (server, home) = (registry!(), Home::new());
    let push = async |tag: &str| {
        let to = server.reference(&format!("site:{tag}"));
        home.fetcher().push(&component("site"), &to, BTreeMap::new()).await.unwrap().digest()
    };
    assert_eq!(push("1").await, push("2").await);
}

#[tokio::test]
async fn what_is_in_the_cache_needs_no_registry() {
    let (server, home) = (registry!(), Home::new());
    let module = component("site");
    let pinned = home.fetcher().push(&module, &server.reference("site:1"), BTreeMap::new()).await.unwrap();
    fetch(&home.fetcher(), &pinned).await.unwrap();
    server.stop();
    assert_eq!(*fetch(&home.fetcher(), &pinned).await.unwrap(), module[..]);

    let without = Fetcher::new(Settings { cache: None, ..home.settings() });
    assert!(matches!(fetch(&without, &pinned).await, Err(SourceError::Unreachable { .. })));
}

#[tokio::test]
async fn a_damaged_cache_is_mended_from_the_registry() {
    let (server, home) = (registry!(), Home::new());
    let module = component("site");
    let pinned = home.fetcher().push(&module, &server.reference("site:1"), BTreeMap::new()).await.unwrap();
    fetch(&home.fetcher(), &pinned).await.unwrap();
    let blob = home.path().join("cache/modules/blobs").join(Digest::of(&module).hex());
    fs::write(&blob, "damaged").unwrap();
    assert_eq!(*fetch(&home.fetcher(), &pinned).await.unwrap(), module[..]);
    assert_eq!(fs::read(blob).unwrap(), module);
}

#[tokio::test]
async fn only_components_are_pushed_and_only_under_a_tag() {
    let home = Home::new();
    let push = async |module: &[u8], to: &str| {
        let error = home.fetcher().push(module, &to.parse().unwrap(), BTreeMap::new()).await.unwrap_err();
        chain(&error)
    };
    let core = wat::parse_str("(module)").unwrap();
    assert!(push(&core, "127.0.0.1:1/site:1").await.contains("not a WebAssembly component"));
    assert!(push(&component("a"), "127.0.0.1:1/site").await.contains("it has no tag"));
    let digest = Digest::of(b"");
    assert!(push(&component("a"), &format!("127.0.0.1:1/site@{digest}")).await.contains("a push computes"));
}

#[tokio::test]
async fn nothing_is_written_outside_the_cache() {
    let (server, home) = (registry!(), Home::new());
    let module = component("site");
    let empty = server.put_blob("site", "application/vnd.oci.empty.v1+json", b"{}").await;
    let mut layer = server.put_blob("site", "application/wasm", &module).await;
    layer["annotations"] = json!({ "org.opencontainers.image.title": "../../../../escaped.wasm" });
    let manifest = json!({ "schemaVersion": 2, "mediaType": crate::fixture::MANIFEST_TYPE, "config": empty, "layers": [layer] });
    let digest = server.put_manifest("site", "1", &manifest).await;
    let before = home.files();
    fetch(&home.fetcher(), &server.reference("site:1").pinned(digest)).await.unwrap();
    let mut expected: Vec<String> = [digest, Digest::of(&module)]
        .iter()
        .map(|digest| format!("cache/modules/blobs/{}", digest.hex()))
        .collect();
    expected.extend(before);
    expected.sort();
    assert_eq!(home.files(), expected);
}

//! Mirrors are asked first and believed in nothing.

use std::collections::BTreeMap;

use polyreme_sources::{Digest, Fetcher, Pinned, Settings, SourceError};

use crate::fixture::{Home, RegistryServer, component, fetch, registry};

/// For a registry that does not exist: only mirrors have its content.
const NOWHERE: &str = "registry.invalid";

fn mirrored(home: &Home, registry: &str, mirrors: &[&str]) -> Fetcher {
    let mirrors = mirrors.iter().map(|mirror| mirror.parse().unwrap()).collect();
    Fetcher::new(Settings { mirrors: BTreeMap::from([(registry.to_owned(), mirrors)]), ..home.settings() })
}

async fn push(server: &RegistryServer, name: &str, module: &[u8]) -> Digest {
    let home = Home::new();
    home.fetcher().push(module, &server.reference(name), BTreeMap::new()).await.unwrap().digest()
}

fn pinned(registry: &str, digest: Digest) -> Pinned {
    let reference: polyreme_sources::Reference = format!("{registry}/team/site").parse().unwrap();
    reference.pinned(digest)
}

#[tokio::test]
async fn a_mirror_stands_in_for_a_registry_that_cannot_be_reached() {
    let (mirror, home) = (registry!(), Home::new());
    let module = component("site");
    let digest = push(&mirror, "team/site:1", &module).await;
    let fetcher = mirrored(&home, NOWHERE, &[mirror.address()]);
    assert_eq!(*fetch(&fetcher, &pinned(NOWHERE, digest)).await.unwrap(), module[..]);
}

#[tokio::test]
async fn a_mirror_may_keep_a_registry_under_a_path() {
    let (mirror, home) = (registry!(), Home::new());
    let module = component("site");
    let digest = push(&mirror, "proxy/hub/team/site:1", &module).await;
    let fetcher = mirrored(&home, NOWHERE, &[&format!("{}/proxy/hub", mirror.address())]);
    assert_eq!(*fetch(&fetcher, &pinned(NOWHERE, digest)).await.unwrap(), module[..]);
}

#[tokio::test]
async fn what_a_mirror_lacks_or_falsifies_comes_from_the_registry() {
    let (empty, lying, origin, home) = (registry!(), registry!(), registry!(), Home::new());
    let module = component("site");
    let digest = push(&origin, "team/site:1", &module).await;
    push(&lying, "team/site:1", &module).await;
    lying.tamper(Digest::of(&module));
    let fetcher = mirrored(&home, origin.address(), &[empty.address(), lying.address(), "127.0.0.1:1"]);
    assert_eq!(*fetch(&fetcher, &pinned(origin.address(), digest)).await.unwrap(), module[..]);
}

#[tokio::test]
async fn when_all_fail_the_registrys_own_error_is_shown() {
    let (mirror, origin, home) = (registry!(), registry!(), Home::new());
    let fetcher = mirrored(&home, origin.address(), &[mirror.address()]);
    let error = fetch(&fetcher, &pinned(origin.address(), Digest::of(b""))).await.unwrap_err();
    assert!(matches!(&error, SourceError::NotFound { host, .. } if host == origin.address()), "{error}");
}

#[tokio::test]
async fn a_tag_is_resolved_by_the_registry_itself() {
    let (mirror, origin, home) = (registry!(), registry!(), Home::new());
    push(&mirror, "team/site:1", &component("old")).await;
    let digest = push(&origin, "team/site:1", &component("new")).await;
    let fetcher = mirrored(&home, origin.address(), &[mirror.address()]);
    assert_eq!(fetcher.resolve(&origin.reference("team/site:1")).await.unwrap().digest(), digest);
}

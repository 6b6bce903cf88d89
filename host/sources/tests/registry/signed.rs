//! Signatures as cosign writes them: verified before a module is returned, from the cache as well.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use polyreme_sources::{Digest, Pinned, Remote, SourceError};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;

use crate::fixture::{Home, MANIFEST_TYPE, RegistryServer, component, registry};

/// A key as `cosign generate-key-pair` makes one.
struct Signer {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        Self { key, random }
    }

    /// What cosign calls `cosign.pub`.
    fn public_key(&self) -> String {
        // RFC 5480: the algorithm, the curve, and a bit string of the point.
        let mut der = hex("3059301306072a8648ce3d020106082a8648ce3d030107034200");
        der.extend_from_slice(self.key.public_key().as_ref());
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
    }

    /// Signs as `cosign sign --key` does, for any artifact and repository.
    async fn sign(
        &self,
        server: &RegistryServer,
        name: &str,
        artifact: Digest,
        of: Digest,
        repository: &str,
    ) {
        let statement = json!({
            "critical": {
                "identity": { "docker-reference": repository },
                "image": { "docker-manifest-digest": of.to_string() },
                "type": "cosign container image signature",
            },
            "optional": null,
        });
        let statement = statement.to_string().into_bytes();
        let signature = self.key.sign(&self.random, &statement).unwrap();
        let media_type = "application/vnd.dev.cosign.simplesigning.v1+json";
        let mut layer = server.put_blob(name, media_type, &statement).await;
        layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": STANDARD.encode(signature) });
        let config = server.put_blob(name, "application/vnd.oci.image.config.v1+json", b"{}").await;
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config, "layers": [layer] });
        server.put_manifest(name, &format!("sha256-{}.sig", artifact.hex()), &manifest).await;
    }
}

fn hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// A module in a registry, and the key that is asked for.
struct Case {
    server: RegistryServer,
    home: Home,
    signer: Signer,
    key: PathBuf,
    pinned: Pinned,
}

impl Case {
    async fn new(server: RegistryServer) -> Self {
        let (home, signer) = (Home::new(), Signer::new());
        let to = server.reference("team/site:1");
        let pinned = home.fetcher().push(&component("site"), &to, BTreeMap::new()).await.unwrap();
        let key = home.write("cosign.pub", &signer.public_key());
        Self { server, home, signer, key, pinned }
    }

    fn repository(&self) -> String {
        format!("{}/team/site", self.server.address())
    }

    async fn sign(&self, signer: &Signer, of: Digest, repository: &str) {
        signer.sign(&self.server, "team/site", self.pinned.digest(), of, repository).await;
    }

    async fn fetch(&self) -> Result<usize, SourceError> {
        let fetched = self.home.fetcher().fetch(&Remote::Oci(self.pinned.clone()), Some(&self.key)).await;
        fetched.map(|module| module.len())
    }

    async fn reasons(&self) -> String {
        match self.fetch().await {
            Err(SourceError::Signature { reasons, .. }) => reasons,
            other => panic!("{other:?}"),
        }
    }

    fn module_is_cached(&self) -> bool {
        let name = Digest::of(&component("site")).hex();
        self.home.files().iter().any(|file| file.ends_with(&name))
    }
}

#[tokio::test]
async fn a_signed_module_is_fetched() {
    let case = Case::new(registry!()).await;
    case.sign(&case.signer, case.pinned.digest(), &case.repository()).await;
    assert_eq!(case.fetch().await.unwrap(), component("site").len());
}

#[tokio::test]
async fn an_unsigned_module_is_not_even_downloaded() {
    let case = Case::new(registry!()).await;
    let error = case.fetch().await.unwrap_err();
    assert!(matches!(error, SourceError::Unsigned { .. }), "{error}");
    assert!(!case.module_is_cached());
}

#[tokio::test]
async fn another_key_another_artifact_and_another_repository_do_not_count() {
    let case = Case::new(registry!()).await;
    let (this, repository) = (case.pinned.digest(), case.repository());
    case.sign(&Signer::new(), this, &repository).await;
    assert!(case.reasons().await.starts_with("it was made with another key"));
    case.sign(&case.signer, Digest::of(b"other"), &repository).await;
    assert_eq!(case.reasons().await, format!("it was made for {}", Digest::of(b"other")));
    let test = format!("{}/test/site", case.server.address());
    case.sign(&case.signer, this, &test).await;
    assert_eq!(case.reasons().await, format!("it was made for {test}"));
    assert!(!case.module_is_cached());
}

#[tokio::test]
async fn the_cache_verifies_again_and_needs_no_registry_for_it() {
    let case = Case::new(registry!()).await;
    case.sign(&case.signer, case.pinned.digest(), &case.repository()).await;
    case.fetch().await.unwrap();
    case.server.stop();
    case.fetch().await.expect("module and signature are in the cache");

    fs::write(&case.key, Signer::new().public_key()).unwrap();
    let error = case.fetch().await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { .. }), "a newer signature is looked for: {error}");
    case.server.start_again();
    assert!(case.reasons().await.starts_with("it was made with another key"));
}

#[tokio::test]
async fn a_module_that_was_cached_unsigned_is_refused_once_a_signature_is_asked_for() {
    let case = Case::new(registry!()).await;
    crate::fixture::fetch(&case.home.fetcher(), &case.pinned).await.unwrap();
    assert!(case.module_is_cached());
    assert!(matches!(case.fetch().await, Err(SourceError::Unsigned { .. })));
}

#[tokio::test]
async fn a_forged_cache_of_signatures_counts_for_nothing() {
    let case = Case::new(registry!()).await;
    let folder = case.home.path().join("cache/modules/signatures");
    fs::create_dir_all(&folder).unwrap();
    let forged = json!([{ "statement": STANDARD.encode("{}"), "signature": STANDARD.encode("x") }]);
    fs::write(folder.join(case.pinned.digest().hex()), forged.to_string()).unwrap();
    assert!(matches!(case.fetch().await, Err(SourceError::Unsigned { .. })));
}

#[tokio::test]
async fn a_missing_key_is_an_error_that_names_the_file() {
    let case = Case::new(registry!()).await;
    fs::remove_file(&case.key).unwrap();
    let error = case.fetch().await.unwrap_err();
    assert!(matches!(&error, SourceError::File { path, .. } if *path == case.key), "{error}");
}

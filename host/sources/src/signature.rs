//! Signatures of artifacts, as `cosign sign --key` puts them beside an artifact.
//!
//! A signature is a layer of the manifest with the tag `sha256-HEX.sig`: the layer's bytes are a statement that
//! names the artifact's digest, its annotation holds the signature over them
//! (<https://github.com/sigstore/cosign/blob/v2.4.1/specs/SIGNATURE_SPEC.md>). Only keys that somebody put into
//! a file are believed (ECDSA on P-256, cosign's default); no certificate, transparency log or network is asked.
//! A statement counts when its signature is valid for one of the keys, it names the pinned digest, and it names
//! this repository: a signature made for a test repository says nothing about production.
//!
//! Pure but for reading the keys. Fetching is the caller's, who verifies again whenever the artifact is used.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::SourceError;
use crate::reference::{Reference, Repository};

/// The layer of a statement.
pub(crate) const STATEMENT_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotation with the signature, in base64.
pub(crate) const ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// Statements looked at. Each signer of an artifact adds one.
pub(crate) const MAX_STATEMENTS: usize = 32;
/// Largest statement, in bytes. Cosign's have some hundred.
pub(crate) const MAX_STATEMENT_BYTES: u64 = 64 << 10;

/// What every public key on P-256 in X.509's form begins with, up to the point's coordinates: the algorithm
/// (1.2.840.10045.2.1), the curve (1.2.840.10045.3.1.7), a bit string of 66 bytes (RFC 5480, section 2).
const P256_HEADER: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The tag under which the signatures of an artifact are.
pub(crate) fn tag(artifact: Digest) -> String {
    format!("sha256-{}.sig", artifact.hex())
}

/// Keys that are believed.
#[derive(Debug)]
pub(crate) struct Keys {
    path: PathBuf,
    /// Uncompressed points.
    points: Vec<Vec<u8>>,
}

impl Keys {
    /// All `PUBLIC KEY` blocks of a PEM file: an old and a new one while keys are changed. Blocks.
    pub(crate) fn read(path: &Path) -> Result<Self, SourceError> {
        let failed = |source: crate::error::Cause| SourceError::File {
            purpose: "the public key",
            path: path.to_owned(),
            source,
        };
        let blocks: Vec<SubjectPublicKeyInfoDer<'_>> = SubjectPublicKeyInfoDer::pem_file_iter(path)
            .and_then(Iterator::collect)
            .map_err(|error| failed(error.into()))?;
        if blocks.is_empty() {
            return Err(failed(
                "it has no -----BEGIN PUBLIC KEY-----: name what cosign calls cosign.pub".into(),
            ));
        }
        let point =
            |block: &SubjectPublicKeyInfoDer<'_>| block.strip_prefix(&P256_HEADER).map(<[u8]>::to_vec);
        let points: Option<Vec<Vec<u8>>> = blocks.iter().map(point).collect();
        let points = points.ok_or_else(|| {
            failed("a key in it is not of ECDSA on P-256: make one with `cosign generate-key-pair`".into())
        })?;
        Ok(Self { path: path.to_owned(), points })
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let valid = |point: &Vec<u8>| {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature).is_ok()
        };
        self.points.iter().any(valid)
    }
}

/// A statement with its signature, unverified, as it is kept in the cache.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Signed {
    /// In base64: the signature is over these very bytes.
    statement: String,
    /// In base64, as the annotation has it.
    signature: String,
}

impl Signed {
    pub(crate) fn new(statement: &[u8], signature: &str) -> Self {
        Self { statement: STANDARD.encode(statement), signature: signature.to_owned() }
    }
}

/// What cosign signs ("simple signing"), as far as it is looked at.
#[derive(Deserialize)]
struct Statement {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    #[serde(default)]
    identity: Identity,
    image: Image,
    r#type: String,
}

#[derive(Default, Deserialize)]
struct Identity {
    #[serde(default, rename = "docker-reference")]
    docker_reference: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    docker_manifest_digest: String,
}

/// Checks that one of the signatures counts.
pub(crate) fn verify(
    signed: &[Signed],
    keys: &Keys,
    artifact: Digest,
    repository: &Repository,
    what: &str,
) -> Result<(), SourceError> {
    let mut reasons = Vec::new();
    for signed in signed {
        match fault(signed, keys, artifact, repository) {
            None => return Ok(()),
            Some(reason) => reasons.push(reason),
        }
    }
    if reasons.is_empty() {
        return Err(SourceError::Unsigned { what: what.to_owned() });
    }
    reasons.dedup();
    let (what, key) = (what.to_owned(), keys.path.clone());
    Err(SourceError::Signature { what, key, reasons: reasons.join("; ") })
}

/// Why a signature does not count. The statement is read only after its signature was found valid.
fn fault(signed: &Signed, keys: &Keys, artifact: Digest, repository: &Repository) -> Option<String> {
    let (Ok(statement), Ok(signature)) =
        (STANDARD.decode(&signed.statement), STANDARD.decode(&signed.signature))
    else {
        return Some("its signature is not base64".to_owned());
    };
    if !keys.verify(&statement, &signature) {
        return Some("it was made with another key, or the statement was changed".to_owned());
    }
    let Ok(Statement { critical }) = serde_json::from_slice(&statement) else {
        return Some("what was signed is not a statement of cosign's".to_owned());
    };
    if critical.r#type != "cosign container image signature" {
        return Some(format!("what was signed is a \"{}\"", critical.r#type));
    }
    let named = critical.image.docker_manifest_digest;
    if named != artifact.to_string() {
        return Some(format!("it was made for {named}"));
    }
    let reference = critical.identity.docker_reference;
    (!reference.is_empty() && !is_of(&reference, repository)).then(|| format!("it was made for {reference}"))
}

/// Whether a reference, as cosign writes it, is in a repository.
fn is_of(reference: &str, repository: &Repository) -> bool {
    let Ok(reference) = reference.parse::<Reference>() else { return false };
    let named = reference.repository();
    let canonical = |registry: &str| match registry {
        "docker.io" => "index.docker.io".to_owned(),
        other => other.to_owned(),
    };
    named.name() == repository.name() && canonical(named.registry()) == canonical(repository.registry())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with openssl, which shares no code with what is tested:
    //   openssl ecparam -name prime256v1 -genkey -noout -out key.pem; openssl ec -in key.pem -pubout
    //   openssl dgst -sha256 -sign key.pem statement.json | base64 -w0
    const KEY: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEUUrLOldkK43gY3kCSa3v6gnCJ+5B\n\
0qngAj0rqkw1CxxgQKxhmwVFMYixgUeIqPRbRZp6y1ODXj+zstbnL1ogMw==\n\
-----END PUBLIC KEY-----\n\
";
    const STATEMENT: &str = r#"{"critical":{"identity":{"docker-reference":"r.example/team/website"},"image":{"docker-manifest-digest":"sha256:c7c5c1d70c5dec4416ab6158afd0b223ef40c29b1dc1f97ed9428b94d4cadb1c"},"type":"cosign container image signature"},"optional":null}"#;
    const SIGNATURE: &str =
        "MEQCIHqBUeey9TxbzUqQDaweB9AauBwkTm0tTZJ4f2ZerKjqAiBSjFnkwYzvltJ0VRvbF57QURZ12agvYlZWcYZGe81VUQ==";
    const OTHER_KEY: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEY5m4YeQkJG26rcJ2Z1NQ88pvnH5z\n\
1nQOi3lFU+86YSi9m0y0bJ36+nJrTPskEqeqDBYURrRqVPwlULuqjbaPQQ==\n\
-----END PUBLIC KEY-----\n\
";
    /// Another curve: P-384.
    const FOREIGN_KEY: &str = "\
-----BEGIN PUBLIC KEY-----\n\
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEJSZQMvAbO7JdLnUoP1ME6sqjIOiVqjKp\n\
koXkYTsZGe5HlGMqXL4oUbLmBwu+MJFOIPI+fq24ZEotakcSA57G2+E+0re8HTDp\n\
3MEkX00pb1+ls2sT4pG+AJvjejjKBjpW\n\
-----END PUBLIC KEY-----\n\
";

    fn keys(pem: &str) -> Result<Keys, SourceError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cosign.pub");
        std::fs::write(&path, pem).unwrap();
        Keys::read(&path)
    }

    fn reason(statement: &str, key: &str, artifact: Digest, repository: &str) -> Option<String> {
        let signed = Signed::new(statement.as_bytes(), SIGNATURE);
        let repository: Reference = repository.parse().unwrap();
        fault(&signed, &keys(key).unwrap(), artifact, repository.repository())
    }

    fn artifact() -> Digest {
        Digest::of(b"artifact")
    }

    #[test]
    fn a_signature_of_the_key_for_this_artifact_counts() {
        assert_eq!(reason(STATEMENT, KEY, artifact(), "r.example/team/website"), None);
    }

    #[test]
    fn one_of_several_keys_is_enough() {
        let both = format!("{OTHER_KEY}{KEY}");
        assert_eq!(reason(STATEMENT, &both, artifact(), "r.example/team/website"), None);
    }

    #[test]
    fn another_key_statement_artifact_or_repository_does_not_count() {
        let here = "r.example/team/website";
        let changed = STATEMENT.replace("cosign", "Cosign");
        for (statement, key) in [(STATEMENT, OTHER_KEY), (&changed, KEY)] {
            let reason = reason(statement, key, artifact(), here).unwrap();
            assert!(reason.starts_with("it was made with another key"), "{reason}");
        }
        let other = reason(STATEMENT, KEY, Digest::of(b"other"), here).unwrap();
        assert_eq!(other, format!("it was made for {}", artifact()));
        let elsewhere = reason(STATEMENT, KEY, artifact(), "r.example/test/website").unwrap();
        assert_eq!(elsewhere, "it was made for r.example/team/website");
    }

    #[test]
    fn no_signature_at_all_is_another_error_than_a_wrong_one() {
        let repository: Reference = "r.example/team/website".parse().unwrap();
        let error = verify(&[], &keys(KEY).unwrap(), artifact(), repository.repository(), "it").unwrap_err();
        assert!(matches!(error, SourceError::Unsigned { .. }));
    }

    #[test]
    fn a_key_of_another_kind_is_refused_with_the_remedy() {
        for pem in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", FOREIGN_KEY] {
            let error = keys(pem).unwrap_err();
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert!(cause.contains("cosign"), "{cause}");
        }
    }

    #[test]
    fn docker_hub_has_two_names() {
        let repository: Reference = "docker.io/library/website".parse().unwrap();
        assert!(is_of("index.docker.io/library/website", repository.repository()));
    }
}

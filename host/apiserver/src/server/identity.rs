//! What makes one server the same server after a restart: certificate, key, tokens, port.
//!
//! The certificate authority signs one server certificate and its key is then forgotten, so
//! a stolen data file can impersonate this server but issue nothing. All of it is kept in
//! the data file, which only its user may read; without a data file it lives as long as the
//! process.

use std::collections::HashMap;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::User;

/// Who a bearer token belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) groups: Vec<String>,
    /// Empty for service accounts' tokens that name none.
    pub(crate) uid: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) ca_pem: String,
    cert_pem: String,
    key_pem: String,
    pub(crate) admin_token: String,
    /// Taken again at the next start, so that a kubeconfig stays valid.
    pub(crate) port: u16,
}

/// Why there is no usable certificate.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The certificate could not be made.
    #[error("failed to make the server's certificate")]
    Make(#[from] rcgen::Error),
    /// The certificate in the data file is not usable.
    #[error("failed to use the server's certificate")]
    Use(#[from] rustls::Error),
    /// The certificate in the data file is not PEM.
    #[error("failed to read the server's certificate")]
    Read(#[from] rustls::pki_types::pem::Error),
}

/// 244 random bits, in hexadecimal.
pub(crate) fn random_token() -> String {
    format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

impl Identity {
    /// A new certificate and token.
    pub(crate) fn generate() -> Result<Self, IdentityError> {
        let ca_key = KeyPair::generate()?;
        let ca_params = ca_params();
        let ca_pem = ca_params.self_signed(&ca_key)?.pem();
        let issuer = Issuer::new(ca_params, ca_key);
        let key = KeyPair::generate()?;
        let cert_pem = server_params()?.signed_by(&key, &issuer)?.pem();
        let (key_pem, admin_token) = (key.serialize_pem(), random_token());
        Ok(Identity { ca_pem, cert_pem, key_pem, admin_token, port: 0 })
    }

    /// What the listener presents; HTTP/2 is offered first.
    pub(crate) fn tls(&self) -> Result<Arc<rustls::ServerConfig>, IdentityError> {
        let certificate = CertificateDer::from_pem_slice(self.cert_pem.as_bytes())?;
        let key = PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "polyreme local API server CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    in_force(params)
}

fn server_params() -> Result<CertificateParams, rcgen::Error> {
    let names = ["localhost", "127.0.0.1", "::1", "kubernetes.default.svc"];
    let mut params = CertificateParams::new(names.map(str::to_owned))?;
    params.distinguished_name.push(DnType::CommonName, "polyreme local API server");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(in_force(params))
}

/// Valid whatever the machine's clock says within a lifetime: nothing renews it.
fn in_force(mut params: CertificateParams) -> CertificateParams {
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(2120, 1, 1);
    params
}

/// The tokens that are accepted, by their SHA-256: looking a digest up tells an attacker
/// who measures time nothing about the token.
#[derive(Debug, Default)]
pub(crate) struct Tokens(HashMap<[u8; 32], Account>);

impl Tokens {
    /// The administrator's token and those of the configured users.
    pub(crate) fn new(admin: &str, users: &[User]) -> Self {
        let mut tokens = Self::of_users(users);
        tokens.insert(admin, account("kubernetes-admin", &["system:masters".to_owned()]));
        tokens
    }

    /// Those of the configured users.
    pub(crate) fn of_users(users: &[User]) -> Self {
        let mut tokens = Tokens::default();
        for user in users {
            tokens.insert(&user.token, account(&user.name, &user.groups));
        }
        tokens
    }

    /// Accepts a token from now on.
    pub(crate) fn insert(&mut self, token: &str, account: Account) {
        self.0.insert(digest(token), account);
    }

    pub(crate) fn account(&self, token: &str) -> Option<&Account> {
        self.0.get(&digest(token))
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn account(name: &str, groups: &[String]) -> Account {
    let mut groups = groups.to_vec();
    groups.push("system:authenticated".to_owned());
    Account { name: name.to_owned(), groups, uid: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_serves_tls_after_a_round_trip() {
        let identity = Identity::generate().unwrap();
        let text = serde_json::to_string(&identity).unwrap();
        let again: Identity = serde_json::from_str(&text).unwrap();
        assert!(again.tls().is_ok());
        assert_eq!(again.admin_token, identity.admin_token);
    }

    #[test]
    fn only_known_tokens_have_an_account() {
        let user = User { name: "host-a".into(), token: "secret".into(), groups: vec![] };
        let tokens = Tokens::new("admin", &[user]);
        assert_eq!(tokens.account("secret").unwrap().name, "host-a");
        assert_eq!(tokens.account("admin").unwrap().groups[0], "system:masters");
        assert_eq!(tokens.account("wrong"), None);
    }
}

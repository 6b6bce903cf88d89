//! Keys, tokens and the kubeconfig of one cluster, made afresh for each.
//!
//! Users come from a token file: `admin` may do everything, `host-0` … `host-8` are the
//! group `polyreme:hosts` so that each host of a ring can be told apart in the audit log,
//! and `restricted` may do nothing. What hosts may do is up to RBAC, hence to the tests.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::{Value, json};

/// More than any scenario starts.
const HOSTS: usize = 9;
const TOKEN_BYTES: usize = 16;
/// Names under which clients and the controller manager reach the server.
const SERVER_NAMES: [&str; 3] = ["127.0.0.1", "localhost", "kubernetes.default.svc"];

/// Files of one cluster, all below its folder.
pub(crate) struct Credentials {
    pub(crate) ca: PathBuf,
    pub(crate) server_certificate: PathBuf,
    pub(crate) server_key: PathBuf,
    pub(crate) service_account_key: PathBuf,
    pub(crate) service_account_public_key: PathBuf,
    pub(crate) tokens: PathBuf,
    pub(crate) kubeconfig: PathBuf,
}

struct User {
    name: String,
    group: &'static str,
    token: String,
}

impl Credentials {
    /// Makes everything for a server on this port of loopback.
    pub(crate) fn create(dir: &Path, port: u16) -> Result<Self> {
        let file = |name: &str| dir.join(name);
        let credentials = Self {
            ca: file("ca.crt"),
            server_certificate: file("server.crt"),
            server_key: file("server.key"),
            service_account_key: file("service-account.key"),
            service_account_public_key: file("service-account.pub"),
            tokens: file("tokens.csv"),
            kubeconfig: file("kubeconfig"),
        };
        credentials.write_certificates()?;
        credentials.write_service_account_keys()?;
        let users = users()?;
        write_private(&credentials.tokens, &token_file(&users))?;
        write_private(&credentials.kubeconfig, &kubeconfig(&users, port, &credentials.ca).to_string())?;
        Ok(credentials)
    }

    fn write_certificates(&self) -> Result<()> {
        let ca_key = KeyPair::generate().context("failed to make the CA's key")?;
        let ca = ca_parameters()?;
        let certificate = ca.self_signed(&ca_key).context("failed to sign the CA")?;
        write_private(&self.ca, &certificate.pem())?;
        let key = KeyPair::generate().context("failed to make the server's key")?;
        let server = server_parameters()?
            .signed_by(&key, &Issuer::new(ca, ca_key))
            .context("failed to sign the server's certificate")?;
        write_private(&self.server_certificate, &server.pem())?;
        write_private(&self.server_key, &key.serialize_pem())
    }

    fn write_service_account_keys(&self) -> Result<()> {
        let key = KeyPair::generate().context("failed to make the service account key")?;
        write_private(&self.service_account_key, &key.serialize_pem())?;
        write_private(&self.service_account_public_key, &key.public_key_pem())
    }
}

fn ca_parameters() -> Result<CertificateParams> {
    let mut parameters = CertificateParams::new(Vec::new()).context("failed to describe the CA")?;
    parameters.distinguished_name.push(DnType::CommonName, "polyreme test cluster");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(parameters)
}

fn server_parameters() -> Result<CertificateParams> {
    let names = SERVER_NAMES.map(str::to_owned).to_vec();
    let mut parameters =
        CertificateParams::new(names).context("failed to describe the server's certificate")?;
    parameters.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    Ok(parameters)
}

fn users() -> Result<Vec<User>> {
    let hosts = (0..HOSTS).map(|index| (format!("host-{index}"), "polyreme:hosts"));
    let others = [("admin".to_owned(), "system:masters"), ("restricted".to_owned(), "polyreme:nobody")];
    others.into_iter().chain(hosts).map(|(name, group)| Ok(User { name, group, token: token()? })).collect()
}

fn token() -> Result<String> {
    let mut bytes = [0; TOKEN_BYTES];
    fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("failed to read random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// `token,user,uid,groups`, as `--token-auth-file` wants it.
fn token_file(users: &[User]) -> String {
    users.iter().map(|user| format!("{0},{1},{1},{2}\n", user.token, user.name, user.group)).collect()
}

/// JSON, which is YAML. One context per user, named like the user.
fn kubeconfig(users: &[User], port: u16, ca: &Path) -> Value {
    let named = |make: &dyn Fn(&User) -> Value| users.iter().map(make).collect::<Vec<_>>();
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "admin",
        "clusters": [{
            "name": "test",
            "cluster": { "server": format!("https://127.0.0.1:{port}"), "certificate-authority": ca },
        }],
        "users": named(&|user| json!({ "name": user.name, "user": { "token": user.token } })),
        "contexts": named(&|user| {
            json!({ "name": user.name, "context": { "cluster": "test", "user": user.name } })
        }),
    })
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o600)))
        .with_context(|| format!("failed to write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_user_has_a_context_of_its_name_and_a_token_of_its_own() {
        let users = users().unwrap();
        let config = kubeconfig(&users, 6443, Path::new("ca.crt"));
        let contexts = config["contexts"].as_array().unwrap();
        assert_eq!(contexts.len(), HOSTS + 2);
        assert!(contexts.iter().any(|context| context["name"] == "host-8"));
        let tokens: std::collections::BTreeSet<_> = users.iter().map(|user| &user.token).collect();
        assert_eq!(tokens.len(), users.len());
    }

    #[test]
    fn files_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let credentials = Credentials::create(dir.path(), 6443).unwrap();
        let mode = fs::metadata(credentials.tokens).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

//! Credentials as docker keeps them: `config.json`, and the helpers that it names.
//!
//! Read for each fetch, so that a rotated Secret or a new `docker login` counts at once. A
//! missing file means no credentials, unless the settings name it.

use std::env;
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::PathBuf;
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential};

use crate::error::SourceError;

/// What docker calls Docker Hub in its configuration.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// Time for a credential helper. The slowest, of cloud providers, make a request of their own.
const HELPER_TIMEOUT: Duration = Duration::from_secs(30);

/// Where credentials are looked for.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    /// Nothing without a home.
    path: Option<PathBuf>,
    /// Whether the settings name it.
    named: bool,
}

impl Credentials {
    pub(crate) fn new(named: Option<PathBuf>) -> Self {
        let is_named = named.is_some();
        Self { path: named.or_else(default_path), named: is_named }
    }

    /// For messages.
    pub(crate) fn place(&self) -> String {
        let unknown = || "~/.docker/config.json".to_owned();
        self.path.as_ref().map_or_else(unknown, |path| path.display().to_string())
    }

    /// Those for a registry, if there are any.
    pub(crate) async fn find(&self, registry: &str) -> Result<Option<DockerCredential>, SourceError> {
        let Some(path) = self.path.clone() else { return Ok(None) };
        let (asked, named) = (key(registry).to_owned(), self.named);
        let looking = tokio::task::spawn_blocking(move || look(path, named, &asked));
        let failed = |source| SourceError::Credentials {
            registry: registry.to_owned(),
            path: self.path.clone().unwrap_or_default(),
            source,
        };
        match tokio::time::timeout(HELPER_TIMEOUT, looking).await {
            Ok(Ok(found)) => found.map_err(failed),
            Ok(Err(stopped)) => Err(failed(stopped.into())),
            Err(_) => {
                let seconds = HELPER_TIMEOUT.as_secs();
                Err(failed(format!("the credential helper did not answer within {seconds} s").into()))
            }
        }
    }
}

fn key(registry: &str) -> &str {
    match registry {
        "docker.io" | "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB_KEY,
        other => other,
    }
}

fn default_path() -> Option<PathBuf> {
    let set = |variable| env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("DOCKER_CONFIG").or_else(|| set("HOME").map(|home| home.join(".docker")))?;
    Some(folder.join("config.json"))
}

fn look(path: PathBuf, named: bool, key: &str) -> Result<Option<DockerCredential>, crate::error::Cause> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound && !named => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match docker_credential::get_credential_from_reader(BufReader::new(file), key) {
        Ok(found) => Ok(Some(found)),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
        Err(CredentialRetrievalError::HelperFailure { stdout, .. }) if has_none(&stdout) => Ok(None),
        Err(CredentialRetrievalError::HelperFailure { helper, .. }) => {
            // Not what it printed: that may hold a secret.
            Err(format!("{helper} failed").into())
        }
        Err(error) => Err(error.into()),
    }
}

/// What docker's helpers print for a registry that they do not know
/// (docker-credential-helpers, `credentials/error.go`).
fn has_none(stdout: &str) -> bool {
    stdout.contains("credentials not found")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(config: &str, registry: &str) -> Result<Option<DockerCredential>, crate::error::Cause> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, config).unwrap();
        look(path, true, key(registry))
    }

    #[test]
    fn credentials_are_those_of_the_registry() {
        // "user:secret"
        let config = r#"{ "auths": { "r.example:5000": { "auth": "dXNlcjpzZWNyZXQ=" } } }"#;
        let found = find(config, "r.example:5000").unwrap();
        assert_eq!(found, Some(DockerCredential::UsernamePassword("user".into(), "secret".into())));
        assert_eq!(find(config, "other.example").unwrap(), None);
    }

    #[test]
    fn docker_hub_is_found_under_the_name_that_docker_gives_it() {
        let config = r#"{ "auths": { "https://index.docker.io/v1/": { "auth": "dTpw" } } }"#;
        assert!(find(config, "docker.io").unwrap().is_some());
    }

    #[test]
    fn a_file_that_the_settings_name_must_be_there() {
        let missing = || PathBuf::from("does-not-exist.json");
        assert!(look(missing(), true, "r.example").is_err());
        assert!(look(missing(), false, "r.example").unwrap().is_none());
    }

    #[test]
    fn a_helper_that_is_not_installed_is_an_error() {
        let config = r#"{ "credHelpers": { "r.example": "polyreme-no-such-helper" } }"#;
        assert!(find(config, "r.example").is_err());
    }
}

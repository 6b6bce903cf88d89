//! Connections in the name of controllers' own service accounts.
//!
//! The host impersonates the account, for which it needs the right `impersonate` on it and no token. Access
//! control and the audit log of the API server then see the controller, whatever host it runs on. Watches stay
//! the host's, because controllers share them.

use std::collections::HashMap;

use http::{HeaderName, HeaderValue};
use kube::Client;
use kube::client::ClientBuilder;
use parking_lot::Mutex;

use super::StartError;
use crate::config::ServiceAccount;
use crate::explain;
use crate::metrics::Metrics;

/// Asks the API server to take a request as another user's.
const IMPERSONATE_USER: HeaderName = HeaderName::from_static("impersonate-user");

/// See the module's story.
pub(super) struct Identities {
    /// How the host itself connects; absent where it was given a connection.
    cluster: Option<kube::Config>,
    metrics: Metrics,
    clients: Mutex<HashMap<String, Client>>,
}

impl Identities {
    pub(super) fn new(cluster: Option<kube::Config>, metrics: &Metrics) -> Self {
        Self { cluster, metrics: metrics.clone(), clients: Mutex::default() }
    }

    /// The connection of an account, which controllers share that act as it.
    ///
    /// # Errors
    /// When there can be none.
    pub(super) fn client(&self, account: &ServiceAccount) -> Result<Client, StartError> {
        let refused = |why: String| StartError::Identity { account: account.name.clone(), why };
        let cluster = self.cluster.clone();
        let mut cluster = cluster.ok_or_else(|| refused("this host was given its connection".to_owned()))?;
        let user = account.user(&cluster.default_namespace);
        if let Some(client) = self.clients.lock().get(&user) {
            return Ok(client.clone());
        }
        let value = HeaderValue::from_str(&user).map_err(|error| refused(error.to_string()))?;
        cluster.headers.push((IMPERSONATE_USER, value));
        super::tame(&mut cluster);
        let url = cluster.cluster_url.to_string();
        let authority = cluster.cluster_url.authority().map_or_else(|| url.clone(), ToString::to_string);
        let builder = ClientBuilder::try_from(cluster)
            .map_err(|failure| refused(explain::client_error(&failure, &url).to_string()))?;
        let client = super::client(builder, authority, &self.metrics);
        self.clients.lock().insert(user, client.clone());
        Ok(client)
    }
}

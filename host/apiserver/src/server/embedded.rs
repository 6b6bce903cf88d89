//! The server without a listener: a service and a task, for whoever brings requests in another way.

use std::sync::Arc;

use axum::Router;

use super::identity::Tokens;
use super::{StartError, User};
use crate::api::Api;
use crate::controllers;
use crate::rest;
use crate::store::Store;

/// A server that listens nowhere: no socket, no certificate, no file. A simulation hands it requests and
/// decides itself what becomes of them on their way.
#[derive(Debug)]
pub struct Embedded {
    api: Arc<Api>,
}

impl Embedded {
    /// A server with nothing but its first namespaces, which knows these users and no others.
    ///
    /// # Errors
    /// When the first namespaces could not be made.
    ///
    /// # Example
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use polyreme_apiserver::Embedded;
    /// use tower::ServiceExt as _;
    /// let server = Embedded::new(&[])?;
    /// let request = http::Request::get("/version").body(axum::body::Body::empty())?;
    /// assert!(server.router().oneshot(request).await?.status().is_success());
    /// # Ok(()) }
    /// ```
    pub fn new(users: &[User]) -> Result<Self, StartError> {
        let api = Api::new(Store::in_memory(), Tokens::of_users(users));
        controllers::bootstrap(&api).map_err(|error| StartError::Bootstrap(error.message))?;
        Ok(Self { api: Arc::new(api) })
    }

    /// Its whole HTTP interface.
    pub fn router(&self) -> Router {
        rest::router(Arc::clone(&self.api))
    }

    /// Runs its controllers until this is dropped: without them namespaces are never deleted, and
    /// nothing is collected.
    pub async fn run_controllers(&self) {
        controllers::run(Arc::clone(&self.api)).await;
    }
}

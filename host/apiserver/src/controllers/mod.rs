//! The controllers without which the API itself would be wrong: namespaces, garbage
//! collection, default service accounts and the clean-up behind definitions.
//!
//! One task runs all four after every change of anything, in rounds. Each round works from
//! the state as it is, not from events, so nothing is lost by a restart and a burst of
//! changes costs one round. There are no others on purpose: no Pods appear for a Deployment.

mod garbage;
mod namespaces;
mod removal;
mod service_accounts;

use std::sync::Arc;

use serde_json::json;
use tracing::warn;

use crate::api::{Api, WriteOptions};
use crate::error::ApiError;

pub(crate) use removal::DEFINITION_CLEANUP;

/// The namespaces that every cluster has.
const SYSTEM_NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// Creates what a new cluster has. Nothing happens where it is there already.
pub(crate) fn bootstrap(api: &Api) -> Result<(), ApiError> {
    let Some(resource) = api.registry().find("", "v1", "namespaces") else { return Ok(()) };
    for name in SYSTEM_NAMESPACES {
        let body = json!({"metadata": {"name": name}});
        match api.create(&resource, "", body, &system()) {
            Err(error) if error.reason != "AlreadyExists" => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Writes of the controllers are owned by this manager.
fn system() -> WriteOptions {
    WriteOptions { manager: "kube-controller-manager".to_owned(), ..WriteOptions::default() }
}

/// Runs until the server stops.
pub(crate) async fn run(api: Arc<Api>) {
    let mut changes = api.store.subscribe();
    loop {
        changes.mark_unchanged();
        round(&api);
        tokio::select! {
            () = api.stopping.cancelled() => return,
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}

fn round(api: &Arc<Api>) {
    let rounds = [
        ("definitions", removal::round(api)),
        ("namespaces", namespaces::round(api)),
        ("service accounts", service_accounts::round(api)),
        ("garbage", garbage::round(api)),
    ];
    for (what, done) in rounds {
        if let Err(error) = done {
            warn!(controller = what, error = %error.message, "failed to finish a round");
        }
    }
}

/// Losing a race is no error: the winner's change starts another round.
fn unless_raced<T>(done: Result<T, ApiError>) -> Result<(), ApiError> {
    match done {
        Err(error) if !matches!(error.code, 404 | 409) => Err(error),
        _ => Ok(()),
    }
}

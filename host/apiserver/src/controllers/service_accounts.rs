//! Every namespace has a service account `default`: pods name it.

use std::sync::Arc;

use serde_json::json;

use super::{system, unless_raced};
use crate::api::Api;
use crate::error::ApiError;
use crate::json as read;
use crate::store::Key;

pub(super) fn round(api: &Arc<Api>) -> Result<(), ApiError> {
    let registry = api.registry();
    let (Some(namespaces), Some(accounts)) =
        (registry.find("", "v1", "namespaces"), registry.find("", "v1", "serviceaccounts"))
    else {
        return Ok(());
    };
    for (name, namespace) in api.store.snapshot(&namespaces.storage, None).objects {
        let key = Key::new(&accounts.storage, &name, "default");
        if read::is_deleting(&namespace.value) || api.store.get(&key).is_some() {
            continue;
        }
        let body = json!({"metadata": {"name": "default"}});
        unless_raced(api.create(&accounts, &name, body, &system()))?;
    }
    Ok(())
}

//! Writes that are none of its business, around the SDK, which would make better ones.

use polyreme_sdk::bindings::polyreme::controller::kubernetes;
use polyreme_sdk::k8s_openapi::api::core::v1::ConfigMap;
use polyreme_sdk::{Action, Error, Object, WriteOptions};

/// Another controller of the same host.
const ANOTHER: &str = "website";

/// Applies a text, in whatever name.
pub(crate) fn write(text: &str, manager: Option<&str>) -> Result<Action, Error> {
    let options = WriteOptions {
        subresource: None,
        field_manager: manager.map(str::to_owned),
        force: true,
        dry_run: false,
        want_object: false,
    };
    match kubernetes::apply(text, &options) {
        Ok(_) => Err(Error::terminal("the host wrote what it should have refused")),
        Err(error) => Err(Error::retry(error.message)),
    }
}

/// Fields of its own child, as if the other controller had set them.
pub(crate) fn in_the_name_of_another(object: &ConfigMap) -> Result<Action, Error> {
    let metadata = object.child(format!("{}-forged", object.name()));
    let child = serde_json::json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata });
    write(&child.to_string(), Some(ANOTHER))
}

/// The Lease by which a host takes part in its ring: its namespace and name are in the object.
pub(crate) fn a_lease(object: &ConfigMap) -> Result<Action, Error> {
    let of = |key: &str| object.data.as_ref().and_then(|data| data.get(key)).cloned().unwrap_or_default();
    let (namespace, name) = (of("namespace"), of("name"));
    let metadata = format!(r#"{{"name":"{name}","namespace":"{namespace}"}}"#);
    let spec = r#"{"holderIdentity":"the-hostile-guest","leaseDurationSeconds":3600}"#;
    let kind = r#""apiVersion":"coordination.k8s.io/v1","kind":"Lease""#;
    write(&format!(r#"{{{kind},"metadata":{metadata},"spec":{spec}}}"#), None)
}

/// An Event as if another controller had emitted it.
pub(crate) fn an_event(object: &ConfigMap) -> Result<Action, Error> {
    let (namespace, name) = (object.metadata.namespace.as_deref().unwrap_or_default(), object.name());
    let metadata = format!(r#"{{"name":"{name}.forged","namespace":"{namespace}"}}"#);
    let said =
        format!(r#""reason":"Forged","action":"Forge","type":"Normal","reportingController":"{ANOTHER}""#);
    let kind = r#""apiVersion":"events.k8s.io/v1","kind":"Event""#;
    write(&format!(r#"{{{kind},"metadata":{metadata},{said}}}"#), None)
}

//! The controller that `cargo xtask bench dispatch` measures.
//!
//! It does what most reconciles of a settled cluster do: read the object (a Deployment of
//! 2 to 4 KiB), read one more from the cache (the ConfigMap it mounts), compare, find
//! nothing to do. [`settled`] is the function that is measured natively, with the same
//! decoding around it as the SDK does.

use polyreme_sdk::k8s_openapi::api::apps::v1::Deployment;
use polyreme_sdk::k8s_openapi::api::core::v1::ConfigMap;
use polyreme_sdk::{Action, Context, Controller, Error, Manifest, Object};

/// The annotation of a pod template that follows the content of its ConfigMap.
pub const CHECKSUM: &str = "checksum/configmap";

/// Checks that a Deployment runs with its ConfigMap's current content.
pub struct Checker;

impl Controller for Checker {
    type Primary = Deployment;

    fn manifest() -> Manifest {
        Manifest::new("dispatch").asks::<ConfigMap>(&["get", "list", "watch"])
    }

    fn reconcile(ctx: &Context, deployment: Deployment) -> Result<Action, Error> {
        let config: ConfigMap = ctx.get(deployment.name())?;
        if settled(&deployment, &config) {
            return Ok(Action::Done);
        }
        Err(Error::terminal("the Deployment runs with an old ConfigMap"))
    }
}

/// The reconcile as a plain function of two texts, for the native measurement.
///
/// # Errors
/// When a text is not the object that it should be.
pub fn reconcile_natively(deployment: &str, read: impl FnOnce(&str) -> String) -> serde_json::Result<bool> {
    let deployment: Deployment = serde_json::from_str(deployment)?;
    let config: ConfigMap = serde_json::from_str(&read(deployment.name()))?;
    Ok(settled(&deployment, &config))
}

/// Whether the pods of `deployment` were started with what `config` holds now.
pub fn settled(deployment: &Deployment, config: &ConfigMap) -> bool {
    let template = deployment.spec.as_ref().map(|spec| &spec.template);
    let metadata = template.and_then(|template| template.metadata.as_ref());
    let annotations = metadata.and_then(|metadata| metadata.annotations.as_ref());
    let found = annotations.and_then(|annotations| annotations.get(CHECKSUM));
    found.is_some_and(|found| *found == checksum(config))
}

/// FNV-1a over keys and values: cheap, and enough to see a change.
pub fn checksum(config: &ConfigMap) -> String {
    let data = config.data.iter().flatten();
    let bytes = data.flat_map(|(key, value)| key.bytes().chain(value.bytes()));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

polyreme_sdk::controller!(Checker);

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn config(text: &str) -> ConfigMap {
        ConfigMap {
            data: Some(BTreeMap::from([("index.html".to_owned(), text.to_owned())])),
            ..ConfigMap::default()
        }
    }

    fn deployment(checksum: &str) -> Deployment {
        let object = serde_json::json!({
            "metadata": {"name": "site"},
            "spec": {
                "selector": {},
                "template": {"metadata": {"annotations": {CHECKSUM: checksum}}},
            },
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_deployment_with_the_current_content_is_settled() {
        let config = config("hello");
        assert!(settled(&deployment(&checksum(&config)), &config));
    }

    #[test]
    fn a_deployment_with_older_content_is_not() {
        assert!(!settled(&deployment(&checksum(&config("hello"))), &config("bye")));
    }
}

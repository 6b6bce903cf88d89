//! The controller that `cargo xtask bench dispatch` measures.
//!
//! It does what most reconciles of a settled cluster do: read the object (a Deployment of
//! 2 to 4 KiB), read one more from the cache (the ConfigMap it mounts), compare, find
//! nothing to do. [`settled`] is the function that is measured natively, with the same
//! decoding around it as the SDK does. Its siblings in the other languages (`../dispatch-*`)
//! do the same for `cargo xtask bench languages`.

use polyreme_sdk::k8s_openapi::api::apps::v1::Deployment;
use polyreme_sdk::k8s_openapi::api::core::v1::ConfigMap;
use polyreme_sdk::{Action, Context, Controller, Error, Manifest, Object};

/// The annotation of a pod template that follows the version of its ConfigMap.
pub const VERSION: &str = "example.polyreme.dev/config-version";

/// Checks that a Deployment runs with its ConfigMap's current version.
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

/// Whether the pods of `deployment` were started with `config` as it is now.
pub fn settled(deployment: &Deployment, config: &ConfigMap) -> bool {
    let template = deployment.spec.as_ref().map(|spec| &spec.template);
    let metadata = template.and_then(|template| template.metadata.as_ref());
    let annotations = metadata.and_then(|metadata| metadata.annotations.as_ref());
    let found = annotations.and_then(|annotations| annotations.get(VERSION));
    found.is_some() && found == config.metadata.resource_version.as_ref()
}

polyreme_sdk::controller!(Checker);

#[cfg(test)]
mod tests {
    use super::*;

    fn config(version: &str) -> ConfigMap {
        let mut config = ConfigMap::default();
        config.metadata.resource_version = Some(version.to_owned());
        config
    }

    fn deployment(version: &str) -> Deployment {
        let object = serde_json::json!({
            "metadata": {"name": "site"},
            "spec": {
                "selector": {},
                "template": {"metadata": {"annotations": {VERSION: version}}},
            },
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_deployment_with_the_current_version_is_settled() {
        assert!(settled(&deployment("7"), &config("7")));
    }

    #[test]
    fn a_deployment_with_an_older_one_or_none_is_not() {
        assert!(!settled(&deployment("6"), &config("7")));
        assert!(!settled(&Deployment::default(), &ConfigMap::default()));
    }
}

//! A kind, and a way to reconcile it by a closure's worth of code.

use std::cell::RefCell;

use polyreme_sdk::k8s_openapi::api::core::v1::{ConfigMap, Secret};
use polyreme_sdk::testing::Fake;
use polyreme_sdk::{Action, Context, Controller, Error, Manifest, Mapping, ObjectMeta, ObjectRef};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LampSpec {
    pub(crate) watts: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct LampStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lit: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

polyreme_sdk::resource! {
    pub(crate) struct Lamp {
        api_version: "house.example.com/v1",
        plural: "lamps",
        scope: Namespaced,
        spec: LampSpec,
        status: LampStatus,
    }
}

/// The key of the lamp of [`house`].
pub(crate) const LAMP: &str = "hall/lamp";

type Reconcile = fn(&Context, Lamp) -> Result<Action, Error>;

thread_local! {
    static RECONCILE: RefCell<Option<Reconcile>> = const { RefCell::new(None) };
}

struct Switch;

impl Controller for Switch {
    type Primary = Lamp;

    fn manifest() -> Manifest {
        Manifest::new("switch")
            .owns::<ConfigMap>()
            .owns::<Secret>()
            .watches::<Theme>(Mapping::Field("spec.theme"))
    }

    fn reconcile(ctx: &Context, lamp: Lamp) -> Result<Action, Error> {
        let reconcile = RECONCILE.with_borrow(|reconcile| *reconcile);
        reconcile.expect("`reconcile` sets it")(ctx, lamp)
    }

    fn deleted(ctx: &Context, object: &ObjectRef) -> Result<Action, Error> {
        polyreme_sdk::info!(ctx, "gone: {}", object.name);
        Ok(Action::Done)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ThemeSpec {}

polyreme_sdk::resource! {
    pub(crate) struct Theme {
        api_version: "house.example.com/v1",
        plural: "themes",
        scope: Cluster,
        spec: ThemeSpec,
    }
}

/// A cluster with one lamp.
pub(crate) fn house() -> Fake {
    let mut lamp = Lamp::new("lamp", LampSpec { watts: 5 });
    lamp.metadata.namespace = Some("hall".into());
    Fake::new().with(&lamp)
}

/// Reconciles the lamp by this function.
pub(crate) fn reconcile(cluster: &Fake, reconcile: Reconcile) -> Result<Action, Error> {
    RECONCILE.set(Some(reconcile));
    cluster.reconcile::<Switch>(LAMP)
}

pub(crate) fn metadata(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.into()), namespace: Some("hall".into()), ..Default::default() }
}

//! The smallest controller: a `Hello` becomes a ConfigMap with its greeting.

use polyreme_sdk::k8s_openapi::api::core::v1::ConfigMap;
use polyreme_sdk::{Action, Context, Controller, Error, Manifest, Object, info};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HelloSpec {
    pub who: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HelloStatus {
    pub greeting: String,
}

polyreme_sdk::resource! {
    pub struct Hello {
        api_version: "example.polyreme.dev/v1",
        plural: "hellos",
        scope: Namespaced,
        spec: HelloSpec,
        status: HelloStatus,
    }
}

struct Greeter;

impl Controller for Greeter {
    type Primary = Hello;

    fn manifest() -> Manifest {
        Manifest::new("hello").owns::<ConfigMap>()
    }

    fn reconcile(ctx: &Context, hello: Hello) -> Result<Action, Error> {
        let greeting = format!("Hello, {}!", hello.spec.who);
        let data = Some([("greeting".to_owned(), greeting.clone())].into());
        let metadata = hello.child(hello.name());
        ctx.apply(&ConfigMap { metadata, data, ..Default::default() })?;
        if ctx.patch_status(&hello, &HelloStatus { greeting: greeting.clone() })? {
            info!(ctx, "greeted: {greeting}");
        }
        Ok(Action::Done)
    }
}

polyreme_sdk::controller!(Greeter);

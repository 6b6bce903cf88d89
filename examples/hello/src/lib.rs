//! The smallest controller: a `Hello` becomes a ConfigMap with its greeting.

use polyreme_sdk::k8s_openapi::api::core::v1::ConfigMap;
use polyreme_sdk::{Action, Context, Controller, Error, Manifest, Object, info};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct HelloSpec {
    who: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct HelloStatus {
    greeting: String,
}

polyreme_sdk::resource! {
    struct Hello {
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
        ctx.apply(&ConfigMap { metadata: hello.child(hello.name()), data, ..Default::default() })?;
        if ctx.patch_status(&hello, &HelloStatus { greeting })? {
            info!(ctx, "greeted {}", hello.spec.who);
        }
        Ok(Action::Done)
    }
}

polyreme_sdk::controller!(Greeter);

#[cfg(test)]
mod tests;

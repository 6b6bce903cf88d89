//! Write Kubernetes controllers in Rust as WebAssembly components for Polyreme.

#[doc(hidden)]
pub mod bindings;
pub mod conditions;
mod context;
mod controller;
mod error;
mod finalizer;
mod host;
mod macros;
mod manifest;
mod merge;
mod observe;
mod query;
mod resource;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
#[cfg(target_arch = "wasm32")]
mod wasm;

pub use bindings::polyreme::controller::events::Severity;
pub use bindings::polyreme::controller::kubernetes::{WriteOptions, Written};
pub use bindings::polyreme::controller::log::Level;
pub use bindings::polyreme::controller::types::{ObjectRef, Reason};
pub use context::Context;
pub use controller::{Action, Controller};
pub use error::{ApiError, Error};
pub use finalizer::Phase;
pub use k8s_openapi;
pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
pub use manifest::{Manifest, Mapping};
pub use query::Query;
pub use resource::{Object, Scope, Writable};

/// The values of `scope:` in [`resource!`].
pub mod scope {
    pub use k8s_openapi::{ClusterResourceScope as Cluster, NamespaceResourceScope as Namespaced};
}

/// What the macros expand to; no part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::resource::{group, version};
    pub use serde;

    use crate::controller::Controller;

    /// Compiles when `C` is a controller.
    pub fn assert_controller<C: Controller>() {}

    #[cfg(target_arch = "wasm32")]
    pub use in_wasm::{describe, reconcile};

    #[cfg(target_arch = "wasm32")]
    mod in_wasm {
        use crate::bindings::exports::polyreme::controller::reconciler as contract;
        use crate::controller::{Controller, answer, run};
        use crate::wasm::{Imports, install_panic_hook};

        pub fn describe<C: Controller>(version: &str) -> contract::Manifest {
            install_panic_hook();
            C::manifest().describe::<C::Primary>(version)
        }

        pub fn reconcile<C: Controller>(
            request: contract::Request,
        ) -> Result<contract::Action, contract::Failure> {
            install_panic_hook();
            answer(run::<C>(Imports, request))
        }
    }
}

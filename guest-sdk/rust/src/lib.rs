//! Write Kubernetes controllers in Rust as WebAssembly components for Polyreme.
//!
//! You write a type for your kind and one function, `reconcile`. The host does the rest:
//! watches, cache, work queue, retries, credentials, and sharing the objects out among its
//! replicas. There is no async, no `unsafe`, no WIT and no linker flag on your side.
//!
//! # A controller
//!
//! ```
//! use polyreme_sdk::k8s_openapi::api::core::v1::ConfigMap;
//! use polyreme_sdk::{Action, Context, Controller, Error, Manifest, Object};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Clone, Serialize, Deserialize)]
//! struct HelloSpec {
//!     who: String,
//! }
//!
//! polyreme_sdk::resource! {
//!     struct Hello {
//!         api_version: "example.polyreme.dev/v1",
//!         plural: "hellos",
//!         scope: Namespaced,
//!         spec: HelloSpec,
//!     }
//! }
//!
//! struct Greeter;
//!
//! impl Controller for Greeter {
//!     type Primary = Hello;
//!
//!     fn manifest() -> Manifest {
//!         Manifest::new("hello").owns::<ConfigMap>()
//!     }
//!
//!     fn reconcile(ctx: &Context, hello: Hello) -> Result<Action, Error> {
//!         let greeting = format!("Hello, {}!", hello.spec.who);
//!         let data = Some([("greeting".to_owned(), greeting)].into());
//!         ctx.apply(&ConfigMap { metadata: hello.child(hello.name()), data, ..Default::default() })?;
//!         Ok(Action::Done)
//!     }
//! }
//!
//! polyreme_sdk::controller!(Greeter);
//! ```
//!
//! The crate is a library with `crate-type = ["cdylib", "rlib"]` that depends on
//! `polyreme-sdk` and `serde`. `polyreme build` makes the component, `polyreme run --config
//! polyreme.yaml` runs it; `docs/writing-controllers.md` walks from an empty folder to an
//! object that is Ready, and `examples/webhosting` is a controller of real size.
//!
//! # Its test
//!
//! A reconcile is tested natively, by `cargo test`, on a [cluster in memory](testing) that
//! also refuses what the host would refuse:
//!
//! ```
//! # use polyreme_sdk::k8s_openapi::api::core::v1::ConfigMap;
//! # use polyreme_sdk::{Action, Context, Controller, Error, Manifest, Object};
//! # #[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
//! # struct HelloSpec { who: String }
//! # polyreme_sdk::resource! {
//! #     struct Hello {
//! #         api_version: "example.polyreme.dev/v1",
//! #         plural: "hellos",
//! #         scope: Namespaced,
//! #         spec: HelloSpec,
//! #     }
//! # }
//! # struct Greeter;
//! # impl Controller for Greeter {
//! #     type Primary = Hello;
//! #     fn manifest() -> Manifest { Manifest::new("hello").owns::<ConfigMap>() }
//! #     fn reconcile(ctx: &Context, hello: Hello) -> Result<Action, Error> {
//! #         let metadata = hello.child(hello.name());
//! #         ctx.apply(&ConfigMap { metadata, ..Default::default() })?;
//! #         Ok(Action::Done)
//! #     }
//! # }
//! use polyreme_sdk::testing::Fake;
//!
//! let mut hello = Hello::new("kim", HelloSpec { who: "Kim".into() });
//! hello.metadata.namespace = Some("default".into());
//! let cluster = Fake::new().with(&hello);
//!
//! cluster.reconcile::<Greeter>("default/kim").unwrap();
//! assert_eq!(cluster.take_writes(), ["apply ConfigMap default/kim"]);
//! cluster.reconcile::<Greeter>("default/kim").unwrap();
//! assert!(cluster.take_writes().is_empty());
//! ```
//!
//! # Where to find what
//!
//! | You want to | Use |
//! |---|---|
//! | read | [`Context::get`], [`Context::get_opt`], [`Context::list`], [`Context::live`] |
//! | write | [`Context::apply`], [`Context::apply_all`], [`Context::patch_status`], [`Context::delete`] |
//! | make children | [`Object::child`], [`Object::controller_reference`] |
//! | clean up before an object goes | [`Context::finalizer`], [`Context::finalized`] |
//! | report conditions | [`conditions::set`] |
//! | tell people | [`Context::event`], [`info!`] and its kin, [`Context::count`] |
//! | read `settings:` | [`Context::settings`] |
//! | ask a server outside of Kubernetes | [`Context::http`], [`HttpRequest`] |
//! | know the time, draw a number | [`Context::now`], [`Context::random_number`] |
//! | come back later | [`Action::RequeueAfter`] |
//! | give up | [`Error::terminal`], [`Error::retry`] |
//! | watch other kinds | [`Manifest::watches`] |
//!
//! # Types
//!
//! Every type with k8s-openapi's `Resource` and `Metadata` traits is a kind here: the
//! built-in ones from [`k8s_openapi::api`] (Kubernetes 1.36), your own by [`resource!`].
//! What was tried on `wasm32-unknown-unknown`:
//!
//! - **k8s-openapi** compiles as it is, and costs only what is used. It brings jiff for
//!   times, a third of a small module. The default: users know it, and it is typed.
//! - **Types of your own** by [`resource!`] are the smallest and fastest to read, since
//!   what they do not name is skipped; give `kind:` to read a part of a built-in kind, as
//!   webhosting does with the status of its Deployments.
//! - **kube-core** compiles as well; its traits are implemented for all types above, so
//!   helpers written for kube-rs work on them. The SDK does not need it.
//!
//! Code and data of the core module in KiB, as `polyreme build` makes it, with LTO; function names, which traps are
//! reported with, come on top. Level 3 is what the `guest` profile uses: it is faster, and not always larger as
//! a file. `polyreme build` tells LLVM what to inline; `rustflags` in a `.cargo/config.toml` are kept beside that.
//!
//! | module | opt-level `s` | names | opt-level 3 | names |
//! |---|---|---|---|---|
//! | reads and applies a ConfigMap | 352 | 128 | | |
//! | the same, and reads a kube-core `DynamicObject` | 375 | 140 | | |
//! | reads and applies a whole Deployment | 729 | 380 | | |
//! | `examples/hello` | 391 | 147 | 425 | 78 |
//! | `examples/webhosting`: applies four kinds, reads a part of one | 684 | 309 | 723 | 110 |
//!
//! # What WebAssembly changes
//!
//! There is no clock, no environment, no network but [`Context::http`] and no thread: `Instant::now`,
//! `SystemTime::now` and `thread::sleep` panic, `println!` goes nowhere. Time, chance and
//! logs come from the [`Context`], which also makes a reconcile repeatable. A panic ends
//! the reconcile, reaches the host's log with its message, file and line, and is tried
//! again. Every reconcile starts in a fresh instance: statics do not survive.
//!
//! Polyreme's limits apply (memory, CPU time, wall time, size of one object): see
//! `docs/configuration.md`.

#[doc(hidden)]
#[cfg(any(test, all(target_arch = "wasm32", feature = "arena")))]
mod alloc;
pub mod bindings;
pub mod conditions;
mod context;
mod controller;
mod error;
mod finalizer;
mod host;
mod http;
mod macros;
mod manifest;
mod merge;
mod observe;
mod place;
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
pub use http::{HttpError, HttpReason, HttpRequest, HttpResponse};
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

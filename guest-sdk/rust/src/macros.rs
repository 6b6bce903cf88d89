//! `controller!`, `resource!` and the log macros.

/// Makes a type the controller of this component: the one line that turns a crate into a
/// module. Use it once per crate.
///
/// ```
/// use polyreme_sdk::k8s_openapi::api::core::v1::Namespace;
/// use polyreme_sdk::{Action, Context, Controller, Error, Manifest, Object, info};
///
/// struct Watcher;
///
/// impl Controller for Watcher {
///     type Primary = Namespace;
///
///     fn manifest() -> Manifest {
///         Manifest::new("namespace-watcher")
///     }
///
///     fn reconcile(ctx: &Context, namespace: Namespace) -> Result<Action, Error> {
///         info!(ctx, "seen {}", namespace.name());
///         Ok(Action::Done)
///     }
/// }
///
/// polyreme_sdk::controller!(Watcher);
/// ```
#[macro_export]
macro_rules! controller {
    ($controller:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::bindings::exports::polyreme::controller::reconciler as contract;

            struct Component;

            impl contract::Guest for Component {
                fn describe() -> contract::Manifest {
                    $crate::__private::describe::<$controller>(env!("CARGO_PKG_VERSION"))
                }

                fn reconcile(
                    request: contract::Request,
                ) -> ::core::result::Result<contract::Action, contract::Failure> {
                    $crate::__private::reconcile::<$controller>(request)
                }
            }

    $crate::bindings::export_component!(Component with_types_in $crate::bindings);
        };

        // Natively there is nothing to export, but the type is checked all the same.
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = $crate::__private::assert_controller::<$controller>;
    };
}

/// Declares a kind of your own: a struct with `metadata`, `spec` and, if you name one,
/// `status`, which implements k8s-openapi's `Resource` and `Metadata` and serde's traits.
///
/// `kind` defaults to the name of the struct; give it to read only a part of a kind that
/// exists already (a type that names five fields of a Deployment is smaller and faster
/// than all of it). A missing `status` is `None`.
///
/// ```
/// use polyreme_sdk::Object;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Clone, Serialize, Deserialize)]
/// pub struct TeapotSpec {
///     pub litres: f64,
/// }
///
/// polyreme_sdk::resource! {
///     /// Short and stout.
///     pub struct Teapot {
///         api_version: "kitchen.example.com/v1",
///         plural: "teapots",
///         scope: Namespaced,
///         spec: TeapotSpec,
///     }
/// }
///
/// let teapot = Teapot::new("brown-betty", TeapotSpec { litres: 1.2 });
/// assert_eq!(teapot.name(), "brown-betty");
/// assert_eq!(serde_json::to_value(&teapot).unwrap()["kind"], "Teapot");
/// ```
#[macro_export]
macro_rules! resource {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            api_version: $api_version:literal,
            $(kind: $kind:literal,)?
            plural: $plural:literal,
            scope: $scope:ident,
            spec: $spec:ty,
            $(status: $status:ty,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, $crate::__private::serde::Deserialize)]
        #[serde(crate = "polyreme_sdk::__private::serde")]
        $vis struct $name {
            /// Standard object metadata.
            #[serde(default)]
            pub metadata: $crate::ObjectMeta,
            /// What users wish for.
            pub spec: $spec,
            $(
                /// What the controller observed; absent until it wrote it.
                #[serde(default)]
                pub status: Option<$status>,
            )?
        }

        impl $name {
            /// An object with this name and spec, and nothing else.
            #[allow(dead_code, reason = "not every user of a kind makes one")]
            $vis fn new(name: impl Into<String>, spec: $spec) -> Self {
                Self {
                    metadata: $crate::ObjectMeta { name: Some(name.into()), ..Default::default() },
                    spec,
                    $(status: None::<$status>,)?
                }
            }
        }

        impl $crate::k8s_openapi::Resource for $name {
            const API_VERSION: &'static str = $api_version;
            const GROUP: &'static str = $crate::__private::group($api_version);
            const VERSION: &'static str = $crate::__private::version($api_version);
            const KIND: &'static str = $crate::__kind!($name $(, $kind)?);
            const URL_PATH_SEGMENT: &'static str = $plural;
            type Scope = $crate::scope::$scope;
        }

        impl $crate::k8s_openapi::Metadata for $name {
            type Ty = $crate::ObjectMeta;

            fn metadata(&self) -> &$crate::ObjectMeta {
                &self.metadata
            }

            fn metadata_mut(&mut self) -> &mut $crate::ObjectMeta {
                &mut self.metadata
            }
        }

        impl $crate::__private::serde::Serialize for $name {
            fn serialize<S>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error>
            where
                S: $crate::__private::serde::Serializer,
            {
                use $crate::__private::serde::ser::SerializeStruct as _;
                let mut object = serializer.serialize_struct(stringify!($name), 5)?;
                object.serialize_field("apiVersion", $api_version)?;
                object.serialize_field("kind", <Self as $crate::k8s_openapi::Resource>::KIND)?;
                object.serialize_field("metadata", &self.metadata)?;
                object.serialize_field("spec", &self.spec)?;
                $(
                    let status: &Option<$status> = &self.status;
                    if let Some(status) = status {
                        object.serialize_field("status", status)?;
                    }
                )?
                object.end()
            }
        }
    };
}

/// The kind that was given, else the struct's name.
#[doc(hidden)]
#[macro_export]
macro_rules! __kind {
    ($name:ident) => {
        stringify!($name)
    };
    ($name:ident, $kind:literal) => {
        $kind
    };
}

/// Logs at a level, with fields before the message: `log!(ctx, Level::Info, replicas = 3;
/// "scaled {name}")`. The host adds controller, object and reconcile id; nothing is
/// formatted when nobody reads that level.
#[macro_export]
macro_rules! log {
    ($ctx:expr, $level:expr, $($key:ident = $value:expr),+ ; $($message:tt)+) => {
        if $ctx.log_enabled($level) {
            $ctx.log($level, &format!($($message)+), &[$((stringify!($key), &$value)),+]);
        }
    };
    ($ctx:expr, $level:expr, $($message:tt)+) => {
        if $ctx.log_enabled($level) {
            $ctx.log($level, &format!($($message)+), &[]);
        }
    };
}

/// [`log!`] at level trace.
#[macro_export]
macro_rules! trace {
    ($ctx:expr, $($rest:tt)+) => { $crate::log!($ctx, $crate::Level::Trace, $($rest)+) };
}

/// [`log!`] at level debug.
#[macro_export]
macro_rules! debug {
    ($ctx:expr, $($rest:tt)+) => { $crate::log!($ctx, $crate::Level::Debug, $($rest)+) };
}

/// [`log!`] at level info.
#[macro_export]
macro_rules! info {
    ($ctx:expr, $($rest:tt)+) => { $crate::log!($ctx, $crate::Level::Info, $($rest)+) };
}

/// [`log!`] at level warn.
#[macro_export]
macro_rules! warn {
    ($ctx:expr, $($rest:tt)+) => { $crate::log!($ctx, $crate::Level::Warn, $($rest)+) };
}

/// [`log!`] at level error.
#[macro_export]
macro_rules! error {
    ($ctx:expr, $($rest:tt)+) => { $crate::log!($ctx, $crate::Level::Error, $($rest)+) };
}

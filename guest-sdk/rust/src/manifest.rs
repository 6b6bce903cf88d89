//! What a controller tells the host about itself before its first reconcile.

use crate::bindings::exports::polyreme::controller::reconciler as contract;
use crate::resource::{Object, kind_of};

/// How an object of a watched kind leads to the objects to reconcile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapping<'a> {
    /// Its controller owner reference, followed upwards to the primary kind.
    Owner,
    /// The label with this key holds the primary's name, in the same namespace.
    Label(&'a str),
    /// Every primary whose field at this path equals the object's name: `spec.theme`.
    Field(&'a str),
}

/// Name, kinds and permissions of a controller.
///
/// Without another word a controller may read its primary kind, patch its status and
/// finalizers, and manage objects of the kinds it [owns](Manifest::owns) that carry a
/// controller owner reference to the object under reconcile. Everything else must be
/// asked for here *and* granted in the host's configuration.
///
/// # Example
/// ```
/// use polyreme_sdk::k8s_openapi::api::apps::v1::Deployment;
/// use polyreme_sdk::k8s_openapi::api::core::v1::Secret;
/// use polyreme_sdk::{Manifest, Mapping};
///
/// let manifest = Manifest::new("vault")
///     .owns::<Deployment>()
///     .watches::<Secret>(Mapping::Label("vault.example.com/name"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "the host sees only the manifest that `Controller::manifest` returns"]
pub struct Manifest {
    contract: contract::Manifest,
}

impl Manifest {
    /// A controller called `name`: a DNS label, for people and logs. (Its field manager and the
    /// `controller` label of its metrics are its name in the host's configuration.) Its version is that of
    /// its crate.
    pub fn new(name: &str) -> Self {
        Self {
            contract: contract::Manifest {
                name: name.into(),
                version: String::new(),
                primary: contract::Kind { api_version: String::new(), kind: String::new() },
                label_selector: String::new(),
                owns: Vec::new(),
                watches: Vec::new(),
                indexes: Vec::new(),
                permissions: Vec::new(),
                settings_schema: None,
            },
        }
    }

    /// Reconciles only primaries that match this label selector.
    pub fn selects(mut self, label_selector: &str) -> Self {
        self.contract.label_selector = label_selector.into();
        self
    }

    /// Creates objects of this kind with a controller owner reference to the primary:
    /// their changes reconcile it.
    pub fn owns<T: Object>(mut self) -> Self {
        self.contract.owns.push(kind_of::<T>());
        self
    }

    /// Reconciles when objects of this kind change, and asks for permission to read them.
    pub fn watches<T: Object>(self, mapping: Mapping<'_>) -> Self {
        self.watches_selected::<T>(mapping, "")
    }

    /// As [`Manifest::watches`], for objects that match a label selector only.
    pub fn watches_selected<T: Object>(mut self, mapping: Mapping<'_>, selector: &str) -> Self {
        self.contract.watches.push(contract::Watch {
            kind: kind_of::<T>(),
            mapping: match mapping {
                Mapping::Owner => contract::Mapping::Owner,
                Mapping::Label(key) => contract::Mapping::Label(key.into()),
                Mapping::Field(path) => contract::Mapping::Field(path.into()),
            },
            label_selector: selector.into(),
        });
        self.asks::<T>(&["get", "list", "watch"])
    }

    /// Lets lists select the primary by this field: `spec.theme`.
    pub fn indexes(mut self, path: &str) -> Self {
        self.contract.indexes.push(path.into());
        self
    }

    /// Asks for permissions: get, list, watch, create, update, patch, apply, delete, status.
    pub fn asks<T: Object>(mut self, verbs: &[&str]) -> Self {
        self.contract.permissions.push(contract::Permission {
            api_version: T::API_VERSION.into(),
            kinds: vec![T::KIND.into()],
            verbs: verbs.iter().map(|verb| (*verb).into()).collect(),
        });
        self
    }

    /// A JSON Schema that the host checks `settings:` against before it starts the module.
    /// Keep it beside the code: `include_str!("settings.schema.json")`.
    pub fn settings_schema(mut self, schema: &str) -> Self {
        self.contract.settings_schema = Some(schema.into());
        self
    }

    /// The controller's name.
    pub(crate) fn into_name(self) -> String {
        self.contract.name
    }

    /// What the host is told, with the primary kind and version filled in.
    pub(crate) fn describe<P: Object>(mut self, version: &str) -> contract::Manifest {
        self.contract.primary = kind_of::<P>();
        self.contract.version = version.into();
        self.contract
    }
}

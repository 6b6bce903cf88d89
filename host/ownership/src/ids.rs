//! Names that the protocol passes around, cheap to clone.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// One incarnation of a host process: the name of its member Lease, never used twice.
    MemberId
}

name! {
    /// A controller by its name in the configuration. Each has its own column in the table, because
    /// only hosts that load a controller may own its slots.
    Lane
}

/// What a compare-and-swap on a Lease carries. Both parts matter: an update by resourceVersion alone
/// re-creates a Lease that was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lock {
    /// `metadata.uid`
    pub uid: Arc<str>,
    /// `metadata.resourceVersion`, opaque.
    pub version: Arc<str>,
}

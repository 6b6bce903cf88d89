//! What a guest may import: one file per interface of `wit/controller.wit`.
//!
//! [`OFFERED`] is the only list of them. It links the functions, decides whether an
//! import is known, and is what an error about an unknown import prints.

use wasmtime::component::{HasSelf, Linker};

use crate::call::Call;
use crate::wit::bindings::polyreme::controller as wit;

pub(crate) mod clock;
pub(crate) mod events;
pub(crate) mod http;
pub(crate) mod kubernetes;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod random;
pub(crate) mod settings;

/// An interface that guests may import.
pub(crate) struct Interface {
    /// The name inside the package, without version.
    pub(crate) name: &'static str,
    link: fn(&mut Linker<Call>) -> wasmtime::Result<()>,
}

/// Everything on offer. `types` has no functions but is imported by all that use it.
pub(crate) const OFFERED: [Interface; 9] = [
    Interface {
        name: "types",
        link: |linker| wit::types::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call),
    },
    Interface {
        name: "kubernetes",
        link: |linker| wit::kubernetes::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call),
    },
    Interface {
        name: "events",
        link: |linker| wit::events::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call),
    },
    Interface {
        name: "log",
        link: |linker| wit::log::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call),
    },
    Interface {
        name: "metrics",
        link: |linker| wit::metrics::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call),
    },
    Interface {
        name: "settings",
        link: |linker| wit::settings::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call),
    },
    Interface {
        name: "clock",
        link: |linker| wit::clock::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call),
    },
    Interface {
        name: "random",
        link: |linker| wit::random::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call),
    },
    Interface {
        name: "http",
        link: |linker| wit::http::add_to_linker::<Call, HasSelf<Call>>(linker, |call| call),
    },
];

/// Defines every offered interface.
pub(crate) fn link(linker: &mut Linker<Call>) -> wasmtime::Result<()> {
    OFFERED.iter().try_for_each(|interface| (interface.link)(linker))
}

impl wit::types::Host for Call {}

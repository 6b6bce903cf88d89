//! A component with its imports resolved: what each call makes its instance of.
//!
//! The bindings that wasmtime generates look up every export in each new instance and
//! compare all their types, also of the export that is not called. Here their places are
//! found once, when a module is loaded, and a call looks at its own export alone, whose
//! types are compared in the first instance: they are the component's, so all others have the same.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, Instance, InstancePre, Linker, TypedFunc};

use crate::call::Call;
use crate::wit::bindings::ControllerPre;
use crate::wit::reconciler::{Action, Failure, Manifest, Request};

/// The interface that every controller exports; see `wit/controller.wit`.
const RECONCILER: &str = "polyreme:controller/reconciler@0.1.0";

/// `reconcile` of one instance.
pub(crate) type Reconcile = TypedFunc<(Request,), (Result<Action, Failure>,)>;

/// Ready to be instantiated any number of times.
pub(crate) struct Linked {
    instance: InstancePre<Call>,
    describe: ComponentExportIndex,
    reconcile: ComponentExportIndex,
    /// An instance had a `reconcile` of the right type.
    is_checked: AtomicBool,
}

impl Linked {
    /// Fails when an import or an export is missing. The types of both exports are compared
    /// when the first instance is made.
    pub(crate) fn new(linker: &Linker<Call>, component: &Component) -> wasmtime::Result<Self> {
        component.initialize_copy_on_write_image()?;
        let instance = linker.instantiate_pre(component)?;
        // wasmtime's own words for what is missing are better than "none".
        ControllerPre::new(instance.clone())?;
        Ok(Self {
            describe: export(component, "describe")?,
            reconcile: export(component, "reconcile")?,
            is_checked: AtomicBool::new(false),
            instance,
        })
    }

    /// Calls `describe` in a fresh instance.
    pub(crate) async fn describe(&self, store: &mut Store<Call>) -> wasmtime::Result<Manifest> {
        let instance = self.instance.instantiate_async(&mut *store).await?;
        let describe: TypedFunc<(), (Manifest,)> = instance.get_typed_func(&mut *store, self.describe)?;
        self.reconcile_of(instance, store)?;
        Ok(describe.call_async(store, ()).await?.0)
    }

    /// Makes an instance; what it returns can be called as long as its store lives.
    pub(crate) async fn start(&self, store: &mut Store<Call>) -> wasmtime::Result<Reconcile> {
        let instance = self.instance.instantiate_async(&mut *store).await?;
        self.reconcile_of(instance, store)
    }

    /// Where its code is.
    pub(crate) fn code(&self) -> Range<*const u8> {
        self.instance.component().image_range()
    }

    /// Comparing the types takes a fiftieth of a short reconcile, so it is done once.
    #[allow(unsafe_code, reason = "wasmtime compares all types, or leaves that to its caller")]
    fn reconcile_of(&self, instance: Instance, store: &mut Store<Call>) -> wasmtime::Result<Reconcile> {
        if !self.is_checked.load(Ordering::Relaxed) {
            let reconcile = instance.get_typed_func(store, self.reconcile)?;
            self.is_checked.store(true, Ordering::Relaxed);
            return Ok(reconcile);
        }
        let function = instance.get_func(store, self.reconcile);
        let function = function.ok_or_else(|| wasmtime::format_err!("no export `reconcile`"))?;
        // SAFETY: `instance` is one of `self.instance`'s component. The type of an export belongs to the component,
        // and an earlier instance's had the types of `Reconcile`.
        Ok(unsafe { Reconcile::new_unchecked(function) })
    }
}

fn export(component: &Component, function: &str) -> wasmtime::Result<ComponentExportIndex> {
    let interface = component.get_export_index(None, RECONCILER);
    let index = interface.and_then(|interface| component.get_export_index(Some(&interface), function));
    index.ok_or_else(|| wasmtime::format_err!("no export `{function}` in {RECONCILER}"))
}

//! A component with its imports resolved: what each call makes its instance of.
//!
//! The bindings that wasmtime generates look up every export in each new instance and
//! compare all their types, also of the export that is not called. Here their places are
//! found once, when a module is loaded, and a call looks at its own export alone.

use std::ops::Range;

use wasmtime::Store;
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Linker, Lower, TypedFunc,
};

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
}

impl Linked {
    /// Fails when an import or an export is missing. The types of an export are compared
    /// when it is called.
    pub(crate) fn new(linker: &Linker<Call>, component: &Component) -> wasmtime::Result<Self> {
        component.initialize_copy_on_write_image()?;
        let instance = linker.instantiate_pre(component)?;
        // wasmtime's own words for what is missing are better than "none".
        ControllerPre::new(instance.clone())?;
        Ok(Self {
            describe: export(component, "describe")?,
            reconcile: export(component, "reconcile")?,
            instance,
        })
    }

    /// Calls `describe` in a fresh instance.
    pub(crate) async fn describe(&self, store: &mut Store<Call>) -> wasmtime::Result<Manifest> {
        let describe: TypedFunc<(), (Manifest,)> = self.instantiate(store, &self.describe).await?;
        Ok(describe.call_async(store, ()).await?.0)
    }

    /// Makes an instance; what it returns can be called as long as its store lives.
    pub(crate) async fn start(&self, store: &mut Store<Call>) -> wasmtime::Result<Reconcile> {
        self.instantiate(store, &self.reconcile).await
    }

    /// Where its code is.
    pub(crate) fn code(&self) -> Range<*const u8> {
        self.instance.component().image_range()
    }

    async fn instantiate<Params, Results>(
        &self,
        store: &mut Store<Call>,
        export: &ComponentExportIndex,
    ) -> wasmtime::Result<TypedFunc<Params, Results>>
    where
        Params: ComponentNamedList + Lower,
        Results: ComponentNamedList + Lift,
    {
        let instance = self.instance.instantiate_async(&mut *store).await?;
        instance.get_typed_func(store, export)
    }
}

fn export(component: &Component, function: &str) -> wasmtime::Result<ComponentExportIndex> {
    let interface = component.get_export_index(None, RECONCILER);
    let index = interface.and_then(|interface| component.get_export_index(Some(&interface), function));
    index.ok_or_else(|| wasmtime::format_err!("no export `{function}` in {RECONCILER}"))
}

//! The trait a controller implements, and the way from the host's request to it and back.

use std::rc::Rc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::bindings::exports::polyreme::controller::reconciler::{self as contract, Failure};
use crate::bindings::polyreme::controller::types::ObjectRef;
use crate::context::Context;
use crate::error::Error;
use crate::host::Host;
use crate::manifest::Manifest;
use crate::resource::{Object, decode};

/// A controller: makes one object at a time right.
///
/// The host calls `reconcile` whenever the primary object, one of its children or a watched
/// object changed, never twice at once for the same object, in a fresh instance by
/// default: statics do not survive. Look at what is, not at what happened; do what is
/// missing; return.
pub trait Controller {
    /// The kind whose objects are reconciled.
    type Primary: Object + DeserializeOwned;

    /// Name, kinds and permissions. Pure: it may not ask the cluster anything.
    fn manifest() -> Manifest;

    /// Brings the world in line with `object`, as cached when the reconcile began.
    ///
    /// # Errors
    /// Any error is tried again with backoff, unless it [is terminal](Error::is_terminal).
    fn reconcile(ctx: &Context, object: Self::Primary) -> Result<Action, Error>;

    /// The object is gone and no finalizer held it. Its children are garbage collected by
    /// the cluster; this is for what owner references cannot reach.
    ///
    /// # Errors
    /// As [`Controller::reconcile`].
    fn deleted(_ctx: &Context, _object: &ObjectRef) -> Result<Action, Error> {
        Ok(Action::Done)
    }
}

/// When to come back, after a reconcile that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// When something changes.
    Done,
    /// After this time at the latest; forgets earlier failures.
    RequeueAfter(Duration),
}

impl Action {
    fn into_contract(self) -> contract::Action {
        match self {
            Self::Done => contract::Action::Done,
            Self::RequeueAfter(delay) => {
                contract::Action::RequeueAfter(delay.as_millis().try_into().unwrap_or(u64::MAX))
            }
        }
    }
}

/// Runs one request of the host.
pub(crate) fn run<C: Controller>(
    host: Rc<dyn Host>,
    request: contract::Request,
) -> Result<Action, Error> {
    let ctx = Context::new(host, request, &C::manifest().describe::<C::Primary>(""));
    match ctx.current() {
        Some(json) => C::reconcile(&ctx, decode(json, ctx.object())?),
        None => C::deleted(&ctx, ctx.object()),
    }
}

/// [`run`] in the terms of the contract.
pub(crate) fn answer(result: Result<Action, Error>) -> Result<contract::Action, Failure> {
    result.map(Action::into_contract).map_err(Error::into_failure)
}

//! The trait a controller implements, and the way from the host's request to it and back.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::bindings::exports::polyreme::controller::reconciler as contract;
use crate::bindings::polyreme::controller::types::ObjectRef;
use crate::context::Context;
use crate::error::Error;
use crate::host::Handle;
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

/// Runs one request of the host.
pub(crate) fn run<C: Controller>(host: Handle, request: contract::Request) -> Result<Action, Error> {
    let ctx = Context::new(host, request, C::manifest);
    match ctx.current() {
        Some(json) => C::reconcile(&ctx, decode(json, ctx.object())?),
        None => C::deleted(&ctx, ctx.object()),
    }
}

/// [`run`] in the terms of the contract.
#[cfg(any(target_arch = "wasm32", test))]
pub(crate) fn answer(result: Result<Action, Error>) -> Result<contract::Action, contract::Failure> {
    match result {
        Ok(Action::Done) => Ok(contract::Action::Done),
        Ok(Action::RequeueAfter(delay)) => {
            let millis = delay.as_millis().try_into().unwrap_or(u64::MAX);
            Ok(contract::Action::RequeueAfter(millis))
        }
        Err(error) if error.is_terminal() => Err(contract::Failure::Terminal(error.chain())),
        Err(error) => Err(contract::Failure::Retry(error.chain())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_reaches_the_host_in_milliseconds() {
        let action = answer(Ok(Action::RequeueAfter(Duration::from_secs(3))));
        assert_eq!(action, Ok(contract::Action::RequeueAfter(3000)));
    }

    #[test]
    fn a_terminal_error_is_not_tried_again_and_any_other_is() {
        let terminal = answer(Err(Error::terminal("no port")));
        assert_eq!(terminal, Err(contract::Failure::Terminal("no port".into())));
        let retry = answer(Err(Error::retry("no answer")));
        assert_eq!(retry, Err(contract::Failure::Retry("no answer".into())));
    }
}

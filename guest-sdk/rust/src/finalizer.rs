//! Clean-up before an object goes: the finalizer flow.
//!
//! Children with owner references need none of this: the cluster collects them. A
//! finalizer is for what lives elsewhere: a database, a DNS record, an object of another
//! namespace.

use serde_json::json;

use crate::context::Context;
use crate::error::Error;
use crate::resource::Object;

/// What a reconcile has to do for an object that needs clean-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The object is wanted, and the finalizer is in place: bring about what it asks for.
    Apply,
    /// The object waits to be deleted: undo. When that succeeded, call
    /// [`Context::finalized`].
    Cleanup,
    /// The object waits for somebody else's finalizer: nothing to do.
    Gone,
}

impl Context {
    /// Where `object` stands with a finalizer, which is put in place first when the object
    /// is wanted and does not have it: nothing outside exists before the finalizer does.
    ///
    /// # Errors
    /// A [conflict](Error::is_conflict) when somebody changed the object meanwhile; the
    /// host tries again with the new one.
    ///
    /// # Example
    /// ```
    /// use polyreme_sdk::k8s_openapi::api::core::v1::Namespace;
    /// use polyreme_sdk::{Action, Context, Error, Phase};
    ///
    /// const FINALIZER: &str = "dns.example.com/record";
    ///
    /// fn reconcile(ctx: &Context, zone: Namespace) -> Result<Action, Error> {
    ///     match ctx.finalizer(&zone, FINALIZER)? {
    ///         Phase::Apply => { /* make the record */ }
    ///         Phase::Cleanup => {
    ///             /* remove the record, then: */
    ///             ctx.finalized(&zone, FINALIZER)?;
    ///         }
    ///         Phase::Gone => {}
    ///     }
    ///     Ok(Action::Done)
    /// }
    /// ```
    pub fn finalizer<T: Object>(&self, object: &T, finalizer: &str) -> Result<Phase, Error> {
        match (object.is_deleting(), object.has_finalizer(finalizer)) {
            (true, true) => Ok(Phase::Cleanup),
            (true, false) => Ok(Phase::Gone),
            (false, true) => Ok(Phase::Apply),
            (false, false) => {
                let with = held(object).chain([finalizer]).collect();
                self.set_finalizers(object, with)?;
                Ok(Phase::Apply)
            }
        }
    }

    /// Clean-up is done: takes the finalizer off, and lets the object go.
    ///
    /// # Errors
    /// As [`Context::finalizer`]. An object that is gone already is no error.
    pub fn finalized<T: Object>(&self, object: &T, finalizer: &str) -> Result<(), Error> {
        let without = held(object).filter(|one| *one != finalizer).collect();
        match self.set_finalizers(object, without) {
            Err(error) if error.is_not_found() => Ok(()),
            done => done,
        }
    }

    /// A merge patch replaces the whole list, so it names the version it was made from.
    fn set_finalizers<T: Object>(&self, object: &T, finalizers: Vec<&str>) -> Result<(), Error> {
        let version = &object.metadata().resource_version;
        let patch = json!({ "metadata": { "resourceVersion": version, "finalizers": finalizers } });
        self.merge_patch(object, &patch)?;
        Ok(())
    }
}

fn held<T: Object>(object: &T) -> impl Iterator<Item = &str> {
    let finalizers = object.metadata().finalizers.iter().flatten();
    finalizers.map(String::as_str)
}

//! `kubernetes`: the API, through whatever the session puts in front of it.
//!
//! This file counts and bounds; permission, ownership, cache and requests are behind the
//! [`Kubernetes`] trait. While an answer is awaited the guest's CPU clock stands still
//! and only its own instance is suspended.

use async_trait::async_trait;

use crate::call::Call;
use crate::wit::bindings::polyreme::controller::kubernetes::Host;
use crate::wit::kubernetes::{DeleteOptions, ListQuery, Page, PatchType, Source, WriteOptions, Written};
use crate::wit::types::{Error, Kind, ObjectRef};

/// The Kubernetes API as one call may use it.
///
/// Futures are dropped when the call ends early; see [`crate::Session`].
#[async_trait]
pub trait Kubernetes: Send + Sync {
    /// One object as JSON text.
    async fn get(&self, object: ObjectRef, source: Source) -> Result<String, Error>;
    /// Objects of a kind.
    async fn list(&self, kind: Kind, query: ListQuery) -> Result<Page, Error>;
    /// Creates an object that has a name.
    async fn create(&self, object: String, options: WriteOptions) -> Result<Written, Error>;
    /// Replaces an object at its resource version.
    async fn update(&self, object: String, options: WriteOptions) -> Result<Written, Error>;
    /// Patches an object.
    async fn patch(
        &self,
        object: ObjectRef,
        patch_type: PatchType,
        patch: String,
        options: WriteOptions,
    ) -> Result<Written, Error>;
    /// Server-side apply.
    async fn apply(&self, object: String, options: WriteOptions) -> Result<Written, Error>;
    /// Several applies at once: one result each, in the order of `objects`.
    async fn apply_all(&self, objects: Vec<String>, options: WriteOptions) -> Vec<Result<Written, Error>>;
    /// Deletes an object.
    async fn delete(&self, object: ObjectRef, options: DeleteOptions) -> Result<(), Error>;
}

impl Host for Call {
    async fn get(&mut self, object: ObjectRef, source: Source) -> Result<String, Error> {
        self.admit("kubernetes.get", 0)?;
        let answer = self.session.kubernetes.get(object, source);
        self.usage.outside("kubernetes.get", answer).await
    }

    async fn list(&mut self, kind: Kind, query: ListQuery) -> Result<Page, Error> {
        let payload = query.label_selector.len() + query.field_selector.len();
        self.admit("kubernetes.list", payload)?;
        let answer = self.session.kubernetes.list(kind, query);
        self.usage.outside("kubernetes.list", answer).await
    }

    async fn create(&mut self, object: String, options: WriteOptions) -> Result<Written, Error> {
        self.admit("kubernetes.create", object.len())?;
        let answer = self.session.kubernetes.create(object, options);
        self.usage.outside("kubernetes.create", answer).await
    }

    async fn update(&mut self, object: String, options: WriteOptions) -> Result<Written, Error> {
        self.admit("kubernetes.update", object.len())?;
        let answer = self.session.kubernetes.update(object, options);
        self.usage.outside("kubernetes.update", answer).await
    }

    async fn patch(
        &mut self,
        object: ObjectRef,
        patch_type: PatchType,
        patch: String,
        options: WriteOptions,
    ) -> Result<Written, Error> {
        self.admit("kubernetes.patch", patch.len())?;
        let answer = self.session.kubernetes.patch(object, patch_type, patch, options);
        self.usage.outside("kubernetes.patch", answer).await
    }

    async fn apply(&mut self, object: String, options: WriteOptions) -> Result<Written, Error> {
        self.admit("kubernetes.apply", object.len())?;
        let answer = self.session.kubernetes.apply(object, options);
        self.usage.outside("kubernetes.apply", answer).await
    }

    async fn apply_all(
        &mut self,
        objects: Vec<String>,
        options: WriteOptions,
    ) -> Vec<Result<Written, Error>> {
        let payload = objects.iter().map(String::len).sum();
        if let Err(refusal) = self.admit("kubernetes.apply-all", payload) {
            return objects.iter().map(|_| Err(refusal.clone())).collect();
        }
        let answer = self.session.kubernetes.apply_all(objects, options);
        self.usage.outside("kubernetes.apply-all", answer).await
    }

    async fn delete(&mut self, object: ObjectRef, options: DeleteOptions) -> Result<(), Error> {
        self.admit("kubernetes.delete", 0)?;
        let answer = self.session.kubernetes.delete(object, options);
        self.usage.outside("kubernetes.delete", answer).await
    }
}

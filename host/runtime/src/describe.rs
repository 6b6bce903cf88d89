//! The capabilities during `describe`: none that reach outside.
//!
//! `describe` says what a module is. It runs before permissions are known and its answer
//! is kept, so everything that could make it differ from one time to the next is fixed.

use async_trait::async_trait;

use crate::wit::events::Severity;
use crate::wit::http;
use crate::wit::kubernetes::{DeleteOptions, ListQuery, Page, PatchType, Source, WriteOptions, Written};
use crate::wit::log::Level;
use crate::wit::types::{Error, Kind, ObjectRef, Reason};
use crate::{Clock, Events, Http, Kubernetes, Log, Metrics, Random};

/// The byte that fills random buffers during `describe`: any, but never all zeros, which
/// some generators refuse as a seed.
const FIXED_BYTE: u8 = 0x5a;

/// Refuses the API and HTTP, swallows lines, events and metrics, stops the clock.
pub(crate) struct DescribeOnly;

fn refused() -> Error {
    Error::new(
        Reason::NotGranted,
        "`describe` may not call the Kubernetes API: it says what the module is, before \
         anything is granted; make the call in `reconcile`",
    )
}

#[async_trait]
impl Kubernetes for DescribeOnly {
    async fn get(&self, _: ObjectRef, _: Source) -> Result<String, Error> {
        Err(refused())
    }

    async fn list(&self, _: Kind, _: ListQuery) -> Result<Page, Error> {
        Err(refused())
    }

    async fn create(&self, _: String, _: WriteOptions) -> Result<Written, Error> {
        Err(refused())
    }

    async fn update(&self, _: String, _: WriteOptions) -> Result<Written, Error> {
        Err(refused())
    }

    async fn patch(&self, _: ObjectRef, _: PatchType, _: String, _: WriteOptions) -> Result<Written, Error> {
        Err(refused())
    }

    async fn apply(&self, _: String, _: WriteOptions) -> Result<Written, Error> {
        Err(refused())
    }

    async fn apply_all(&self, objects: Vec<String>, _: WriteOptions) -> Vec<Result<Written, Error>> {
        objects.iter().map(|_| Err(refused())).collect()
    }

    async fn delete(&self, _: ObjectRef, _: DeleteOptions) -> Result<(), Error> {
        Err(refused())
    }
}

#[async_trait]
impl Http for DescribeOnly {
    async fn send(&self, _: http::Request) -> Result<http::Response, http::Error> {
        Err(http::Error::new(
            http::Reason::NotGranted,
            "`describe` may not send requests: it says what the module is, before anything is granted; \
             send them in `reconcile`",
        ))
    }
}

impl Log for DescribeOnly {
    fn log(&self, _: Level, _: &str, _: &[(String, String)]) {}

    fn enabled(&self, _: Level) -> bool {
        false
    }
}

impl Events for DescribeOnly {
    fn emit(&self, _: ObjectRef, _: Severity, _: String, _: String, _: String) {}
}

impl Metrics for DescribeOnly {
    fn add_counter(&self, _: &str, _: f64, _: &[(String, String)]) {}
    fn set_gauge(&self, _: &str, _: f64, _: &[(String, String)]) {}
    fn observe(&self, _: &str, _: f64, _: &[(String, String)]) {}
}

impl Clock for DescribeOnly {
    fn now(&self) -> u64 {
        0
    }

    fn monotonic(&self) -> u64 {
        0
    }
}

impl Random for DescribeOnly {
    fn bytes(&self, len: u32) -> Vec<u8> {
        vec![FIXED_BYTE; len as usize]
    }

    fn number(&self) -> u64 {
        u64::from_ne_bytes([FIXED_BYTE; 8])
    }
}

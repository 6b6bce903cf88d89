//! Where modules come from: OCI registries and web servers, pinned by digest, cached, optionally signed.
//!
//! A source is parsed once ([`Source`]), fetched by a [`Fetcher`] and verified whatever it came from: cache,
//! mirror or registry. What bounds it is in [`Settings`]: bytes of a module and of the cache, tries, time.
//!
//! What never happens here: a byte is returned whose digest is not the pinned one; a credential or a module
//! goes over a network in plain text; a file is written outside the cache's folder; a module is run.
//!
//! `docs/configuration.md` says what users can write.

mod artifact;
mod cache;
mod credentials;
mod digest;
mod error;
mod fetch;
mod http;
mod push;
mod reference;
mod registry;
mod settings;
mod signature;
mod source;

pub use digest::{Digest, NoDigest};
pub use error::SourceError;
pub use fetch::Fetcher;
pub use reference::{Pinned, Reference, Repository, check_registry};
pub use settings::{
    CONNECT_TIMEOUT, DEADLINE, FIRST_DELAY, MAX_CACHE_BYTES, MAX_MODULE_BYTES, Mirror, READ_TIMEOUT, RETRIES,
    Settings,
};
pub use source::{Malformed, PinnedUrl, Remote, Source};

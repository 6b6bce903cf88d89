//! From the bytes of a component to code that runs: compiled, or mapped from the cache.
//!
//! The cache is an optimisation only: whatever is wrong with it is logged, and the
//! component compiled.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use crate::cache::{CacheKey, CodeCache, hex};

/// Code of a component with the digest of the component itself.
pub(crate) struct Compiled {
    pub(crate) component: Component,
    pub(crate) digest: String,
}

/// Blocks for as long as compiling takes: up to seconds for a Go module.
pub(crate) fn compile(
    engine: &wasmtime::Engine,
    cache: Option<&CodeCache>,
    bytes: &[u8],
) -> wasmtime::Result<Compiled> {
    let digest = hex(&Sha256::digest(bytes));
    let component = match cache {
        Some(cache) => cached(engine, cache, &digest, bytes)?,
        None => Component::from_binary(engine, bytes)?,
    };
    Ok(Compiled { component, digest: format!("sha256:{digest}") })
}

fn cached(
    engine: &wasmtime::Engine,
    cache: &CodeCache,
    digest: &str,
    bytes: &[u8],
) -> wasmtime::Result<Component> {
    let key = CacheKey { component: digest.to_owned(), engine: compatibility_hash(engine) };
    if let Some(component) = cache.find(&key).and_then(|path| map(engine, cache, &path)) {
        tracing::debug!(%digest, "compiled code comes from the cache");
        return Ok(component);
    }
    let component = Component::from_binary(engine, bytes)?;
    // Mapped code is shared with the page cache; code compiled in place is private memory.
    Ok(keep(engine, cache, &key, &component).unwrap_or(component))
}

fn keep(
    engine: &wasmtime::Engine,
    cache: &CodeCache,
    key: &CacheKey,
    component: &Component,
) -> Option<Component> {
    let code = component.serialize().ok()?;
    match cache.store(key, &code) {
        Ok(path) => map(engine, cache, &path),
        Err(error) => {
            tracing::warn!(%error, "failed to keep compiled code: the next start compiles again");
            None
        }
    }
}

#[allow(unsafe_code, reason = "mapping machine code cannot be checked by the compiler")]
fn map(engine: &wasmtime::Engine, cache: &CodeCache, path: &Path) -> Option<Component> {
    // SAFETY: the file is in a folder that only this user may write, was written by
    // `keep` from wasmtime's own serialisation, is replaced only by rename, and its
    // digest has just been compared; wasmtime compares version and settings itself.
    match unsafe { Component::deserialize_file(engine, path) } {
        Ok(component) => Some(component),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "failed to map compiled code");
            cache.remove(path);
            None
        }
    }
}

/// Differs whenever compiled code would. The hasher's keys are fixed; should it change
/// with a toolchain, the cache is merely missed.
fn compatibility_hash(engine: &wasmtime::Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

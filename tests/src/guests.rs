//! Components that must be refused, made on the spot.
//!
//! Each follows the contract but for one fault. The guests that misbehave only when they
//! run are a crate of their own (`tests/hostile`), built with the SDK like any other.

use anyhow::{Context, Result};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::environment::repository;

/// The version of `polyreme:controller` in the repository's `wit/`.
const CONTRACT_VERSION: &str = "0.1.0";

/// A component whose `describe` and `reconcile` trap at once.
#[derive(Clone, Debug)]
pub struct Guest {
    version: String,
    extra_import: Option<&'static str>,
}

impl Guest {
    /// It follows the contract, so it loads; asking what it is makes it trap.
    #[must_use]
    pub fn trapping() -> Self {
        Self { version: CONTRACT_VERSION.to_owned(), extra_import: None }
    }

    /// It was built for another version of the contract.
    #[must_use]
    pub fn for_version(version: &str) -> Self {
        Self { version: version.to_owned(), extra_import: None }
    }

    /// It imports `polyreme:test/<interface>`, which no host offers.
    #[must_use]
    pub fn importing(interface: &'static str) -> Self {
        Self { extra_import: Some(interface), ..Self::trapping() }
    }

    /// What comes from the compiler: a core module that carries its component type.
    ///
    /// # Errors
    /// When the contract cannot be read.
    pub fn core_module(&self) -> Result<Vec<u8>> {
        let mut wasm = wat::parse_str(self.text()).context("failed to parse the guest's text")?;
        let (resolve, world) = self.world()?;
        // False: export names are the readable ones that wit-bindgen gives.
        embed_component_metadata(&mut wasm, &resolve, world, StringEncoding::UTF8, false)
            .context("failed to embed the component type")?;
        Ok(wasm)
    }

    /// The component.
    ///
    /// # Errors
    /// When the contract cannot be read.
    pub fn component(&self) -> Result<Vec<u8>> {
        let core = self.core_module()?;
        ComponentEncoder::default()
            .module(&core)
            .context("failed to read the core module")?
            .encode()
            .context("failed to make a component")
    }

    fn world(&self) -> Result<(Resolve, wit_parser::WorldId)> {
        let file = repository().join("wit/controller.wit");
        let contract = std::fs::read_to_string(file).context("failed to read the contract")?;
        let contract = contract.replace(&format!("@{CONTRACT_VERSION}"), &format!("@{}", self.version));
        let mut resolve = Resolve::default();
        resolve.push_str("controller.wit", &contract).context("failed to parse the contract")?;
        let package =
            resolve.push_str("test.wit", &self.test_package()).context("failed to parse the test's world")?;
        let world =
            resolve.select_world(&[package], Some("guest")).context("failed to find the test's world")?;
        Ok((resolve, world))
    }

    fn test_package(&self) -> String {
        let interface = self.extra_import.map(|name| format!("interface {name} {{ ask: func() -> u32; }}"));
        let import = self.extra_import.map(|name| format!("import {name};"));
        format!(
            "package polyreme:test;\n{}\nworld guest {{ include polyreme:controller/controller@{}; {} }}",
            interface.unwrap_or_default(),
            self.version,
            import.unwrap_or_default(),
        )
    }

    fn text(&self) -> String {
        let import = self
            .extra_import
            .map(|name| format!(r#"(import "polyreme:test/{name}" "ask" (func $ask (result i32)))"#));
        let prefix = format!("polyreme:controller/reconciler@{}#", self.version);
        format!(
            r#"(module
                {import}
                (memory (export "memory") 1)
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
                (func (export "{prefix}describe") (result i32) unreachable)
                (func (export "{prefix}reconcile") (param i32) (result i32) unreachable))"#,
            import = import.unwrap_or_default(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_faulty_guest_can_be_made() {
        for guest in [Guest::trapping(), Guest::for_version("0.2.0"), Guest::importing("weather")] {
            assert!(guest.component().unwrap().starts_with(b"\0asm"));
        }
    }
}

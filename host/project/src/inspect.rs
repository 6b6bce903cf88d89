//! What a file is, told without running it.
//!
//! What only `describe` can tell (the controller's name, its kinds and what it asks for) needs an instance
//! and is the host's to ask.

use std::path::{Path, PathBuf};

use wasmparser::{Encoding, KnownCustom, Parser, Payload};

use crate::component::{World, digest, encoding};
use crate::contract;

/// Languages whose producers section names what the user wrote; what else is named (C, and Rust unless it is
/// the only one) belongs to the runtimes of others.
const USERS_LANGUAGES: [&str; 5] = ["Go", "Python", "JavaScript", "TypeScript", "Rust"];

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// What kind of file.
    pub form: Form,
    /// Its size.
    pub bytes: usize,
    /// `sha256:…`
    pub digest: String,
    /// What the compiler says the source was written in, with its version where it has one: `Go go1.26.8`.
    pub language: Option<String>,
    /// The compilers and linkers that had a hand in it, outermost module first.
    pub tools: Vec<String>,
    /// The version of `polyreme:controller` that it follows.
    pub contract: Option<String>,
    /// Interfaces that a component imports.
    pub imports: Vec<String>,
    /// What a component exports.
    pub exports: Vec<String>,
    /// Why no host would load it; empty when nothing is wrong with it from the outside.
    pub problems: Vec<String>,
}

/// What kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A component: what a host loads.
    Component,
    /// What compilers make: `polyreme build` makes a component of it.
    CoreModule,
    /// Not WebAssembly.
    Other,
}

/// The file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("failed to read {}", path.display())]
pub struct InspectError {
    path: PathBuf,
    source: std::io::Error,
}

/// Tells what a file is. A faulty file is no error: its faults are in [`Inspection::problems`].
///
/// # Errors
/// When the file cannot be read.
pub fn inspect(path: &Path) -> Result<Inspection, InspectError> {
    let bytes = std::fs::read(path).map_err(|source| InspectError { path: path.to_owned(), source })?;
    Ok(Inspection::of(&bytes))
}

impl Inspection {
    /// Tells what these bytes are.
    ///
    /// # Example
    /// ```
    /// use polyreme_project::inspect::{Form, Inspection};
    ///
    /// let inspection = Inspection::of(b"#!/bin/sh");
    /// assert_eq!(inspection.form, Form::Other);
    /// assert_eq!(inspection.problems, ["it is not a WebAssembly file"]);
    /// ```
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut inspection = Self {
            form: Form::Other,
            bytes: bytes.len(),
            digest: digest(bytes),
            language: None,
            tools: Vec::new(),
            contract: None,
            imports: Vec::new(),
            exports: Vec::new(),
            problems: Vec::new(),
        };
        match encoding(bytes) {
            None => inspection.problems.push("it is not a WebAssembly file".to_owned()),
            Some(Encoding::Module) => {
                inspection.form = Form::CoreModule;
                inspection.problems.push(
                    "it is a core module, not a component: build the project with `polyreme build`"
                        .to_owned(),
                );
            }
            Some(Encoding::Component) => inspection.look_into_component(bytes),
        }
        inspection.look_for_producers(bytes);
        inspection
    }

    fn look_into_component(&mut self, bytes: &[u8]) {
        self.form = Form::Component;
        match World::of(bytes) {
            Ok(world) => self.compare(world),
            Err(problem) => self.problems.push(format!("it is not a valid component: {problem}")),
        }
    }

    fn compare(&mut self, world: World) {
        let foreign = world.foreign();
        if !foreign.is_empty() {
            self.problems.push(format!("it imports what a host does not offer: {}", foreign.join(", ")));
        }
        if !world.exports.iter().any(|name| name.starts_with(contract::RECONCILER)) {
            self.problems.push(format!("it exports no {}: it is no controller", contract::RECONCILER));
        }
        self.contract = world.version().map(ToOwned::to_owned);
        if let Some(found) = self.contract.as_ref().filter(|found| *found != contract::version()) {
            self.problems.push(format!(
                "it follows {}@{found}, this polyreme {}: rebuild it with an SDK of this release",
                contract::PACKAGE,
                contract::version()
            ));
        }
        self.imports = world.imports;
        self.exports = world.exports;
    }

    fn look_for_producers(&mut self, bytes: &[u8]) {
        let mut languages = Vec::new();
        for (field, text) in producers(bytes) {
            let list = if field == "language" { &mut languages } else { &mut self.tools };
            if !list.contains(&text) {
                list.push(text);
            }
        }
        let users =
            |text: &&String| USERS_LANGUAGES.iter().position(|name| text.split(' ').next() == Some(*name));
        self.language = languages.iter().filter(|text| users(text).is_some()).min_by_key(users).cloned();
    }
}

/// The entries of all producers sections, those of nested modules included.
fn producers(bytes: &[u8]) -> Vec<(String, String)> {
    let sections = Parser::new(0).parse_all(bytes).filter_map(|payload| match payload {
        Ok(Payload::CustomSection(section)) => match section.as_known() {
            KnownCustom::Producers(producers) => Some(producers),
            _ => None,
        },
        _ => None,
    });
    let fields = sections.flatten().flatten();
    let entries = fields.flat_map(|field| {
        field.values.into_iter().flatten().map(move |value| (field.name, value.name, value.version))
    });
    entries
        .map(|(field, name, version)| (field.to_owned(), format!("{name} {version}").trim_end().to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasm_encoder::{Component, CustomSection, Module, ModuleSection, ProducersField, ProducersSection};

    fn producing(languages: &[(&str, &str)]) -> Module {
        let mut language = ProducersField::new();
        for (name, version) in languages {
            language.value(name, version);
        }
        let mut tools = ProducersField::new();
        tools.value("a compiler", "1.2");
        let mut section = ProducersSection::new();
        section.field("language", &language).field("processed-by", &tools);
        let mut module = Module::new();
        module.section(&section);
        module
    }

    #[test]
    fn a_core_module_names_its_language_and_what_to_do() {
        let inspection = Inspection::of(&producing(&[("Go", "go1.26")]).finish());
        assert_eq!(inspection.form, Form::CoreModule);
        assert_eq!(inspection.language.as_deref(), Some("Go go1.26"));
        assert_eq!(inspection.tools, ["a compiler 1.2"]);
        assert!(inspection.problems.concat().contains("polyreme build"), "{inspection:?}");
    }

    #[test]
    fn the_users_language_comes_before_that_of_its_runtime() {
        let mut component = Component::new();
        component.section(&ModuleSection(&producing(&[("Rust", ""), ("C11", "")])));
        component.section(&ModuleSection(&producing(&[("Python", "3.14")])));
        let inspection = Inspection::of(&component.finish());
        assert_eq!(inspection.language.as_deref(), Some("Python 3.14"));
    }

    #[test]
    fn a_component_that_is_no_controller_says_so() {
        let mut component = Component::new();
        component.section(&CustomSection { name: "note".into(), data: b"".into() });
        let inspection = Inspection::of(&component.finish());
        assert_eq!(inspection.form, Form::Component);
        assert!(inspection.problems.concat().contains("no controller"), "{inspection:?}");
    }

    #[test]
    fn a_broken_file_is_described_not_refused() {
        let inspection = Inspection::of(b"\0asm\x0d\0\x01\0\x01\x7f");
        assert_eq!(inspection.form, Form::Component);
        assert!(inspection.problems.concat().contains("not a valid component"), "{inspection:?}");
    }
}

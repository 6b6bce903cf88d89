//! One core instance less for every reconcile: the shim that wit-component makes becomes part of the module.
//!
//! An import that reads the module's memory can be lowered only when that memory is there, which is after the
//! module was given its imports. So wit-component gives the module functions of another module, the shim, that
//! call through a table, and a third module, the fixup, fills that table at the end. A host makes an instance
//! of each for every reconcile, and every call of an import passes through the shim.
//!
//! Here the shim's functions and the places of its table move into the module, and the fixup fills the
//! module's own table: three instances become two, and two tables one. What the component imports and exports
//! stays as it was. What is not made as expected is left as it is.

mod module;
#[cfg(test)]
mod tests;

use wasm_encoder::reencode::{Error, Reencode, ReencodeComponent, component_utils};
use wasm_encoder::{
    Component, ComponentAliasSection, ComponentSectionId, ExportKind, InstanceSection, RawSection,
};
use wasmparser::{
    CanonicalFunction, Chunk, ComponentAlias, CustomSectionReader, ExternalKind, Instance, KnownCustom,
    Parser, Payload, Validator,
};

use module::{Fixup, Main, first_table, rewritten};

/// The shim's table, as wit-component calls it.
const TABLE: &str = "$imports";
/// The shim is the first thing that wit-component instantiates.
const SHIM_INSTANCE: usize = 0;
const EMPTY_MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Why a component is left as it is: something is not as wit-component makes it.
#[derive(Debug, thiserror::Error)]
#[error("the component is not made as expected")]
struct Unexpected;

type Outcome<T> = Result<T, Error<Unexpected>>;

/// The component without a shim; nothing when it has none, or one that is used in another way.
pub(crate) fn merge(component: &[u8]) -> Option<Vec<u8>> {
    let merged = try_merge(component);
    if let Err(error) = &merged {
        tracing::debug!(%error, "the shim of the component stays");
    }
    merged.ok()
}

fn try_merge(component: &[u8]) -> Outcome<Vec<u8>> {
    let shape = Shape::of(component)?;
    let mut rewriter = Rewriter::new(shape.wiring()?, &shape)?;
    let mut merged = Component::new();
    rewriter.parse_component(&mut merged, Parser::new(0), component)?;
    let merged = merged.finish();
    Validator::new().validate_all(&merged)?;
    Ok(merged)
}

/// What a component is made of, by index.
#[derive(Default)]
struct Shape<'a> {
    modules: Vec<&'a [u8]>,
    instances: Vec<Instance<'a>>,
    /// Core functions.
    functions: Vec<Origin>,
}

/// Where a core function comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The shim: the place in its table.
    Shim(u32),
    Elsewhere,
}

impl<'a> Shape<'a> {
    fn of(component: &'a [u8]) -> Outcome<Self> {
        let mut shape = Self::default();
        let mut parser = Parser::new(0);
        let mut rest = component;
        while !rest.is_empty() {
            let Chunk::Parsed { consumed, payload } = parser.parse(rest, true)? else {
                return Err(unexpected());
            };
            rest = rest.get(consumed..).unwrap_or_default();
            let nested = shape.add(payload, rest)?;
            rest = rest.get(nested..).unwrap_or_default();
        }
        Ok(shape)
    }

    /// Returns how many bytes belong to a nested module or component.
    fn add(&mut self, payload: Payload<'a>, rest: &'a [u8]) -> Outcome<usize> {
        match payload {
            Payload::ModuleSection { unchecked_range, .. } => {
                let length = (unchecked_range.end - unchecked_range.start) as usize;
                self.modules.push(rest.get(..length).ok_or_else(unexpected)?);
                return Ok(length);
            }
            Payload::ComponentSection { unchecked_range, .. } => {
                return Ok((unchecked_range.end - unchecked_range.start) as usize);
            }
            Payload::InstanceSection(section) => {
                self.instances.extend(section.into_iter().collect::<Result<Vec<_>, _>>()?);
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    self.functions.extend(function_of(&alias?)?);
                }
            }
            Payload::ComponentCanonicalSection(section) => {
                for function in section {
                    // Anything but lifting makes a core function.
                    let is_core = !matches!(function?, CanonicalFunction::Lift { .. });
                    self.functions.extend(is_core.then_some(Origin::Elsewhere));
                }
            }
            _ => {}
        }
        Ok(0)
    }

    /// Which instances play which part.
    fn wiring(&self) -> Outcome<Wiring<'a>> {
        let Some(Instance::Instantiate { module_index: shim, args }) = self.instances.get(SHIM_INSTANCE)
        else {
            return Err(unexpected());
        };
        let mut users = Vec::new();
        let mut fixups = Vec::new();
        for (at, instance) in self.instances.iter().enumerate() {
            let Instance::Instantiate { module_index, args } = instance else { continue };
            let moved: Vec<Moved<'a>> = args.iter().flat_map(|arg| self.moved(arg.name, arg.index)).collect();
            if !moved.is_empty() {
                users.push((at, *module_index, moved));
            }
            if args.iter().any(|arg| arg.index as usize == SHIM_INSTANCE) {
                fixups.push(*module_index);
            }
        }
        match (users.pop(), fixups.as_slice()) {
            (Some((instance, main, moved)), [fixup]) if users.is_empty() && args.is_empty() => {
                Ok(Wiring { shim: *shim, main, main_instance: instance as u32, fixup: *fixup, moved })
            }
            _ => Err(unexpected()),
        }
    }

    /// The functions of an argument that are the shim's.
    fn moved(&self, module: &'a str, instance: u32) -> Vec<Moved<'a>> {
        let Some(Instance::FromExports(exports)) = self.instances.get(instance as usize) else {
            return Vec::new();
        };
        let functions = exports.iter().filter(|export| export.kind == ExternalKind::Func);
        functions
            .filter_map(|export| {
                let Origin::Shim(place) = *self.functions.get(export.index as usize)? else { return None };
                Some(Moved { module, name: export.name, place })
            })
            .collect()
    }
}

/// The core function that an alias makes, if it makes one.
fn function_of(alias: &ComponentAlias<'_>) -> Outcome<Option<Origin>> {
    let ComponentAlias::CoreInstanceExport { kind, instance_index, name } = alias else { return Ok(None) };
    let is_function = *kind == ExternalKind::Func;
    match (*instance_index as usize == SHIM_INSTANCE, is_function) {
        // The shim's functions are called by their places.
        (true, true) => Ok(Some(Origin::Shim(name.parse().map_err(|_| unexpected())?))),
        (true, false) => Err(unexpected()),
        (false, _) => Ok(is_function.then_some(Origin::Elsewhere)),
    }
}

/// The parts of a component with a shim: indices of modules, and of the instance of `main`.
struct Wiring<'a> {
    shim: u32,
    main: u32,
    main_instance: u32,
    fixup: u32,
    moved: Vec<Moved<'a>>,
}

/// An import of the module that the shim stands in for.
struct Moved<'a> {
    module: &'a str,
    name: &'a str,
    place: u32,
}

fn unexpected() -> Error<Unexpected> {
    Error::UserError(Unexpected)
}

/// Rewrites the component: modules by their index, and what refers to the shim.
struct Rewriter<'a> {
    wiring: Wiring<'a>,
    main: Vec<u8>,
    fixup: Vec<u8>,
    /// Indices of the shim's functions, which are gone, in order.
    gone: Vec<u32>,
    modules: u32,
    instances: usize,
}

impl<'a> Rewriter<'a> {
    fn new(wiring: Wiring<'a>, shape: &Shape<'a>) -> Outcome<Self> {
        let module = |index: u32| shape.modules.get(index as usize).copied().ok_or_else(unexpected);
        let places = first_table(module(wiring.shim)?)?.initial;
        let mut main = Main::new(module(wiring.main)?, &wiring.moved, places)?;
        let mut fixup = Fixup { table: main.table()?, first: main.first_place()? };
        let functions = shape.functions.iter().zip(0..);
        Ok(Self {
            main: rewritten(&mut main, module(wiring.main)?)?,
            fixup: rewritten(&mut fixup, module(wiring.fixup)?)?,
            gone: functions.filter(|(origin, _)| **origin != Origin::Elsewhere).map(|(_, at)| at).collect(),
            modules: 0,
            instances: 0,
            wiring,
        })
    }
}

impl Reencode for Rewriter<'_> {
    type Error = Unexpected;

    fn function_index(&mut self, index: u32) -> Outcome<u32> {
        match self.gone.binary_search(&index) {
            Ok(_) => Err(unexpected()),
            Err(before) => Ok(index - before as u32),
        }
    }
}

impl ReencodeComponent for Rewriter<'_> {
    fn parse_component_submodule(&mut self, output: &mut Component, _: Parser, module: &[u8]) -> Outcome<()> {
        let index = self.modules;
        self.modules += 1;
        let data = match index {
            index if index == self.wiring.main => &self.main,
            index if index == self.wiring.fixup => &self.fixup,
            // Stays in its place, so that others keep their index.
            index if index == self.wiring.shim => EMPTY_MODULE,
            _ => module,
        };
        output.section(&RawSection { id: ComponentSectionId::CoreModule.into(), data });
        Ok(())
    }

    fn parse_component_subcomponent(
        &mut self,
        output: &mut Component,
        _: Parser,
        component: &[u8],
        _: &[u8],
    ) -> Outcome<()> {
        output.section(&RawSection { id: ComponentSectionId::Component.into(), data: component });
        Ok(())
    }

    fn parse_component_alias_section(
        &mut self,
        output: &mut ComponentAliasSection,
        section: wasmparser::ComponentAliasSectionReader<'_>,
    ) -> Outcome<()> {
        for alias in section {
            let alias = alias?;
            if !matches!(function_of(&alias)?, Some(Origin::Shim(_))) {
                output.alias(self.component_alias(alias)?);
            }
        }
        Ok(())
    }

    fn parse_instance(&mut self, output: &mut InstanceSection, instance: Instance<'_>) -> Outcome<()> {
        let index = self.instances;
        self.instances += 1;
        if index == SHIM_INSTANCE {
            output.export_items::<[(&str, ExportKind, u32); 0], &str>([]);
            return Ok(());
        }
        let changed = match instance {
            Instance::Instantiate { module_index, mut args } => {
                for arg in args.iter_mut().filter(|arg| arg.index as usize == SHIM_INSTANCE) {
                    arg.index = self.wiring.main_instance;
                }
                Instance::Instantiate { module_index, args }
            }
            Instance::FromExports(exports) => {
                let gone = &self.gone;
                let stays = |export: &wasmparser::Export<'_>| {
                    export.kind != ExternalKind::Func || gone.binary_search(&export.index).is_err()
                };
                Instance::FromExports(exports.into_iter().filter(stays).collect())
            }
        };
        component_utils::parse_instance(self, output, changed)
    }

    fn parse_component_custom_section(
        &mut self,
        output: &mut Component,
        section: CustomSectionReader<'_>,
    ) -> Outcome<()> {
        // Names of the component's own items, by indices that are no more; the module's stay with it.
        if matches!(section.as_known(), KnownCustom::ComponentName(_)) {
            return Ok(());
        }
        component_utils::parse_component_custom_section(self, output, section)
    }
}

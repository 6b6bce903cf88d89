//! The core modules of a component with a shim, written anew: the module itself, and the fixup.

use wasm_encoder::reencode::{Reencode, utils};
use wasm_encoder::{
    CodeSection, ConstExpr, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection,
    Module, NameMap, NameSection, TableSection, TableType,
};
use wasmparser::{Name, Operator, Parser, Payload, TableInit, TypeRef};

use super::{Moved, Outcome, TABLE, Unexpected, unexpected};

/// Custom sections that go by where code is in the file, by how their names begin: it is elsewhere afterwards.
const BY_POSITION: [&str; 4] = [".debug_", "metadata.code.", "sourceMappingURL", "external_debug_info"];

fn goes_by_position(section: &str) -> bool {
    BY_POSITION.iter().any(|begin| section.starts_with(begin))
}

/// A module as `reencoder` writes it.
pub(super) fn rewritten(
    reencoder: &mut impl Reencode<Error = Unexpected>,
    module: &[u8],
) -> Outcome<Vec<u8>> {
    let mut output = Module::new();
    utils::parse_core_module(reencoder, &mut output, Parser::new(0), module)?;
    Ok(output.finish())
}

/// The first table of a module, which must be its own and begin empty.
pub(super) fn first_table(module: &[u8]) -> Outcome<wasmparser::TableType> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::TableSection(section) = payload? {
            let table = section.into_iter().next().transpose()?.ok_or_else(unexpected)?;
            let is_plain = !table.ty.table64 && !table.ty.shared && matches!(table.init, TableInit::RefNull);
            return is_plain.then_some(table.ty).ok_or_else(unexpected);
        }
    }
    Err(unexpected())
}

/// The fixup, for the module's table: it has the functions from place `first` on.
pub(super) struct Fixup {
    pub(super) table: TableType,
    pub(super) first: i32,
}

impl Reencode for Fixup {
    type Error = Unexpected;

    fn entity_type(&mut self, ty: TypeRef) -> Outcome<EntityType> {
        match ty {
            TypeRef::Table(_) => Ok(EntityType::Table(self.table)),
            other => utils::entity_type(self, other),
        }
    }

    fn const_expr(&mut self, expression: wasmparser::ConstExpr<'_>) -> Outcome<ConstExpr> {
        match expression.get_operators_reader().read()? {
            Operator::I32Const { value: 0 } => Ok(ConstExpr::i32_const(self.first)),
            _ => Err(unexpected()),
        }
    }
}

/// Where a function of the module that was imported is now.
#[derive(Clone, Copy)]
enum Import {
    /// Still imported, at this index.
    Kept(u32),
    /// One of the module's own, the how many-th of those that moved.
    Moved(u32),
}

/// A function that moved.
struct Call {
    ty: u32,
    parameters: u32,
    place: u32,
}

/// The module, which takes in what the shim did for it.
pub(super) struct Main {
    imports: Vec<Import>,
    /// Functions of its own before.
    own: u32,
    calls: Vec<Call>,
    /// Its first table before, and how many places are added.
    table: wasmparser::TableType,
    places: u64,
    tables: u32,
}

impl Main {
    pub(super) fn new(module: &[u8], moved: &[Moved<'_>], places: u64) -> Outcome<Self> {
        let (imports, calls, table) = (Vec::new(), Vec::new(), first_table(module)?);
        let mut main = Self { imports, own: 0, calls, table, places, tables: 0 };
        let mut parameters = Vec::new();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(section) => {
                    for ty in section.into_iter_err_on_gc_types() {
                        parameters.push(ty?.params().len() as u32);
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        main.import(&import?, moved, &parameters)?;
                    }
                }
                Payload::FunctionSection(section) => main.own = section.count(),
                Payload::ExportSection(section) => {
                    let names = section.into_iter().collect::<Result<Vec<_>, _>>()?;
                    if names.iter().any(|export| export.name == TABLE) {
                        return Err(unexpected());
                    }
                }
                Payload::CustomSection(section) if goes_by_position(section.name()) => {
                    return Err(unexpected());
                }
                _ => {}
            }
        }
        let has_all = main.calls.len() == moved.len();
        has_all.then_some(main).ok_or_else(unexpected)
    }

    fn import(
        &mut self,
        import: &wasmparser::Import<'_>,
        moved: &[Moved<'_>],
        parameters: &[u32],
    ) -> Outcome<()> {
        let TypeRef::Func(ty) = import.ty else {
            // A table of others would come before its own.
            return if matches!(import.ty, TypeRef::Table(_)) { Err(unexpected()) } else { Ok(()) };
        };
        let is_it = |moved: &&Moved<'_>| (moved.module, moved.name) == (import.module, import.name);
        let before = self.calls.len() as u32;
        let Some(moved) = moved.iter().find(is_it) else {
            self.imports.push(Import::Kept(self.imports.len() as u32 - before));
            return Ok(());
        };
        let parameters = *parameters.get(ty as usize).ok_or_else(unexpected)?;
        self.calls.push(Call { ty, parameters, place: moved.place });
        self.imports.push(Import::Moved(before));
        Ok(())
    }

    /// The first of the added places.
    pub(super) fn first_place(&self) -> Outcome<i32> {
        i32::try_from(self.table.initial).map_err(|_| unexpected())
    }

    /// Its table with the added places.
    pub(super) fn table(&mut self) -> Outcome<TableType> {
        let maximum = self.table.maximum.map(|maximum| maximum + self.places);
        let initial = self.table.initial + self.places;
        utils::table_type(self, wasmparser::TableType { initial, maximum, ..self.table })
    }
}

impl Reencode for Main {
    type Error = Unexpected;

    fn function_index(&mut self, index: u32) -> Outcome<u32> {
        let moved = self.calls.len() as u32;
        Ok(match self.imports.get(index as usize) {
            Some(Import::Kept(index)) => *index,
            Some(Import::Moved(nth)) => self.imports.len() as u32 - moved + self.own + nth,
            None => index - moved,
        })
    }

    fn parse_import_section(
        &mut self,
        output: &mut ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> Outcome<()> {
        let mut functions = 0;
        for import in section.into_imports() {
            let import = import?;
            let is_function = matches!(import.ty, TypeRef::Func(_));
            let place = is_function.then(|| self.imports.get(functions).copied()).flatten();
            functions += usize::from(is_function);
            if !matches!(place, Some(Import::Moved(_))) {
                self.parse_import(output, import)?;
            }
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        output: &mut FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> Outcome<()> {
        utils::parse_function_section(self, output, section)?;
        for call in &self.calls {
            output.function(call.ty);
        }
        Ok(())
    }

    fn parse_table(&mut self, output: &mut TableSection, table: wasmparser::Table<'_>) -> Outcome<()> {
        self.tables += 1;
        if self.tables > 1 {
            return utils::parse_table(self, output, table);
        }
        output.table(self.table()?);
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        output: &mut ExportSection,
        section: wasmparser::ExportSectionReader<'_>,
    ) -> Outcome<()> {
        utils::parse_export_section(self, output, section)?;
        output.export(TABLE, ExportKind::Table, 0);
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        output: &mut CodeSection,
        section: wasmparser::CodeSectionReader<'_>,
    ) -> Outcome<()> {
        utils::parse_code_section(self, output, section)?;
        let first = self.first_place()?;
        for call in &self.calls {
            let mut function = Function::new([]);
            let mut body = function.instructions();
            for parameter in 0..call.parameters {
                body.local_get(parameter);
            }
            body.i32_const(first + call.place as i32).call_indirect(0, call.ty).end();
            output.function(&function);
        }
        Ok(())
    }

    fn parse_custom_name_subsection(&mut self, output: &mut NameSection, names: Name<'_>) -> Outcome<()> {
        match names {
            Name::Function(map) => {
                let mut renamed = Vec::new();
                for naming in map {
                    let naming = naming?;
                    renamed.push((self.function_index(naming.index)?, naming.name));
                }
                // In the order of their indices, which is another one now.
                renamed.sort_unstable_by_key(|(index, _)| *index);
                let mut functions = NameMap::new();
                renamed.iter().for_each(|(index, name)| functions.append(*index, name));
                output.functions(&functions);
                Ok(())
            }
            // In the order of functions as well, and nobody reads them.
            Name::Local(_) | Name::Label(_) => Ok(()),
            other => utils::parse_custom_name_subsection(self, output, other),
        }
    }
}

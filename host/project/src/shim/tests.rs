//! Components that wit-component makes of modules in text, before and after.

use wasm_encoder::reencode::Reencode;
use wasm_encoder::{ConstExpr, HeapType, TableSection};
use wasmparser::{Instance, KnownCustom, Name, Operator, Parser, Payload};

use super::module::rewritten;
use super::{EMPTY_MODULE, Outcome, Shape, Unexpected, merge};
use crate::component;
use crate::contract;
use crate::languages::Language;

/// A controller in text that imports what needs its memory (`get`, `settings`) around what does not (`now`).
fn controller(imports: &str, calls: &str) -> Vec<u8> {
    let prefix = format!("{}@{}#", contract::RECONCILER, contract::version());
    let text = format!(
        r#"(module
            {imports}
            (table 3 3 funcref)
            (memory (export "memory") 1)
            (func $first (result i32) i32.const 7)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
            (func $describe (export "{prefix}describe") (result i32) unreachable)
            (func $reconcile (export "{prefix}reconcile") (param i32) (result i32) {calls} unreachable)
            (elem (i32.const 1) $first $reconcile))"#
    );
    wat::parse_str(text.replace("@VERSION", &format!("@{}", contract::version()))).unwrap()
}

const GET: &str = r#"(import "polyreme:controller/kubernetes@VERSION" "get"
    (func $get (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#;
const NOW: &str = r#"(import "polyreme:controller/clock@VERSION" "now" (func $now (result i64)))"#;
const SETTINGS: &str =
    r#"(import "polyreme:controller/settings@VERSION" "get" (func $settings (param i32)))"#;

fn made(module: &[u8]) -> Vec<u8> {
    component::Component::of_core(module, Language::Rust).unwrap().bytes
}

/// Modules that are instantiated.
fn instantiated(component: &[u8]) -> usize {
    let shape = Shape::of(component).unwrap();
    shape.instances.iter().filter(|one| matches!(one, Instance::Instantiate { .. })).count()
}

/// The names of a module's functions, by index, and the functions that `$reconcile` calls.
fn calls_of_reconcile(module: &[u8]) -> Vec<String> {
    let mut names = std::collections::BTreeMap::new();
    let (mut imported, mut bodies) = (0, Vec::new());
    for payload in Parser::new(0).parse_all(module) {
        match payload.unwrap() {
            Payload::ImportSection(section) => imported = section.into_imports().count(),
            Payload::CodeSectionEntry(body) => bodies.push(body),
            Payload::CustomSection(section) => {
                let KnownCustom::Name(section) = section.as_known() else { continue };
                for subsection in section {
                    let Name::Function(map) = subsection.unwrap() else { continue };
                    names.extend(map.into_iter().map(|naming| {
                        let naming = naming.unwrap();
                        (naming.index as usize, naming.name.to_owned())
                    }));
                }
            }
            _ => {}
        }
    }
    let reconcile = names.iter().find(|(_, name)| *name == "reconcile").unwrap().0;
    let operators = bodies[reconcile - imported].get_operators_reader().unwrap();
    let called = operators.into_iter().filter_map(|operator| match operator.unwrap() {
        Operator::Call { function_index } => names.get(&(function_index as usize)).cloned(),
        _ => None,
    });
    called.collect()
}

#[test]
fn the_shim_becomes_part_of_the_module_and_calls_go_where_they_went() {
    let eleven = "i32.const 0 ".repeat(11);
    let calls = format!("i32.const 0 call $settings call $now drop {eleven} call $get call $first drop");
    let module = controller(&format!("{GET} {NOW} {SETTINGS}"), &calls);
    let merged = made(&module);
    assert_eq!(instantiated(&merged), 2);
    let shape = Shape::of(&merged).unwrap();
    assert_eq!(shape.modules[1], EMPTY_MODULE);
    assert_eq!(calls_of_reconcile(shape.modules[0]), ["settings", "now", "get", "first"]);
    // Three places of its own, and one for each of the two functions that moved.
    let mut payloads = Parser::new(0).parse_all(shape.modules[0]).map(Result::unwrap);
    let table = payloads.find_map(|payload| match payload {
        Payload::TableSection(section) => Some(section.into_iter().next().unwrap().unwrap().ty),
        _ => None,
    });
    assert_eq!(table.map(|table| (table.initial, table.maximum)), Some((5, Some(5))));
}

#[test]
fn what_has_no_shim_is_left_as_it_is() {
    let plain = made(&controller(NOW, "call $now drop"));
    assert_eq!(instantiated(&plain), 1);
    assert!(merge(&plain).is_none());
}

#[test]
fn what_was_merged_is_left_as_it_is() {
    assert!(merge(&made(&controller(GET, ""))).is_none());
}

#[test]
fn a_module_with_debug_information_keeps_its_shim() {
    let debug = r#"(@custom ".debug_line" "by position")"#;
    assert_eq!(instantiated(&made(&controller(&format!("{GET} {debug}"), ""))), 3);
    let other = r#"(@custom "made-by" "somebody")"#;
    assert_eq!(instantiated(&made(&controller(&format!("{GET} {other}"), ""))), 2);
}

#[test]
fn a_table_that_does_not_begin_empty_keeps_its_shim() {
    let text = wasm_with_filled_table(&controller(GET, ""));
    assert_eq!(instantiated(&made(&text)), 3);
}

#[test]
fn a_module_without_a_table_keeps_its_shim() {
    let text = controller(GET, "");
    let without = wasm_without_table(&text);
    assert_eq!(instantiated(&made(&without)), 3);
}

/// The same without its table and what fills it.
fn wasm_without_table(module: &[u8]) -> Vec<u8> {
    struct Without;
    impl Reencode for Without {
        type Error = Unexpected;

        fn parse_table(&mut self, _: &mut TableSection, _: wasmparser::Table<'_>) -> Outcome<()> {
            Ok(())
        }

        fn parse_element(
            &mut self,
            _: &mut wasm_encoder::ElementSection,
            _: wasmparser::Element<'_>,
        ) -> Outcome<()> {
            Ok(())
        }
    }
    rewritten(&mut Without, module).unwrap()
}

/// The same with a table that says what is in it.
fn wasm_with_filled_table(module: &[u8]) -> Vec<u8> {
    struct Filled;
    impl Reencode for Filled {
        type Error = Unexpected;

        fn parse_table(&mut self, output: &mut TableSection, table: wasmparser::Table<'_>) -> Outcome<()> {
            let ty = self.table_type(table.ty)?;
            output.table_with_init(ty, &ConstExpr::ref_null(HeapType::FUNC));
            Ok(())
        }
    }
    rewritten(&mut Filled, module).unwrap()
}

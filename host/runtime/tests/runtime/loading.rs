//! Each way in which a module cannot be loaded has its own error and remedy.

use std::path::Path;

use polyreme_runtime::{Limits, LoadError, ModuleSource};

use crate::engine;
use crate::guest::{Guest, component};

async fn refusal(source: impl Into<ModuleSource>) -> LoadError {
    engine().load("website", source, Limits::default()).await.expect_err("the module is refused")
}

/// The error names the module and contains each of `parts`.
fn assert_says(error: &LoadError, parts: &[&str]) {
    let text = error.to_string();
    for part in parts.iter().chain(&["website"]) {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

#[tokio::test]
async fn a_missing_file_is_named() {
    let error = refusal(Path::new("/nowhere/website.wasm")).await;
    assert!(matches!(error, LoadError::NotFound { .. }), "{error:?}");
    assert_says(&error, &["/nowhere/website.wasm", "build the module"]);
}

#[tokio::test]
async fn a_folder_cannot_be_read_as_a_module() {
    let error = refusal(Path::new("/")).await;
    assert!(matches!(error, LoadError::Unreadable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_file_that_is_not_wasm_is_quoted() {
    let error = refusal(b"#!/bin/sh\nexit 1\n".to_vec()).await;
    assert!(matches!(error, LoadError::NotWasm { .. }), "{error:?}");
    assert_says(&error, &["#!/bin/s", "polyreme build"]);
}

#[tokio::test]
async fn an_empty_file_is_called_empty() {
    let error = refusal(Vec::new()).await;
    assert_says(&error, &["the file is empty"]);
}

#[tokio::test]
async fn a_core_module_is_told_from_a_component() {
    let error = refusal(Guest::new().core()).await;
    assert!(matches!(error, LoadError::CoreModule { .. }), "{error:?}");
    assert_says(&error, &["core WebAssembly module", "polyreme build"]);
}

#[tokio::test]
async fn machine_code_from_outside_is_never_loaded() {
    let error = refusal(b"\x7fELF\x02\x01\x01\x00wasmtime".to_vec()).await;
    assert!(matches!(error, LoadError::Precompiled { .. }), "{error:?}");
}

#[tokio::test]
async fn a_damaged_component_does_not_compile() {
    let mut bytes = Guest::new().component();
    bytes.truncate(bytes.len() / 2);
    let error = refusal(bytes).await;
    assert!(matches!(error, LoadError::Compile { .. }), "{error:?}");
    assert_says(&error, &["build it again"]);
}

#[tokio::test]
async fn another_version_of_the_contract_is_refused_with_both_versions() {
    let error = refusal(Guest::new().version("0.2.0").component()).await;
    assert!(matches!(error, LoadError::WitVersion { .. }), "{error:?}");
    assert_says(&error, &["@0.2.0", "@0.1.0", "rebuild"]);
}

#[tokio::test]
async fn a_later_patch_version_loads() {
    let guest = Guest::new().version("0.1.3").component();
    let module = engine().load("website", guest, Limits::default()).await;
    assert!(module.is_ok(), "{module:?}");
}

#[tokio::test]
async fn a_wasi_import_is_named_with_the_remedy() {
    let guest = Guest::new()
        .world(
            "import wasi:cli/environment@0.2.0;",
            "package wasi:cli@0.2.0; interface environment { count: func() -> u32; }",
        )
        .import_from("wasi:cli/environment@0.2.0", "count", "(result i32)");
    let error = refusal(guest.component()).await;
    assert!(matches!(error, LoadError::UnknownImport { .. }), "{error:?}");
    assert_says(&error, &["wasi:cli/environment@0.2.0", "wasm32-unknown-unknown", "polyreme build"]);
}

#[tokio::test]
async fn an_interface_that_this_host_does_not_have_is_named() {
    let guest = Guest::new()
        .contract("import random;", "import random; import telepathy;")
        .contract("world capabilities", "interface telepathy { ask: func() -> u32; } world capabilities")
        .import("telepathy", "ask", "(result i32)");
    let error = refusal(guest.component()).await;
    assert_says(&error, &["polyreme:controller/telepathy@0.1.0", "kubernetes, events"]);
}

#[tokio::test]
async fn a_component_that_is_no_controller_is_told_what_is_missing() {
    let wasm = component(
        r#"(module (func (export "greet") (result i32) i32.const 1))"#,
        "package polyreme:other; world guest { export greet: func() -> u32; }",
    );
    let error = refusal(wasm).await;
    assert!(matches!(error, LoadError::MissingExport { .. }), "{error:?}");
    assert_says(&error, &["polyreme:controller/reconciler@0.1.0", "greet"]);
}

#[tokio::test]
async fn functions_of_other_types_are_incompatible() {
    let guest = Guest::new().contract("bytes: func(len: u32)", "bytes: func(len: u64)").import(
        "random",
        "bytes",
        "(param i64 i32)",
    );
    let error = refusal(guest.component()).await;
    assert!(matches!(error, LoadError::Incompatible { .. }), "{error:?}");
    assert_says(&error, &["wit/controller.wit"]);
}

#[tokio::test]
async fn a_bad_module_does_not_keep_others_from_loading() {
    let engine = engine();
    let bad = engine.load("bad", vec![1, 2, 3], Limits::default()).await;
    let good = Guest::new().component();
    let good = engine.load("good", good, Limits::default()).await;
    assert!(bad.is_err());
    assert!(good.is_ok(), "{good:?}");
}

//! A guest that misbehaves ends its own call, with an error that says how and what to do.

use std::sync::Arc;
use std::time::Duration;

use polyreme_runtime::wit::reconciler::Action;
use polyreme_runtime::{CallError, FaultKind, GuestFault, Limits, Module, Session};

use crate::guest::{DONE, GET, Guest, LOG, get, log};
use crate::load;
use crate::session::{Api, Lines, request, session};

/// Runs a reconcile that the guest does not survive.
async fn fault_of(module: &Module) -> GuestFault {
    let answer = module.reconcile(request(), session(&Api::ready(), &Arc::default())).await;
    guest_fault(answer.expect_err("the guest fails"))
}

fn guest_fault(error: CallError) -> GuestFault {
    match error {
        CallError::Guest(fault) => *fault,
        CallError::Host(fault) => panic!("the host is blamed: {fault:?}"),
    }
}

fn assert_says(fault: &GuestFault, parts: &[&str]) {
    let text = fault.to_string();
    for part in parts.iter().chain(&["module probe", "`reconcile`"]) {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

#[tokio::test]
async fn a_trap_in_reconcile_names_the_function() {
    let guest = Guest::new().item("(func $collapse unreachable)").reconcile("call $collapse unreachable");
    let fault = fault_of(&load(&guest, Limits::default()).await).await;
    let FaultKind::Trap { backtrace, .. } = &fault.kind else {
        panic!("{fault:?}");
    };
    assert_eq!(backtrace.len(), 2, "{backtrace:?}");
    assert_says(&fault, &["unreachable", "collapse"]);
}

#[tokio::test]
async fn a_trap_in_describe_names_describe() {
    let module = load(&Guest::new().describe("unreachable"), Limits::default()).await;
    let session = Session::for_describe("{}".into(), Arc::new(Lines::default()));
    let fault = guest_fault(module.describe(session).await.unwrap_err());
    assert_eq!(fault.export, "describe");
    assert!(matches!(fault.kind, FaultKind::Trap { .. }), "{fault:?}");
}

#[tokio::test]
async fn a_reconcile_of_other_types_is_found_before_it_is_called() {
    let module = load(&Guest::new().contract("epoch: u64,", "epoch: s64,"), Limits::default()).await;
    let session = Session::for_describe("{}".into(), Arc::new(Lines::default()));
    let fault = guest_fault(module.describe(session).await.unwrap_err());
    assert!(matches!(fault.kind, FaultKind::InvalidResult { .. }), "{fault:?}");
    assert!(fault.to_string().contains("wit/controller.wit"), "{fault}");
    assert_says(&fault_of(&module).await, &["calling convention"]);
}

#[tokio::test]
async fn a_trap_in_any_other_export_is_the_guests_fault_too() {
    let post_return = r#"(func (export "cabi_post_polyreme:controller/reconciler@0.1.0#reconcile")
        (param i32) unreachable)"#;
    for (export, guest) in [
        ("the start function", Guest::new().item("(func $begin unreachable) (start $begin)")),
        ("cabi_realloc", Guest::new().realloc("unreachable")),
        ("cabi_post_reconcile", Guest::new().item(post_return)),
    ] {
        let fault = fault_of(&load(&guest, Limits::default()).await).await;
        assert!(matches!(fault.kind, FaultKind::Trap { .. }), "{export}: {fault:?}");
        assert_says(&fault, &["unreachable"]);
    }
}

#[tokio::test]
async fn memory_that_is_none_breaks_the_calling_convention() {
    let fault = fault_of(&load(&Guest::new().realloc("i32.const -8"), Limits::default()).await).await;
    assert!(matches!(fault.kind, FaultKind::InvalidResult { .. }), "{fault:?}");
}

#[tokio::test]
async fn a_trap_quotes_the_last_error_that_was_logged() {
    let guest = Guest::new().import("log", "log", LOG);
    let guest = guest.reconcile(&format!("{} {} unreachable", log(4, 5), log(2, 1)));
    let fault = fault_of(&load(&guest, Limits::default()).await).await;
    assert_says(&fault, &["the last error it logged: probe"]);
}

#[tokio::test]
async fn an_endless_loop_ends_with_its_cpu_time() {
    let limits = Limits { cpu_time: Duration::from_millis(20), ..Limits::default() };
    let guest = Guest::new().reconcile("(loop $forever (br $forever)) unreachable");
    let fault = fault_of(&load(&guest, limits).await).await;
    assert!(matches!(fault.kind, FaultKind::CpuTime { .. }), "{fault:?}");
    assert!(fault.stats.cpu_time >= Duration::from_millis(20), "{fault:?}");
    assert_says(&fault, &["20ms of CPU time", "limits.cpuTime"]);
}

#[tokio::test]
async fn an_endless_loop_ends_at_the_wall_deadline_when_that_comes_first() {
    let limits = Limits {
        cpu_time: Duration::from_secs(3600),
        wall_time: Duration::from_millis(30),
        ..Limits::default()
    };
    let guest = Guest::new().reconcile("(loop $forever (br $forever)) unreachable");
    let fault = fault_of(&load(&guest, limits).await).await;
    assert!(matches!(fault.kind, FaultKind::WallTime { pending: None, .. }), "{fault:?}");
}

#[tokio::test(start_paused = true)]
async fn a_host_call_that_never_answers_ends_at_the_wall_deadline() {
    let guest = Guest::new().import("kubernetes", "get", GET);
    let guest = guest.reconcile(&format!("{} unreachable", get()));
    let module = load(&guest, Limits::default()).await;
    let session = session(&Api::silent(), &Arc::default());
    let fault = guest_fault(module.reconcile(request(), session).await.unwrap_err());
    assert_says(&fault, &["60s", "waiting for kubernetes.get", "limits.wallTime"]);
    assert!(fault.stats.cpu_time < Duration::from_secs(1), "{fault:?}");
}

#[tokio::test]
async fn a_recursion_without_end_is_told_from_other_traps() {
    let guest = Guest::new().item("(func $deeper call $deeper)").reconcile("call $deeper unreachable");
    let fault = fault_of(&load(&guest, Limits::default()).await).await;
    assert!(matches!(fault.kind, FaultKind::StackOverflow { .. }), "{fault:?}");
    assert_says(&fault, &["called too deeply", "deeper"]);
}

#[tokio::test]
async fn a_memory_hog_is_told_its_limit() {
    let limits = Limits { memory_bytes: 8 << 20, ..Limits::default() };
    let guest = Guest::new().reconcile(
        "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable",
    );
    let fault = fault_of(&load(&guest, limits).await).await;
    assert!(matches!(fault.kind, FaultKind::Memory { .. }), "{fault:?}");
    assert_eq!(fault.stats.memory_high_water_bytes, 8 << 20);
    assert_says(&fault, &["8Mi of memory", "limits.memory"]);
}

#[tokio::test]
async fn a_guest_that_copes_with_refused_memory_goes_on() {
    let limits = Limits { memory_bytes: 1 << 20, ..Limits::default() };
    let grow = "(drop (memory.grow (i32.const 1000)))";
    let guest = Guest::new().reconcile(&format!("{grow} i32.const {DONE}"));
    let module = load(&guest, limits).await;
    let answer = module.reconcile(request(), session(&Api::ready(), &Arc::default())).await;
    assert_eq!(answer.unwrap().0, Ok(Action::Done));
}

#[tokio::test]
async fn a_guest_that_begins_with_too_much_memory_is_told_its_limit() {
    let limits = Limits { memory_bytes: 1 << 20, ..Limits::default() };
    let fault = fault_of(&load(&Guest::new().pages(64), limits).await).await;
    assert_says(&fault, &["1Mi of memory"]);
}

#[tokio::test]
async fn more_random_bytes_than_a_payload_are_refused() {
    let guest = Guest::new()
        .import("random", "bytes", "(param i32 i32)")
        .reconcile("(call $bytes (i32.const -1) (i32.const 512)) unreachable");
    let fault = fault_of(&load(&guest, Limits::default()).await).await;
    assert_says(&fault, &["more than 3Mi", "limits.payload"]);
}

#[tokio::test]
async fn a_result_larger_than_a_payload_is_refused_before_it_is_copied() {
    let limits = Limits { payload_bytes: 1024, ..Limits::default() };
    // err(retry(text)) whose text is three pages long.
    let guest = Guest::new()
        .pages(5)
        .item(r#"(data (i32.const 128) "\01\00\00\00\00\00\00\00\00\00\00\00\00\00\01\00\00\00\03\00")"#);
    let fault = fault_of(&load(&guest.reconcile("i32.const 128"), limits).await).await;
    assert!(matches!(fault.kind, FaultKind::Payload { .. }), "{fault:?}");
}

#[tokio::test]
async fn a_result_outside_of_memory_breaks_the_calling_convention() {
    let guest = Guest::new().reconcile("i32.const -8");
    let fault = fault_of(&load(&guest, Limits::default()).await).await;
    assert!(matches!(fault.kind, FaultKind::InvalidResult { .. }), "{fault:?}");
    assert_says(&fault, &["calling convention"]);
}

#[tokio::test]
async fn text_that_is_not_utf8_breaks_the_calling_convention() {
    let guest = Guest::new().item(
        r#"(data (i32.const 128) "\01\00\00\00\00\00\00\00\00\00\00\00\98\00\00\00\01\00\00\00\00\00\00\00\ff")"#,
    );
    let module = load(&guest.reconcile("i32.const 128"), Limits::default()).await;
    let fault = fault_of(&module).await;
    assert!(matches!(fault.kind, FaultKind::InvalidResult { .. }), "{fault:?}");
}

#[tokio::test]
async fn a_module_that_failed_is_called_again_afresh() {
    let guest = Guest::new().import("kubernetes", "get", GET).reconcile(&format!(
        "{} (if (i32.load8_u (i32.const 512)) (then unreachable)) i32.const {DONE}",
        get()
    ));
    let limits = Limits { wall_time: Duration::from_millis(20), ..Limits::default() };
    let module = load(&guest, limits).await;
    // The call that is answered must not be late by the clock of a busy machine.
    tokio::time::pause();
    let late = session(&Api::silent(), &Arc::default());
    assert!(module.reconcile(request(), late).await.is_err());
    let ready = session(&Api::ready(), &Arc::default());
    let answer = module.reconcile(request(), ready).await;
    assert_eq!(answer.unwrap().0, Ok(Action::Done));
}

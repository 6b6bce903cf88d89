//! Quotas that refuse or drop instead of ending the call, and what counts against them.

use std::sync::Arc;
use std::time::Duration;

use polyreme_runtime::Limits;
use polyreme_runtime::wit::http;
use polyreme_runtime::wit::log::Level;
use polyreme_runtime::wit::reconciler::Action;
use polyreme_runtime::wit::types::Reason;

use crate::guest::{DONE, GET, Guest, LOG, SEND, get, log, send};
use crate::load;
use crate::session::{Api, Lines, request, session};

/// Traps unless the last `get` was refused with `limit-exceeded`.
fn assert_refused() -> String {
    let reason = Reason::LimitExceeded as u32;
    format!("(if (i32.ne (i32.load8_u (i32.const 520)) (i32.const {reason})) (then unreachable))")
}

#[tokio::test]
async fn host_calls_beyond_the_quota_are_refused() {
    let guest = Guest::new().import("kubernetes", "get", GET).reconcile(&format!(
        "{get} (if (i32.load8_u (i32.const 512)) (then unreachable))
             {get} {assert} i32.const {DONE}",
        get = get(),
        assert = assert_refused()
    ));
    let limits = Limits { host_calls: 1, ..Limits::default() };
    let module = load(&guest, limits).await;
    let api = Api::ready();
    let answer = module.reconcile(request(), session(&api, &Arc::default())).await;
    assert_eq!(answer.unwrap().0, Ok(Action::Done));
    assert_eq!(api.asked(), 1);
}

#[tokio::test]
async fn an_object_above_the_payload_limit_is_refused_and_not_sent() {
    // create(object, options): text, two options, three flags, where the result goes.
    let guest = Guest::new()
        .import("kubernetes", "create", "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)")
        .reconcile(&format!(
            "(call $create (i32.const 0) (i32.const 2000)
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))
             {} i32.const {DONE}",
            assert_refused()
        ));
    let limits = Limits { payload_bytes: 1024, ..Limits::default() };
    let module = load(&guest, limits).await;
    let answer = module.reconcile(request(), session(&Api::ready(), &Arc::default())).await;
    assert_eq!(answer.unwrap().0, Ok(Action::Done));
}

#[tokio::test]
async fn a_request_above_the_payload_limit_is_refused_and_not_sent() {
    let reason = http::Reason::LimitExceeded as u32;
    let guest = Guest::new().import("http", "send", SEND).reconcile(&format!(
        "{small} (if (i32.load8_u (i32.const 512)) (then unreachable))
             (if (i32.ne (i32.load16_u (i32.const 516)) (i32.const 200)) (then unreachable))
             {large} (if (i32.eqz (i32.load8_u (i32.const 512))) (then unreachable))
             (if (i32.ne (i32.load8_u (i32.const 516)) (i32.const {reason})) (then unreachable))
             i32.const {DONE}",
        small = send(16),
        large = send(2000),
    ));
    let limits = Limits { payload_bytes: 1024, ..Limits::default() };
    let module = load(&guest, limits).await;
    let api = Api::ready();
    let answer = module.reconcile(request(), session(&api, &Arc::default())).await;
    assert_eq!(answer.unwrap().0, Ok(Action::Done));
    assert_eq!(api.asked(), 1);
}

#[tokio::test]
async fn a_log_flood_ends_with_one_line_that_says_so() {
    let guest = Guest::new().import("log", "log", LOG).reconcile(&format!(
        "(local $n i32)
             (loop $more {}
                (local.set $n (i32.add (local.get $n) (i32.const 1)))
                (br_if $more (i32.lt_u (local.get $n) (i32.const 1000))))
             i32.const {DONE}",
        log(2, 5)
    ));
    let module = load(&guest, Limits::default()).await;
    let lines = Arc::new(Lines::default());
    let answer = module.reconcile(request(), session(&Api::ready(), &lines)).await;
    let (_, stats) = answer.unwrap();
    let lines = lines.0.lock();
    assert_eq!(lines.len(), 201);
    assert_eq!((stats.log_lines, stats.log_lines_dropped), (200, 800));
    let (level, last) = lines.last().unwrap();
    assert_eq!(*level, Level::Warn);
    assert!(last.contains("probe") && last.contains("limits.logLines"), "{last}");
}

#[tokio::test]
async fn log_lines_that_are_too_long_use_up_the_quota_of_bytes() {
    let guest = Guest::new()
        .import("log", "log", LOG)
        .reconcile(&format!("{line} {line} {line} i32.const {DONE}", line = log(2, 40)));
    let limits = Limits { log_bytes: 100, ..Limits::default() };
    let module = load(&guest, limits).await;
    let lines = Arc::new(Lines::default());
    let answer = module.reconcile(request(), session(&Api::ready(), &lines)).await;
    assert_eq!(answer.unwrap().1.log_lines_dropped, 1);
    assert_eq!(lines.0.lock().len(), 3);
}

#[tokio::test]
async fn what_a_host_call_that_had_to_wait_costs_is_not_the_guests_cpu_time() {
    let cost = Duration::from_millis(60);
    let guest =
        Guest::new().import("kubernetes", "get", GET).reconcile(&format!("{} i32.const {DONE}", get()));
    let limits = Limits { cpu_time: Duration::from_millis(30), ..Limits::default() };
    let module = load(&guest, limits).await;
    let answer = module.reconcile(request(), session(&Api::busy_for(cost), &Arc::default())).await;
    let (_, stats) = answer.unwrap();
    assert!(stats.cpu_time < cost, "{stats:?}");
    assert!(stats.wall_time >= cost, "{stats:?}");
}

//! Warm instances: what is kept from one reconcile to the next, what never is, and when an
//! instance ends.

use std::sync::Arc;
use std::time::Duration;

use polyreme_runtime::wit::reconciler::{Action, Failure};
use polyreme_runtime::{CallError, CallStats, FaultKind, Instances, Limits, Module, NoRoom, Warm};
use tokio::task::JoinSet;

use crate::engine;
use crate::guest::{DONE, GET, Guest, LOG, get, log};
use crate::session::{Api, Lines, request, session};

const IDLE: Duration = Duration::from_secs(60);
/// Bytes of a page of WebAssembly memory.
const PAGE: u64 = 65_536;

fn warm(count: u32) -> Warm {
    Warm { count, max_reconciles: 1_000, idle: IDLE }
}

/// A guest that asks to come back after as many milliseconds as it was called, after `work`.
fn counting(work: &str) -> Guest {
    Guest::new()
        .import("kubernetes", "get", GET)
        .import("log", "log", LOG)
        .item(r#"(global $calls (mut i64) (i64.const 0)) (data (i32.const 136) "\01")"#)
        .reconcile(&format!(
            "(global.set $calls (i64.add (global.get $calls) (i64.const 1)))
             {work}
             (i64.store (i32.const 144) (global.get $calls))
             i32.const 128"
        ))
}

async fn load(guest: &Guest, limits: Limits, policy: Warm) -> Module {
    let module = crate::load(guest, limits).await;
    module.with_instances(Instances::Warm(policy)).expect("there is room")
}

async fn call(module: &Module, api: &Arc<Api>) -> Result<(u64, CallStats), CallError> {
    let (verdict, stats) = module.reconcile(request(), session(api, &Arc::default())).await?;
    match verdict {
        Ok(Action::RequeueAfter(calls)) => Ok((calls, stats)),
        other => panic!("the guest said {other:?}"),
    }
}

/// Lets paused time pass, and what waits for it run.
async fn pass(time: Duration) {
    tokio::time::advance(time).await;
    tokio::task::yield_now().await;
}

/// How often the instance of each of `n` calls in turn had been called.
async fn ages(module: &Module, n: usize) -> Vec<u64> {
    let api = Api::ready();
    let mut ages = Vec::new();
    for _ in 0..n {
        ages.push(call(module, &api).await.unwrap().0);
    }
    ages
}

fn kind(outcome: Result<(u64, CallStats), CallError>) -> FaultKind {
    match outcome.unwrap_err() {
        CallError::Guest(fault) => fault.kind,
        CallError::Host(fault) => panic!("{fault}"),
    }
}

#[tokio::test]
async fn an_instance_is_used_again_and_fresh_stays_the_default() {
    let module = crate::load(&counting(""), Limits::default()).await;
    assert_eq!(ages(&module, 3).await, [1, 1, 1]);
    let kept = module.with_instances(Instances::Warm(warm(1))).unwrap();
    assert_eq!(ages(&kept, 3).await, [1, 2, 3]);
    let counters = kept.instances();
    assert_eq!((counters.made(), counters.reused(), counters.idle()), (1, 2, 1));
    assert_eq!((module.instances().made(), module.instances().reused()), (3, 0));
}

#[tokio::test]
async fn an_instance_ends_after_as_many_reconciles_as_it_may_do() {
    let policy = Warm { max_reconciles: 2, ..warm(1) };
    let module = load(&counting(""), Limits::default(), policy).await;
    assert_eq!(ages(&module, 5).await, [1, 2, 1, 2, 1]);
    assert_eq!(module.instances().worn_out(), 2);
}

#[tokio::test]
async fn calls_at_once_have_an_instance_each_and_what_is_too_many_ends() {
    let module = load(&counting(&get()), Limits::default(), warm(2)).await;
    let api = Api::silent();
    let mut calls = JoinSet::new();
    for _ in 0..3 {
        let (module, api) = (module.clone(), Arc::clone(&api));
        calls.spawn(async move { call(&module, &api).await.unwrap().0 });
    }
    api.arrived(3).await;
    assert_eq!(module.instances().idle(), 0);
    api.answer(3);
    assert_eq!(calls.join_all().await, [1, 1, 1]);
    let counters = module.instances();
    assert_eq!((counters.made(), counters.idle(), counters.surplus()), (3, 2, 1));
}

#[tokio::test]
async fn a_trap_ends_the_instance_and_no_other() {
    let traps_at_second = "(if (i64.eq (global.get $calls) (i64.const 2)) (then unreachable))";
    let module = load(&counting(traps_at_second), Limits::default(), warm(1)).await;
    let api = Api::ready();
    assert_eq!(call(&module, &api).await.unwrap().0, 1);
    assert!(matches!(kind(call(&module, &api).await), FaultKind::Trap { .. }));
    assert_eq!(module.instances().idle(), 0);
    assert_eq!(call(&module, &api).await.unwrap().0, 1);
}

#[tokio::test]
async fn a_guest_that_reports_a_failure_is_kept() {
    let guest = Guest::new().item(
        r#"(data (i32.const 128) "\01\00\00\00\00\00\00\00\01\00\00\00\98\00\00\00\03\00\00\00\00\00\00\00bad")"#,
    );
    let module = load(&guest.reconcile("i32.const 128"), Limits::default(), warm(1)).await;
    let answer = module.reconcile(request(), session(&Api::ready(), &Arc::default())).await;
    assert_eq!(answer.unwrap().0, Err(Failure::Terminal("bad".to_owned())));
    assert_eq!(module.instances().idle(), 1);
}

#[tokio::test]
async fn an_instance_that_nobody_needs_ends_in_time_and_one_that_is_used_stays() {
    let module = load(&counting(""), Limits::default(), warm(1)).await;
    tokio::time::pause();
    assert_eq!(ages(&module, 1).await, [1]);
    tokio::time::advance(IDLE - Duration::from_secs(1)).await;
    assert_eq!(ages(&module, 1).await, [2]);
    tokio::time::advance(IDLE - Duration::from_secs(1)).await;
    assert_eq!(module.instances().idle(), 1);
    pass(Duration::from_secs(2)).await;
    let counters = module.instances();
    assert_eq!((counters.idle(), counters.idled_out()), (0, 1));
    assert_eq!(ages(&module, 1).await, [1]);
}

#[tokio::test]
async fn only_what_was_idle_too_long_ends() {
    let module = load(&counting(&get()), Limits::default(), warm(2)).await;
    tokio::time::pause();
    let api = Api::silent();
    let (first, second) = (call(&module, &api), call(&module, &api));
    let answer = async {
        api.arrived(2).await;
        api.answer(2);
    };
    let _ = tokio::join!(first, second, answer);
    tokio::time::advance(IDLE / 2).await;
    assert_eq!(ages(&module, 1).await, [2]);
    pass(IDLE / 2 + Duration::from_secs(1)).await;
    assert_eq!((module.instances().idle(), module.instances().idled_out()), (1, 1));
    assert_eq!(ages(&module, 1).await, [3]);
}

#[tokio::test]
async fn host_calls_and_log_lines_are_counted_for_each_reconcile() {
    let limits = Limits { host_calls: 1, log_lines: 1, ..Limits::default() };
    let refused = "(if (i32.load8_u (i32.const 512)) (then unreachable))";
    let guest = counting(&format!("{} {refused} {}", get(), log(2, 5)));
    let module = load(&guest, limits, warm(1)).await;
    let (api, lines) = (Api::ready(), Arc::new(Lines::default()));
    for _ in 0..3 {
        let (_, stats) = module.reconcile(request(), session(&api, &lines)).await.unwrap();
        assert_eq!((stats.host_calls, stats.log_lines, stats.log_lines_dropped), (1, 1, 0));
    }
    assert_eq!(lines.0.lock().len(), 3);
    assert_eq!(module.instances().reused(), 2);
}

#[tokio::test]
async fn cpu_time_is_that_of_the_reconcile() {
    let spins_at_first = "(local $i i32)
        (if (i64.eq (global.get $calls) (i64.const 1)) (then
            (loop $again
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $again (i32.lt_u (local.get $i) (i32.const 50000000))))))";
    let limits = Limits { cpu_time: Duration::from_secs(3600), ..Limits::default() };
    let guest = counting("").reconcile(&format!(
        "{spins_at_first_locals} (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
         {spin} (i64.store (i32.const 144) (global.get $calls)) i32.const 128",
        spins_at_first_locals = "(local $i i32)",
        spin = spins_at_first.trim_start_matches("(local $i i32)"),
    ));
    let module = load(&guest, limits, warm(1)).await;
    let api = Api::ready();
    let (_, spinning) = call(&module, &api).await.unwrap();
    let (age, resting) = call(&module, &api).await.unwrap();
    assert_eq!(age, 2);
    assert!(resting.cpu_time < spinning.cpu_time / 2, "{resting:?} after {spinning:?}");
}

#[tokio::test]
async fn memory_that_an_instance_keeps_counts_for_every_reconcile() {
    let grows = "(if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))";
    let limits = Limits { memory_bytes: 4 * PAGE, ..Limits::default() };
    let module = load(&counting(grows), limits, warm(1)).await;
    let api = Api::ready();
    assert_eq!(call(&module, &api).await.unwrap().1.memory_high_water_bytes, 3 * PAGE);
    assert_eq!(call(&module, &api).await.unwrap().1.memory_high_water_bytes, 4 * PAGE);
    assert!(matches!(kind(call(&module, &api).await), FaultKind::Memory { .. }));
    let (age, stats) = call(&module, &api).await.unwrap();
    assert_eq!((age, stats.memory_high_water_bytes), (1, 3 * PAGE));
}

#[tokio::test]
async fn a_refusal_of_memory_is_not_held_against_the_next_reconcile() {
    let asks_for_much_then_traps = "
        (if (i64.eq (global.get $calls) (i64.const 1)) (then (drop (memory.grow (i32.const 9)))))
        (if (i64.eq (global.get $calls) (i64.const 2)) (then unreachable))";
    let limits = Limits { memory_bytes: 4 * PAGE, ..Limits::default() };
    let module = load(&counting(asks_for_much_then_traps), limits, warm(1)).await;
    let api = Api::ready();
    assert_eq!(call(&module, &api).await.unwrap().0, 1);
    assert!(matches!(kind(call(&module, &api).await), FaultKind::Trap { .. }));
}

#[tokio::test]
async fn an_error_that_was_logged_is_not_quoted_for_the_next_reconcile() {
    let logs_then_traps = format!(
        "(if (i64.eq (global.get $calls) (i64.const 1)) (then {}))
         (if (i64.eq (global.get $calls) (i64.const 2)) (then unreachable))",
        log(4, 5)
    );
    let module = load(&counting(&logs_then_traps), Limits::default(), warm(1)).await;
    let api = Api::ready();
    assert_eq!(call(&module, &api).await.unwrap().0, 1);
    assert!(matches!(kind(call(&module, &api).await), FaultKind::Trap { last_error: None, .. }));
}

#[tokio::test]
async fn a_deadline_is_armed_anew_and_ends_the_instance() {
    let asks_at_second = format!("(if (i64.eq (global.get $calls) (i64.const 2)) (then {}))", get());
    let limits = Limits { wall_time: Duration::from_secs(30), ..Limits::default() };
    let module = load(&counting(&asks_at_second), limits, warm(1)).await;
    tokio::time::pause();
    let api = Api::silent();
    assert_eq!(call(&module, &api).await.unwrap().0, 1);
    // Longer than the deadline of the first call, shorter than an instance may idle.
    tokio::time::advance(Duration::from_secs(40)).await;
    assert!(matches!(kind(call(&module, &api).await), FaultKind::WallTime { .. }));
    assert_eq!(module.instances().idle(), 0);
    assert_eq!(call(&module, &api).await.unwrap().0, 1);
}

#[tokio::test]
async fn an_endless_loop_is_stopped_in_a_reused_instance_too() {
    let loops_at_second = "(if (i64.eq (global.get $calls) (i64.const 2)) (then (loop $l (br $l))))";
    let limits = Limits { cpu_time: Duration::from_millis(20), ..Limits::default() };
    let module = load(&counting(loops_at_second), limits, warm(1)).await;
    let api = Api::ready();
    assert_eq!(call(&module, &api).await.unwrap().0, 1);
    assert!(matches!(kind(call(&module, &api).await), FaultKind::CpuTime { .. }));
    assert_eq!(module.instances().idle(), 0);
}

#[tokio::test]
async fn nothing_of_a_session_is_held_when_its_reconcile_has_ended() {
    let module = load(&counting(&get()), Limits::default(), warm(1)).await;
    let (api, lines) = (Api::ready(), Arc::new(Lines::default()));
    for _ in 0..2 {
        module.reconcile(request(), session(&api, &lines)).await.unwrap().0.unwrap();
        assert_eq!(module.instances().idle(), 1);
        assert_eq!((Arc::strong_count(&api), Arc::strong_count(&lines)), (1, 1));
    }
}

#[tokio::test]
async fn an_interrupted_call_ends_its_instance() {
    let module = load(&counting(&get()), Limits::default(), warm(1)).await;
    let (ready, silent) = (Api::ready(), Api::silent());
    assert_eq!(call(&module, &ready).await.unwrap().0, 1);
    tokio::select! {
        outcome = call(&module, &silent) => panic!("{outcome:?}"),
        () = silent.arrived(1) => {}
    }
    assert_eq!(module.instances().idle(), 0);
    assert_eq!(call(&module, &ready).await.unwrap().0, 1);
}

#[tokio::test]
async fn idle_instances_end_with_the_module_and_give_their_places_back() {
    let engine = engine();
    let policy = Instances::Warm(warm(3));
    let loaded = engine.load("probe", counting(&get()).component(), Limits::default()).await.unwrap();
    let module = loaded.with_instances(policy).unwrap();
    let api = Api::silent();
    let calls: Vec<_> = (0..3).map(|_| call(&module, &api)).collect();
    let answer = async {
        api.arrived(3).await;
        api.answer(3);
    };
    let (_, ()) = tokio::join!(join_all(calls), answer);
    let counters = module.instances();
    assert_eq!(counters.idle(), 3);
    assert!(loaded.with_instances(policy).is_err());
    drop(module);
    assert_eq!(counters.idle(), 0);
    // All four places are free again.
    let again = loaded.with_instances(policy).unwrap();
    let calls: Vec<_> = (0..4).map(|_| call(&again, &api)).collect();
    let answer = async {
        api.arrived(4).await;
        api.answer(4);
    };
    let (ages, ()) = tokio::join!(join_all(calls), answer);
    assert_eq!(ages, [1, 1, 1, 1]);
}

async fn join_all(calls: Vec<impl Future<Output = Result<(u64, CallStats), CallError>>>) -> Vec<u64> {
    let mut running: Vec<_> = calls.into_iter().map(Box::pin).collect();
    let mut ages = Vec::new();
    // Polled together, so that all of them are under way at once.
    std::future::poll_fn(|context| {
        running.retain_mut(|call| match call.as_mut().poll(context) {
            std::task::Poll::Ready(outcome) => {
                ages.push(outcome.unwrap().0);
                false
            }
            std::task::Poll::Pending => true,
        });
        if running.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    ages
}

#[tokio::test]
async fn a_place_always_stays_for_fresh_calls() {
    let engine = engine();
    let guest = Guest::new().reconcile(&format!("i32.const {DONE}"));
    let module = engine.load("probe", guest.component(), Limits::default()).await.unwrap();
    let no_room = |wanted, free| NoRoom { module: "probe".into(), wanted, free, places: 4 };
    assert_eq!(module.with_instances(Instances::Warm(warm(4))).unwrap_err(), no_room(4, 3));
    let _two = module.with_instances(Instances::Warm(warm(2))).unwrap();
    let error = module.with_instances(Instances::Warm(warm(2))).unwrap_err();
    assert_eq!(error, no_room(2, 1));
    let text = error.to_string();
    assert!(text.contains("instances.warm") && text.contains("module probe"), "{text}");
}

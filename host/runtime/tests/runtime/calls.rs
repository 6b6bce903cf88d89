//! What a call does when all is well.

use std::sync::Arc;

use polyreme_runtime::wit::reconciler::{Action, Failure};
use polyreme_runtime::wit::types::Reason;
use polyreme_runtime::{Limits, Session};

use crate::guest::{DONE, GET, Guest, get};
use crate::load;
use crate::session::{Api, Lines, request, session};

#[tokio::test]
async fn describe_says_what_the_module_is() {
    let module = load(&Guest::new(), Limits::default()).await;
    let log = Arc::new(Lines::default());
    let manifest = module.describe(Session::for_describe("{}".into(), log)).await.unwrap();
    assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("probe", "1"));
    assert_eq!(manifest.primary.kind, "ConfigMap");
    assert!(manifest.owns.is_empty() && manifest.settings_schema.is_none());
}

#[tokio::test]
async fn describe_may_not_call_the_api() {
    let not_granted = Reason::NotGranted as u32;
    let guest = Guest::new().import("kubernetes", "get", GET).describe(&format!(
        "{} (if (i32.ne (i32.load8_u (i32.const 520)) (i32.const {not_granted})) (then unreachable))
             i32.const 1024",
        get()
    ));
    let module = load(&guest, Limits::default()).await;
    let log = Arc::new(Lines::default());
    let manifest = module.describe(Session::for_describe("{}".into(), log)).await;
    assert!(manifest.is_ok(), "{manifest:?}");
}

#[tokio::test]
async fn a_reconcile_reads_through_its_session() {
    let guest = Guest::new().import("kubernetes", "get", GET).reconcile(&format!(
        "{} (if (i32.ne (i32.load (i32.const 524)) (i32.const 16)) (then unreachable))
             i32.const {DONE}",
        get()
    ));
    let module = load(&guest, Limits::default()).await;
    let api = Api::ready();
    let (verdict, stats) = module.reconcile(request(), session(&api, &Arc::default())).await.unwrap();
    assert_eq!(verdict, Ok(Action::Done));
    assert_eq!(stats.host_calls, 1);
    assert_eq!(stats.memory_high_water_bytes, 2 * 65_536);
}

#[tokio::test]
async fn requeue_and_failure_are_the_guests_verdict() {
    let guest = Guest::new()
        .item(r#"(data (i32.const 128) "\01\00\00\00\00\00\00\00\01\00\00\00\98\00\00\00\03\00\00\00\00\00\00\00bad")"#);
    let fails = load(&guest.reconcile("i32.const 128"), Limits::default()).await;
    let guest = Guest::new().item(
        r#"(data (i32.const 128) "\00\00\00\00\00\00\00\00\01\00\00\00\00\00\00\00\88\13\00\00\00\00\00\00")"#,
    );
    let requeues = load(&guest.reconcile("i32.const 128"), Limits::default()).await;
    let api = Api::ready();
    let run = async |module: polyreme_runtime::Module| {
        let session = session(&api, &Arc::default());
        module.reconcile(request(), session).await.unwrap().0
    };
    assert_eq!(run(fails).await, Err(Failure::Terminal("bad".to_owned())));
    assert_eq!(run(requeues).await, Ok(Action::RequeueAfter(5000)));
}

#[tokio::test]
async fn nothing_is_left_of_one_reconcile_for_the_next() {
    let guest = Guest::new().item("(global $calls (mut i32) (i32.const 0))").reconcile(&format!(
        "(if (i32.ne (global.get $calls) (i32.const 0)) (then unreachable))
             (if (i32.ne (i32.load (i32.const 4096)) (i32.const 0)) (then unreachable))
             (global.set $calls (i32.const 1))
             (i32.store (i32.const 4096) (i32.const 1))
             i32.const {DONE}"
    ));
    let module = load(&guest, Limits::default()).await;
    let api = Api::ready();
    for _ in 0..20 {
        let answer = module.reconcile(request(), session(&api, &Arc::default())).await;
        assert_eq!(answer.unwrap().0, Ok(Action::Done));
    }
}

//! Several calls at once: each in its own instance, none in the way of another.

use std::sync::Arc;
use std::time::Duration;

use polyreme_runtime::wit::reconciler::Action;
use polyreme_runtime::{Engine, Limits};
use tokio::task::JoinSet;

use crate::engine;
use crate::guest::{DONE, GET, Guest, get};
use crate::session::{Api, request, session};

const PLACES: u32 = 4;

fn reader() -> Guest {
    Guest::new().import("kubernetes", "get", GET).reconcile(&format!("{} i32.const {DONE}", get()))
}

async fn load(engine: &Engine, guest: &Guest) -> polyreme_runtime::Module {
    engine.load("probe", guest.component(), Limits::default()).await.expect("the guest loads")
}

#[tokio::test]
async fn calls_above_the_pool_wait_for_their_turn() {
    let module = load(&engine(), &reader()).await;
    let api = Api::silent();
    let mut calls = JoinSet::new();
    for _ in 0..4 * PLACES {
        let (module, session) = (module.clone(), session(&api, &Arc::default()));
        calls.spawn(async move { module.reconcile(request(), session).await });
    }
    api.arrived(PLACES).await;
    assert_eq!(api.asked(), PLACES as usize);
    api.answer(4 * PLACES as usize);
    while let Some(answer) = calls.join_next().await {
        assert_eq!(answer.unwrap().unwrap().0, Ok(Action::Done));
    }
    assert_eq!(api.asked(), 4 * PLACES as usize);
}

#[tokio::test]
async fn dropped_calls_give_their_places_back() {
    let module = load(&engine(), &reader()).await;
    let api = Api::silent();
    for _ in 0..3 {
        let mut calls = JoinSet::new();
        for _ in 0..PLACES {
            let (module, session) = (module.clone(), session(&api, &Arc::default()));
            calls.spawn(async move { module.reconcile(request(), session).await });
        }
        api.arrived(PLACES).await;
        calls.shutdown().await;
    }
    let answer = module.reconcile(request(), session(&Api::ready(), &Arc::default())).await;
    assert_eq!(answer.unwrap().0, Ok(Action::Done));
}

#[tokio::test(flavor = "current_thread")]
async fn a_computing_guest_lets_others_run_on_the_same_thread() {
    let engine = engine();
    let loops = Guest::new().reconcile("(loop $forever (br $forever)) unreachable");
    let limits = Limits { cpu_time: Duration::from_secs(3600), ..Limits::default() };
    let endless = engine.load("loops", loops.component(), limits).await.unwrap();
    let module = load(&engine, &reader()).await;
    let api = Api::ready();
    let mut computing = JoinSet::new();
    let session_of_loop = session(&api, &Arc::default());
    computing.spawn(async move { endless.reconcile(request(), session_of_loop).await });
    tokio::task::yield_now().await;
    let answer = module.reconcile(request(), session(&api, &Arc::default())).await;
    assert_eq!(answer.unwrap().0, Ok(Action::Done));
    assert_eq!(computing.len(), 1);
    assert!(computing.try_join_next().is_none(), "the loop still runs");
    computing.shutdown().await;
}

#[tokio::test]
async fn a_module_outlives_the_engine_it_was_loaded_by() {
    let engine = engine();
    let module = load(&engine, &reader()).await;
    drop(engine);
    let answer = module.reconcile(request(), session(&Api::ready(), &Arc::default())).await;
    assert_eq!(answer.unwrap().0, Ok(Action::Done));
}

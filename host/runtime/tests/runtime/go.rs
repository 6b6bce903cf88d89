//! Go in a component: its collector, scheduler and timers at work while text crosses, and what its programs
//! do that a component has no system for. The guest is `examples/go-guest`.

use std::sync::Arc;

use polyreme_runtime::wit::reconciler::{Action, Failure, Request};
use polyreme_runtime::{CallError, Module};

use crate::built::{built, one_instance};
use crate::session::{Api, Lines, request, session};

/// What a Go instance is known to survive only by trying.
const SMALL_RECONCILES: u32 = 20_000;
const LARGE_RECONCILES: u32 = 1_000;
const LARGE_BYTES: usize = 256 << 10;

const GUEST: &str = "go-guest";

/// Logged while the program initialises, when the host may not be called.
const START: &str = "info the guest starts";

fn to_do(deed: &str, text: &str) -> Request {
    let current = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"site","namespace":"default","uid":"u",
            "labels":{{"polyreme.dev/go-guest":"{deed}"}}}},"data":{{"text":"{text}"}}}}"#
    );
    Request { current: Some(current), ..request() }
}

/// What came of a deed, and the lines that it logged, without the one of each start.
async fn outcome(module: &Module, deed: &str, text: &str) -> (Result<Action, String>, Vec<String>) {
    let (verdict, mut lines) = whole_outcome(module, deed, text).await;
    lines.retain(|line| line != START);
    (verdict, lines)
}

async fn whole_outcome(module: &Module, deed: &str, text: &str) -> (Result<Action, String>, Vec<String>) {
    let lines: Arc<Lines> = Arc::default();
    let answer = module.reconcile(to_do(deed, text), session(&Api::ready(), &lines)).await;
    let verdict = match answer {
        Ok((Ok(action), _)) => Ok(action),
        Ok((Err(Failure::Retry(why) | Failure::Terminal(why)), _)) => Err(why),
        Err(CallError::Guest(fault)) => Err(fault.to_string()),
        Err(CallError::Host(fault)) => panic!("{deed}: the host is blamed: {fault:?}"),
    };
    (verdict, lines.texts())
}

async fn serve(module: &Module, times: u32, bytes: usize) {
    let text = "x".repeat(bytes);
    for served in 1..=times {
        let (verdict, lines) = outcome(module, "busy", &text).await;
        assert_eq!(verdict, Ok(Action::Done), "reconcile {served}: {lines:?}");
        assert_eq!(lines, [format!("info served {served}, {bytes} bytes")]);
    }
}

#[tokio::test]
async fn one_instance_serves_20_000_small_objects_with_timers_and_goroutines_alive() {
    let Some(module) = one_instance(GUEST).await else { return };
    serve(&module, SMALL_RECONCILES, 20).await;
}

#[tokio::test]
async fn one_instance_serves_1000_objects_of_256_kib_with_timers_and_goroutines_alive() {
    let Some(module) = one_instance(GUEST).await else { return };
    serve(&module, LARGE_RECONCILES, LARGE_BYTES).await;
}

#[tokio::test]
async fn what_is_printed_is_logged_line_by_line() {
    let Some(module) = built(GUEST).await else { return };
    let (verdict, lines) = outcome(&module, "print", "").await;
    assert_eq!(verdict, Ok(Action::Done));
    let wanted = [
        "info a line of fmt",
        "info half and half",
        "info two",
        "info lines",
        "warn a line on stderr",
        "warn a line of println",
        "info a line of log",
        "info a line of slog",
        "info a line without end",
    ];
    assert_eq!(lines, wanted);
}

#[tokio::test]
async fn what_is_logged_before_the_first_reconcile_is_logged_with_it() {
    let Some(module) = one_instance(GUEST).await else { return };
    let (verdict, lines) = whole_outcome(&module, "sleep", "").await;
    assert_eq!(
        (verdict, lines.as_slice()),
        (Ok(Action::Done), &[START.to_owned(), "info slept".to_owned()][..])
    );
    let (verdict, lines) = whole_outcome(&module, "sleep", "").await;
    assert_eq!((verdict, lines.as_slice()), (Ok(Action::Done), &["info slept".to_owned()][..]));
}

#[tokio::test]
async fn a_sleep_of_an_hour_takes_no_time_and_the_clock_is_the_hosts() {
    let Some(module) = built(GUEST).await else { return };
    let (verdict, lines) = outcome(&module, "sleep", "").await;
    assert_eq!((verdict, lines.as_slice()), (Ok(Action::Done), &["info slept".to_owned()][..]));
    let (verdict, lines) = outcome(&module, "clock", "").await;
    let told = "info off: false, slept a minute: true".to_owned();
    assert_eq!((verdict, lines.as_slice()), (Ok(Action::Done), &[told][..]));
}

#[tokio::test]
async fn what_reads_files_or_the_network_gets_an_error() {
    let Some(module) = built(GUEST).await else { return };
    let (verdict, lines) = outcome(&module, "files", "").await;
    assert_eq!(verdict, Ok(Action::Done));
    assert!(lines.concat().contains("read: open /etc/passwd: Capabilities insufficient"), "{lines:?}");
    assert!(lines.concat().contains(r#"home: """#), "{lines:?}");
    let (verdict, lines) = outcome(&module, "network", "").await;
    assert_eq!(verdict, Ok(Action::Done));
    assert!(lines.concat().contains("dialled: dial tcp 127.0.0.1:80"), "{lines:?}");
}

#[tokio::test]
async fn a_panic_is_one_line_with_its_stack_and_the_fault_quotes_it() {
    let Some(module) = built(GUEST).await else { return };
    let (verdict, lines) = outcome(&module, "panic", "").await;
    assert!(verdict.unwrap_err().contains("the last error it logged: panic: the guest gave up"));
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(line.starts_with("error panic: the guest gave up\n") && line.contains("main.go:"), "{line}");
}

#[tokio::test]
async fn faults_that_nobody_can_recover_from_are_quoted() {
    let Some(module) = built(GUEST).await else { return };
    for (deed, quoted) in [
        ("goroutine-panic", "the last error it logged: panic: the goroutine gave up"),
        ("deadlock", "the last error it logged: fatal error: all goroutines are asleep"),
        ("exit", "the last error it logged: the program ended itself (os.Exit)"),
        ("spin", "of CPU time"),
        ("goroutine-spin", "of CPU time"),
        ("hog", "64Mi of memory"),
    ] {
        let (verdict, lines) = outcome(&module, deed, "").await;
        let fault = verdict.expect_err(deed);
        assert!(fault.contains(quoted), "{deed}: {fault}; {lines:?}");
    }
}

#[tokio::test]
async fn a_goroutine_that_is_left_over_is_refused_and_harms_no_later_reconcile() {
    let Some(module) = one_instance(GUEST).await else { return };
    assert_eq!(outcome(&module, "left-over", "").await.0, Ok(Action::Done));
    for _ in 0..20 {
        let (verdict, lines) = outcome(&module, "busy", "text").await;
        assert_eq!(verdict, Ok(Action::Done), "{lines:?}");
        let told = lines.iter().filter(|line| line.contains("left over:")).collect::<Vec<_>>();
        assert!(!told.is_empty() && told.iter().all(|line| line.contains("is over")), "{told:?}");
    }
}

#[tokio::test]
async fn random_numbers_come_from_the_host_and_differ_from_read_to_read() {
    let Some(module) = one_instance(GUEST).await else { return };
    let first = outcome(&module, "random", "").await.1;
    let second = outcome(&module, "random", "").await.1;
    assert_ne!(first, second);
}

//! Python and JavaScript in a component: what is printed, what asks for a system that is not there, and what ends an
//! instance. The guests are `examples/python-guest` and `examples/js-guest`.

use std::sync::Arc;

use polyreme_runtime::wit::reconciler::{Failure, Request};
use polyreme_runtime::{CallError, Module};

use crate::built::one_instance;
use crate::session::{Api, Lines, request, session};

/// What came of a deed, `done` or why not, and the lines that it logged.
async fn outcome(module: &Module, deed: &str) -> (String, Vec<String>) {
    let current = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"site","namespace":"default","uid":"u",
            "labels":{{"polyreme.dev/deed":"{deed}"}}}}}}"#
    );
    let lines: Arc<Lines> = Arc::default();
    let asked = Request { current: Some(current), ..request() };
    let verdict = match module.reconcile(asked, session(&Api::ready(), &lines)).await {
        Ok((Ok(_), _)) => "done".to_owned(),
        Ok((Err(Failure::Retry(why)), _)) => format!("retry: {why}"),
        Ok((Err(Failure::Terminal(why)), _)) => format!("terminal: {why}"),
        Err(CallError::Guest(fault)) => format!("fault: {fault}"),
        Err(CallError::Host(fault)) => panic!("{deed}: the host is blamed: {fault:?}"),
    };
    (verdict, lines.texts())
}

/// Each deed ends as told, and the module serves the next object.
async fn deeds_end(name: &str, deeds: &[(&str, &str)]) {
    let Some(module) = one_instance(name).await else { return };
    for (deed, wanted) in deeds {
        let (verdict, lines) = outcome(&module, deed).await;
        assert!(verdict.contains(wanted), "{deed}: {verdict}; {lines:?}");
        assert_eq!(outcome(&module, "nothing").await, ("done".to_owned(), Vec::new()), "after {deed}");
    }
}

/// What is printed is logged by line; time and chance are what the session says, not what the build saw.
async fn output_time_and_chance(name: &str, printed: &[&str], clock: &str, chance: &str) {
    let Some(module) = one_instance(name).await else { return };
    let (verdict, lines) = outcome(&module, "output").await;
    assert_eq!((verdict.as_str(), lines.as_slice()), ("done", owned(printed).as_slice()));
    assert_eq!(outcome(&module, "clock").await.1, [format!("info {clock}")]);
    assert_eq!(outcome(&module, "chance").await.1, [format!("info {chance}")]);
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// The error is told with its type, and the log has its place.
async fn an_error_leaves_its_place(name: &str, wanted: &str, place: &str) {
    let Some(module) = one_instance(name).await else { return };
    let (verdict, lines) = outcome(&module, "error").await;
    assert_eq!(verdict, wanted);
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(
        line.starts_with("error ") && line.contains(place) && line.contains("the guest gave up"),
        "{line}"
    );
}

#[tokio::test]
async fn what_python_prints_is_logged_and_its_time_and_chance_are_the_hosts() {
    let printed = ["info two", "info lines", "warn a warning", "info no end"];
    let chance = "04040404-0404-4404-8404-040404040404";
    output_time_and_chance("python-guest", &printed, "1970 True True True", chance).await;
}

#[tokio::test]
async fn the_object_under_reconcile_is_a_reference_like_any_other() {
    let Some(module) = one_instance("python-guest").await else { return };
    let (verdict, lines) = outcome(&module, "reference").await;
    assert_eq!((verdict.as_str(), lines), ("done", owned(&["info ConfigMap default/site True"])));
}

#[tokio::test]
async fn what_javascript_prints_is_logged_and_its_time_and_chance_are_the_hosts() {
    let printed = ["info two", "info lines", r#"warn a warning {"a":"1n"}"#, "info no end"];
    output_time_and_chance("js-guest", &printed, "1970 true true", "0.12549019607843137").await;
}

#[tokio::test]
async fn an_exception_is_tried_again_with_its_traceback_in_the_log() {
    let place = "python_guest.py\", line ";
    an_error_leaves_its_place("python-guest", "retry: ValueError: the guest gave up", place).await;
    an_error_leaves_its_place("js-guest", "retry: TypeError: the guest gave up", "/index.js:").await;
}

#[tokio::test]
async fn what_python_asks_of_a_system_is_refused_with_the_remedy() {
    let deeds = [
        ("exit", "retry: SystemExit: 3"),
        ("file", "keep data in Kubernetes objects"),
        ("network", "a component has no network"),
        ("sleep", "return requeue_after(seconds)"),
        ("thread", "can't start new thread"),
        ("loop", "a component has no event loop"),
        ("late import", "import it at the top of a module"),
        ("deep", "retry: RecursionError"),
    ];
    deeds_end("python-guest", &deeds).await;
}

#[tokio::test]
async fn what_javascript_asks_of_a_system_is_refused() {
    let deeds = [
        ("file", "retry: ReferenceError: readFileSync is not defined"),
        ("network", "retry: ReferenceError: fetch is not defined"),
        ("sleep", "retry: ReferenceError: setTimeout is not defined"),
        ("loop", "take `async` away"),
    ];
    deeds_end("js-guest", &deeds).await;
}

#[tokio::test]
async fn what_takes_too_much_ends_the_instance_and_not_the_module() {
    deeds_end("python-guest", &[("spin", "of CPU time"), ("hog", "emory")]).await;
    deeds_end("js-guest", &[("spin", "of CPU time"), ("hog", "emory"), ("deep", "fault: ")]).await;
}

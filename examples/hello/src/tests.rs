//! The whole controller, tested natively.

use polyreme_sdk::ObjectMeta;
use polyreme_sdk::testing::Fake;

use super::*;

fn cluster() -> Fake {
    let mut hello = Hello::new("kim", HelloSpec { who: "Kim".into() });
    hello.metadata.namespace = Some("default".into());
    Fake::new().with(&hello)
}

fn greeting(cluster: &Fake) -> Option<String> {
    let made: ConfigMap = cluster.get("default/kim");
    made.data?.remove("greeting")
}

#[test]
fn a_hello_becomes_a_config_map_and_a_status() {
    let cluster = cluster();
    cluster.reconcile::<Greeter>("default/kim").unwrap();
    assert_eq!(greeting(&cluster).as_deref(), Some("Hello, Kim!"));
    assert_eq!(cluster.get::<Hello>("default/kim").status.unwrap().greeting, "Hello, Kim!");
    assert_eq!(cluster.take_writes(), ["apply ConfigMap default/kim", "patch Hello/status default/kim"]);
}

#[test]
fn a_reconcile_that_changes_nothing_writes_nothing() {
    let cluster = cluster();
    cluster.settle::<Greeter>("default/kim").unwrap();
    cluster.take_writes();
    cluster.reconcile::<Greeter>("default/kim").unwrap();
    assert_eq!(cluster.take_writes(), [""; 0]);
}

#[test]
fn a_greeting_follows_its_hello_and_is_put_back() {
    let cluster = cluster();
    cluster.settle::<Greeter>("default/kim").unwrap();
    cluster.edit("default/kim", |hello: &mut Hello| hello.spec.who = "Sam".into());
    cluster.settle::<Greeter>("default/kim").unwrap();
    assert_eq!(greeting(&cluster).as_deref(), Some("Hello, Sam!"));

    cluster.remove::<ConfigMap>("default/kim");
    cluster.settle::<Greeter>("default/kim").unwrap();
    assert_eq!(greeting(&cluster).as_deref(), Some("Hello, Sam!"));
}

#[test]
fn a_config_map_that_belongs_to_somebody_else_is_left_alone() {
    let metadata =
        ObjectMeta { name: Some("kim".into()), namespace: Some("default".into()), ..Default::default() };
    let theirs = ConfigMap { metadata, ..Default::default() };
    let error = cluster().with(&theirs).reconcile::<Greeter>("default/kim").unwrap_err();
    assert!(error.is_refused(), "{}", error.chain());
}

#[test]
fn a_hello_takes_its_config_map_with_it() {
    let cluster = cluster();
    cluster.settle::<Greeter>("default/kim").unwrap();
    cluster.remove::<Hello>("default/kim");
    assert!(cluster.find::<ConfigMap>("default/kim").is_none());
}

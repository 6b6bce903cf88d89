//! The controller on a cluster in memory.

use polyreme_sdk::testing::Fake;

use super::*;

fn cluster() -> Fake {
    let mut page = Page::new("welcome", PageSpec { title: "Tea & cake".into(), text: "At five.".into() });
    page.metadata.namespace = Some("default".into());
    Fake::new().with(&page)
}

fn written(cluster: &Fake) -> Option<String> {
    cluster.get::<ConfigMap>("default/welcome").data?.remove("index.html")
}

#[test]
fn a_page_becomes_a_config_map_and_ready() {
    let cluster = cluster();
    cluster.reconcile::<Pages>("default/welcome").unwrap();
    assert_eq!(written(&cluster).as_deref(), Some("<h1>Tea &amp; cake</h1>\n<p>At five.</p>\n"));
    let status = cluster.get::<Page>("default/welcome").status.unwrap();
    assert!(conditions::is_true(&status.conditions, "Ready"));
}

#[test]
fn a_config_map_that_is_deleted_comes_back_and_then_nothing_is_written() {
    let cluster = cluster();
    cluster.settle::<Pages>("default/welcome").unwrap();
    cluster.remove::<ConfigMap>("default/welcome");
    cluster.settle::<Pages>("default/welcome").unwrap();
    assert!(written(&cluster).is_some());
    cluster.take_writes();
    cluster.reconcile::<Pages>("default/welcome").unwrap();
    assert_eq!(cluster.take_writes(), [""; 0]);
}

//! What is read from the API server when the cache holds this host's part only.

use polyreme_ownership::{KeyBy, SlotCount};
use polyreme_runtime::wit::kubernetes::{ListQuery, Source};
use polyreme_runtime::wit::types::{Kind as WitKind, ObjectRef};

use super::*;
use crate::cache::lineage::Lineage;
use crate::cache::state::Source as Seen;
use crate::field_path::FieldPath;
use crate::ownership::{LaneSlots, RingClock};
use crate::queue::Queue;
use crate::route::{Role, Route};
use bench::kind;

/// Another controller's slots, of which this host has none, so that what is seen is dropped.
fn share(bench: &Bench) {
    let (slots, clock) = (SlotCount::DEFAULT, RingClock::new());
    let lane = Arc::new(LaneSlots::new("w".into(), slots, KeyBy::Name, clock, Arc::default()));
    let (id, caches) = (bench.maps.id.clone(), &bench.api.shared.caches);
    let lineage = Lineage::new(lane, kind(), bench.maps.resource.clone(), vec![]);
    let queue = Arc::new(Queue::for_test());
    let route = Route::new(queue, Role::Primary, id, &bench.maps, caches, Arc::new(lineage));
    bench.maps.add_index(&FieldPath::parse("data.v").unwrap());
    bench.maps.add_route(Arc::new(route));
    bench.maps.observe(Object::parse(&map("u", 7).to_string(), &kind()).unwrap(), Seen::Watch);
}

fn query(fields: &str, token: Option<&str>) -> ListQuery {
    ListQuery {
        namespace: Some("ns".into()),
        label_selector: String::new(),
        field_selector: fields.into(),
        limit: 0,
        continue_: token.map(Into::into),
        source: Source::Cache,
    }
}

fn maps() -> WitKind {
    WitKind { api_version: "v1".into(), kind: "ConfigMap".into() }
}

fn list_of_versions(versions: [u64; 2]) -> Say {
    let items = versions.map(|version| map("u", version));
    Say::Answer(200, json!({"metadata": {"resourceVersion": "9"}, "items": items}))
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_leads_elsewhere_is_refused_before_anything_is_asked() {
    let bench = Bench::new([]);
    for source in [Source::Live, Source::Cache] {
        let namespace = Some("kube-system/secrets?x=".to_owned());
        let elsewhere = ListQuery { namespace, source, ..query("", None) };
        assert_eq!(bench.api.list(maps(), elsewhere).await.unwrap_err().reason, Reason::BadRequest);
    }
    assert!(bench.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_list_of_more_than_is_kept_is_live_and_indexes_are_applied_here() {
    let bench = Bench::new([list_of_versions([7, 8])]);
    share(&bench);
    let page = bench.api.list(maps(), query("metadata.name!=b,data.v=7", None)).await.unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!(bench.asked()[0].query("fieldSelector"), Some("metadata.name!=b"));
    let unknown = bench.api.list(maps(), query("data.w=7", None)).await.unwrap_err();
    assert_eq!(unknown.reason, Reason::BadRequest, "as when everything is kept");
}

#[tokio::test(start_paused = true)]
async fn what_was_dropped_is_read_live_and_what_does_not_exist_is_not() {
    let bench = Bench::new([ok(7)]);
    share(&bench);
    bench.api.get(the_map(), Source::Cache).await.unwrap();
    let other = ObjectRef { name: "b".into(), ..the_map() };
    let missing = bench.api.get(other, Source::Cache).await.unwrap_err();
    assert_eq!((missing.reason, bench.asked().len()), (Reason::NotFound, 1));
}

#[tokio::test(start_paused = true)]
async fn pages_that_began_in_the_cache_do_not_go_on_elsewhere() {
    let bench = Bench::new([list_of_versions([7, 8])]);
    share(&bench);
    let gone = bench.api.list(maps(), query("", Some("ns\0a"))).await.unwrap_err();
    assert_eq!(gone.reason, Reason::Gone);
    bench.api.list(maps(), query("", Some("the server's"))).await.unwrap();
    assert_eq!(bench.asked()[0].query("continue"), Some("the server's"));
}

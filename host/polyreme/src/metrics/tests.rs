//! Scrapes as text: the names are the interface.

use std::time::Duration;

use super::*;

fn scrape(metrics: &Metrics) -> String {
    metrics.encode(Format::Prometheus)
}

/// Metrics with one of everything that SEMANTICS.md and issue 3 name.
fn filled() -> Metrics {
    let metrics = Metrics::new();
    metrics.leading("polyreme", true);
    let controller = metrics.controller("website", 4);
    controller.reconcile_done(ReconcileResult::RequeueAfter, 0.02);
    let queue = metrics.queue("website");
    queue.added();
    queue.set_depth(-100, 3);
    metrics.rest_client_request("200", "GET", "127.0.0.1:6443");
    let module = metrics.module("website");
    module.host_call("get", Duration::from_micros(3));
    module.denied("delete");
    module.http_request("*.example.com", "POST", Some(201), Duration::from_millis(30));
    module.http_request("*.example.com", "POST", None, Duration::from_secs(10));
    module.cpu(Duration::from_millis(1500));
    metrics.instances("website", Arc::default());
    metrics.cache("apps/v1", "Deployment").set(2, 4096);
    metrics.watch("apps/v1", "Deployment").failed();
    let ring = metrics.ring("default");
    ring.members(&MemberCounts { active: 2, silent: 1, ..MemberCounts::default() });
    ring.generation(7);
    ring.slots_owned("website", 342);
    ring.gained(342, Duration::from_millis(40));
    ring.leads(true);
    metrics
}

#[test]
fn every_name_that_dashboards_know_comes_out_exactly() {
    let text = scrape(&filled());
    for series in [
        "controller_runtime_reconcile_total{controller=\"website\",result=\"success\"} 0",
        "controller_runtime_reconcile_total{controller=\"website\",result=\"requeue_after\"} 1",
        "controller_runtime_reconcile_errors_total{controller=\"website\"} 0",
        "controller_runtime_terminal_reconcile_errors_total{controller=\"website\"} 0",
        "controller_runtime_reconcile_panics_total{controller=\"website\"} 0",
        "controller_runtime_reconcile_timeouts_total{controller=\"website\"} 0",
        "controller_runtime_reconcile_time_seconds_bucket{le=\"0.025\",controller=\"website\"} 1",
        "controller_runtime_reconcile_time_seconds_count{controller=\"website\"} 1",
        "controller_runtime_max_concurrent_reconciles{controller=\"website\"} 4",
        "controller_runtime_active_workers{controller=\"website\"} 0",
        "workqueue_depth{name=\"website\",controller=\"website\",priority=\"0\"} 0",
        "workqueue_depth{name=\"website\",controller=\"website\",priority=\"-100\"} 3",
        "workqueue_adds_total{name=\"website\",controller=\"website\"} 1",
        "workqueue_queue_duration_seconds_count{name=\"website\",controller=\"website\"} 0",
        "workqueue_work_duration_seconds_count{name=\"website\",controller=\"website\"} 0",
        "workqueue_unfinished_work_seconds{name=\"website\",controller=\"website\"} 0",
        "workqueue_longest_running_processor_seconds{name=\"website\",controller=\"website\"} 0",
        "workqueue_retries_total{name=\"website\",controller=\"website\"} 0",
        "rest_client_requests_total{code=\"200\",method=\"GET\",host=\"127.0.0.1:6443\"} 1",
        "leader_election_master_status{name=\"polyreme\"} 1",
        "leader_election_master_status{name=\"default\"} 1",
        "polyreme_slots_owned{ring=\"default\",controller=\"website\"} 342",
        "polyreme_ring_generation{ring=\"default\"} 7",
        "polyreme_members{ring=\"default\",state=\"active\"} 2",
        "polyreme_members{ring=\"default\",state=\"draining\"} 0",
        "polyreme_members{ring=\"default\",state=\"silent\"} 1",
        "polyreme_members{ring=\"default\",state=\"fenced\"} 0",
        "polyreme_handovers_total{ring=\"default\",direction=\"in\"} 342",
        "polyreme_handovers_total{ring=\"default\",direction=\"out\"} 0",
        "polyreme_handover_seconds_bucket{le=\"0.025\",ring=\"default\",direction=\"in\"} 0",
        "polyreme_handover_seconds_bucket{le=\"0.05\",ring=\"default\",direction=\"in\"} 342",
        "polyreme_overlap_violations_total{ring=\"default\"} 0",
        "polyreme_guest_instantiations_total{controller=\"website\"} 0",
        "polyreme_guest_instance_reuses_total{controller=\"website\"} 0",
        "polyreme_guest_instances_idle{controller=\"website\"} 0",
        "polyreme_guest_instances_retired_total{controller=\"website\",reason=\"reconciles\"} 0",
        "polyreme_guest_instances_retired_total{controller=\"website\",reason=\"idle\"} 0",
        "polyreme_guest_instances_retired_total{controller=\"website\",reason=\"surplus\"} 0",
        "polyreme_guest_traps_total{controller=\"website\",kind=\"memory\"} 0",
        "polyreme_guest_cpu_seconds_total{controller=\"website\"} 1.5",
        "polyreme_guest_memory_high_water_bytes{controller=\"website\"} 0",
        "polyreme_host_call_seconds_count{controller=\"website\",function=\"get\"} 1",
        "polyreme_denied_calls_total{controller=\"website\",function=\"delete\"} 1",
        "polyreme_guest_http_requests_total{controller=\"website\",host=\"*.example.com\",method=\"POST\",code=\"201\"} 1",
        "polyreme_guest_http_requests_total{controller=\"website\",host=\"*.example.com\",method=\"POST\",code=\"<error>\"} 1",
        "polyreme_guest_http_request_seconds_count{controller=\"website\",host=\"*.example.com\"} 2",
        "polyreme_elided_writes_total{controller=\"website\"} 0",
        "polyreme_api_call_waits_total{controller=\"website\"} 0",
        "polyreme_cache_objects{api_version=\"apps/v1\",kind=\"Deployment\"} 2",
        "polyreme_cache_bytes{api_version=\"apps/v1\",kind=\"Deployment\"} 4096",
        "polyreme_watch_restarts_total{api_version=\"apps/v1\",kind=\"Deployment\"} 0",
        "polyreme_watch_errors_total{api_version=\"apps/v1\",kind=\"Deployment\"} 1",
    ] {
        let found = text.lines().any(|line| line == series || line == format!("{series}.0"));
        assert!(found, "missing {series} in:\n{text}");
    }
}

#[test]
fn the_classic_text_names_counters_in_their_metadata() {
    let text = scrape(&filled());
    assert!(text.contains("# TYPE workqueue_adds_total counter\n"), "{text}");
    assert!(text.contains("# HELP workqueue_adds_total "), "{text}");
    assert!(!text.contains("# EOF"));
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').nth(1));
    let known = ["counter", "gauge", "histogram", "untyped"];
    let unknown: Vec<_> = types.filter(|kind| !known.contains(kind)).collect();
    assert!(unknown.is_empty(), "{unknown:?} in:\n{text}");
}

#[test]
fn openmetrics_is_served_to_those_who_ask() {
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
    let format = Format::accepted(Some(accept));
    assert_eq!(format, Format::OpenMetrics);
    assert!(filled().encode(format).ends_with("# EOF\n"));
    assert_eq!(Format::accepted(None), Format::Prometheus);
}

#[test]
fn failures_of_every_kind_are_errors_as_well() {
    let metrics = Metrics::new();
    let controller = metrics.controller("website", 1);
    for result in [
        ReconcileResult::Error,
        ReconcileResult::TerminalError,
        ReconcileResult::Panic,
        ReconcileResult::Timeout,
    ] {
        controller.reconcile_done(result, 0.001);
    }
    let text = scrape(&metrics);
    assert!(text.contains("reconcile_errors_total{controller=\"website\"} 4\n"), "{text}");
    assert!(text.contains("reconcile_panics_total{controller=\"website\"} 1\n"), "{text}");
}

#[test]
fn a_worker_counts_as_active_while_its_guard_lives() {
    let metrics = Metrics::new();
    let guard = metrics.controller("website", 1).active_worker();
    assert!(scrape(&metrics).contains("active_workers{controller=\"website\"} 1\n"));
    drop(guard);
    assert!(scrape(&metrics).contains("active_workers{controller=\"website\"} 0\n"));
}

#[tokio::test(start_paused = true)]
async fn work_under_way_is_measured_when_scraped() {
    let metrics = Metrics::new();
    let queue = metrics.queue("website");
    let first = queue.taken(Duration::from_millis(20));
    tokio::time::advance(Duration::from_secs(3)).await;
    let second = queue.taken(Duration::ZERO);
    tokio::time::advance(Duration::from_secs(1)).await;
    let labels = "{name=\"website\",controller=\"website\"}";
    let text = scrape(&metrics);
    assert!(text.contains(&format!("unfinished_work_seconds{labels} 5.0\n")), "{text}");
    assert!(text.contains(&format!("longest_running_processor_seconds{labels} 4.0\n")), "{text}");
    drop((first, second));
    let text = scrape(&metrics);
    assert!(text.contains(&format!("unfinished_work_seconds{labels} 0.0\n")), "{text}");
    assert!(text.contains(&format!("work_duration_seconds_sum{labels} 5.0\n")), "{text}");
}

#[test]
fn memory_keeps_its_highest() {
    let metrics = Metrics::new();
    let module = metrics.module("website");
    module.memory_high_water(10);
    module.memory_high_water(5);
    assert!(scrape(&metrics).contains("memory_high_water_bytes{controller=\"website\"} 10\n"));
}

#[tokio::test]
async fn the_layer_counts_answers_and_their_absence() {
    use tower::{Layer, ServiceExt, service_fn};
    let metrics = Metrics::new();
    let layer = metrics.client_layer("api:6443");
    let answering = service_fn(|_: http::Request<()>| async {
        Ok::<_, std::io::Error>(http::Response::builder().status(404).body(()).unwrap())
    });
    let failing = service_fn(|_: http::Request<()>| async {
        Err::<http::Response<()>, _>(std::io::Error::other("no route"))
    });
    layer.layer(answering).oneshot(http::Request::new(())).await.unwrap();
    layer.layer(failing).oneshot(http::Request::new(())).await.unwrap_err();
    let text = scrape(&metrics);
    assert!(text.contains("{code=\"404\",method=\"GET\",host=\"api:6443\"} 1\n"), "{text}");
    assert!(text.contains("{code=\"<error>\",method=\"GET\",host=\"api:6443\"} 1\n"), "{text}");
}

//! Events, logs, metrics, settings, time and chance.

use std::time::Duration;

use polyreme_sdk::{Action, Level, Severity, info, warn};
use serde_json::json;

use crate::kinds::{house, reconcile};

#[test]
fn what_is_told_is_remembered() {
    let cluster = house();
    reconcile(&cluster, |ctx, lamp| {
        ctx.event(Severity::Warning, "Broken", "no light");
        ctx.event_on(&lamp, Severity::Normal, "Mended", "light");
        info!(ctx, watts = lamp.spec.watts, room = "hall"; "switched {}", "on");
        warn!(ctx, "hot");
        ctx.count("switched", 1.0, &[("room", "hall")]);
        Ok(Action::RequeueAfter(Duration::from_secs(1)))
    })
    .unwrap();
    assert_eq!(cluster.take_events(), ["Warning Broken: no light", "Normal Mended: light"]);
    let logs = cluster.take_logs();
    assert_eq!((logs[0].level, logs[0].message.as_str()), (Level::Info, "switched on"));
    let fields = [("watts", "5"), ("room", "hall")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(logs[0].fields, fields);
    assert_eq!((logs[1].level, logs[1].message.as_str()), (Level::Warn, "hot"));
    assert_eq!(cluster.take_samples()[0].name, "switched");
}

#[test]
fn settings_are_typed_and_a_fault_is_named() {
    #[derive(Debug, serde::Deserialize)]
    struct Settings {
        rooms: Vec<String>,
    }
    let fits = house().with_settings(json!({ "rooms": ["hall"] }));
    reconcile(&fits, |ctx, _| {
        assert_eq!(ctx.settings::<Settings>()?.rooms, ["hall"]);
        Ok(Action::Done)
    })
    .unwrap();

    let faulty = house().with_settings(json!({ "rooms": ["hall", 3] }));
    let error = reconcile(&faulty, |ctx, _| {
        ctx.settings::<Settings>()?;
        Ok(Action::Done)
    });
    let text = error.unwrap_err().chain();
    assert!(text.contains("`rooms[1]`") && text.contains("invalid type: integer `3`"), "{text}");
}

#[test]
fn time_passes_only_when_the_test_says_so() {
    let cluster = house();
    let before = cluster.now();
    reconcile(&cluster, |ctx, _| {
        assert_eq!(ctx.now().to_string(), "2026-01-01T00:00:00Z");
        Ok(Action::Done)
    })
    .unwrap();
    cluster.advance(Duration::from_secs(60));
    assert_eq!((cluster.now() - before).get_seconds(), 60);
}

#[test]
fn chance_repeats_itself_from_test_to_test() {
    for cluster in [house(), house()] {
        reconcile(&cluster, |ctx, _| {
            assert_eq!(ctx.random_number(), 0xe220_a839_7b1d_cdaf);
            assert_eq!(ctx.random_bytes(11).len(), 11);
            Ok(Action::Done)
        })
        .unwrap();
    }
}

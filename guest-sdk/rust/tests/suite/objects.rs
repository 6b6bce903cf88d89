//! Reads and writes.

use polyreme_sdk::k8s_openapi::api::core::v1::ConfigMap;
use polyreme_sdk::{Action, Context, Error, Object, Query, Reason};
use serde::{Deserialize, Serialize};

use crate::kinds::{LAMP, Lamp, LampStatus, Theme, house, metadata, reconcile};

fn config_map(lamp: &Lamp, data: &[(&str, &str)]) -> ConfigMap {
    let data = data.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    ConfigMap { metadata: lamp.child("map"), data: Some(data.collect()), ..Default::default() }
}

fn set_status(ctx: &Context, lamp: &Lamp, lit: Option<bool>, note: Option<&str>) -> Result<bool, Error> {
    ctx.patch_status(lamp, &LampStatus { lit, note: note.map(Into::into) })
}

#[test]
fn an_apply_removes_what_it_no_longer_names_and_leaves_the_rest() {
    let cluster = house();
    reconcile(&cluster, |ctx, lamp| {
        ctx.apply(&config_map(&lamp, &[("a", "1"), ("b", "1")]))?;
        Ok(Action::Done)
    })
    .unwrap();
    cluster.edit("hall/map", |map: &mut ConfigMap| {
        map.data.get_or_insert_default().insert("theirs".into(), "1".into());
    });
    reconcile(&cluster, |ctx, lamp| {
        assert!(ctx.apply(&config_map(&lamp, &[("a", "2")]))?.changed);
        assert!(!ctx.apply(&config_map(&lamp, &[("a", "2")]))?.changed);
        Ok(Action::Done)
    })
    .unwrap();
    let data = cluster.get::<ConfigMap>("hall/map").data.unwrap();
    let data: Vec<_> = data.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(data, [("a", "2"), ("theirs", "1")]);
}

#[test]
fn a_status_patch_says_only_what_changed() {
    let cluster = house();
    reconcile(&cluster, |ctx, lamp| {
        assert!(set_status(ctx, &lamp, Some(true), Some("new bulb"))?);
        Ok(Action::Done)
    })
    .unwrap();
    cluster.take_writes();
    reconcile(&cluster, |ctx, lamp| {
        assert!(!set_status(ctx, &lamp, Some(true), Some("new bulb"))?);
        assert!(set_status(ctx, &lamp, Some(true), None)?);
        Ok(Action::Done)
    })
    .unwrap();
    let writes = cluster.take_writes();
    assert_eq!(writes, ["patch Lamp/status hall/lamp"]);
    assert_eq!(writes[0].body, serde_json::json!({ "status": { "note": null } }));
    assert_eq!(cluster.get::<Lamp>(LAMP).generation(), 1);
}

#[test]
fn what_others_have_in_a_map_stays_when_an_apply_names_none_of_it_any_more() {
    let cluster = house();
    reconcile(&cluster, |ctx, lamp| {
        let mut map = config_map(&lamp, &[("a", "1")]);
        map.metadata.annotations = Some([("ours".to_owned(), "1".to_owned())].into());
        ctx.apply(&map)?;
        Ok(Action::Done)
    })
    .unwrap();
    cluster.edit("hall/map", |map: &mut ConfigMap| {
        map.metadata.annotations.get_or_insert_default().insert("theirs".into(), "1".into());
    });
    reconcile(&cluster, |ctx, lamp| {
        let mut map = config_map(&lamp, &[]);
        map.data = None;
        map.metadata.labels = Some([("ours".to_owned(), "1".to_owned())].into());
        ctx.apply(&map)?;
        Ok(Action::Done)
    })
    .unwrap();
    let map = cluster.get::<ConfigMap>("hall/map");
    assert_eq!(map.metadata.annotations, Some([("theirs".to_owned(), "1".to_owned())].into()));
    assert_eq!(map.metadata.labels, Some([("ours".to_owned(), "1".to_owned())].into()));
    assert_eq!(map.data, None);
}

#[test]
fn a_field_without_an_index_is_refused_as_by_the_host() {
    reconcile(&house(), |ctx, _| {
        let listed = |fields: &str| ctx.list::<Lamp>(&Query::all().fields(fields));
        // The theme of a lamp is indexed for the mapping of themes.
        for fields in ["metadata.name=lamp", "metadata.namespace!=attic,spec.theme=dark", ".spec.theme=dark"]
        {
            listed(fields)?;
        }
        let error = listed("metadata.name=lamp,spec.watts=5").unwrap_err();
        assert!(error.is_terminal() && error.chain().contains("there is no index on spec.watts"), "{error}");
        ctx.live().list::<Lamp>(&Query::all().fields("spec.watts=5"))?;
        ctx.list::<ConfigMap>(&Query::all().fields("data.a=1"))?;
        let error = ctx.list::<Theme>(&Query::all().fields("spec.theme=dark")).unwrap_err();
        assert_eq!(error.reason(), Some(Reason::BadRequest));
        Ok(Action::Done)
    })
    .unwrap();
}

#[test]
fn what_has_no_name_is_refused_as_by_the_host() {
    reconcile(&house(), |ctx, _| {
        let nameless = ConfigMap::default();
        let refused = [
            ctx.get::<ConfigMap>("").map(drop),
            ctx.apply(&nameless).map(drop),
            ctx.merge_patch(&nameless, &serde_json::json!({})).map(drop),
            ctx.delete_named::<ConfigMap>("").map(drop),
        ];
        for error in refused.map(Result::unwrap_err) {
            assert!(error.chain().contains("ConfigMap has no metadata.name"), "{}", error.chain());
        }
        Ok(Action::Done)
    })
    .unwrap();
}

/// The lamp with a status that encodes defaults.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Gauge {
    lit: bool,
    hours: u32,
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
}

polyreme_sdk::resource! {
    struct GaugedLamp {
        api_version: "house.example.com/v1",
        kind: "Lamp",
        plural: "lamps",
        scope: Namespaced,
        spec: serde_json::Value,
        status: Gauge,
    }
}

fn gauged(ctx: &Context) -> GaugedLamp {
    let json = ctx.current().expect("the lamp of `house` is there");
    serde_json::from_str(json).expect("it is a lamp")
}

#[test]
fn a_default_is_written_where_the_status_does_not_have_it() {
    let cluster = house();
    let report = |ctx: &Context, _: Lamp| {
        ctx.patch_status(&gauged(ctx), &Gauge::default())?;
        Ok(Action::Done)
    };
    reconcile(&cluster, report).unwrap();
    reconcile(&cluster, report).unwrap();
    let writes = cluster.take_writes();
    assert_eq!(writes, ["patch Lamp/status hall/lamp"]);
    assert_eq!(writes[0].body, serde_json::json!({ "status": { "lit": false, "hours": 0 } }));
}

#[test]
fn a_status_is_compared_with_what_was_read_and_not_with_what_became_of_it() {
    let cluster = house();
    let report = |ctx: &Context, _: Lamp| {
        let mut lamp = gauged(ctx);
        let status = lamp.status.insert(Gauge { lit: true, hours: 1, note: String::new() }).clone();
        ctx.patch_status(&lamp, &status)?;
        Ok(Action::Done)
    };
    cluster.edit(LAMP, |lamp: &mut GaugedLamp| {
        lamp.status = Some(Gauge { note: "old".to_owned(), ..Gauge::default() });
    });
    reconcile(&cluster, report).unwrap();
    reconcile(&cluster, report).unwrap();
    let writes = cluster.take_writes();
    assert_eq!(writes, ["patch Lamp/status hall/lamp"]);
    let body = serde_json::json!({ "status": { "lit": true, "hours": 1, "note": null } });
    assert_eq!(writes[0].body, body);
}

#[test]
fn a_stale_update_is_a_conflict() {
    let cluster = house();
    reconcile(&cluster, |ctx, lamp| {
        ctx.apply(&config_map(&lamp, &[("a", "1")]))?;
        let stale: ConfigMap = ctx.get("map")?;
        ctx.apply(&config_map(&lamp, &[("a", "2")]))?;
        assert!(ctx.update(&stale).unwrap_err().is_conflict());
        let fresh: ConfigMap = ctx.live().get("map")?;
        assert!(!ctx.update(&fresh)?.changed);
        Ok(Action::Done)
    })
    .unwrap();
}

#[test]
fn what_is_missing_is_none_and_what_exists_is_not_created_again() {
    reconcile(&house(), |ctx, lamp| {
        assert!(ctx.get_opt::<ConfigMap>("map")?.is_none());
        assert!(!ctx.delete_named::<ConfigMap>("map")?);
        ctx.create(&config_map(&lamp, &[]))?;
        assert!(ctx.create(&config_map(&lamp, &[])).unwrap_err().is_already_exists());
        Ok(Action::Done)
    })
    .unwrap();
}

#[test]
fn a_delete_spares_another_object_of_the_same_name() {
    reconcile(&house(), |ctx, lamp| {
        ctx.create(&config_map(&lamp, &[]))?;
        let first: ConfigMap = ctx.get("map")?;
        assert!(ctx.delete(&first)?);
        ctx.create(&config_map(&lamp, &[]))?;
        assert!(ctx.delete(&first).unwrap_err().is_conflict());
        Ok(Action::Done)
    })
    .unwrap();
}

#[test]
fn lists_select_by_namespace_label_and_field() {
    let cluster = house();
    for (name, namespace) in [("b", "hall"), ("c", "attic")] {
        let mut lamp = Lamp { metadata: metadata(name), ..cluster.get(LAMP) };
        lamp.metadata.namespace = Some(namespace.into());
        lamp.metadata.labels = Some([("colour".to_owned(), "red".to_owned())].into());
        cluster.add(&lamp);
    }
    reconcile(&cluster, |ctx, _| {
        let names = |query: Query| -> Result<Vec<String>, Error> {
            Ok(ctx.list::<Lamp>(&query)?.iter().map(|lamp| lamp.name().to_owned()).collect())
        };
        assert_eq!(names(Query::all())?, ["c", "b", "lamp"]);
        assert_eq!(names(Query::in_namespace("hall"))?, ["b", "lamp"]);
        assert_eq!(names(Query::in_namespace("hall").labels("colour in (red, blue)"))?, ["b"]);
        assert_eq!(names(Query::all().labels("!colour"))?, ["lamp"]);
        assert_eq!(names(Query::all().fields("metadata.name=c"))?, ["c"]);
        Ok(Action::Done)
    })
    .unwrap();
}

#[test]
fn all_of_several_applies_are_tried_and_the_first_failure_is_told() {
    let cluster = house();
    cluster.fail_next("apply", "ConfigMap", Reason::Invalid);
    let error = reconcile(&cluster, |ctx, lamp| {
        let second = ConfigMap { metadata: lamp.child("second"), ..Default::default() };
        ctx.apply_all(&[&config_map(&lamp, &[]), &second])?;
        Ok(Action::Done)
    });
    let text = error.unwrap_err().chain();
    assert_eq!(text, "failed to apply ConfigMap hall/map: invalid: injected by the test");
    assert_eq!(cluster.take_writes(), ["apply ConfigMap hall/second"]);
}

#[test]
fn an_object_that_does_not_fit_its_type_is_reported_with_its_field() {
    let cluster = house();
    polyreme_sdk::resource! {
        struct OddLamp {
            api_version: "house.example.com/v1",
            kind: "Lamp",
            plural: "lamps",
            scope: Namespaced,
            spec: serde_json::Value,
        }
    }
    cluster.edit(LAMP, |lamp: &mut OddLamp| lamp.spec["watts"] = "many".into());
    let error = reconcile(&cluster, |_, _| Ok(Action::Done)).unwrap_err();
    assert!(error.is_terminal());
    assert!(error.to_string().contains("failed to decode Lamp hall/lamp at `spec.watts`"), "{error}");
}

#[test]
fn a_status_that_was_written_is_what_the_next_is_compared_with() {
    let cluster = house();
    reconcile(&cluster, |ctx, lamp| {
        set_status(ctx, &lamp, Some(true), Some("done"))?;
        Ok(Action::Done)
    })
    .unwrap();
    reconcile(&cluster, |ctx, lamp| {
        for (note, is_news) in [("working", true), ("working", false), ("done", true)] {
            assert_eq!(set_status(ctx, &lamp, Some(note == "done"), Some(note))?, is_news, "{note}");
        }
        Ok(Action::Done)
    })
    .unwrap();
    assert_eq!(cluster.get::<Lamp>(LAMP).status.unwrap().note.as_deref(), Some("done"));
}

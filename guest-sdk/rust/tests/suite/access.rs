//! What a reconcile may do without asking.

use polyreme_sdk::k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use polyreme_sdk::{Action, Object, Query};
use serde_json::json;

use crate::kinds::{Lamp, Theme, ThemeSpec, house, metadata, reconcile};

#[test]
fn children_are_managed_and_nothing_else() {
    let cluster = house().with(&ConfigMap { metadata: metadata("theirs"), ..Default::default() });
    reconcile(&cluster, |ctx, lamp| {
        let child = ConfigMap { metadata: lamp.child("ours"), ..Default::default() };
        ctx.apply(&child)?;
        assert!(ctx.get::<ConfigMap>("ours").is_ok());
        assert!(ctx.get::<ConfigMap>("theirs").unwrap_err().is_refused());
        assert!(ctx.delete_named::<ConfigMap>("theirs").unwrap_err().is_refused());
        let orphan = ConfigMap { metadata: metadata("orphan"), ..Default::default() };
        assert!(ctx.apply(&orphan).unwrap_err().is_refused());
        let all: Vec<ConfigMap> = ctx.list(&Query::all())?;
        assert_eq!(all.iter().map(Object::name).collect::<Vec<_>>(), ["ours"]);
        assert!(ctx.delete_named::<ConfigMap>("ours")?);
        Ok(Action::Done)
    })
    .unwrap();
}

#[test]
fn a_kind_that_is_not_in_the_manifest_is_refused_with_the_remedy() {
    let error = reconcile(&house(), |ctx, lamp| {
        ctx.apply(&Service { metadata: lamp.child("lamp"), ..Default::default() })?;
        Ok(Action::Done)
    });
    let error = error.unwrap_err();
    assert!(error.is_terminal() && error.chain().contains(".asks::<Kind>"), "{}", error.chain());
}

#[test]
fn secrets_are_never_owned_silently() {
    let error = reconcile(&house(), |ctx, lamp| {
        ctx.apply(&Secret { metadata: lamp.child("lamp"), ..Default::default() })?;
        Ok(Action::Done)
    });
    assert!(error.unwrap_err().is_refused());
}

#[test]
fn a_watched_kind_is_read_and_not_written() {
    let cluster = house().with(&Theme::new("dark", ThemeSpec {}));
    reconcile(&cluster, |ctx, _| {
        let theme: Theme = ctx.get("dark")?;
        assert!(ctx.delete(&theme).unwrap_err().is_refused());
        Ok(Action::Done)
    })
    .unwrap();
}

#[test]
fn the_primary_is_read_and_its_spec_is_not_written() {
    reconcile(&house(), |ctx, lamp| {
        assert_eq!(ctx.list::<Lamp>(&Query::all())?.len(), 1);
        let patched = ctx.merge_patch(&lamp, &json!({ "spec": { "watts": 9 } }));
        assert!(patched.unwrap_err().is_refused());
        Ok(Action::Done)
    })
    .unwrap();
}

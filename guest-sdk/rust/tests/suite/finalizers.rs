//! The finalizer flow, and objects that are gone.

use polyreme_sdk::{Action, Context, Error, Object, Phase, Reason};

use crate::kinds::{LAMP, Lamp, house, reconcile};

const FINALIZER: &str = "house.example.com/unplug";

fn plug(ctx: &Context, lamp: Lamp) -> Result<Action, Error> {
    if ctx.finalizer(&lamp, FINALIZER)? == Phase::Cleanup {
        ctx.finalized(&lamp, FINALIZER)?;
    }
    Ok(Action::Done)
}

#[test]
fn a_finalizer_is_put_in_place_first_and_only_once() {
    let cluster = house();
    reconcile(&cluster, plug).unwrap();
    assert!(cluster.get::<Lamp>(LAMP).has_finalizer(FINALIZER));
    assert_eq!(cluster.take_writes(), ["patch Lamp hall/lamp"]);
    reconcile(&cluster, plug).unwrap();
    assert_eq!(cluster.take_writes(), [""; 0]);
}

#[test]
fn an_object_goes_after_its_clean_up() {
    let cluster = house();
    reconcile(&cluster, plug).unwrap();
    cluster.remove::<Lamp>(LAMP);
    assert!(cluster.get::<Lamp>(LAMP).is_deleting());
    reconcile(&cluster, plug).unwrap();
    assert!(cluster.find::<Lamp>(LAMP).is_none());
}

#[test]
fn the_finalizers_of_others_stay() {
    let cluster = house();
    cluster.edit(LAMP, |lamp: &mut Lamp| lamp.metadata.finalizers = Some(vec!["other/one".into()]));
    reconcile(&cluster, plug).unwrap();
    cluster.remove::<Lamp>(LAMP);
    reconcile(&cluster, plug).unwrap();
    assert_eq!(cluster.get::<Lamp>(LAMP).metadata.finalizers.unwrap(), ["other/one"]);
    reconcile(&cluster, |ctx, lamp| {
        assert_eq!(ctx.finalizer(&lamp, FINALIZER)?, Phase::Gone);
        Ok(Action::Done)
    })
    .unwrap();
}

#[test]
fn a_conflict_over_finalizers_is_tried_again() {
    let cluster = house();
    cluster.fail_next("patch", "Lamp", Reason::Conflict);
    let error = reconcile(&cluster, plug).unwrap_err();
    assert!(error.is_conflict() && !error.is_terminal());
}

#[test]
fn an_object_that_is_gone_is_reconciled_as_deleted() {
    let cluster = house();
    cluster.remove::<Lamp>(LAMP);
    reconcile(&cluster, plug).unwrap();
    assert_eq!(cluster.take_logs()[0].message, "gone: lamp");
}

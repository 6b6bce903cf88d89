//! The controller on a cluster in memory, in front of a cloud that is a map.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use polyreme_sdk::testing::Fake;
use polyreme_sdk::{Action, HttpReason, HttpRequest, HttpResponse, ObjectMeta};
use serde_json::{Value, json};

use super::*;
use crate::api::VirtualMachineSpec;

const KEY: &str = "default/web";

/// The cloud: machines by key, and how many answers are lost from now on.
#[derive(Default)]
struct Machines {
    by_key: BTreeMap<String, Value>,
    created: usize,
    lost_answers: usize,
}

impl Machines {
    fn answer(&mut self, request: &HttpRequest) -> Result<HttpResponse, HttpReason> {
        let response = self.carry_out(request);
        if self.lost_answers > 0 {
            self.lost_answers -= 1;
            return Err(HttpReason::Broken);
        }
        Ok(response)
    }

    fn carry_out(&mut self, request: &HttpRequest) -> HttpResponse {
        let body: Value = serde_json::from_slice(request.body_bytes()).unwrap_or_default();
        if let Some(key) = request.header_value("idempotency-key") {
            let created = &mut self.created;
            let machine = self.by_key.entry(key.to_owned()).or_insert_with(|| {
                *created += 1;
                json!({ "id": format!("m-{created}"), "size": body["size"], "state": "starting" })
            });
            return HttpResponse::new(201, machine.to_string());
        }
        let id = request.url().rsplit('/').next().unwrap();
        let there = self.by_key.values_mut().find(|one| one["id"] == id && one["state"] != "deleted");
        let Some(machine) = there else { return HttpResponse::new(404, "") };
        match request.method() {
            "PUT" => machine["size"] = body["size"].clone(),
            "DELETE" => machine["state"] = "deleted".into(),
            _ => {
                machine["state"] = "running".into();
                machine["address"] = "10.0.0.1".into();
            }
        }
        HttpResponse::new(200, machine.to_string())
    }
}

fn cloud() -> (Fake, Rc<RefCell<Machines>>) {
    let machines = Rc::new(RefCell::new(Machines::default()));
    let cloud = Rc::clone(&machines);
    let spec = VirtualMachineSpec { size: "small".into(), image: "debian-13".into() };
    let mut vm = VirtualMachine::new("web", spec);
    vm.metadata = ObjectMeta { namespace: Some("default".into()), ..vm.metadata };
    let cluster = Fake::new().with(&vm).with_settings(json!({ "cloud": "http://cloud.test" }));
    (cluster.with_server(move |request| cloud.borrow_mut().answer(request)), machines)
}

fn reconcile(cluster: &Fake) -> Result<Action, Error> {
    cluster.reconcile::<VirtualMachines>(KEY)
}

fn status(cluster: &Fake) -> VirtualMachineStatus {
    cluster.get::<VirtualMachine>(KEY).status.unwrap_or_default()
}

#[test]
fn a_machine_is_made_and_watched_until_it_runs() {
    let (cluster, machines) = cloud();
    assert_eq!(reconcile(&cluster).unwrap(), Action::RequeueAfter(POLL));
    assert_eq!(status(&cluster).phase, Some(api::Phase::Starting));
    assert_eq!(reconcile(&cluster).unwrap(), Action::Done);
    let now = status(&cluster);
    assert_eq!((now.phase, now.address.as_deref()), (Some(api::Phase::Running), Some("10.0.0.1")));
    assert_eq!(machines.borrow().created, 1);
}

#[test]
fn the_finalizer_is_there_before_the_machine_is() {
    let (cluster, _) = cloud();
    reconcile(&cluster).unwrap();
    assert_eq!(cluster.take_writes()[0], "patch VirtualMachine default/web");
    assert!(cluster.get::<VirtualMachine>(KEY).metadata.finalizers.unwrap().contains(&FINALIZER.to_owned()));
}

#[test]
fn a_lost_answer_and_a_changed_spec_make_no_second_machine() {
    let (cluster, machines) = cloud();
    machines.borrow_mut().lost_answers = 1;
    assert!(reconcile(&cluster).is_err());
    assert_eq!(status(&cluster).id, None, "the answer was lost");
    cluster.edit::<VirtualMachine>(KEY, |vm| vm.spec.size = "large".into());
    reconcile(&cluster).unwrap();
    let now = status(&cluster);
    assert_eq!((now.id.as_deref(), now.size.as_deref()), (Some("m-1"), Some("large")));
    assert_eq!(machines.borrow().created, 1);
}

#[test]
fn a_machine_whose_id_nobody_read_is_deleted_with_its_object() {
    let (cluster, machines) = cloud();
    machines.borrow_mut().lost_answers = 1;
    assert!(reconcile(&cluster).is_err());
    cluster.remove::<VirtualMachine>(KEY);
    reconcile(&cluster).unwrap();
    assert!(cluster.find::<VirtualMachine>(KEY).is_none());
    let machines = machines.borrow();
    assert_eq!(machines.created, 1);
    assert!(machines.by_key.values().all(|machine| machine["state"] == "deleted"));
}

#[test]
fn deleting_goes_on_where_a_lost_answer_ended_it() {
    let (cluster, machines) = cloud();
    reconcile(&cluster).unwrap();
    cluster.remove::<VirtualMachine>(KEY);
    machines.borrow_mut().lost_answers = 1;
    assert!(reconcile(&cluster).is_err());
    reconcile(&cluster).unwrap();
    assert!(cluster.find::<VirtualMachine>(KEY).is_none());
}

#[test]
fn a_machine_that_somebody_removed_is_reported_and_not_made_again() {
    let (cluster, machines) = cloud();
    reconcile(&cluster).unwrap();
    for machine in machines.borrow_mut().by_key.values_mut() {
        machine["state"] = "deleted".into();
    }
    reconcile(&cluster).unwrap();
    assert_eq!(status(&cluster).phase, Some(api::Phase::Lost));
    assert_eq!(cluster.take_events().len(), 1);
    assert_eq!(machines.borrow().created, 1);
}

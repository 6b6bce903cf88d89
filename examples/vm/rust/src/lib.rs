//! A VirtualMachine becomes a machine in a private cloud, and exactly one, however often hosts die.
//!
//! Kubernetes and the cloud cannot be written in one step, so a host can die between the two: the machine was
//! made, and no status says so. Four rules make that harmless:
//!
//! 1. The finalizer is there before anything outside is. Nothing in the cloud outlives its object.
//! 2. The creation carries the object's **uid** as its idempotency key. The cloud makes one machine for each key and
//!    tells of it again when asked again: whoever finds no id in the status asks again. The request's own key
//!    (`ctx.idempotency_key()`) would be wrong here: it changes with every generation, so a change of the spec in
//!    that gap would make a second machine.
//! 3. The id goes into the status before anything else is done with the machine.
//! 4. An object that is deleted without an id in its status may have a machine all the same, or its creation may
//!    still be on its way. Asking once more with the same key settles it: the answer has the id, and whatever
//!    arrives later is told of that machine, which is deleted then.

mod api;
mod cloud;

use std::time::Duration;

use polyreme_sdk::{Action, Context, Controller, Error, Manifest, Object, Phase, Severity, info};
use serde::Deserialize;

use api::{VirtualMachine, VirtualMachineStatus};
use cloud::{Cloud, Machine, NewMachine, State};

/// Holds the object until its machine is gone.
const FINALIZER: &str = "vm.polyreme.dev/machine";

/// How soon a machine that starts is looked at again: the cloud sends no events.
const POLL: Duration = Duration::from_millis(500);

/// `settings:` of this controller.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The cloud's API.
    cloud: String,
}

/// The controller of VirtualMachines.
struct VirtualMachines;

impl Controller for VirtualMachines {
    type Primary = VirtualMachine;

    fn manifest() -> Manifest {
        Manifest::new("vm").settings_schema(include_str!("settings.schema.json"))
    }

    fn reconcile(ctx: &Context, vm: VirtualMachine) -> Result<Action, Error> {
        let cloud = Cloud::new(ctx, ctx.settings::<Settings>()?.cloud);
        match ctx.finalizer(&vm, FINALIZER)? {
            Phase::Apply => bring_about(ctx, &cloud, &vm),
            Phase::Cleanup => {
                clean_up(ctx, &cloud, &vm)?;
                ctx.finalized(&vm, FINALIZER)?;
                Ok(Action::Done)
            }
            Phase::Gone => Ok(Action::Done),
        }
    }
}

polyreme_sdk::controller!(VirtualMachines);

/// Makes the machine, or looks after it.
fn bring_about(ctx: &Context, cloud: &Cloud<'_>, vm: &VirtualMachine) -> Result<Action, Error> {
    let machine = match known_id(vm) {
        Some(id) => cloud.find(id)?,
        None => Some(create(cloud, vm)?),
    };
    let Some(machine) = machine.filter(|machine| machine.state != State::Deleted) else {
        return lose(ctx, vm);
    };
    // Before anything else: from here on the id is known whatever happens.
    report(ctx, vm, &machine)?;
    if machine.size != vm.spec.size {
        info!(ctx, id = machine.id; "resizing from {} to {}", machine.size, vm.spec.size);
        let Some(resized) = cloud.resize(&machine.id, &vm.spec.size)? else { return lose(ctx, vm) };
        report(ctx, vm, &resized)?;
    }
    Ok(if machine.state == State::Running { Action::Done } else { Action::RequeueAfter(POLL) })
}

/// One machine for each uid: see the rules above.
fn create(cloud: &Cloud<'_>, vm: &VirtualMachine) -> Result<Machine, Error> {
    let name = format!("{}/{}", vm.namespace().unwrap_or_default(), vm.name());
    let machine = NewMachine { name: &name, size: &vm.spec.size, image: &vm.spec.image };
    cloud.create(vm.uid(), &machine)
}

fn clean_up(ctx: &Context, cloud: &Cloud<'_>, vm: &VirtualMachine) -> Result<(), Error> {
    let id = match known_id(vm) {
        Some(id) => id.to_owned(),
        None => create(cloud, vm)?.id,
    };
    cloud.delete(&id)?;
    info!(ctx, id = id; "deleted");
    Ok(())
}

/// Somebody removed the machine from the cloud. A new one would be another machine, without what was on it: that
/// is for its owner to decide.
fn lose(ctx: &Context, vm: &VirtualMachine) -> Result<Action, Error> {
    let held = vm.status.clone().unwrap_or_default();
    let lost = VirtualMachineStatus { phase: Some(api::Phase::Lost), address: None, ..held };
    if ctx.patch_status(vm, &lost)? {
        let note = "the machine is gone from the cloud; delete this object to give it up";
        ctx.event(Severity::Warning, "MachineLost", note);
    }
    Ok(Action::Done)
}

fn report(ctx: &Context, vm: &VirtualMachine, machine: &Machine) -> Result<(), Error> {
    let phase = match machine.state {
        State::Running => api::Phase::Running,
        State::Starting | State::Deleted => api::Phase::Starting,
    };
    let status = VirtualMachineStatus {
        id: Some(machine.id.clone()),
        phase: Some(phase),
        address: machine.address.clone(),
        size: Some(machine.size.clone()),
    };
    if ctx.patch_status(vm, &status)? {
        info!(ctx, id = machine.id; "{phase:?}");
    }
    Ok(())
}

fn known_id(vm: &VirtualMachine) -> Option<&str> {
    vm.status.as_ref()?.id.as_deref()
}

#[cfg(test)]
mod tests;

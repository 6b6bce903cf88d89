//! `profiles:`, against the controllers that they name.

use polyreme_runtime::Instances;
use serde_saphyr::Spanned;

use super::Checker;
use crate::config::raw::{RawPart, RawProfile};
use crate::config::{ControllerConfig, Part, Profile, WORKERS};

impl Checker {
    pub(super) fn profiles(
        &mut self,
        raw: Option<Vec<Spanned<RawProfile>>>,
        controllers: &[ControllerConfig],
    ) -> Vec<Profile> {
        let mut profiles: Vec<Profile> = Vec::new();
        for RawProfile { name, controllers: parts } in
            raw.unwrap_or_default().into_iter().map(|one| one.value)
        {
            self.dns_label("profile name", &name);
            if profiles.iter().any(|earlier| earlier.name == name.value) {
                let problem = format!("profile \"{}\" is given twice", name.value);
                self.fault(name.referenced, problem, "give one of them another name");
            }
            if parts.is_empty() {
                let problem = format!("profile \"{}\" has no controllers", name.value);
                self.fault(name.referenced, problem, "name at least one, or remove the profile");
            }
            let parts = parts.into_iter().filter_map(|part| self.part(part.value, controllers)).collect();
            profiles.push(Profile { name: name.value, parts });
        }
        profiles
    }

    fn part(&mut self, raw: RawPart, controllers: &[ControllerConfig]) -> Option<Part> {
        let Some(controller) = controllers.iter().find(|one| one.name == raw.name.value) else {
            let problem = format!("there is no controller \"{}\"", raw.name.value);
            let known: Vec<&str> = controllers.iter().map(|one| one.name.as_str()).collect();
            let remedy = super::suggestion(&raw.name.value, &known);
            self.fault(raw.name.referenced, problem, remedy);
            return None;
        };
        let place = raw.workers.as_ref().map(|workers| workers.referenced);
        let workers = raw.workers.map(|workers| self.number("workers", Some(workers), WORKERS));
        if let (Some(workers), Some(place), Instances::Warm(warm)) = (workers, place, controller.instances)
            && workers < warm.count
        {
            let problem =
                format!("workers is {workers}, and the controller keeps {} instances warm", warm.count);
            self.fault(
                place,
                problem,
                "more than its workers are never used: raise workers or lower instances.warm",
            );
        }
        Some(Part { controller: raw.name.value, workers })
    }
}

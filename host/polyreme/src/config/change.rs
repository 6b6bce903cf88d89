//! What of a changed configuration means something else than before.
//!
//! Places in the file change whenever a line is added above; they are kept for messages and compared never.

use super::{ControllerConfig, HostConfig};

impl ControllerConfig {
    /// Whether another reading of the file says the same of a controller.
    #[must_use]
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        self.without_places() == other.without_places()
    }

    fn without_places(&self) -> Self {
        let mut bare = self.clone();
        bare.place = super::Place::new("", 0, 0);
        bare.settings_place = bare.place.clone();
        bare.grants.iter_mut().for_each(|grant| grant.line = None);
        bare.http.iter_mut().for_each(|grant| grant.line = None);
        bare
    }
}

/// The parts of a configuration that differ and that a running host does not take up.
#[must_use]
pub fn restart_needed(running: &HostConfig, changed: &HostConfig) -> Vec<&'static str> {
    let differences = [
        ("admin", running.admin != changed.admin),
        ("clusterNetworks", running.cluster_networks != changed.cluster_networks),
        ("cacheDir", running.cache_dir != changed.cache_dir),
        ("shutdownGracePeriod", running.shutdown_grace_period != changed.shutdown_grace_period),
        ("ownership", running.ownership != changed.ownership),
    ];
    differences.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const FILE: &str = "apiVersion: polyreme.dev/v1alpha1\nkind: HostConfiguration\ncontrollers:\n- name: a\n  module: file:a.wasm\n  grants:\n  - {apiVersion: v1, kinds: [Pod], verbs: [get]}\n";

    fn parse(text: &str) -> HostConfig {
        HostConfig::parse(text, Path::new("p.yaml")).unwrap()
    }

    #[test]
    fn a_controller_that_moved_in_the_file_is_the_same() {
        let (before, after) =
            (parse(FILE), parse(&FILE.replace("controllers:", "# a comment\ncontrollers:")));
        assert_ne!(before.controllers, after.controllers);
        assert!(before.controllers[0].says_the_same_as(&after.controllers[0]));
    }

    #[test]
    fn any_field_of_a_controller_makes_a_difference() {
        let before = parse(FILE);
        for (from, to) in [
            ("file:a.wasm", "file:b.wasm"),
            ("  grants:", "  workers: 2\n  grants:"),
            ("  grants:", "  settings: {a: 1}\n  grants:"),
            ("  grants:", "  limits: {memory: 32Mi}\n  grants:"),
            ("  grants:", "  instances: {warm: 2}\n  grants:"),
            ("  grants:", "  queue: {maxDelay: 1m}\n  grants:"),
            ("[get]", "[list]"),
        ] {
            let after = parse(&FILE.replace(from, to));
            assert!(!before.controllers[0].says_the_same_as(&after.controllers[0]), "{to}");
        }
    }

    #[test]
    fn what_a_running_host_cannot_take_up_is_named() {
        let changed = FILE.replace(
            "controllers:",
            "ownership: {timing: fast}\nadmin: {address: '127.0.0.1:1'}\ncontrollers:",
        );
        assert_eq!(restart_needed(&parse(FILE), &parse(&changed)), ["admin", "ownership"]);
        assert!(restart_needed(&parse(FILE), &parse(FILE)).is_empty());
    }
}

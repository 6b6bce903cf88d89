//! What this controller and the one in Go both write: `../golden`, inputs and outputs.
//!
//! The tests in Go write the files anew (`UPDATE_GOLDEN=1 go test ./...` in `../go`); here they are only read,
//! so the two must agree.

use std::fs;
use std::path::Path;

use polyreme_sdk::k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{Phase, ThemeSpec, Website};
use crate::children::Children;
use crate::settings::Settings;
use crate::status;

#[derive(Deserialize)]
struct Case {
    name: String,
    website: Website,
    theme: ThemeSpec,
    settings: Settings,
}

impl Case {
    /// Everything that the controller would write for a site.
    fn output(&self) -> Value {
        let children = Children::of(&self.website, &self.theme, &self.settings);
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let status = |phase| status::next(&self.website, phase, "as it is", now);
        json!({
            "configMap": children.config_map,
            "service": children.service,
            "ingress": children.ingress,
            "deployment": children.deployment,
            "status": {
                "Pending": status(Phase::Pending),
                "Ready": status(Phase::Ready),
                "Error": status(Phase::Error),
                "Terminating": status(Phase::Terminating),
            },
        })
    }
}

fn golden(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn what_is_written_is_what_the_controller_in_go_writes() {
    let cases: Vec<Case> = serde_json::from_str(&golden("cases.json")).unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let text = serde_json::to_string_pretty(&case.output()).unwrap();
        assert_eq!(format!("{text}\n"), golden(&format!("{}.json", case.name)), "case {}", case.name);
    }
}

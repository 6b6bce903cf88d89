//! A controller's `settings:` against the JSON Schema that its module brings.
//!
//! The check runs before the module is started, so that a typing error shows as a line of
//! the configuration and not as a strange reconcile. The schema comes from a guest: one
//! that does not compile is the module's fault and said to be, and references to other
//! documents are never followed.

use std::fmt;

use super::{ControllerConfig, Place};

/// Faults printed of one controller; a wrong shape at the top can have hundreds below.
const MAX_FAULTS: usize = 10;

/// One value that the schema does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsFault {
    /// `settings.ingress.hosts[0]`.
    pub path: String,
    /// What the schema says of it.
    pub problem: String,
}

impl fmt::Display for SettingsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.problem)
    }
}

/// Why a controller cannot start with its settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The module's schema is not a JSON Schema: nothing the configuration can change.
    #[error(
        "failed to read the settings schema of controller {controller}'s module: {problem}; it is the module that has to be fixed"
    )]
    Schema {
        /// The controller.
        controller: String,
        /// What is wrong with the schema.
        problem: String,
    },
    /// The settings are not what the schema wants.
    #[error("{place}: settings of controller {controller} are not what its module accepts: {}", list(faults))]
    Settings {
        /// The controller.
        controller: String,
        /// Where the settings are.
        place: Place,
        /// At most ten.
        faults: Vec<SettingsFault>,
    },
}

/// Checks the settings of `controller` against its module's schema.
///
/// # Errors
///
/// When the schema is not one, or does not allow the settings.
pub fn validate_settings(schema: &str, controller: &ControllerConfig) -> Result<(), SettingsError> {
    let validator = compile(schema)
        .map_err(|problem| SettingsError::Schema { controller: controller.name.clone(), problem })?;
    let faults: Vec<_> = validator
        .iter_errors(&controller.settings)
        .take(MAX_FAULTS)
        .map(|error| SettingsFault {
            path: dotted(&error.instance_path().to_string()),
            problem: error.to_string(),
        })
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(refused(controller, faults)) }
}

fn refused(controller: &ControllerConfig, faults: Vec<SettingsFault>) -> SettingsError {
    SettingsError::Settings {
        controller: controller.name.clone(),
        place: controller.settings_place.clone(),
        faults,
    }
}

fn compile(schema: &str) -> Result<jsonschema::Validator, String> {
    let schema: serde_json::Value = serde_json::from_str(schema).map_err(|e| e.to_string())?;
    jsonschema::validator_for(&schema).map_err(|e| e.to_string())
}

/// `/ingress/hosts/0` as `settings.ingress.hosts[0]`.
fn dotted(pointer: &str) -> String {
    let mut path = String::from("settings");
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        if step.chars().all(|c| c.is_ascii_digit()) {
            path.push_str(&format!("[{step}]"));
        } else {
            path.push_str(&format!(".{step}"));
        }
    }
    path
}

fn list(faults: &[SettingsFault]) -> String {
    faults.iter().map(SettingsFault::to_string).collect::<Vec<_>>().join("; ")
}

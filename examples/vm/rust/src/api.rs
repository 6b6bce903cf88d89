//! The VirtualMachine kind, as far as the controller knows it.

use serde::{Deserialize, Serialize};

/// What users wish for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct VirtualMachineSpec {
    pub(crate) size: String,
    /// Never changes: the CRD refuses it.
    pub(crate) image: String,
}

/// What the cloud has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VirtualMachineStatus {
    /// Absent until the answer to the creation was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) phase: Option<Phase>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<String>,
}

/// Where a machine stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// It is there and cannot be used yet.
    Starting,
    /// It can be used.
    Running,
    /// Somebody removed it from the cloud.
    Lost,
}

polyreme_sdk::resource! {
    pub(crate) struct VirtualMachine {
        api_version: "vm.polyreme.dev/v1alpha1",
        plural: "virtualmachines",
        scope: Namespaced,
        spec: VirtualMachineSpec,
        status: VirtualMachineStatus,
    }
}

//! Which fields of a kind `fieldSelector` may name.

use super::{Origin, Resource};

impl Resource {
    /// The field paths that a field selector may use, as the real server lists them.
    pub(crate) fn selectable_fields(&self) -> Vec<String> {
        let mut fields = vec!["metadata.name".to_owned()];
        if self.namespaced || !self.is_custom() {
            fields.push("metadata.namespace".to_owned());
        }
        match &self.origin {
            Origin::BuiltIn => {
                let more = built_in(&self.group, &self.plural);
                fields.extend(more.iter().map(|f| (*f).to_owned()));
            }
            Origin::Custom { selectable, .. } => fields.extend(selectable.iter().cloned()),
        }
        fields
    }

    /// What is said about a field that cannot be selected by; kinds without fields of their
    /// own list what there is.
    pub(crate) fn unselectable(&self, path: &str) -> String {
        if self.is_custom() || !built_in(&self.group, &self.plural).is_empty() {
            return format!("field label not supported: {path}");
        }
        format!("\"{path}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
    }
}

fn built_in(group: &str, plural: &str) -> &'static [&'static str] {
    match (group, plural) {
        ("", "pods") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        ("", "events") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("events.k8s.io", "events") => &[
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "regarding.apiVersion",
            "regarding.resourceVersion",
            "regarding.fieldPath",
            "reason",
            "reportingController",
            "type",
        ],
        ("", "namespaces") => &["status.phase"],
        ("", "secrets") => &["type"],
        ("", "nodes") => &["spec.unschedulable"],
        ("", "services") => &["spec.clusterIP", "spec.type"],
        ("apps", "replicasets") | ("", "replicationcontrollers") => &["status.replicas"],
        ("batch", "jobs") => &["status.successful"],
        _ => &[],
    }
}

//! Refusals in the words of Kubernetes: a `Status` with code, reason and details.
//!
//! Clients match on `reason` and on `details.causes`, people read `message`; the wording
//! follows `k8s.io/apimachinery/pkg/api/errors`, because scripts match on that too.

use serde_json::{Value, json};

use crate::schema::{Cause, aggregate};

/// One refused request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiError {
    /// HTTP status code.
    pub(crate) code: u16,
    /// `reason` of the Status; empty for the errors that have none.
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// `details` of the Status.
    pub(crate) details: Option<Box<Value>>,
}

/// Which resource an error is about: `deployments` in group `apps`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) group: &'a str,
    pub(crate) plural: &'a str,
    pub(crate) kind: &'a str,
}

impl Subject<'_> {
    /// `deployments.apps`, or `pods` in the core group.
    fn resource(&self) -> String {
        qualified(self.plural, self.group)
    }
}

fn qualified(word: &str, group: &str) -> String {
    if group.is_empty() {
        return word.to_owned();
    }
    format!("{word}.{group}")
}

impl ApiError {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        ApiError { code, reason, message, details: None }
    }

    fn about(mut self, subject: Subject<'_>, name: &str) -> Self {
        let mut details = json!({"name": name, "group": subject.group, "kind": subject.plural});
        if let Value::Object(map) = &mut details {
            map.retain(|_, v| v.as_str() != Some(""));
        }
        self.details = Some(Box::new(details));
        self
    }

    pub(crate) fn not_found(subject: Subject<'_>, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", subject.resource());
        Self::new(404, "NotFound", message).about(subject, name)
    }

    /// A path that names a resource the server does not have, in Status form.
    pub(crate) fn no_such_resource() -> Self {
        let mut error = Self::new(404, "NotFound", "the server could not find the requested resource");
        error.details = Some(Box::new(json!({})));
        error
    }

    pub(crate) fn already_exists(subject: Subject<'_>, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", subject.resource());
        Self::new(409, "AlreadyExists", message).about(subject, name)
    }

    pub(crate) fn conflict(subject: Subject<'_>, name: &str, why: &str) -> Self {
        let resource = subject.resource();
        let message = format!("Operation cannot be fulfilled on {resource} \"{name}\": {why}");
        Self::new(409, "Conflict", message).about(subject, name)
    }

    /// The optimistic lock was lost.
    pub(crate) fn modified(subject: Subject<'_>, name: &str) -> Self {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(subject, name, why)
    }

    /// A precondition of a deletion does not hold; the real server names the kind here.
    pub(crate) fn precondition(subject: Subject<'_>, name: &str, why: &str) -> Self {
        Self::conflict(Subject { plural: subject.kind, ..subject }, name, why)
    }

    /// Server-side apply met fields of other managers.
    pub(crate) fn apply_conflict(message: String, causes: &[Cause]) -> Self {
        let mut error = Self::new(409, "Conflict", message);
        error.details = Some(Box::new(json!({"causes": causes_json(causes)})));
        error
    }

    pub(crate) fn invalid(subject: Subject<'_>, name: &str, causes: &[Cause]) -> Self {
        let kind = qualified(subject.kind, subject.group);
        let message = format!("{kind} \"{name}\" is invalid: {}", aggregate(causes));
        let details = json!({
            "name": name, "group": subject.group, "kind": subject.kind, "causes": causes_json(causes),
        });
        let mut error = Self::new(422, "Invalid", message);
        error.details = Some(Box::new(without_empty(details)));
        error
    }

    /// Options of a request (not of an object) that do not go together.
    pub(crate) fn invalid_options(kind: &str, causes: &[Cause]) -> Self {
        let subject = Subject { group: "meta.k8s.io", plural: "", kind };
        Self::invalid(subject, "", causes)
    }

    /// A patch that is well-formed but cannot be applied to this object.
    pub(crate) fn unapplicable(why: &str) -> Self {
        tracing::debug!(why, "a patch cannot be applied");
        let message = "the server rejected our request due to an error in our request";
        let mut error = Self::new(422, "Invalid", message);
        error.details = Some(Box::new(json!({})));
        error
    }

    /// A patched object that cannot be decoded: the real server names no object.
    pub(crate) fn invalid_patch(causes: &[Cause]) -> Self {
        Self::invalid(Subject { group: "", plural: "", kind: "" }, "", causes)
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    pub(crate) fn forbidden(subject: Subject<'_>, name: &str, why: &str) -> Self {
        let resource = subject.resource();
        let message = format!("{resource} \"{name}\" is forbidden: {why}");
        Self::new(403, "Forbidden", message).about(subject, name)
    }

    /// A write into a namespace that is being deleted.
    pub(crate) fn namespace_terminating(subject: Subject<'_>, name: &str, namespace: &str) -> Self {
        let why =
            format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut error = Self::forbidden(subject, name, &why);
        let cause = json!([{
            "reason": "NamespaceTerminating",
            "message": format!("namespace {namespace} is being terminated"),
            "field": "metadata.namespace",
        }]);
        if let Some(Value::Object(details)) = error.details.as_deref_mut() {
            details.insert("causes".to_owned(), cause);
        }
        error
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        let mut error = Self::new(405, "MethodNotAllowed", message);
        error.details = Some(Box::new(json!({})));
        error
    }

    /// A patch of a type that no kind has.
    pub(crate) fn no_such_media_type() -> Self {
        let mut error = Self::new(415, "UnsupportedMediaType", "415: Unsupported Media Type");
        error.details = Some(Box::new(json!({})));
        error
    }

    pub(crate) fn unsupported_media_type(accepted: &[&str]) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            accepted.join(", ")
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    pub(crate) fn not_acceptable(accepted: &[&str]) -> Self {
        let message = format!("406: Not Acceptable\n\nAvailable representations: {}", accepted.join(", "));
        let mut error = Self::new(406, "NotAcceptable", message);
        error.details = Some(Box::new(json!({})));
        error
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(413, "RequestEntityTooLarge", format!("limit is {limit}"))
    }

    /// A revision outside the window that the server remembers.
    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// A list at a revision that the server has not reached.
    pub(crate) fn version_too_large(wanted: u64, current: u64) -> Self {
        let text = format!("Too large resource version: {wanted}, current: {current}");
        let mut error = Self::new(504, "Timeout", format!("Timeout: {text}"));
        error.details = Some(Box::new(json!({
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        })));
        error
    }

    /// The time that the client gave the request has passed.
    pub(crate) fn timed_out() -> Self {
        let message = "Timeout: request did not complete within the allotted timeout";
        let mut error = Self::new(504, "Timeout", message);
        error.details = Some(Box::new(json!({})));
        error
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        let message = message.into();
        let mut error = Self::new(500, "InternalError", format!("Internal error occurred: {message}"));
        error.details = Some(Box::new(json!({"causes": [{"message": message}]})));
        error
    }

    /// The 500 without a reason that kube-apiserver gives for errors it did not foresee.
    pub(crate) fn unforeseen(message: impl Into<String>) -> Self {
        Self::new(500, "", message)
    }

    /// The body of the answer.
    pub(crate) fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if let Value::Object(map) = &mut status {
            map.retain(|_, v| v.as_str() != Some(""));
            if let Some(details) = &self.details {
                map.insert("details".to_owned(), (**details).clone());
            }
        }
        status
    }

    /// What the `Retry-After` header says, when there is one.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.details.as_ref()?.get("retryAfterSeconds")?.as_u64()
    }
}

fn causes_json(causes: &[Cause]) -> Vec<Value> {
    causes.iter().map(|c| json!({"reason": c.reason, "message": c.message, "field": c.field})).collect()
}

fn without_empty(mut details: Value) -> Value {
    if let Value::Object(map) = &mut details {
        map.retain(|_, v| v.as_str() != Some(""));
    }
    details
}

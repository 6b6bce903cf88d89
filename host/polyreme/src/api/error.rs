//! From failures of requests to the errors that guests match on.

use kube::core::Status;
use polyreme_runtime::wit::types::{Error, Reason};

use crate::explain;

/// The error that a guest sees for a failed request.
pub(super) fn to_guest(error: &kube::Error) -> Error {
    match error {
        kube::Error::Api(status) if status.code == 403 => {
            Error { message: explain::request_error(error), ..from_status(status) }
        }
        kube::Error::Api(status) => from_status(status),
        error => Error::new(
            Reason::Unavailable,
            format!("failed to reach the API server: {}", explain::chain(error)),
        ),
    }
}

/// Whether a request that failed may have been carried out: no answer came, or one from somebody who
/// gave up waiting for it.
pub(super) fn is_open(failure: &kube::Error) -> bool {
    match failure {
        kube::Error::Api(status) => status.code == 502 || reason(status) == Reason::Timeout,
        // The answer came and could not be read.
        kube::Error::FromUtf8(_) | kube::Error::SerdeError(_) => false,
        _ => true,
    }
}

/// Whether an apply was refused for fields that others own, which no newer version changes.
pub(super) fn is_of_field_managers(failure: &kube::Error) -> bool {
    let kube::Error::Api(status) = failure else { return false };
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.reason == "FieldManagerConflict")
}

fn from_status(status: &Status) -> Error {
    let details = status.details.as_ref();
    let causes = details.map(|details| &details.causes).into_iter().flatten();
    let retry_after = details.map(|details| details.retry_after_seconds).filter(|seconds| *seconds > 0);
    Error {
        reason: reason(status),
        message: status.message.clone(),
        retry_after_ms: retry_after.map(|seconds| u64::from(seconds) * 1000),
        causes: causes.map(|cause| format!("{}: {}", cause.field, cause.message)).collect(),
    }
}

/// By the reason, and by the code for servers and proxies that send none.
fn reason(status: &Status) -> Reason {
    match (status.reason.as_str(), status.code) {
        ("AlreadyExists", _) => Reason::AlreadyExists,
        ("Expired" | "Gone", _) | (_, 410) => Reason::Gone,
        ("Timeout" | "ServerTimeout", _) | (_, 504) => Reason::Timeout,
        ("NotFound", _) | (_, 404) => Reason::NotFound,
        ("Conflict", _) | (_, 409) => Reason::Conflict,
        ("Invalid", _) | (_, 422) => Reason::Invalid,
        ("Forbidden" | "Unauthorized", _) | (_, 401 | 403) => Reason::Forbidden,
        ("TooManyRequests", _) | (_, 429) => Reason::TooManyRequests,
        ("ServiceUnavailable", _) | (_, 502 | 503) => Reason::Unavailable,
        ("BadRequest", _) | (_, 400) => Reason::BadRequest,
        _ => Reason::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(json: &str) -> Error {
        to_guest(&kube::Error::Api(Box::new(serde_json::from_str(json).unwrap())))
    }

    #[test]
    fn the_reason_decides_and_the_code_stands_in_for_it() {
        let reason =
            |reason: &str, code: u16| status(&format!(r#"{{"reason":"{reason}","code":{code}}}"#)).reason;
        assert_eq!(reason("AlreadyExists", 409), Reason::AlreadyExists);
        assert_eq!(reason("Conflict", 409), Reason::Conflict);
        assert_eq!(reason("", 409), Reason::Conflict);
        assert_eq!(reason("Expired", 410), Reason::Gone);
        assert_eq!(reason("", 503), Reason::Unavailable);
        assert_eq!(reason("InternalError", 500), Reason::Other);
    }

    #[test]
    fn causes_and_the_wait_are_passed_on() {
        let error = status(
            r#"{"reason":"Invalid","code":422,"message":"no","details":{"retryAfterSeconds":2,
                "causes":[{"field":"spec.x","message":"too big","reason":"FieldValueInvalid"}]}}"#,
        );
        assert_eq!((error.retry_after_ms, error.causes), (Some(2000), vec!["spec.x: too big".to_owned()]));
    }
}

//! In whose name a module writes. Pure.
//!
//! Server-side apply keeps an account of who set which field, under names that a client chooses itself:
//! whoever applies in another's name takes that one's fields over, and removes those that it leaves out,
//! without a conflict. So a module writes under its controller's name in the configuration, or under one
//! that begins with it and [`SEPARATOR`], which no name of a controller holds.

/// Between the controller's name and the rest.
const SEPARATOR: char = '/';

/// Longest name that the API server takes, in bytes (`FieldManagerMaxLength` of
/// `k8s.io/apimachinery/pkg/apis/meta/v1/validation`).
const MAX_BYTES: usize = 128;

/// Refuses a name that is not the controller's own; the sentence says which would be.
pub(super) fn check(own: &str, wanted: Option<&str>) -> Result<(), String> {
    let Some(wanted) = wanted else { return Ok(()) };
    let rest = wanted.strip_prefix(own);
    let is_own = rest.is_some_and(|rest| {
        rest.is_empty() || rest.strip_prefix(SEPARATOR).is_some_and(|purpose| !purpose.is_empty())
    });
    if is_own && wanted.len() <= MAX_BYTES {
        return Ok(());
    }
    Err(format!(
        "controller {own:?} may not write as field manager {wanted:?}: a module writes under its controller's \
         name, {own:?}, or under one that begins with {own}{SEPARATOR} and has at most {MAX_BYTES} bytes; \
         leave the field manager out for {own:?}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_name_and_what_begins_with_it_and_a_slash_are_allowed() {
        for wanted in [None, Some("web"), Some("web/status"), Some("web/a/b")] {
            assert_eq!(check("web", wanted), Ok(()), "{wanted:?}");
        }
    }

    #[test]
    fn no_other_name_is_allowed_that_another_controller_or_the_host_could_have() {
        for wanted in ["polyreme", "kubectl", "web-hosting", "webhosting", "we", "", "web/", "/web", "Web"] {
            let why = check("web", Some(wanted)).unwrap_err();
            assert!(why.contains("field manager") && why.contains("web/"), "{why}");
        }
    }

    #[test]
    fn a_name_that_the_api_server_would_refuse_is_refused() {
        assert!(check("web", Some(&format!("web/{}", "x".repeat(124)))).is_ok());
        assert!(check("web", Some(&format!("web/{}", "x".repeat(125)))).is_err());
    }
}

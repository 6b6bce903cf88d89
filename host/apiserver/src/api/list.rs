//! List: which objects, at which revision, and where the next page begins.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Api, from_stored};
use crate::error::ApiError;
use crate::kinds::Resource;
use crate::schema::Cause;
use crate::selector::{FieldSelector, LabelSelector, labels_match};
use crate::store::{Object, Snapshot};

/// How long a request waits for a revision that is still to come: as the watch cache does.
const WAIT_FOR_REVISION: Duration = Duration::from_secs(3);

/// Which objects a list, a watch or a collection delete is about.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    pub(crate) namespace: Option<String>,
    /// A single object, as in `?watch=1` on an object's URL.
    pub(crate) name: Option<String>,
    pub(crate) labels: LabelSelector,
    pub(crate) fields: FieldSelector,
}

impl Selection {
    /// Whether an object of the resource's version is meant.
    pub(crate) fn matches(&self, resource: &Resource, object: &Object) -> bool {
        if self.labels.is_empty() && self.fields.is_empty() && self.name.is_none() {
            return true;
        }
        let value = from_stored(resource, object);
        let named = self.name.as_deref().is_none_or(|name| crate::json::name(&value) == name);
        named && labels_match(&self.labels, &value) && self.fields.matches(|path| field(&value, path))
    }

    fn selects(&self) -> bool {
        !self.labels.is_empty() || !self.fields.is_empty()
    }

    /// Refuses fields that the kind cannot be selected by.
    pub(crate) fn check(&self, resource: &Resource) -> Result<(), ApiError> {
        let known = resource.selectable_fields();
        match self.fields.terms().iter().find(|t| !known.contains(&t.path)) {
            None => Ok(()),
            Some(term) => Err(ApiError::bad_request(resource.unselectable(&term.path))),
        }
    }
}

/// A field as text; an absent one is empty.
fn field(object: &Value, path: &str) -> String {
    let found = path.split('.').try_fold(object, |value, key| value.get(key));
    match found {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => absent(path).to_owned(),
        Some(other) => other.to_string(),
    }
}

/// What Go's zero value of a field looks like, where it is not the empty string.
fn absent(path: &str) -> &'static str {
    match path {
        "spec.unschedulable" | "spec.hostNetwork" => "false",
        "status.replicas" | "status.successful" => "0",
        _ => "",
    }
}

/// Parameters of a list.
#[derive(Debug, Clone)]
pub(crate) struct ListQuery {
    pub(crate) selection: Selection,
    /// 0 for no limit.
    pub(crate) limit: usize,
    pub(crate) continue_: Option<String>,
    pub(crate) revision: Revision,
}

/// Which state a list should show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Revision {
    /// The newest, or any.
    #[default]
    Newest,
    NotOlderThan(u64),
    Exact(u64),
}

/// The answer.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) objects: Vec<Arc<Object>>,
    pub(crate) revision: u64,
    pub(crate) continue_: Option<String>,
    pub(crate) remaining: Option<usize>,
}

/// What a `continue` token says: the same form as the real server's.
#[derive(Debug, Serialize, Deserialize)]
struct Token {
    v: String,
    rv: u64,
    start: String,
}

impl Revision {
    /// From `resourceVersion` and `resourceVersionMatch`.
    pub(crate) fn parse(
        version: Option<&str>,
        matching: Option<&str>,
        limited: bool,
    ) -> Result<Self, ApiError> {
        let Some(text) = version else {
            return match matching {
                None => Ok(Revision::Newest),
                Some(_) => Err(options_refused(
                    "resourceVersionMatch is forbidden unless resourceVersion is provided",
                )),
            };
        };
        let number: u64 = text.parse().map_err(|_| {
            ApiError::bad_request(format!("invalid resource version: resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"))
        })?;
        match (number, matching) {
            (0, Some("Exact")) => {
                Err(options_refused("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""))
            }
            (0, _) => Ok(Revision::Newest),
            (number, Some("Exact")) => Ok(Revision::Exact(number)),
            (number, None) if limited => Ok(Revision::Exact(number)),
            (number, None | Some("NotOlderThan")) => Ok(Revision::NotOlderThan(number)),
            (_, Some(_)) => Err(match_refused(matching.unwrap_or_default())),
        }
    }
}

fn options_refused(why: &str) -> ApiError {
    ApiError::invalid_options("ListOptions", &[Cause::forbidden("resourceVersionMatch", why)])
}

fn match_refused(found: &str) -> ApiError {
    let allowed = ["Exact".to_owned(), "NotOlderThan".to_owned(), String::new()];
    let cause = Cause::not_supported("resourceVersionMatch", &Value::from(found), &allowed);
    ApiError::invalid_options("ListOptions", &[cause])
}

impl Api {
    /// Waits until the store has reached a revision, or answers the 504 that clients know.
    pub(crate) async fn await_revision(&self, wanted: u64) -> Result<(), ApiError> {
        let mut changes = self.store.subscribe();
        let reached = changes.wait_for(|revision| *revision >= wanted);
        match tokio::time::timeout(WAIT_FOR_REVISION, reached).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(ApiError::version_too_large(wanted, self.store.revision())),
        }
    }

    /// One page of a list. The caller has waited for the revision.
    pub(crate) fn list(&self, resource: &Resource, query: &ListQuery) -> Result<Listed, ApiError> {
        query.selection.check(resource)?;
        let (snapshot, start) = self.page_source(resource, query)?;
        let selection = &query.selection;
        let rest = snapshot.objects.into_iter().skip_while(|(path, _)| *path < start);
        let mut matching = rest.filter(|(_, object)| selection.matches(resource, object));
        let limit = if query.limit == 0 { usize::MAX } else { query.limit };
        let objects: Vec<Arc<Object>> = matching.by_ref().take(limit).map(|(_, o)| o).collect();
        let next = matching.next();
        let remaining = next.is_some().then(|| 1 + matching.count());
        Ok(Listed {
            objects,
            revision: snapshot.revision,
            continue_: next.map(|(path, _)| token(snapshot.revision, path)),
            remaining: remaining.filter(|_| !selection.selects()),
        })
    }

    fn page_source(&self, resource: &Resource, query: &ListQuery) -> Result<(Snapshot, String), ApiError> {
        let namespace = query.selection.namespace.as_deref();
        let at = |revision| {
            self.store.snapshot_at(&resource.storage, namespace, revision).map_err(|_| too_old(revision))
        };
        if let Some(text) = &query.continue_ {
            let token = read_token(text)?;
            let snapshot = at(token.rv).map_err(|_| continue_expired())?;
            return Ok((snapshot, token.start));
        }
        let snapshot = match query.revision {
            Revision::Exact(revision) => at(revision)?,
            _ => self.store.snapshot(&resource.storage, namespace),
        };
        Ok((snapshot, String::new()))
    }
}

fn too_old(revision: u64) -> ApiError {
    ApiError::expired(format!("The resourceVersion for the provided list is too old: {revision}"))
}

fn continue_expired() -> ApiError {
    ApiError::expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.",
    )
}

fn token(rv: u64, start: String) -> String {
    let token = Token { v: "meta.k8s.io/v1".to_owned(), rv, start };
    BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap_or_default())
}

fn read_token(text: &str) -> Result<Token, ApiError> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok();
    let token = bytes.and_then(|b| serde_json::from_slice::<Token>(&b).ok());
    token.ok_or_else(|| {
        ApiError::bad_request(
            "invalid continue token: continue key is not valid: it is not one that this server gave out",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_follow_the_documented_table() {
        let parse = |v, m, l| Revision::parse(v, m, l);
        assert_eq!(parse(None, None, false), Ok(Revision::Newest));
        assert_eq!(parse(Some("0"), None, false), Ok(Revision::Newest));
        assert_eq!(parse(Some("7"), None, false), Ok(Revision::NotOlderThan(7)));
        assert_eq!(parse(Some("7"), None, true), Ok(Revision::Exact(7)));
        assert_eq!(parse(Some("7"), Some("Exact"), false), Ok(Revision::Exact(7)));
        assert_eq!(parse(Some("x"), None, false).unwrap_err().code, 400);
        assert_eq!(parse(Some("0"), Some("Exact"), false).unwrap_err().code, 422);
        assert_eq!(parse(None, Some("Exact"), false).unwrap_err().code, 422);
    }

    #[test]
    fn a_token_comes_back_as_it_was_given() {
        let text = token(42, "team/a".to_owned());
        let token = read_token(&text).unwrap();
        assert_eq!((token.rv, token.start.as_str()), (42, "team/a"));
        assert_eq!(read_token("rubbish!").unwrap_err().code, 400);
    }
}

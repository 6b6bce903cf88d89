//! `get` and `list`: from the cache where the kind is watched, else from the API server.
//!
//! Reads from the cache are allowed or refused by the same policy as requests; where the policy
//! allows children only, a list holds nothing else. A read answers within [`READ_TIMEOUT`].

use std::sync::Arc;

use http::Request;
use polyreme_runtime::wit::kubernetes::{ListQuery, Page, Source};
use polyreme_runtime::wit::types::{Error, Kind as WitKind, ObjectRef, Reason};
use polyreme_selector::{FieldSelector, LabelSelector};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{READ_TIMEOUT, ReconcileApi, access, bad_request, draft, error, request};
use crate::cache::state::State;
use crate::cache::{Answer, Cache, Resource};
use crate::explain;
use crate::field_path::FieldPath;
use crate::object::{Kind, Object, ObjectKey};
use crate::permissions::{Access, Part, Verb};

/// In the token of a page from the cache; no name holds it, nor does a token of the API server.
const TOKEN_SEPARATOR: char = '\0';

impl ReconcileApi {
    pub(super) async fn read_one(&self, object: ObjectRef, source: Source) -> Result<String, Error> {
        let (kind, key) = draft::reference(&object)?;
        let access = access(Verb::Get, &kind, &key, Part::Body, self.is_self(&kind, &key));
        let children_only = self.permitted("get", &access)?;
        let object = self.fetch(&kind, &key, source).await?;
        if children_only && !self.is_child(&object) {
            return Err(self.not_a_child("get", &kind, &key));
        }
        Ok(object.json.to_string())
    }

    /// An object from the cache, when it can be trusted to know, else from the API server.
    pub(super) async fn fetch(
        &self,
        kind: &Kind,
        key: &ObjectKey,
        source: Source,
    ) -> Result<Arc<Object>, Error> {
        let answer = if source == Source::Cache { self.shared.view.get(kind, key) } else { Answer::Unknown };
        if let Answer::Found(known) = answer {
            return Ok(known);
        }
        let resource = self.resource(kind).await?;
        Self::check_scope(kind, key, &resource)?;
        if let Answer::Absent = answer {
            return Err(not_found(&resource, key));
        }
        let text = self.ask(request::get(&resource, key)?).await?;
        let object = Object::parse(&text, kind).map_err(|e| unreadable(&e))?;
        self.shared.caches.observe_write(kind, &object);
        Ok(Arc::new(object))
    }

    pub(super) async fn read_many(&self, kind: WitKind, mut query: ListQuery) -> Result<Page, Error> {
        let kind = draft::checked_kind(&kind.api_version, &kind.kind)?;
        query.namespace = draft::checked_namespace(&kind, query.namespace)?;
        let namespace = query.namespace.as_deref();
        let access =
            Access { verb: Verb::List, kind: &kind, namespace, name: None, part: Part::Body, is_self: false };
        let children_only = self.permitted("list", &access)?;
        let selectors = Selectors::parse(&query)?;
        let cache = self.shared.view.covering(&kind, &selectors.labels);
        let Some(cache) = cache.filter(|_| query.source == Source::Cache) else {
            return self.list_live(&kind, &query, |object| !children_only || self.is_child(object)).await;
        };
        let begun_here = query.continue_.as_deref().is_none_or(|token| token.contains(TOKEN_SEPARATOR));
        match self.list_cached(&cache, &query, &selectors, children_only)? {
            Some(page) if begun_here => Ok(page),
            None if begun_here && query.continue_.is_some() => Err(moved_on()),
            _ => {
                let query = ListQuery { field_selector: selectors.fields_of_metadata(), ..query };
                let wanted =
                    |object: &Object| selectors.select(object) && (!children_only || self.is_child(object));
                self.list_live(&kind, &query, wanted).await
            }
        }
    }

    /// `None` when the cache does not hold all that is asked for.
    fn list_cached(
        &self,
        cache: &Cache,
        query: &ListQuery,
        selectors: &Selectors,
        children_only: bool,
    ) -> Result<Option<Page>, Error> {
        let candidates = if children_only {
            self.uid.as_deref().map_or_else(|| Some(Vec::new()), |uid| self.shared.view.children(cache, uid))
        } else {
            cache.read(|state| selectors.candidates(state))?
        };
        let Some(candidates) = candidates else { return Ok(None) };
        let namespace = query.namespace.as_deref();
        let in_namespace =
            |object: &Object| namespace.is_none_or(|n| object.key.namespace.as_deref() == Some(n));
        let last = query.continue_.as_deref().and_then(|token| token.split_once(TOKEN_SEPARATOR));
        let last = last.map(|(namespace, name)| ObjectKey::new(Some(namespace), name));
        let is_after = |object: &Object| last.as_ref().is_none_or(|last| object.key > *last);
        let selected =
            |object: &Arc<Object>| in_namespace(object) && is_after(object) && selectors.select(object);
        Ok(Some(page(candidates.into_iter().filter(selected).collect(), query)))
    }

    async fn list_live(
        &self,
        kind: &Kind,
        query: &ListQuery,
        wanted: impl Fn(&Object) -> bool,
    ) -> Result<Page, Error> {
        #[derive(Deserialize)]
        struct List<'a> {
            #[serde(borrow)]
            items: Vec<&'a RawValue>,
            #[serde(default)]
            metadata: Metadata,
        }
        #[derive(Default, Deserialize)]
        struct Metadata {
            #[serde(rename = "continue")]
            next: Option<String>,
        }
        let resource = self.resource(kind).await?;
        let text = self.ask(request::list(&resource, query)?).await?;
        let list: List<'_> = serde_json::from_str(&text).map_err(|e| unreadable(&e))?;
        let mut items = Vec::with_capacity(list.items.len());
        for item in list.items {
            let object = Object::parse(item.get(), kind).map_err(|e| unreadable(&e))?;
            if wanted(&object) {
                items.push(object.json.into_string());
            }
        }
        Ok(Page { items, continue_: list.metadata.next.filter(|next| !next.is_empty()) })
    }

    async fn ask(&self, request: Request<Vec<u8>>) -> Result<String, Error> {
        let _place = self.shared.requests.admit().await;
        match tokio::time::timeout(READ_TIMEOUT, self.shared.client.request_text(request)).await {
            Ok(answer) => answer.map_err(|failure| error::to_guest(&failure)),
            Err(_) => Err(Error::new(Reason::Timeout, "the API server did not answer within 30 s")),
        }
    }
}

/// The first page of a selection. The token is the key of the last item.
fn page(mut selected: Vec<Arc<Object>>, query: &ListQuery) -> Page {
    let limit = if query.limit == 0 { usize::MAX } else { query.limit as usize };
    let more = selected.len() > limit;
    if more {
        // A page costs what it looks at, and sorts no more than it holds.
        selected.select_nth_unstable_by(limit, |a, b| a.key.cmp(&b.key));
        selected.truncate(limit);
    }
    selected.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    Page {
        continue_: selected.last().filter(|_| more).map(|object| token_of(object)),
        items: selected.iter().map(|object| object.json.to_string()).collect(),
    }
}

fn token_of(object: &Object) -> String {
    format!("{}{TOKEN_SEPARATOR}{}", object.key.namespace.as_deref().unwrap_or_default(), object.key.name)
}

struct Selectors {
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Selectors {
    fn parse(query: &ListQuery) -> Result<Self, Error> {
        let wrong = |error: polyreme_selector::SelectorError| bad_request(error.to_string());
        Ok(Self {
            labels: LabelSelector::parse(&query.label_selector).map_err(wrong)?,
            fields: FieldSelector::parse(&query.field_selector).map_err(wrong)?,
        })
    }

    /// Objects that may be selected: from an index when one fits, else all; `None` when some of the kind
    /// are not kept.
    fn candidates(&self, state: &State) -> Result<Option<Vec<Arc<Object>>>, Error> {
        let mut narrowed = None;
        for term in self.fields.terms().iter().filter(|term| !is_metadata(&term.path)) {
            let path = FieldPath::parse(&term.path).map_err(bad_request)?;
            let found = state.with_field(&path, &term.value).ok_or_else(|| no_index(&term.path))?;
            if term.equal && narrowed.is_none() {
                narrowed = Some(found.filter_map(|key| state.get(key).cloned()).collect());
            }
        }
        let all = || state.objects().cloned().collect();
        Ok((!state.is_partial()).then(|| narrowed.unwrap_or_else(all)))
    }

    /// The terms that every API server knows; the others are indexes of the cache.
    fn fields_of_metadata(&self) -> String {
        let known = self.fields.terms().iter().filter(|term| is_metadata(&term.path));
        let terms =
            known.map(|term| format!("{}{}{}", term.path, if term.equal { "=" } else { "!=" }, term.value));
        terms.collect::<Vec<_>>().join(",")
    }

    fn select(&self, object: &Object) -> bool {
        self.labels.matches(|key| object.label(key))
            && self.fields.terms().iter().all(|term| holds(term, object))
    }
}

fn is_metadata(path: &str) -> bool {
    path == "metadata.name" || path == "metadata.namespace"
}

fn holds(term: &polyreme_selector::FieldTerm, object: &Object) -> bool {
    let equals = match term.path.as_str() {
        "metadata.name" => *object.key.name == *term.value,
        "metadata.namespace" => object.key.namespace.as_deref().unwrap_or_default() == term.value,
        path => FieldPath::parse(path).is_ok_and(|path| {
            let values = path.values(&object.json);
            values.iter().any(|value| **value == *term.value) || (values.is_empty() && term.value.is_empty())
        }),
    };
    equals == term.equal
}

fn moved_on() -> Error {
    let message = "the host does not hold all objects of the kind any more: list from the beginning";
    Error::new(Reason::Gone, message)
}

fn no_index(path: &str) -> Error {
    bad_request(format!(
        "there is no index on {path}: add it to describe's indexes (for the primary kind), or read with source live"
    ))
}

fn not_found(resource: &Resource, key: &ObjectKey) -> Error {
    let dot = if resource.api.group.is_empty() { "" } else { "." };
    let message = format!("{}{dot}{} \"{}\" not found", resource.api.plural, resource.api.group, key.name);
    Error::new(Reason::NotFound, message)
}

fn unreadable(failure: &(dyn std::error::Error + 'static)) -> Error {
    Error::new(Reason::Other, format!("failed to read the API server's answer: {}", explain::chain(failure)))
}
